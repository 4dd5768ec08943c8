"""What is there already and is put again: nothing changes, until its search has failed and begins anew.

A deployment script puts everything at every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from desk import Desk
from own_keys import OWN, OWN_KEY_TEXT

from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import HOUR
from indicia.store.dkim import keys
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

NAME = "example.com"
SIGNING = "PutEmailIdentityDkimSigningAttributes"
REPLICA = DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES_US_EAST_1")


@dataclass(frozen=True)
class Again:
    """What is there, the call that puts it again, and the facet that it is about."""

    created: dict[str, Any] | None
    operation: str
    members: dict[str, Any]
    facet: Facet = Facet.DKIM


def put(**members: Any) -> dict[str, Any]:
    """The members of a call about the identity's DKIM."""
    return {"EmailIdentity": NAME, **members}


def own(selector: str) -> DkimSigningAttributes:
    """The same key under a selector."""
    return DkimSigningAttributes(DomainSigningSelector=selector, DomainSigningPrivateKey=OWN_KEY_TEXT)


EASY: dict[str, Any] = {}
PUT_AGAIN = {
    "Easy DKIM": Again(EASY, SIGNING, put(SigningAttributesOrigin="AWS_SES")),
    "an own key": Again(
        {"DkimSigningAttributes": OWN},
        SIGNING,
        put(SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN),
    ),
    "an own key, its selector in capitals": Again(
        {"DkimSigningAttributes": OWN},
        SIGNING,
        put(SigningAttributesOrigin="EXTERNAL", SigningAttributes=own("MAIL-2026")),
    ),
    "a replica": Again(
        {"DkimSigningAttributes": REPLICA}, SIGNING, put(SigningAttributesOrigin="AWS_SES_US_EAST_1")
    ),
    "Easy DKIM by v1": Again(EASY, "VerifyDomainDkim", {"Domain": NAME}),
    "the legacy record": Again(None, "VerifyDomainIdentity", {"Domain": NAME}, Facet.OWNERSHIP),
    "MAIL FROM": Again(
        EASY,
        "PutEmailIdentityMailFromAttributes",
        put(MailFromDomain="bounce.example.com"),
        Facet.MAIL_FROM,
    ),
    "MAIL FROM by v1": Again(
        EASY,
        "SetIdentityMailFromDomain",
        {"Identity": NAME, "MailFromDomain": "bounce.example.com"},
        Facet.MAIL_FROM,
    ),
}
every = pytest.mark.parametrize("again", PUT_AGAIN.values(), ids=PUT_AGAIN)


def set_up(desk: Desk, again: Again, status: Status) -> None:
    """Let it be there, proved as far as the status says, for a while."""
    desk.beside(region="us-east-1").ask("CreateEmailIdentity", EmailIdentity=NAME)
    if again.created is not None:
        desk.ask("CreateEmailIdentity", EmailIdentity=NAME, **again.created)
    if again.facet is not Facet.DKIM:
        desk.ask(again.operation, **again.members)
    desk.find(NAME, again.facet, status)
    desk.now += HOUR
    desk.hints.woken.clear()


@every
@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS, Status.TEMPORARY_FAILURE])
def test_what_is_there_stays_as_it_is(desk: Desk, again: Again, status: Status) -> None:
    """Status, window, tokens, key, generation and due time: nothing moves, and nobody looks for it."""
    set_up(desk, again, status)
    before = desk.view(NAME)

    desk.ask(again.operation, **again.members)

    assert desk.view(NAME) == before
    assert desk.hints.woken == []


@every
def test_what_has_failed_begins_anew_with_the_same(desk: Desk, again: Again) -> None:
    """PENDING with a whole window and a new generation; what is to be published is what was to be."""
    set_up(desk, again, Status.FAILED)
    before = desk.view(NAME)

    desk.ask(again.operation, **again.members)

    after = desk.view(NAME)
    state = after.facets[again.facet]
    assert (state.status, state.deadline) == (Status.PENDING, desk.now + 72 * HOUR)
    assert state.generation == after.identity.generation == before.identity.generation + 1
    assert after.token_set == before.token_set
    assert desk.hints.woken == ["engine"]


def test_an_own_key_that_is_put_again_signs_on(desk: Desk) -> None:
    """The private half stays where it is, also where the search for its record begins anew."""
    again = PUT_AGAIN["an own key"]
    set_up(desk, again, Status.FAILED)
    token_set = desk.view(NAME).token_set
    assert token_set is not None
    before = desk.read(lambda s: keys.published(s, token_set.id))

    desk.ask(again.operation, **again.members)

    assert desk.read(lambda s: keys.published(s, token_set.id)) == before
    assert before[0].private_key
