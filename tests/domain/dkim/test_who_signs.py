"""Which key may sign, and why another may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from indicia.domain.dkim.key_record import der_element
from indicia.domain.dkim.rotation import KeyLife
from indicia.domain.dkim.signing import Unsigned, refusal
from indicia.domain.identities.identity import Facet, FacetState, Status
from indicia.domain.time import DAY, HOUR

NOW = 1_800_000_000_000
PROVED = FacetState(Facet.DKIM, Status.SUCCESS, 1, since=NOW - DAY)
GRACE = replace(PROVED, status=Status.TEMPORARY_FAILURE)
CHANGED = replace(PROVED, status=Status.PENDING, since=NOW - HOUR)
CARRIED = replace(PROVED, facet=Facet.CARRIED_DKIM)
SIGNING = KeyLife(1, 0, 2048, NOW - 3 * DAY, seen_at=NOW - 2 * DAY, signing_at=NOW - 2 * DAY)
LOST = replace(SIGNING, absent_since=NOW - HOUR, lost_at=NOW)


@pytest.mark.parametrize(
    ("state", "key", "carried", "why"),
    [
        (PROVED, SIGNING, None, None),
        (GRACE, SIGNING, None, None),
        (None, SIGNING, None, Unsigned.NO_DKIM),
        (CHANGED, SIGNING, None, Unsigned.NOT_VERIFIED),
        (CHANGED, SIGNING, CARRIED, None),
        (CHANGED, SIGNING, replace(CARRIED, status=Status.TEMPORARY_FAILURE), None),
        (CHANGED, SIGNING, replace(CARRIED, status=Status.FAILED), Unsigned.NOT_VERIFIED),
        # What signs only since the change was never proved by what is carried.
        (CHANGED, replace(SIGNING, signing_at=NOW - HOUR), CARRIED, Unsigned.NOT_VERIFIED),
        (CHANGED, replace(SIGNING, signing_at=NOW - HOUR - 1), CARRIED, None),
        (PROVED, None, None, Unsigned.NO_KEY),
        (PROVED, replace(SIGNING, signing_at=None), None, Unsigned.NO_KEY),
        (PROVED, replace(SIGNING, retired_at=NOW), None, Unsigned.NO_KEY),
        (PROVED, LOST, None, Unsigned.NOT_VISIBLE),
        (GRACE, LOST, None, Unsigned.NOT_VISIBLE),
    ],
)
def test_why_a_key_may_not_sign(
    state: FacetState | None, key: KeyLife | None, carried: FacetState | None, why: Unsigned | None
) -> None:
    """The proof first, then the key; and whatever they are, nothing signs that was switched off."""
    assert refusal(state, key, enabled=True, carried=carried) is why
    off = Unsigned.NO_DKIM if state is None else Unsigned.SWITCHED_OFF
    assert refusal(state, key, enabled=False, carried=carried) is off


@pytest.mark.parametrize(
    ("life", "awaited"),
    [
        (replace(SIGNING, seen_at=None, signing_at=None), True),
        (replace(SIGNING, signing_at=None), False),
        (SIGNING, False),
        (replace(SIGNING, absent_since=NOW), True),
        (LOST, True),
        (replace(LOST, retired_at=NOW), False),
        (replace(LOST, retired_at=NOW, withdrawn_at=NOW), False),
    ],
)
def test_which_keys_are_awaited(life: KeyLife, awaited: bool) -> None:
    """One that was not seen yet, or not last time, as long as it is not retired."""
    assert life.awaited is awaited


@pytest.mark.parametrize(
    "der",
    [b"\x30\x05abcd", b"\x30\x81", b"\x30\x82\x01", b"\x30\x81\x05abcd", b"\x30\x85\0\0\0\0\x01a", b"\x30"],
)
def test_an_element_that_does_not_end_is_none(der: bytes) -> None:
    """Cut in its length or in its content, or with a length of more octets than a key can have."""
    with pytest.raises(ValueError):
        der_element(der, 0x30)
    assert der_element(b"\x30\x81\x03abcd", 0x30) == (b"abc", b"d")
