"""The key that signs mail of a domain at this moment, as the store has it."""

from __future__ import annotations

from dataclasses import dataclass, field

from indicia.domain.dkim.signing import Unsigned, refusal
from indicia.domain.identities.identity import Facet
from indicia.domain.proofs.inheritance import ProofStanding
from indicia.store.dkim import rotation
from indicia.store.engine.session import Session


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What a signature is made with: `d=`, `s=`, and the private key, sealed. `id` names the key for good."""

    id: int
    domain: str
    selector: str
    bits: int
    private_key: bytes = field(repr=False)


def signing_key_for(s: Session, domain: ProofStanding) -> SigningKey | Unsigned:
    """Return the key that may sign mail of the domain now, or why none may.

    `domain` is the identity whose keys apply (`domain.proofs.inheritance.Effective.keys`); whether an
    address has its signature switched off is said there too.
    """
    identity, token_set = domain.identity, domain.token_set
    signing = None if token_set is None else rotation.signing(s, token_set)
    state = domain.facets.get(Facet.DKIM)
    life = None if signing is None else signing.life
    carried = domain.carried
    same = carried is not None and token_set is not None and carried.token_set.id == token_set.id
    refused = refusal(
        state, life, enabled=identity.signing_enabled, carried=carried.state if carried and same else None
    )
    if refused is not None or signing is None:
        return refused or Unsigned.NO_DKIM
    key = signing.key
    return SigningKey(key.id, identity.name, key.token, key.bits, key.private_key)
