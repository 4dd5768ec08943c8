"""Deterministic Easy DKIM: replicas, their parents, what keeps one from the other, and what follows what."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from desk import ZONE, Desk
from key_steps import PACE, SIGNING, keep, key_of, see, set_id, signing, stages
from own_keys import OWN

from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import ErrorType, Facet, FacetState, Status
from indicia.domain.proofs.transitions import Evidence, Sight, own_status, start
from indicia.domain.time import DAY, HOUR, MINUTE
from indicia.operations.dkim.replicating import Replicator
from indicia.operations.dkim.signing_keys import SigningKey
from indicia.store.accounts import access
from indicia.store.dkim import replications
from indicia.store.engine.sharding import shard_of
from indicia.store.proofs import carried, facets
from indicia.store.verification import checks
from indicia.wire.shapes import sesv2
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

NAME = "example.com"
SHARED = ParentSeen(Evidence(Sight.PRESENT, None))
REPLICA = DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES_EU_WEST_1")
DENIED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": "ses:ReplicateEmailIdentityDkimSigningKey",
                "Resource": "arn:aws:ses:eu-west-1:*:identity/example.com",
            },
        ],
    }
)


@pytest.fixture
def away(desk: Desk) -> Desk:
    """The same account in another region."""
    return desk.beside(region="us-east-1")


def look(desk: Desk, name: str = NAME) -> ParentSeen:
    """What the verifier's part finds of a replica."""
    identity = desk.view(name).identity
    desk.database.write(lambda s: checks.schedule(s, identity.id, shard_of(name), desk.now))
    claim = next(each for each in desk.claims() if each.identity.id == identity.id)
    replicator = Replicator(
        desk.database,
        desk.house.rules.regions,
        desk.house.rules.windows,
        PACE,
        desk.house.rules.first_check,
        lambda: desk.now,
    )
    seen = asyncio.run(replicator(claim))
    # The look ends: it is due again as the engine would have it, at once where something was begun anew.
    ended = checks.CheckResult(
        identity.id,
        claim.identity.generation,
        "test",
        facets=(),
        due_at=desk.now + DAY,
        interval=HOUR,
        checked_at=desk.now,
        succeeded_at=None,
        error=None,
        soa=None,
    )
    desk.database.write(lambda s: checks.write_back(s, [ended]))
    return seen


def dkim(desk: Desk, name: str = NAME) -> Any:
    """What Get shows of DKIM."""
    return desk.ask("GetEmailIdentity", EmailIdentity=name).DkimAttributes


def replicate(desk: Desk, **given: Any) -> Any:
    """Create a replica and return its DKIM side."""
    return desk.ask(
        "CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=REPLICA, **given
    ).DkimAttributes


def test_a_replica_has_its_parents_tokens_from_its_creation(desk: Desk, away: Desk) -> None:
    """Same tokens, same zone, same key, an origin that names the region; its own proof is to come."""
    desk.stock(2048)
    parent = desk.ask("CreateEmailIdentity", EmailIdentity=NAME).DkimAttributes

    made = replicate(away)

    assert (made.Tokens, made.SigningHostedZone) == (parent.Tokens, ZONE)
    assert (made.SigningAttributesOrigin, made.Status) == ("AWS_SES_EU_WEST_1", "NOT_STARTED")
    shown = dkim(away)
    assert (shown.Tokens, shown.Status) == (parent.Tokens, "PENDING")
    assert shown.LastKeyGenerationTimestamp == dkim(desk).LastKeyGenerationTimestamp
    assert shown.NextSigningKeyLength == "RSA_2048_BIT"
    assert dkim(desk).SigningAttributesOrigin == "AWS_SES"
    assert away.view(NAME).facets[Facet.REPLICATION].status is Status.SUCCESS
    assert look(away) == SHARED


def test_a_replica_follows_its_parents_rotation_and_length(desk: Desk, away: Desk) -> None:
    """A key belongs to the set: when the parent's key changes, so does the replica's."""
    signing(desk)
    replicate(away)
    away.find(NAME, Facet.DKIM, Status.SUCCESS)
    assert key_of(away) == key_of(desk)

    desk.stock(1024)
    desk.now += DAY
    change = DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT")
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES", SigningAttributes=change)
    assert (dkim(away).CurrentSigningKeyLength, dkim(away).NextSigningKeyLength) == (
        "RSA_2048_BIT",
        "RSA_1024_BIT",
    )
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk))
    desk.now += PACE.settle
    keep(desk, set_id(desk))
    found = key_of(away)
    assert isinstance(found, SigningKey)
    assert found == key_of(desk)
    assert found.bits == 1024
    assert dkim(away).CurrentSigningKeyLength == "RSA_1024_BIT"


def test_a_replica_is_rotated_at_its_parent(desk: Desk, away: Desk) -> None:
    """Rotation and length are the parent's to change."""
    signing(desk)
    replicate(away)
    fault = away.refused("RotateIdentityKey", name=NAME)
    assert fault.kind is FaultKind.CONFLICT
    assert "AWS_SES_EU_WEST_1" in fault.message


# -- what keeps a replica from its parent


def no_parent(_: Desk) -> None:
    """Nothing of that name."""


def parent_in(desk: Desk, **members: Any) -> None:
    """An identity of that name."""
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME, **members)


@pytest.mark.parametrize(
    ("prepare", "origin", "error"),
    [
        (no_parent, "AWS_SES_EU_WEST_1", ErrorType.REPLICATION_PRIMARY_NOT_FOUND),
        (
            lambda desk: desk.ask("VerifyDomainIdentity", Domain=NAME),
            "AWS_SES_EU_WEST_1",
            ErrorType.REPLICATION_PRIMARY_NOT_FOUND,
        ),
        (
            partial(parent_in, DkimSigningAttributes=OWN),
            "AWS_SES_EU_WEST_1",
            ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED,
        ),
        (
            lambda desk: (
                parent_in(desk.beside(region="us-west-2")),
                parent_in(
                    desk,
                    DkimSigningAttributes=DkimSigningAttributes(
                        DomainSigningAttributesOrigin="AWS_SES_US_WEST_2"
                    ),
                ),
            ),
            "AWS_SES_EU_WEST_1",
            ErrorType.REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED,
        ),
        (parent_in, "AWS_SES_US_EAST_1", ErrorType.REPLICATION_PRIMARY_INVALID_REGION),
        (parent_in, "AWS_SES_AP_SOUTH_1", ErrorType.REPLICATION_PRIMARY_INVALID_REGION),
    ],
)
def test_what_keeps_a_replica_from_its_parent_is_told_and_refuses_nothing(
    desk: Desk, away: Desk, prepare: Any, origin: str, error: ErrorType
) -> None:
    """The creation succeeds without tokens, waits, and each cause has its own word."""
    prepare(desk)
    made = away.ask(
        "CreateEmailIdentity",
        EmailIdentity=NAME,
        DkimSigningAttributes=DkimSigningAttributes(DomainSigningAttributesOrigin=origin),
    ).DkimAttributes

    assert (made.Tokens, made.SigningHostedZone, made.SigningAttributesOrigin) == ([], None, origin)
    assert look(away) == ParentSeen(Evidence(Sight.ABSENT, error))
    shown = dkim(away)
    assert (shown.Status, shown.SigningAttributesOrigin) == ("PENDING", origin)
    assert away.view(NAME).facets[Facet.REPLICATION].status is Status.PENDING


def test_whoever_may_not_replicate_is_told_so(desk: Desk, away: Desk) -> None:
    """A policy that denies it keeps the replica waiting; when the key may, the replica goes on."""
    parent_in(desk)
    desk.database.write(
        lambda s: access.create_key(
            s,
            access.AccessKey("AKIATESTTESTTESTTEST", desk.account, "ann", b"sealed", DENIED, desk.now, None),
        )
    )
    denied = away.call("sesv2", "CreateEmailIdentity")._replace(policy=DENIED)
    request = sesv2.CreateEmailIdentityRequest(EmailIdentity=NAME, DkimSigningAttributes=REPLICA)

    async def asked() -> Any:
        return await away.dispatch(denied, request)

    assert asyncio.run(asked()).DkimAttributes.Tokens == []
    assert look(away) == ParentSeen(Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED))

    desk.database.write(lambda s: access.revoke(s, "AKIATESTTESTTESTTEST", desk.now))
    assert look(away) == ParentSeen(Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED))


def test_a_parent_that_appears_makes_its_replica_go_on(desk: Desk, away: Desk) -> None:
    """The replica is due at once, finds the tokens, and waits for its records with its whole window ahead."""
    replicate(away)
    look(away)
    identity = away.view(NAME).identity
    later = desk.now + HOUR
    desk.database.write(lambda s: checks.schedule(s, identity.id, shard_of(NAME), later))
    parent_in(desk)
    assert away.view(NAME).due_at == desk.now
    away.now = desk.now = desk.now + MINUTE

    assert look(away) == SHARED

    view = away.view(NAME)
    assert dkim(away).Tokens == dkim(desk).Tokens
    assert (view.identity.generation, view.due_at) == (2, away.now)
    assert {facet: state.status for facet, state in view.facets.items()} == {
        Facet.DKIM: Status.PENDING,
        Facet.REPLICATION: Status.SUCCESS,
    }
    assert view.facets[Facet.DKIM].deadline == away.now + 72 * HOUR


def test_a_parent_that_moves_to_another_method_keeps_its_replica_as_it_was(desk: Desk, away: Desk) -> None:
    """What was shared stays, and is told; when the parent has Easy DKIM again its replica follows."""
    signing(desk)
    replicate(away)
    shared = dkim(away).Tokens
    shared_set = set_id(away)
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN)

    assert look(away) == ParentSeen(
        Evidence(Sight.ABSENT, ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED)
    )
    assert dkim(away).Tokens == shared
    assert stages(desk, shared_set) == ["signing"]

    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES")
    assert look(away) == SHARED
    assert dkim(away).Tokens == dkim(desk).Tokens != shared
    assert stages(desk, shared_set) == ["signing"]  # what it proved of the parent is carried
    desk.database.write(lambda s: carried.end(s, [desk.view(NAME).identity.id], desk.now))
    keep(desk, shared_set)
    assert stages(desk, shared_set) == ["retired"]  # nobody uses it any more


PROVED = FacetState(Facet.DKIM, Status.SUCCESS, 1, since=5, absent_since=7)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (PROVED, True),
        (replace(PROVED, status=Status.TEMPORARY_FAILURE, deadline=9, held_until=8), True),
        (replace(PROVED, status=Status.PENDING, deadline=9), False),
        (replace(PROVED, status=Status.FAILED), False),
    ],
)
def test_what_a_replica_has_proved_is_carried_when_its_parents_tokens_change(
    desk: Desk, away: Desk, state: FacetState, kept: bool
) -> None:
    """As it was, its memory of an absence and its deadline too; the new tokens have a whole window."""
    signing(desk)
    replicate(away)
    left = set_id(away)
    away.database.write(lambda s: facets.put(s, away.view(NAME).identity.id, state))
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN)
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES")

    assert look(away) == SHARED

    view = away.view(NAME)
    carries = view.carried and (view.carried.token_set.id, view.carried.state)
    assert carries == ((left, replace(state, facet=Facet.CARRIED_DKIM)) if kept else None)
    assert set_id(away) == set_id(desk) != left
    assert view.facets[Facet.DKIM] == start(Facet.DKIM, 2, away.now, desk.house.rules.windows.records)
    assert own_status(view.facets) is (state.status if kept else Status.PENDING)


# -- becoming a replica, and ceasing to be one


def test_an_identity_becomes_a_replica(desk: Desk, away: Desk) -> None:
    """PutEmailIdentityDkimSigningAttributes: the parent's tokens, PENDING; its own keys go in the end."""
    signing(desk)
    desk.stock(2048)
    own = signing(away)
    assert own
    left = set_id(away)

    answer = away.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES_EU_WEST_1")

    assert (answer.DkimStatus, answer.DkimTokens) == ("PENDING", dkim(desk).Tokens)
    assert answer.SigningHostedZone == ZONE
    assert stages(desk, left) == ["signing"]
    again = away.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES_EU_WEST_1")
    assert again == answer
    assert away.view(NAME).identity.generation == 2


def test_a_replica_becomes_an_identity_of_its_own(desk: Desk, away: Desk) -> None:
    """Tokens of its own; the parent's stay what they are; nobody calls it a replica any more."""
    signing(desk)
    replicate(away)
    answer = away.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES")

    assert set(answer.DkimTokens).isdisjoint(dkim(desk).Tokens)
    assert dkim(away).SigningAttributesOrigin == "AWS_SES"
    assert set(away.view(NAME).facets) == {Facet.DKIM}
    assert away.read(partial(replications.get, identity_id=away.view(NAME).identity.id)) is None
    assert isinstance(key_of(desk), SigningKey)
    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)


def test_a_replica_that_has_failed_is_started_anew(desk: Desk, away: Desk) -> None:
    """The same origin again: looked for again, with another window."""
    replicate(away)
    away.find(NAME, Facet.DKIM, Status.FAILED)
    away.find(NAME, Facet.REPLICATION, Status.FAILED, ErrorType.REPLICATION_PRIMARY_NOT_FOUND)
    away.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES_EU_WEST_1")

    states = away.view(NAME).facets
    assert {state.status for state in states.values()} == {Status.PENDING}


def test_a_replica_that_waits_shows_its_switch(away: Desk) -> None:
    """In both versions: mail is to be signed when the parent's tokens are there, or it is switched off."""
    made = replicate(away)

    def shown() -> tuple[bool, str, bool, str]:
        v1 = away.ask("GetIdentityDkimAttributes", Identities=[NAME]).DkimAttributes[NAME]
        v2 = dkim(away)
        return v2.SigningEnabled, v2.Status, v1.DkimEnabled, v1.DkimVerificationStatus

    assert made.SigningEnabled is True
    assert shown() == (True, "PENDING", True, "Pending")


def test_v1_does_not_make_tokens_for_a_replica_that_waits(desk: Desk, away: Desk) -> None:
    """VerifyDomainDkim answers a replica's tokens once it has them, and refuses before."""
    replicate(away)
    assert away.refused("VerifyDomainDkim", Domain=NAME).kind is FaultKind.INVALID_PARAMETER
    parent_in(desk)
    look(away)
    assert away.ask("VerifyDomainDkim", Domain=NAME).DkimTokens == dkim(desk).Tokens


def test_an_address_is_no_replica(desk: Desk) -> None:
    """Only domains have keys."""
    fault = desk.refused(
        "CreateEmailIdentity", EmailIdentity="ann@example.com", DkimSigningAttributes=REPLICA
    )
    assert fault.kind is FaultKind.INVALID_PARAMETER


# -- deletion


@pytest.mark.parametrize(
    ("operation", "members"),
    [("DeleteEmailIdentity", {"EmailIdentity": NAME}), ("DeleteIdentity", {"Identity": NAME})],
)
def test_a_parent_with_replicas_is_not_deleted(
    desk: Desk, away: Desk, operation: str, members: dict[str, str]
) -> None:
    """400, naming the regions; once they are gone it goes, and its keys are withdrawn after the grace."""
    signing(desk)
    replicate(away)
    replicate(desk.beside(region="us-west-2"))

    fault = desk.refused(operation, **members)
    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert "us-east-1, us-west-2" in fault.message

    shared = set_id(desk)
    away.ask("DeleteEmailIdentity", EmailIdentity=NAME)
    desk.beside(region="us-west-2").ask("DeleteEmailIdentity", EmailIdentity=NAME)
    assert stages(desk, shared) == ["signing"]
    desk.ask(operation, **members)
    assert stages(desk, shared) == ["retired"]


def test_a_replica_that_waits_keeps_nobody(desk: Desk, away: Desk) -> None:
    """It has no key of the parent's."""
    parent_in(desk, DkimSigningAttributes=OWN)
    replicate(away)
    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)
    assert look(away) == ParentSeen(Evidence(Sight.ABSENT, ErrorType.REPLICATION_PRIMARY_NOT_FOUND))


def test_an_account_replicates_its_own_identities_only(desk: Desk) -> None:
    """Another account's identity of that name is nobody's parent."""
    parent_in(desk)
    other = desk.beside(account="999900000000", region="us-east-1")
    replicate(other)
    assert look(other) == ParentSeen(Evidence(Sight.ABSENT, ErrorType.REPLICATION_PRIMARY_NOT_FOUND))
