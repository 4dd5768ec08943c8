"""Private keys that leave an installation: whom they are given to, and what follows a revocation."""

from __future__ import annotations

import asyncio
import base64
import threading
from functools import partial
from typing import Any

import msgspec
import psycopg
import pytest
from desk import ZONE, Desk
from installations import (
    KEY_ID,
    MAY_FETCH,
    NAME,
    SECRET,
    Elsewhere,
    offered,
)
from key_steps import PACE, key_of, see, set_id, signing, stages
from serving import until

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import HOUR
from indicia.operations.dkim.replication_offer import ReplicationRequest, offer_keys
from indicia.operations.dkim.signing_keys import SigningKey
from indicia.runtime.clock import Clock
from indicia.settings.replication_peers import Offered
from indicia.store.accounts import access
from indicia.store.dkim import key_exports, rotation
from indicia.store.dkim.key_exports import KeyExport
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.vault import transit
from indicia.vault.key_rotator import KeyRotator
from indicia.vault.purposes import PRIVATE_KEY

_WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def parent(database: Database) -> Elsewhere:
    """The installation of the parent's region, eu-west-1."""
    return Elsewhere(database)


def keeper(desk: Desk) -> None:
    """Let whoever keeps the keys do what there is to do."""
    keeping = KeyRotator(
        desk.database, Clock(real=lambda: desk.now), PACE, published=lambda _: None, taken=lambda: None
    )

    async def story() -> None:
        running = asyncio.create_task(keeping.run())
        await asyncio.wait_for(keeping.settled(), 20)
        keeping.stop()
        await running

    asyncio.run(story())


def test_a_private_key_travels_sealed(parent: Elsewhere) -> None:
    """It is nowhere in the answer, opens with the secret for its own name only, and shows in no repr."""
    offer = offered(parent)
    key = key_of(parent)
    assert isinstance(key, SigningKey)
    private = parent.keyring.open(key.private_key, PRIVATE_KEY)
    wire = msgspec.json.encode(offer)
    assert base64.b64encode(private)[:40] not in wire
    sealed = offer.keys[0].private_key
    assert transit.open_sealed(sealed, SECRET, f"{key.selector}.{ZONE}") == private
    for secret, about in ((SECRET + "x", f"{key.selector}.{ZONE}"), (SECRET, f"x.{ZONE}")):
        with pytest.raises(transit.TransitError):
            transit.open_sealed(sealed, secret, about)
    with pytest.raises(transit.TransitError):
        transit.open_sealed("not base64", SECRET, "")
    assert sealed not in repr(offer)


def test_a_key_that_is_retired_keeps_its_private_half_here(parent: Elsewhere) -> None:
    """Its public half goes on being told of, until it is withdrawn; nobody has to sign with it."""
    offered(parent)
    first = key_of(parent)
    assert isinstance(first, SigningKey)
    parent.stock(2048)
    rotate(parent)

    again = asyncio.run(parent.offer()).offer

    private = {key.retired: key.private_key for key in again.keys}
    assert private[True] == ""
    key = key_of(parent)
    assert isinstance(key, SigningKey)
    assert transit.open_sealed(private[False], SECRET, f"{key.selector}.{ZONE}")


def test_handing_out_keys_is_in_the_audit_log(parent: Elsewhere) -> None:
    """Who asked for which identity's keys, from where."""
    offered(parent)
    line = parent.trail()[0]
    assert (line.operation, line.outcome) == ("indicia:ReplicateIdentity", "success")
    assert line.resource.endswith(f"identity/{NAME}")


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(None, id="no policy"),
        pytest.param(MAY_FETCH.replace("indicia:ReplicateIdentity", "ses:*"), id="all of SES"),
        pytest.param(
            MAY_FETCH.replace("indicia:ReplicateIdentity", "ses:ReplicateEmailIdentityDkimSigningKey"),
            id="replicas within an installation",
        ),
        pytest.param(MAY_FETCH.replace("Allow", "Deny"), id="denied"),
    ],
)
def test_keys_leave_by_an_explicit_allow_only(parent: Elsewhere, policy: str | None) -> None:
    """Of that action: a key that may do everything of its account takes no private key away."""
    signing(parent)
    with pytest.raises(Fault, match="not authorized to perform: indicia:ReplicateIdentity") as refused:
        asyncio.run(parent.offer(policy=policy))
    assert refused.value.kind is FaultKind.ACCESS_DENIED
    line = parent.trail()[0]
    assert (line.operation, line.outcome) == ("indicia:ReplicateIdentity", "access_denied")
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []


@pytest.mark.parametrize(
    "offered",
    [
        (),
        (Offered("444455556666", "us-east-1"),),
        (Offered("111122223333", "us-west-2"),),
    ],
)
def test_keys_leave_only_where_the_operator_offers_them(
    parent: Elsewhere, offered: tuple[Offered, ...]
) -> None:
    """To no region by default, and only those of the account; the refusal names the setting."""
    signing(parent)
    parent.offers(*offered)
    with pytest.raises(Fault, match="INDICIA_REPLICATION_OFFERS") as refused:
        asyncio.run(parent.offer())
    assert refused.value.kind is FaultKind.ACCESS_DENIED
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []


def rotate(parent: Elsewhere) -> None:
    """Let the next key sign in the place of the present one."""
    parent.now += HOUR
    parent.ask("RotateIdentityKey", name=NAME)
    see(parent, set_id(parent))
    parent.now += PACE.settle
    keeper(parent)
    assert stages(parent, set_id(parent)) == ["retired", "signing"]


def revoke(parent: Elsewhere) -> None:
    """Revoke the access key that asks."""
    assert parent.database.write(partial(access.revoke, key_id=KEY_ID, at=parent.now))


def test_what_a_revoked_key_has_fetched_is_rotated(parent: Elsewhere) -> None:
    """The keeper finds the mark: the next key is published at once, and signs when it was seen."""
    signing(parent)
    signing(parent, "never-asked.example")
    asyncio.run(parent.offer())
    signed = key_of(parent)
    assert isinstance(signed, SigningKey)
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == [
        KeyExport(KEY_ID, set_id(parent), signed.id, parent.now)
    ]
    parent.now += HOUR
    parent.stock(2048)
    keeper(parent)
    assert stages(parent, set_id(parent)) == ["signing"]

    revoke(parent)
    keeper(parent)

    assert stages(parent, set_id(parent)) == ["signing", "published"]
    assert stages(parent, set_id(parent, "never-asked.example")) == ["signing"]
    assert parent.read(key_exports.recalled) is None
    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []
    see(parent, set_id(parent))
    parent.now += PACE.settle
    keeper(parent)
    assert key_of(parent) != signed
    with pytest.raises(Fault, match="valid access keys"):
        asyncio.run(parent.offer())


def test_a_key_that_nobody_has_fetched_is_not_rotated(parent: Elsewhere) -> None:
    """Neither one that began to sign after the last fetch, nor one whose successor is out already."""
    signing(parent)
    asyncio.run(parent.offer())
    parent.stock(2048)
    rotate(parent)
    parent.stock(2048)

    revoke(parent)
    keeper(parent)

    assert parent.read(key_exports.recalled) is None
    assert stages(parent, set_id(parent)) == ["retired", "signing"]


def test_a_recall_takes_a_bounded_number_at_a_time(parent: Elsewhere) -> None:
    """The mark stays until the last of them is done with; nothing is asked for twice."""
    names = [f"{number}.example" for number in range(3)]
    for name in names:
        signing(parent, name)
        asyncio.run(parent.offer(name))
    revoke(parent)
    asked = []
    while parent.read(key_exports.recalled) == KEY_ID:
        work = partial(key_exports.recall, access_key=KEY_ID, now=parent.now, limit=2)
        asked.append(parent.database.write(work))
    assert asked == [2, 1]
    lives = [parent.read(partial(rotation.read, token_set_id=set_id(parent, name))) for name in names]
    assert [each.life.asked_at for each in lives] == [parent.now] * 3


def test_a_revocation_beside_a_fetch_misses_nothing(postgres_url: str) -> None:
    """One that comes while keys are handed out waits until it is noted that they were."""
    database = open_database(postgres_url)
    parent = Elsewhere(database)
    signing(parent)
    call = parent.call("indicia", "ReplicateIdentity")
    request = ReplicationRequest(name=NAME, replica_region="us-east-1")
    handed_out, go_on = threading.Event(), threading.Event()

    def fetch(s: Session) -> None:
        assert offer_keys(parent.house, call, request, s).offer is not None
        handed_out.set()
        assert go_on.wait(60)

    fetching = threading.Thread(target=database.write, args=(fetch,))
    revoking = threading.Thread(target=revoke, args=(parent,))
    fetching.start()
    assert handed_out.wait(60)
    revoking.start()
    with psycopg.connect(postgres_url, autocommit=True) as watching:
        until(lambda: not revoking.is_alive() or watching.execute(_WAITS).fetchone(), "its end, or a wait")
    keeper(parent)
    go_on.set()
    fetching.join(60)
    revoking.join(60)
    keeper(parent)

    assert parent.read(partial(key_exports.of_set, token_set_id=set_id(parent))) == []
    stored = parent.read(partial(rotation.read, token_set_id=set_id(parent)))
    assert stored is not None
    assert stored.life.asked_at == parent.now
    database.close()


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"ForAllValues:StringEquals": {"ses:ReplicaRegion": ["us-east-1"]}}, True),
        ({"StringEquals": {"ses:ReplicaRegion": "us-east-1"}}, True),
        ({"StringEquals": {"ses:ReplicaRegion": "ap-south-1"}}, False),
    ],
)
def test_the_permission_is_asked_with_the_replicas_region(
    parent: Elsewhere, condition: dict[str, Any], allowed: bool
) -> None:
    """indicia:ReplicateIdentity on the parent, with ses:ReplicaRegion (spec 3.8)."""
    signing(parent)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "indicia:ReplicateIdentity",
                "Resource": f"arn:aws:ses:eu-west-1:{parent.account}:identity/{NAME}",
                "Condition": condition,
            }
        ],
    }
    call = parent.call("indicia", "ReplicateIdentity")._replace(policy=msgspec.json.encode(policy).decode())

    async def asked() -> Any:
        return await parent.dispatch(call, ReplicationRequest(name=NAME, replica_region="us-east-1"))

    if allowed:
        assert asyncio.run(asked()).offer is not None
    else:
        with pytest.raises(Fault) as refused:
            asyncio.run(asked())
        assert refused.value.kind is FaultKind.ACCESS_DENIED


def test_keys_go_to_keys_of_our_own_making_only(parent: Elsewhere) -> None:
    """A sandbox takes any access key; what cannot be sealed for its holder is not handed out."""
    signing(parent)
    call = parent.call("indicia", "ReplicateIdentity")._replace(
        access_key="AKIANOBODYNOBODY0000", policy=MAY_FETCH
    )

    async def asked() -> Any:
        return await parent.dispatch(call, ReplicationRequest(name=NAME, replica_region="us-east-1"))

    with pytest.raises(Fault) as refused:
        asyncio.run(asked())
    assert refused.value.kind is FaultKind.ACCESS_DENIED


def test_what_is_asked_without_a_region_is_refused(parent: Elsewhere) -> None:
    """The replica's region decides whether it may."""

    async def asked() -> Any:
        return await parent.offer(region="")

    with pytest.raises(Fault) as refused:
        asyncio.run(asked())
    assert refused.value.kind is FaultKind.INVALID_PARAMETER
