"""Two installations: that of a parent, with keys of its own making, and that of its replica."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from desk import Desk
from key_steps import PACE, keep, see, set_id, signing

from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.identities.identity import ErrorType, Facet, Status
from indicia.domain.proofs.transitions import Evidence, Sight
from indicia.operations.dkim.replicating import Installations, Replicator
from indicia.operations.dkim.replication_acceptance import OfferSource
from indicia.operations.dkim.replication_offer import Offer, ReplicationRequest
from indicia.settings.replication_peers import Offered
from indicia.store.accounts import access
from indicia.store.dkim import keys
from indicia.store.dkim.replications import Replication
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.sharding import shard_of
from indicia.store.verification import checks
from indicia.vault import rsa
from indicia.vault.purposes import PRIVATE_KEY, access_key
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

NAME = "example.com"
KEY_ID, SECRET = "AKIATESTTESTTESTTEST", "a-secret-that-opens-nothing-else-000000"
MAY_FETCH = '{"Statement": {"Effect": "Allow", "Action": "indicia:ReplicateIdentity", "Resource": "*"}}'
REPLICA = DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES_EU_WEST_1")
SHARED = Evidence(Sight.PRESENT, None)


class Elsewhere(Desk):
    """A desk of another installation, with a pool of real keys and an access key of its own making."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.offers(Offered(self.account, "us-east-1"))
        self.database.write(
            lambda s: access.create_key(
                s,
                access.AccessKey(
                    KEY_ID,
                    self.account,
                    None,
                    self.keyring.seal(SECRET.encode(), access_key(KEY_ID)),
                    None,
                    0,
                    None,
                ),
            )
        )

    def stock(self, bits: int, public_key: str = "") -> str:
        """Put a real key into the pool."""
        assert not public_key
        pair = rsa.generate(1024)
        sealed = self.keyring.seal(pair.private_key, PRIVATE_KEY)
        key = keys.PooledKey(new_id(), bits, pair.public_key, sealed, self.now)
        self.database.write(lambda s: keys.add_pooled(s, key))
        return pair.public_key

    def offers(self, *offered: Offered) -> None:
        """Let the operator's settings say so."""
        self.rule(offered=frozenset(offered))

    async def offer(self, name: str = NAME, region: str = "us-east-1", policy: str | None = MAY_FETCH) -> Any:
        """What the call answers, made with the access key under the policy."""
        call = self.call("indicia", "ReplicateIdentity")._replace(policy=policy)
        return await self.dispatch(call, ReplicationRequest(name=name, replica_region=region))


def look(desk: Desk, parent: Elsewhere, offered: Any = None) -> ParentSeen:
    """What the verifier's part of the replica's installation finds, and does."""
    identity = desk.view(NAME).identity
    desk.database.write(lambda s: checks.schedule(s, identity.id, shard_of(NAME), desk.now))
    claim = next(each for each in desk.claims() if each.identity.id == identity.id)

    async def fetch(asked: Replication) -> Offer | ErrorType | None:
        assert (asked.name, asked.parent_region) == (NAME, "eu-west-1")
        if offered is not None:
            return offered() if callable(offered) else offered
        answer = await parent.offer(asked.name, asked.region)
        if answer.obstacle is not None:
            return ErrorType(answer.obstacle)
        # Over the wire and back.
        return msgspec.json.decode(msgspec.json.encode(answer.offer), type=Offer)

    abroad = {"eu-west-1": OfferSource("eu-west-1", SECRET, desk.keyring, PACE)}
    replicator = Replicator(
        desk.database,
        desk.house.rules.regions,
        desk.house.rules.windows,
        PACE,
        desk.house.rules.first_check,
        lambda: desk.now,
        Installations(abroad, fetch),
    )
    return asyncio.run(replicator(claim))


def replicate(desk: Desk) -> Any:
    """Create the replica."""
    return desk.ask("CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=REPLICA).DkimAttributes


def dkim(desk: Desk) -> Any:
    """What Get shows."""
    return desk.ask("GetEmailIdentity", EmailIdentity=NAME).DkimAttributes


def verified(desk: Desk) -> None:
    """Let the replica's verifier have seen records and keys, and the keeper have done its part."""
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk))
    desk.now += PACE.settle
    keep(desk, set_id(desk))


def of_replicas(database: Database) -> Desk:
    """Return a desk at the installation of the replica, which serves us-east-1 alone."""
    made = Desk(database)
    made.region = "us-east-1"
    made.rule(service_domain="replica.example", regions=frozenset({"us-east-1"}))
    return made


def offered(parent: Elsewhere) -> Offer:
    """Return what the parent offers for keys that sign."""
    signing(parent)

    async def ask() -> Any:
        return await parent.offer()

    found: Offer = asyncio.run(ask()).offer
    return found
