"""The four v1 calls that ask for a proof: what they begin, and what a repeat does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desk import SERVICE_DOMAIN, T0, ZONE, Desk
from own_keys import OWN

from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import DAY, HOUR
from indicia.store.dkim import keys


def test_a_new_domain_is_searched_for_its_txt_record_alone(desk: Desk) -> None:
    """VerifyDomainIdentity begins the legacy search; DKIM is not set up by it."""
    token = desk.ask("VerifyDomainIdentity", Domain="Example.COM").VerificationToken

    view = desk.view("example.com")
    assert (token, view.identity.legacy_requested) == (view.identity.legacy_token, True)
    assert len(token) == 44
    assert view.token_set is None
    assert {facet: state.status for facet, state in view.facets.items()} == {Facet.OWNERSHIP: Status.PENDING}
    assert view.facets[Facet.OWNERSHIP].deadline == T0 + 72 * HOUR
    assert view.due_at == T0


def test_a_repeat_answers_the_same_token_and_changes_nothing(desk: Desk) -> None:
    """While the search goes on, or has succeeded, a repeat leaves state and window alone."""
    first = desk.ask("VerifyDomainIdentity", Domain="example.com")
    before = desk.view("example.com")
    desk.now += HOUR

    assert desk.ask("VerifyDomainIdentity", Domain="example.com") == first
    assert desk.view("example.com") == before

    desk.find("example.com", Facet.OWNERSHIP, Status.SUCCESS)
    before = desk.view("example.com")
    assert desk.ask("VerifyDomainIdentity", Domain="example.com") == first
    assert desk.view("example.com") == before


def test_a_failed_search_begins_anew(desk: Desk) -> None:
    """After FAILED a repeat is a new request: same token, whole window, older evidence void, due at once."""
    token = desk.ask("VerifyDomainIdentity", Domain="example.com").VerificationToken
    desk.find("example.com", Facet.OWNERSHIP, Status.FAILED)
    generation = desk.view("example.com").identity.generation
    desk.now += 80 * HOUR

    assert desk.ask("VerifyDomainIdentity", Domain="example.com").VerificationToken == token

    view = desk.view("example.com")
    state = view.facets[Facet.OWNERSHIP]
    assert (state.status, state.deadline) == (Status.PENDING, desk.now + 72 * HOUR)
    assert state.generation == view.identity.generation == generation + 1
    assert view.due_at == desk.now


def test_asking_for_the_txt_record_of_an_easy_dkim_domain_adds_a_proof(desk: Desk) -> None:
    """A v2 domain gets the legacy facet beside its DKIM, with the token it has had from its creation."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    token = desk.view("example.com").identity.legacy_token

    assert desk.ask("VerifyDomainIdentity", Domain="example.com").VerificationToken == token
    assert set(desk.view("example.com").facets) == {Facet.DKIM, Facet.OWNERSHIP}


def test_dkim_of_a_new_domain(desk: Desk) -> None:
    """VerifyDomainDkim registers the domain too; its tokens are those that v2 shows."""
    tokens = desk.ask("VerifyDomainDkim", Domain="example.com").DkimTokens

    assert len(tokens) == 3
    assert desk.ask("GetEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens == tokens
    assert set(desk.view("example.com").facets) == {Facet.DKIM}


def test_dkim_of_a_domain_that_had_none(desk: Desk) -> None:
    """After VerifyDomainIdentity, VerifyDomainDkim issues tokens and begins their search."""
    desk.ask("VerifyDomainIdentity", Domain="example.com")
    public = desk.stock(2048)

    tokens = desk.ask("VerifyDomainDkim", Domain="example.com").DkimTokens

    view = desk.view("example.com")
    assert view.facets[Facet.DKIM].status is Status.PENDING
    assert view.facets[Facet.DKIM].generation == view.identity.generation == 2
    assert desk.read(lambda s: keys.lookup(s, ZONE, tokens[0])) == public


def test_dkim_tokens_are_stable_and_a_failed_search_begins_anew(desk: Desk) -> None:
    """Every repeat answers the same tokens; after FAILED it is a new search for them."""
    tokens = desk.ask("VerifyDomainDkim", Domain="example.com").DkimTokens
    before = desk.view("example.com")
    assert desk.ask("VerifyDomainDkim", Domain="example.com").DkimTokens == tokens
    assert desk.view("example.com") == before

    desk.find("example.com", Facet.DKIM, Status.FAILED)
    assert desk.ask("VerifyDomainDkim", Domain="example.com").DkimTokens == tokens
    assert desk.view("example.com").facets[Facet.DKIM].status is Status.PENDING


def test_dkim_by_v1_does_not_take_an_own_key_away(desk: Desk) -> None:
    """A domain that brings its own key keeps it, and the refusal names what would change that."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=OWN)

    fault = desk.refused("VerifyDomainDkim", Domain="example.com")

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert "PutEmailIdentityDkimSigningAttributes" in fault.message
    assert desk.view("example.com").token_set.tokens == ("mail-2026",)  # type: ignore[union-attr]


@pytest.mark.parametrize("operation", ["VerifyDomainIdentity", "VerifyDomainDkim"])
@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("foo.example.com.", "Invalid domain name foo.example.com.."),
        ("ann@example.com", "Invalid domain name ann@example.com."),
        ("", "Invalid domain name ."),
        ("a\x00b.com", "Invalid domain name a\x00b.com."),
        (
            SERVICE_DOMAIN,
            f"Invalid domain name {SERVICE_DOMAIN}. It belongs to this service ({SERVICE_DOMAIN}).",
        ),
    ],
)
def test_a_malformed_domain_is_refused(desk: Desk, operation: str, domain: str, message: str) -> None:
    """The recorded sentence, with a period of its own after the name."""
    fault = desk.refused(operation, Domain=domain)
    assert (fault.kind, fault.message) == (FaultKind.INVALID_PARAMETER, message)


def test_an_unlisted_ending_is_no_public_suffix(desk: Desk) -> None:
    """`example.test` can be verified though nobody has registered `.test`."""
    assert desk.ask("VerifyDomainIdentity", Domain="example.test").VerificationToken


@pytest.mark.parametrize("operation", ["VerifyEmailIdentity", "VerifyEmailAddress"])
def test_an_address_is_written_to(desk: Desk, operation: str) -> None:
    """Both spellings of the call register the address and send a link that works for a day."""
    desk.ask(operation, EmailAddress="Ann@example.com")

    view = desk.view("Ann@example.com")
    assert (view.facets[Facet.LINK].status, view.facets[Facet.LINK].deadline) == (Status.PENDING, T0 + DAY)
    assert "outbox" in desk.hints.woken


@pytest.mark.parametrize("found", [Status.PENDING, Status.FAILED])
def test_a_repeat_sends_a_fresh_link_with_a_whole_day(desk: Desk, found: Status) -> None:
    """While the link is awaited, or its day is over, a repeat begins a new day."""
    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")
    desk.find("ann@example.com", Facet.LINK, found)
    desk.now += 20 * HOUR
    desk.hints.woken.clear()

    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")

    state = desk.view("ann@example.com").facets[Facet.LINK]
    assert (state.status, state.deadline) == (Status.PENDING, desk.now + DAY)
    assert "outbox" in desk.hints.woken


def test_a_verified_address_stays_verified(desk: Desk) -> None:
    """A repeat on a verified address sends a link and touches no state."""
    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")
    desk.find("ann@example.com", Facet.LINK, Status.SUCCESS)
    before = desk.view("ann@example.com")
    desk.hints.woken.clear()

    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")

    assert desk.view("ann@example.com") == before
    assert desk.hints.woken == ["outbox"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "Email address not specified."),
        ("example.com", "Invalid email address<example.com>."),
        ("a@b@c", "Invalid email address<a@b@c>."),
        ("ann @example.com", "Invalid email address<ann @example.com>."),
        ("änn@example.com", "Invalid email address<änn@example.com>."),
        ("ann@example.com\r\nBcc: x@y.z", "Invalid email address<ann@example.com\r\nBcc: x@y.z>."),
    ],
)
def test_a_malformed_address_is_refused(desk: Desk, address: str, message: str) -> None:
    """The probed sentences: literal brackets, no space before them."""
    fault = desk.refused("VerifyEmailIdentity", EmailAddress=address)
    assert (fault.kind, fault.message) == (FaultKind.INVALID_PARAMETER, message)
    assert desk.ask("ListIdentities").Identities == []


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("VerifyDomainIdentity", {"Domain": "example.com"}),
        ("VerifyDomainDkim", {"Domain": "example.com"}),
        ("VerifyEmailIdentity", {"EmailAddress": "ann@example.com"}),
    ],
)
def test_callers_at_once_all_succeed(desk: Desk, operation: str, members: dict[str, str]) -> None:
    """These calls document no race: whoever comes second gets the answer of the first."""

    async def race() -> list[Any]:
        return await asyncio.gather(*(desk.asking(operation, **members) for _ in range(6)))

    answers = asyncio.run(race())

    assert all(answer == answers[0] for answer in answers)
    assert desk.ask("ListIdentities").Identities == list(members.values())
