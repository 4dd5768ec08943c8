"""The life of a link, the spelling of a mailbox."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.verification_mail.links import (
    LIFE,
    TOKEN_OCTETS,
    Link,
    LinkEvent,
    LinkState,
    after,
    is_token,
    mailbox_of,
    make_token,
    state_of,
    token_hash,
)

NOW = 1_795_000_000_000


@given(st.binary(min_size=TOKEN_OCTETS, max_size=TOKEN_OCTETS))
def test_a_token_is_one_segment_of_a_path(randomness: bytes) -> None:
    """Every 256 bits spell a token of 43 characters that need no encoding anywhere."""
    token = make_token(randomness)

    assert is_token(token)
    assert len(token) == 43
    assert len(token_hash(token)) == 32


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=2, unique=True))
def test_tokens_keep_all_of_their_randomness(two: list[bytes]) -> None:
    """Two different sets of random octets never spell the same token, nor the same hash."""
    one, other = map(make_token, two)

    assert one != other
    assert token_hash(one) != token_hash(other)


@pytest.mark.parametrize("octets", [b"", bytes(31), bytes(33)])
def test_a_token_is_made_of_256_bits(octets: bytes) -> None:
    """Less randomness, or more, makes no token."""
    with pytest.raises(ValueError, match="32 random octets"):
        make_token(octets)


@pytest.mark.parametrize(
    "text", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "\n", "A" * 42 + "ä", "../x"]
)
def test_what_cannot_be_a_token_is_told_from_it(text: str) -> None:
    """Other lengths and other characters are no token, a line break at the end included."""
    assert not is_token(text)


def test_only_an_issued_link_confirms() -> None:
    """Of all states one leads to USED, by one event; and none leads out of it."""
    assert [key for key, to in LIFE.items() if to is LinkState.USED] == [
        (LinkState.ISSUED, LinkEvent.CONFIRM)
    ]
    assert all(after(LinkState.USED, event) is None for event in LinkEvent)
    assert all(after(LinkState.UNKNOWN, event) is None for event in LinkEvent)


@pytest.mark.parametrize(
    ("link", "state"),
    [
        (None, LinkState.UNKNOWN),
        (Link(NOW + 1, None, newest=True, stopped=False), LinkState.ISSUED),
        (Link(NOW, None, newest=True, stopped=False), LinkState.EXPIRED),
        (Link(NOW - 1, None, newest=True, stopped=False), LinkState.EXPIRED),
        (Link(NOW + 1, None, newest=False, stopped=False), LinkState.SUPERSEDED),
        (Link(NOW - 1, None, newest=False, stopped=False), LinkState.SUPERSEDED),
        (Link(NOW + 1, None, newest=True, stopped=True), LinkState.STOPPED),
        (Link(NOW - 1, None, newest=False, stopped=True), LinkState.STOPPED),
        (Link(NOW + 1, NOW - 5, newest=True, stopped=False), LinkState.USED),
        (Link(NOW - 1, NOW - 5, newest=False, stopped=True), LinkState.USED),
    ],
)
def test_the_state_of_a_link(link: Link | None, state: LinkState) -> None:
    """A link ends at the very instant it expires; what was used stays used whatever comes later."""
    assert state_of(link, NOW) is state


def test_a_link_is_issued_in_one_case_only() -> None:
    """Of all combinations of what can have happened, a link works only when nothing has."""
    working = [
        combination
        for combination in itertools.product([NOW + 1, NOW], [None, NOW - 1], [True, False], [True, False])
        if state_of(Link(combination[0], combination[1], newest=combination[2], stopped=combination[3]), NOW)
        is LinkState.ISSUED
    ]

    assert working == [(NOW + 1, None, True, False)]


@pytest.mark.parametrize(
    "address",
    [
        "victim@example.com",
        "Victim@Example.COM",
        "victim+a@example.com",
        "VICTIM+b+c@example.com",
        '"victim"@example.com',
        r'"v\ictim"@example.com',
        '"victim+x"@example.com',
    ],
)
def test_every_spelling_of_a_mailbox_counts_as_one(address: str) -> None:
    """Labels, case and quotes do not make another mailbox, so they do not get around a cap."""
    assert mailbox_of(address) == "victim@example.com"


def test_different_mailboxes_stay_different() -> None:
    """A label at the very beginning names the mailbox; dots and domains count."""
    assert mailbox_of("+tag@example.com") == "+tag@example.com"
    assert mailbox_of("a.b@example.com") != mailbox_of("ab@example.com")
    assert mailbox_of("a@example.com") != mailbox_of("a@example.net")
