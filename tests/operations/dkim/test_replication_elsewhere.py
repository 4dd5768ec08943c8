"""A replica whose parent is in another installation: what it shares, and how it follows."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

import msgspec
import pytest
from desk import ZONE, Desk
from handing import hand_out
from installations import (
    NAME,
    SHARED,
    Elsewhere,
    dkim,
    look,
    of_replicas,
    offered,
    replicate,
    verified,
)
from key_steps import PACE, SIGNING, keep, key_of, see, set_id, signing, stages
from own_keys import OWN

from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.identities.identity import ErrorType
from indicia.domain.proofs.transitions import Evidence, Sight
from indicia.domain.time import DAY, HOUR
from indicia.operations.dkim.replication_acceptance import SOONEST
from indicia.operations.dkim.replication_offer import Offer
from indicia.operations.dkim.signing_keys import SigningKey
from indicia.store.accounts import access
from indicia.store.dkim import key_requests, keys, zones
from indicia.store.dkim.key_requests import KeyRequest
from indicia.store.engine.database import Database
from indicia.vault.loaded import LoadedKeys
from indicia.wire.shapes.sesv2 import DkimSigningAttributes


@pytest.fixture
def desk(database: Database) -> Desk:
    """The installation of the replica, which serves us-east-1 alone."""
    return of_replicas(database)


@pytest.fixture
def parent(another_database: Database) -> Elsewhere:
    """The installation of the parent's region, eu-west-1."""
    return Elsewhere(another_database)


def test_a_replica_has_the_tokens_and_the_key_of_a_parent_elsewhere(desk: Desk, parent: Elsewhere) -> None:
    """Asked for after the creation, not in it; mail is signed with the very key, once it was seen here."""
    signing(parent)
    made = replicate(desk)
    assert made.Tokens == []

    seen = look(desk, parent)

    assert seen == ParentSeen(SHARED, again=PACE.linger // 2)
    shown, theirs = dkim(desk), dkim(parent)
    assert (shown.Tokens, shown.SigningHostedZone) == (theirs.Tokens, ZONE)
    assert (shown.Status, shown.CurrentSigningKeyLength) == ("PENDING", theirs.CurrentSigningKeyLength)
    assert not isinstance(key_of(desk), SigningKey)
    verified(desk)
    ours, original = key_of(desk), key_of(parent)
    assert isinstance(ours, SigningKey)
    assert isinstance(original, SigningKey)
    assert (ours.domain, ours.selector) == (original.domain, original.selector)
    private = [
        LoadedKeys(each.keyring).load(key.id, key.private_key).private_numbers()
        for each, key in ((desk, ours), (parent, original))
    ]
    assert private[0] == private[1]


def test_a_rotation_elsewhere_is_followed(desk: Desk, parent: Elsewhere) -> None:
    """The next key comes when it signs there, and signs when it was seen here; what is gone there goes."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    verified(desk)
    first = key_of(desk)
    parent.now = desk.now = max(parent.now, desk.now) + DAY
    parent.stock(2048)
    parent.ask("RotateIdentityKey", name=NAME)
    look(desk, parent)
    assert stages(desk, set_id(desk)) == ["signing"]  # it does not sign there yet

    see(parent, set_id(parent))
    parent.now += PACE.settle
    keep(parent, set_id(parent))
    desk.now = parent.now
    look(desk, parent)
    assert stages(desk, set_id(desk)) == ["signing", "published"]
    assert key_of(desk) == first
    verified(desk)
    assert stages(desk, set_id(desk)) == ["retired", "signing"]
    assert key_of(desk).selector == key_of(parent).selector  # type: ignore[union-attr]

    parent.now = desk.now = parent.now + PACE.linger
    keep(parent, set_id(parent))
    look(desk, parent)
    assert stages(desk, set_id(desk)) == ["signing"]


def test_a_length_changed_elsewhere_is_shown(desk: Desk, parent: Elsewhere) -> None:
    """NextSigningKeyLength is the parent's."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    parent.now += DAY
    change = DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT")
    parent.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES", SigningAttributes=change)
    look(desk, parent)
    assert dkim(desk).NextSigningKeyLength == "RSA_1024_BIT"


def test_a_parent_that_does_not_sign_yet_gives_tokens_only(desk: Desk, parent: Elsewhere) -> None:
    """The records can be published and proved; nobody makes a key for another installation's tokens."""
    parent.ask("CreateEmailIdentity", EmailIdentity=NAME)
    replicate(desk)
    assert look(desk, parent).evidence == SHARED
    token_set = desk.view(NAME).token_set
    assert token_set is not None
    assert dkim(desk).Tokens == dkim(parent).Tokens
    desk.stock(2048)
    request = KeyRequest(token_set.id, desk.account, 2048)
    desk.database.write(lambda s: key_requests.file(s, [request]))
    assert hand_out(desk.database, desk.now) == []
    assert stages(desk, token_set.id) == []


def test_the_zone_of_another_installation_is_not_served_here(desk: Desk, parent: Elsewhere) -> None:
    """Its keys are that one's to publish."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    assert ZONE not in desk.read(zones.names)


@pytest.mark.parametrize(
    ("prepare", "error"),
    [
        (lambda _: None, ErrorType.REPLICATION_PRIMARY_NOT_FOUND),
        (
            lambda parent: parent.ask("CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=OWN),
            ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED,
        ),
    ],
)
def test_what_is_in_the_way_elsewhere_is_told_here(
    desk: Desk, parent: Elsewhere, prepare: Any, error: ErrorType
) -> None:
    """The same causes by the same words."""
    prepare(parent)
    replicate(desk)
    assert look(desk, parent) == ParentSeen(Evidence(Sight.ABSENT, error))


def test_silence_is_evidence_of_nothing(desk: Desk, parent: Elsewhere) -> None:
    """Nobody answers: unknown, and our trouble."""
    replicate(desk)
    seen = look(desk, parent, offered=lambda: None)
    assert seen == ParentSeen(Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR))


@pytest.mark.parametrize("fresh_for", [-(1 << 62), 0, 1])
def test_nobody_is_asked_all_the_time(desk: Desk, parent: Elsewhere, fresh_for: int) -> None:
    """However soon the other installation wants to be asked again."""
    offer = msgspec.structs.replace(offered(parent), fresh_for=fresh_for)
    replicate(desk)
    assert look(desk, parent, offered=offer) == ParentSeen(SHARED, again=SOONEST)


def test_a_parent_stays_while_a_replica_elsewhere_is_heard_of(desk: Desk, parent: Elsewhere) -> None:
    """Refused, naming the region; one that has not asked for a window's time is gone."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    fault = parent.refused("DeleteEmailIdentity", EmailIdentity=NAME)
    assert "us-east-1" in fault.message
    parent.now += 72 * HOUR + 1
    parent.ask("DeleteEmailIdentity", EmailIdentity=NAME)


def test_whoever_may_not_replicate_does_not_even_ask(desk: Desk, parent: Elsewhere) -> None:
    """The permission of the replica's maker is asked here first."""
    signing(parent)
    replicate(desk)
    desk.database.write(
        lambda s: access.create_key(
            s,
            access.AccessKey(
                desk.call("ses", "x").access_key, desk.account, None, secrets.token_bytes(8), None, 0, 1
            ),
        )
    )

    def nobody() -> Offer:
        raise AssertionError("it was asked")

    assert look(desk, parent, offered=nobody) == ParentSeen(
        Evidence(Sight.ABSENT, ErrorType.REPLICATION_ACCESS_DENIED)
    )


def test_nothing_of_a_deleted_replica_stays(desk: Desk, parent: Elsewhere) -> None:
    """Its copy of the keys is retired with it, and erased after the grace."""
    signing(parent)
    replicate(desk)
    look(desk, parent)
    verified(desk)
    shared = set_id(desk)
    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)
    assert stages(desk, shared) == ["retired"]
    desk.now += PACE.linger
    keep(desk, shared)
    assert desk.read(partial(keys.published, token_set_id=shared)) == []
