"""A database with many identities in it, made by the store's own modules: what people and the verifier wrote.

Each is a verified domain with Easy DKIM, a published key and a tag, looked at today and due again tomorrow. A
key pair takes 70 ms to make, so all of them have the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from os import urandom as _random
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from bench.signing import REGION, Key
from indicia import settings as configuration
from indicia.domain.dkim.key_record import new_tokens, new_verification_token
from indicia.domain.identities.identity import (
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.records.observation import Soa
from indicia.domain.time import DAY, HOUR, Instant
from indicia.installation import Installation
from indicia.runtime.clock import Clock
from indicia.store.dkim import keys, tables
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities, tags
from indicia.store.proofs import facets
from indicia.store.verification import checks
from indicia.vault import rsa
from indicia.vault.pool import TARGETS
from indicia.vault.purposes import PRIVATE_KEY

TAG: Final = ("tenant", "4711")
_BATCH: Final = 1000
_OWNER: Final = "bench"


def name_of(place: int) -> str:
    """Return the name of the identity at a place in the store."""
    return f"customer-{place:06}.example.com"


def populate(
    data_dir: Path,
    environment: dict[str, str],
    identity_count: int,
    *,
    pending: bool = False,
    spare_keys: int = 0,
    unseen: Sequence[str] = (),
) -> Key:
    """Make an installation with that many identities and return its operator's key.

    When they are `pending` they have no key yet, nobody is to look at them, and the pool has one for each.
    The pool has `spare_keys` more than it is kept filled to. Those of the `unseen` names are pending besides.
    """
    settings = configuration.load(None, environment, {"data_dir": str(data_dir)}, terminal=False)
    clock = Clock()
    installation = Installation(settings, clock)
    try:
        root = installation.root
        assert root is not None
        now = clock.now()
        key = _key(installation, now, spare_keys + (identity_count if pending else 0))
        add = partial(_add, account=root.account, key=key, zone=settings.signing_zone, pending=pending)
        places = iter(range(identity_count))
        while batch := list(islice(places, _BATCH)):
            installation.database.write(partial(add, places=batch, now=now))
        installation.database.write(partial(_let_sign, now=now))
        names = iter(unseen)
        while some := list(islice(names, _BATCH)):
            create = partial(
                _create_all, account=root.account, names=some, zone=settings.signing_zone, now=now
            )
            installation.database.write(create)
        return Key(root.id, root.secret)
    finally:
        installation.close()


_SEEN: Final = Prepared(
    sa.update(tables.published_key).values(seen_at=sa.bindparam("at"), signing_at=sa.bindparam("at"))
)
_NOT_AWAITED: Final = Prepared(sa.update(tables.token_set).values(awaited=0, due_at=None))


def _let_sign(s: Session, now: Instant) -> None:
    """Let every key be seen since long, so that its records are all that a check looks at."""
    s.run(_SEEN, at=now)
    s.run(_NOT_AWAITED)


def _key(installation: Installation, now: Instant, more: int) -> keys.PooledKey:
    """Return a sealed key pair, with the pool filled already: nothing but requests is to be measured."""
    made = {bits: _sealed(installation, bits, now) for bits in TARGETS}

    def fill(s: Session) -> None:
        for bits, target in TARGETS.items():
            for _ in range(target + (more if bits == 2048 else 0)):
                keys.add_pooled(s, _copy(made[bits]))

    installation.database.write(fill)
    return made[2048]


def _sealed(installation: Installation, bits: int, now: Instant) -> keys.PooledKey:
    pair = rsa.generate(bits)
    sealed = installation.keyring.seal(pair.private_key, PRIVATE_KEY)
    return keys.PooledKey(new_id(), bits, pair.public_key, sealed, now)


def _copy(key: keys.PooledKey) -> keys.PooledKey:
    return keys.PooledKey(new_id(), key.bits, key.public_key, key.private_key, key.created_at)


def _add(
    s: Session,
    *,
    account: str,
    key: keys.PooledKey,
    zone: str,
    pending: bool,
    places: Sequence[int],
    now: Instant,
) -> None:
    for place in places:
        _create(s, account, name_of(place), None if pending else key, zone, now)
    if pending:
        return
    claimed = checks.claim(s, now=now, owner=_OWNER, lease_until=now + HOUR, limit=len(places))
    checks.write_back(s, [_verified(claim, now) for claim in claimed])


def _create_all(s: Session, account: str, names: Sequence[str], zone: str, now: Instant) -> None:
    for name in names:
        _create(s, account, name, None, zone, now)


def _create(  # noqa: PLR0917
    s: Session, account: str, name: str, key: keys.PooledKey | None, zone: str, now: Instant
) -> None:
    token_set = TokenSet(
        new_id(),
        TokenSetKind.EASY,
        new_tokens(_random, now),
        zone,
        KeyLength.RSA_2048_BIT,
        now,
        has_key=False,
    )
    keys.insert_token_set(s, token_set, now)
    if key is not None:
        keys.publish(s, token_set.id, zone, token_set.tokens[0], key, now)
    identity = Identity(
        id=new_id(),
        account=account,
        region=REGION,
        kind=IdentityKind.DOMAIN,
        name=name,
        created_at=now,
        version=1,
        generation=1,
        origin=TokenSetKind.EASY.value,
        signing_enabled=True,
        next_key_length=KeyLength.RSA_2048_BIT,
        token_set_id=token_set.id,
        legacy_token=new_verification_token(_random, zone.removeprefix("dkim.")),
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set="",
    )
    identities.insert(s, identity)
    tags.put(s, account, REGION, f"identity/{name}", dict([TAG]))
    facets.put(s, identity.id, FacetState(Facet.DKIM, Status.PENDING, 1, now, now + 3 * DAY))
    checks.schedule(s, identity.id, shard_of(name), None if key is None else now)


def _verified(claim: checks.Claim, now: Instant) -> checks.CheckResult:
    identity = claim.identity
    return checks.CheckResult(
        identity_id=identity.id,
        generation=identity.generation,
        owner=_OWNER,
        facets=(FacetState(Facet.DKIM, Status.SUCCESS, identity.generation, now),),
        due_at=now + DAY,
        interval=DAY,
        checked_at=now,
        succeeded_at=now,
        error=None,
        soa=Soa("example.com", "ns1.example.com", "hostmaster.example.com", 2026112201, 3600),
        zone_cut="example.com",
    )
