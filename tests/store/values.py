"""Plain values for the store's tests: what matters in a test is said there, the rest is here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from indicia.store.dkim import keys
from indicia.store.engine.ids import new_id
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.store.verification import checks

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ZONE = "dkim.indicia.test"


def identity(name: str, **given: Any) -> Identity:
    """A domain identity, or an address where the name has an @."""
    plain = Identity(
        id=new_id(),
        account=ACCOUNT,
        region=REGION,
        kind=IdentityKind.EMAIL_ADDRESS if "@" in name else IdentityKind.DOMAIN,
        name=name,
        created_at=1_000,
        version=1,
        generation=1,
        origin="AWS_SES",
        signing_enabled=True,
        next_key_length=KeyLength.RSA_2048_BIT,
        token_set_id=None,
        legacy_token="legacy-token",
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set="",
    )
    return replace(plain, **given)


def token_set(*tokens: str, zone: str = ZONE, **given: Any) -> TokenSet:
    """An Easy DKIM token set with these tokens, or with tokens nobody else has."""
    set_id = new_id()
    chosen = tokens or tuple(f"{letter}{set_id}" for letter in "abc")
    plain = TokenSet(set_id, TokenSetKind.EASY, chosen, zone, KeyLength.RSA_2048_BIT, 1_000, has_key=False)
    return replace(plain, **given)


def state(facet: Facet, status: Status, **given: Any) -> FacetState:
    """A facet's state of the first generation."""
    return replace(FacetState(facet, status, generation=1, since=1_000), **given)


def pooled_key(bits: int = 2048, public_key: str = "MIIB") -> keys.PooledKey:
    """A key pair whose private half opens nothing."""
    return keys.PooledKey(new_id(), bits, public_key, b"sealed", 500)


def add(s: Session, name: str, *, due_at: int | None = None, **given: Any) -> Identity:
    """Store an identity with a token set and a pending DKIM facet, due when said."""
    tokens = token_set()
    keys.insert_token_set(s, tokens, 1_000)
    made = identity(name, token_set_id=tokens.id, **given)
    identities.insert(s, made)
    facets.put(s, made.id, state(Facet.DKIM, Status.PENDING))
    checks.schedule(s, made.id, shard_of(name), due_at)
    return made
