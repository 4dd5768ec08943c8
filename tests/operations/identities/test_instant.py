"""INDICIA_VERIFICATION=instant: verified when created, nobody written to, nothing looked at."""

from __future__ import annotations

import pytest
from desk import SERVICE_DOMAIN, ZONE, Desk
from handing import hand_out
from key_news import keep, told
from own_keys import OWN

from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.verification_mail import outbox
from indicia.wire.shapes.sesv2 import DkimSigningAttributes


@pytest.fixture
def instant(database: Database) -> Desk:
    """A desk in a house that asks for no proofs."""
    desk = Desk(database)
    desk.rule(instant=True)
    return desk


def quiet(desk: Desk) -> bool:
    """Say whether nothing is due, no mail waits, and nobody was woken for either."""
    waiting = desk.read(lambda s: outbox.anything_due(s, desk.now))
    return not desk.claims() and not waiting and not {"engine", "outbox"} & set(desk.hints.woken)


def test_a_domain_is_verified_when_created(instant: Desk) -> None:
    """The answer to Create says so, and so does everything after it; the tokens are as ever."""
    created = instant.ask("CreateEmailIdentity", EmailIdentity="example.com")
    got = instant.ask("GetEmailIdentity", EmailIdentity="example.com")

    assert (created.VerifiedForSendingStatus, created.DkimAttributes.Status) == (True, "SUCCESS")
    assert (got.VerificationStatus, got.VerifiedForSendingStatus) == ("SUCCESS", True)
    assert (got.DkimAttributes.Status, got.DkimAttributes.Tokens) == (
        "SUCCESS",
        created.DkimAttributes.Tokens,
    )
    state = instant.view("example.com").facets[Facet.DKIM]
    assert (state.status, state.since, state.deadline) == (Status.SUCCESS, instant.now, None)
    assert instant.view("example.com").due_at is None
    assert quiet(instant)


def test_a_replica_without_a_parent_is_verified_when_created(instant: Desk) -> None:
    """The answer says what the next call shows, though there are no tokens to share."""
    wish = DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES_US_EAST_1")
    created = instant.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=wish)
    got = instant.ask("GetEmailIdentity", EmailIdentity="example.com")

    assert (created.DkimAttributes.Status, created.DkimAttributes.Tokens) == ("SUCCESS", [])
    assert got.DkimAttributes.Status == created.DkimAttributes.Status


def test_an_address_is_verified_without_a_mail(instant: Desk) -> None:
    """Neither version sends a link, however often it is asked."""
    created = instant.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    for _ in range(2):
        instant.ask("VerifyEmailIdentity", EmailAddress="bob@example.com")

    assert (created.VerifiedForSendingStatus, created.DkimAttributes) == (True, None)
    assert instant.ask("ListVerifiedEmailAddresses").VerifiedEmailAddresses == [
        "ann@example.com",
        "bob@example.com",
    ]
    assert quiet(instant)


def test_whatever_is_asked_for_is_verified(instant: Desk) -> None:
    """The legacy record, DKIM of v1, MAIL FROM, a change of method: each is a success as it begins."""
    instant.ask("VerifyDomainIdentity", Domain="example.com")
    instant.ask("VerifyDomainDkim", Domain="example.com")
    instant.ask(
        "PutEmailIdentityMailFromAttributes", EmailIdentity="example.com", MailFromDomain="b.example.com"
    )
    answer = instant.ask(
        "PutEmailIdentityDkimSigningAttributes",
        EmailIdentity="example.com",
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes=OWN,
    )

    assert answer.DkimStatus == "SUCCESS"
    states = instant.view("example.com").facets
    assert {facet: state.status for facet, state in states.items()} == dict.fromkeys(
        (Facet.DKIM, Facet.OWNERSHIP, Facet.MAIL_FROM), Status.SUCCESS
    )
    shown = instant.ask("GetIdentityMailFromDomainAttributes", Identities=["example.com"])
    assert shown.MailFromDomainAttributes["example.com"].MailFromDomainStatus == "Success"
    assert quiet(instant)


def test_what_was_pending_before_is_verified_when_asked_again(instant: Desk) -> None:
    """An identity made while proofs were asked for is helped by the calls that begin anew."""
    Desk(instant.database).ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    assert instant.ask("GetEmailIdentity", EmailIdentity="ann@example.com").VerificationStatus == "PENDING"

    instant.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")

    assert instant.ask("GetEmailIdentity", EmailIdentity="ann@example.com").VerificationStatus == "SUCCESS"


@pytest.mark.parametrize("name", ["com", f"a.{SERVICE_DOMAIN}", "exa mple.com"])
def test_names_are_judged_all_the_same(instant: Desk, name: str) -> None:
    """No proof is asked for; a name that cannot be an identity's is refused as ever."""
    assert instant.refused("CreateEmailIdentity", EmailIdentity=name).kind is FaultKind.INVALID_PARAMETER


def test_a_domain_gets_its_key_when_there_is_one(instant: Desk) -> None:
    """Created with an empty pool it has none; nobody looks for it, and it has one once the pool has.

    It is told with its identity, and by no event of its own.
    """
    created = instant.ask("CreateEmailIdentity", EmailIdentity="example.com")
    keep(instant)
    token_set = instant.view("example.com").token_set
    assert token_set is not None
    assert not token_set.has_key
    instant.ask(
        "PutEmailIdentityDkimSigningAttributes",
        EmailIdentity="example.com",
        SigningAttributesOrigin="AWS_SES",
        SigningAttributes=DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT"),
    )

    instant.stock(2048)
    assert hand_out(instant.database, instant.now) == []
    assert not instant.view("example.com").token_set.has_key  # type: ignore[union-attr]
    public = instant.stock(1024)
    (handed,) = hand_out(instant.database, instant.now)

    assert handed.given == {1024: 1}
    assert [each.id for each in handed.published] == [token_set.id]
    found = instant.read(lambda s: keys.lookup(s, ZONE, created.DkimAttributes.Tokens[0]))
    assert found == public
    assert told(instant, "example.com") == []
    instant.stock(1024)
    assert (keep(instant), hand_out(instant.database, instant.now)) == ([], [])
