"""Setting MAIL FROM: what begins, what is kept, what is forgotten; for domains and for addresses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from correspondence import send_link
from desk import T0, Desk

from indicia.domain.identities.identity import Facet, MxFailureBehavior, Status
from indicia.domain.time import DAY, HOUR
from indicia.domain.verification_mail.links import make_token, token_hash
from indicia.links.link_service import use_link
from indicia.store.verification_mail import links

PUT = "PutEmailIdentityMailFromAttributes"


def registered(desk: Desk, name: str, status: Status) -> None:
    """An identity whose own proof has this status, with nothing due."""
    desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find(name, Facet.LINK if "@" in name else Facet.DKIM, status)
    desk.hints.woken.clear()


@pytest.mark.parametrize("name", ["example.com", "ann@example.com"])
@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS, Status.FAILED])
def test_it_is_looked_for_from_now_on(desk: Desk, name: str, status: Status) -> None:
    """PENDING with its whole window, due at once, in a new generation; the identity's own proof stays."""
    registered(desk, name, status)
    own = Facet.LINK if "@" in name else Facet.DKIM
    before = desk.view(name)
    desk.now += HOUR

    desk.ask(PUT, EmailIdentity=name, MailFromDomain="bounce.example.com")

    view = desk.view(name)
    state = view.facets[Facet.MAIL_FROM]
    assert (state.status, state.since, state.deadline) == (Status.PENDING, desk.now, desk.now + 72 * HOUR)
    assert state.generation == view.identity.generation == before.identity.generation + 1
    assert view.facets[own] == before.facets[own]
    assert (view.due_at, desk.hints.woken) == (desk.now, ["engine"])
    assert view.identity.mail_from_behavior is MxFailureBehavior.USE_DEFAULT_VALUE
    (claim,) = desk.claims()
    assert claim.facets[Facet.MAIL_FROM] == state


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS, Status.TEMPORARY_FAILURE])
@pytest.mark.parametrize("text", ["bounce.example.com", "BOUNCE.example.com"])
def test_the_same_again_keeps_what_is_there(desk: Desk, status: Status, text: str) -> None:
    """Window, status and generation stay; a new behaviour is taken and nothing else."""
    registered(desk, "example.com", Status.SUCCESS)
    desk.ask(PUT, EmailIdentity="example.com", MailFromDomain="bounce.example.com")
    desk.find("example.com", Facet.MAIL_FROM, status)
    before = desk.view("example.com")
    desk.now += HOUR
    desk.hints.woken.clear()

    desk.ask(PUT, EmailIdentity="example.com", MailFromDomain=text)
    assert desk.view("example.com") == before

    desk.ask(PUT, EmailIdentity="example.com", MailFromDomain=text, BehaviorOnMxFailure="REJECT_MESSAGE")
    after = desk.view("example.com")
    assert after.identity.mail_from_behavior is MxFailureBehavior.REJECT_MESSAGE
    assert after.identity.generation == before.identity.generation
    assert (after.facets, after.due_at, desk.hints.woken) == (before.facets, before.due_at, [])


def test_set_again_after_failure_it_begins_anew(desk: Desk) -> None:
    """FAILED stops looking; the same domain again is a new start (spec 3.5)."""
    registered(desk, "example.com", Status.SUCCESS)
    desk.ask(PUT, EmailIdentity="example.com", MailFromDomain="bounce.example.com")
    desk.find("example.com", Facet.MAIL_FROM, Status.FAILED)
    generation = desk.view("example.com").identity.generation
    desk.now += 80 * HOUR

    desk.ask("SetIdentityMailFromDomain", Identity="example.com", MailFromDomain="bounce.example.com")

    view = desk.view("example.com")
    state = view.facets[Facet.MAIL_FROM]
    assert (state.status, state.deadline) == (Status.PENDING, desk.now + 72 * HOUR)
    assert state.generation == view.identity.generation == generation + 1
    assert view.due_at == desk.now


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.TEMPORARY_FAILURE])
def test_another_domain_has_proved_nothing_yet(desk: Desk, status: Status) -> None:
    """What was proved of the first domain is not carried over to the second."""
    registered(desk, "example.com", Status.SUCCESS)
    desk.ask(PUT, EmailIdentity="example.com", MailFromDomain="bounce.example.com")
    desk.find("example.com", Facet.MAIL_FROM, status)

    desk.ask(PUT, EmailIdentity="example.com", MailFromDomain="other.example.com")

    state = desk.view("example.com").facets[Facet.MAIL_FROM]
    assert (state.status, state.deadline) == (Status.PENDING, desk.now + 72 * HOUR)
    assert desk.view("example.com").carried is None


@pytest.mark.parametrize("cleared", [None, ""])
@pytest.mark.parametrize("operation", [PUT, "SetIdentityMailFromDomain"])
def test_without_a_domain_it_is_forgotten(desk: Desk, operation: str, cleared: str | None) -> None:
    """Null and the empty text clear: no facet, no domain, the default behaviour; old evidence is void."""
    registered(desk, "example.com", Status.SUCCESS)
    desk.ask(
        PUT,
        EmailIdentity="example.com",
        MailFromDomain="bounce.example.com",
        BehaviorOnMxFailure="REJECT_MESSAGE",
    )
    generation = desk.view("example.com").identity.generation
    subject = {"EmailIdentity" if operation == PUT else "Identity": "example.com"}

    desk.ask(operation, **subject, MailFromDomain=cleared)

    view = desk.view("example.com")
    assert (view.identity.mail_from_domain, set(view.facets)) == ("", {Facet.DKIM})
    assert view.identity.mail_from_behavior is MxFailureBehavior.USE_DEFAULT_VALUE
    assert view.identity.generation == generation + 1

    desk.ask(operation, **subject, MailFromDomain=cleared)
    assert desk.view("example.com") == view


def test_a_link_on_its_way_still_works(desk: Desk) -> None:
    """A new generation of what is to be published ends no link: a link proves the address, not a record."""
    registered(desk, "ann@example.com", Status.PENDING)
    identity = desk.view("ann@example.com").identity
    tokens: list[bytes] = []
    mails = desk.house.ports.mails

    def noted(octets: int) -> bytes:
        tokens.append(b"\x07" * octets)
        return tokens[-1]

    desk.database.write(lambda s: send_link(s, identity, desk.now, replace(mails, random=noted)))
    desk.ask(PUT, EmailIdentity="ann@example.com", MailFromDomain="bounce.example.com")

    digest = token_hash(make_token(tokens[0]))
    assert desk.read(lambda s: links.find(s, digest)) is not None
    assert desk.database.write(lambda s: use_link(s, digest, desk.now + HOUR)).changed
    assert desk.view("ann@example.com").facets[Facet.LINK].status is Status.SUCCESS


def test_an_address_has_records_of_its_own_now(desk: Desk) -> None:
    """What is to be published for an address is its MX and the SPF beside it, and nothing else."""
    registered(desk, "ann@example.com", Status.SUCCESS)
    assert desk.ask("GetIdentityRecords", name="ann@example.com").records == []

    desk.ask(PUT, EmailIdentity="ann@example.com", MailFromDomain="bounce.example.com")

    records = desk.ask("GetIdentityRecords", name="ann@example.com").records
    assert [(record.facet, record.name, record.type, record.required) for record in records] == [
        ("mail_from", "bounce.example.com", "MX", True),
        ("mail_from", "bounce.example.com", "TXT", False),
    ]
    assert records[0].value == "10 feedback-smtp.eu-west-1.mail.example.org"


def test_the_window_of_a_link_is_not_touched(desk: Desk) -> None:
    """An address that waits for its link waits as long as before."""
    registered(desk, "ann@example.com", Status.PENDING)
    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")
    desk.now += HOUR
    desk.ask(PUT, EmailIdentity="ann@example.com", MailFromDomain="bounce.example.com")
    assert desk.view("ann@example.com").facets[Facet.LINK].deadline == T0 + DAY


def test_clearing_needs_no_identity_in_v1(desk: Desk) -> None:
    """Stacks are taken down in any order; of an identity that is gone nothing is left. v2 refuses."""
    for cleared in ({}, {"MailFromDomain": ""}, {"BehaviorOnMXFailure": "RejectMessage"}):
        for gone in ("gone.example", "Gone.Example", "ann@gone.example"):
            desk.ask("SetIdentityMailFromDomain", Identity=gone, **cleared)
            assert desk.ask("ListIdentities").Identities == []

    told = desk.refused(
        "SetIdentityMailFromDomain", Identity="gone.example", MailFromDomain="bounce.gone.example"
    )
    assert told.message == "Identity <gone.example> does not exist."
    told = desk.refused("PutEmailIdentityMailFromAttributes", EmailIdentity="gone.example")
    assert told.message == "Identity <gone.example> does not exist."
    for never in ("", "none", "arn:aws:ses:eu-west-1:111122223333:identity/gone.example"):
        told = desk.refused("SetIdentityMailFromDomain", Identity=never)
        assert told.message == f"Identity <{never}> does not exist."
