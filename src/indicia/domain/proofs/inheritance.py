"""What covers an address or a domain, and which identity's settings apply (spec 3.6, 3.7, 9.1).

The most specific identity that is verified supplies the settings, all of them: they are never mixed. Keys are
the exception: an address has none, so its mail is signed with those of a domain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from indicia.domain.identities.identity import (
    CarriedProof,
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    TokenSet,
)
from indicia.domain.names import parents
from indicia.domain.proofs.transitions import MAY_SEND, own_status


class ProofStanding(Protocol):
    """An identity with what was proved of it and its token set."""

    @property
    def identity(self) -> Identity:
        """What people set."""

    @property
    def facets(self) -> dict[Facet, FacetState]:
        """What was proved."""

    @property
    def token_set(self) -> TokenSet | None:
        """What it is published under, None where DKIM was never set up."""

    @property
    def carried(self) -> CarriedProof | None:
        """What proved it before its owner changed what should be published, None where nothing does."""


S = TypeVar("S", bound=ProofStanding)


class SendingProof(Enum):
    """By what an address may be sent from."""

    ADDRESS = "address"  # it is verified itself
    LABEL = "label"  # the address without its `+label` is
    DOMAIN = "domain"  # its domain is
    PARENT = "parent"  # a domain above its domain is


@dataclass(frozen=True, slots=True)
class Effective(Generic[S]):
    """What applies to mail from an address.

    `supplier` is the identity whose settings apply, and whose proof lets the address send: `proof` says what
    it is to the address. `keys` is the domain whose keys sign, None where none has any; the `d=` of the
    signature is its name. `signed` says whether mail is to be signed where that domain's DKIM stands.
    """

    supplier: S
    proof: SendingProof
    keys: S | None
    signed: bool


def without_label(address: str) -> str | None:
    """Return the address without its `+label`, None where it has none (SES guide, creating identities)."""
    local, _, domain = address.rpartition("@")
    plain, plus, _ = local.partition("+")
    # Inside quotes a plus is a letter like any other (RFC 5321 §4.1.2).
    return f"{plain}@{domain}" if plus and plain and not local.startswith('"') else None


def with_and_without_label(address: str) -> tuple[str, ...]:
    """Return the names by which an address may be registered: as it is, and without its label."""
    plain = without_label(address)
    return (address,) if plain is None else (address, plain)


def domains_of(address: str) -> tuple[str, ...]:
    """Return the domain of an address and each domain above it, the most specific first. Domains fold."""
    return tuple(parents(address.rpartition("@")[2].lower()))


def covering(kind: IdentityKind, name: str) -> tuple[str, ...]:
    """Return the names of the identities that would cover this one, the most specific first; not its own."""
    if kind is IdentityKind.DOMAIN:
        return tuple(parents(name.partition(".")[2]))
    plain = without_label(name)
    return (*((plain,) if plain else ()), *domains_of(name))


def candidates(address: str) -> tuple[str, ...]:
    """Return the names of every identity that may supply the settings of an address, in their order.

    Spec 9.1: the exact address, in its case; the same without its label; its domain; each domain above.
    """
    return (address, *covering(IdentityKind.EMAIL_ADDRESS, address))


def may_send(standing: ProofStanding) -> bool:
    """Say whether the identity's own proof lets it send, grace period included."""
    return own_status(standing.facets) in MAY_SEND


def covered(above: Iterable[ProofStanding]) -> bool:
    """Say whether one of those that cover an identity is verified, so that it may send too."""
    return any(map(may_send, above))


def keys_of(standings: Iterable[S]) -> S | None:
    """Return the first that DKIM is set up for. Given from the most specific on, it is the one that signs."""
    return next((standing for standing in standings if standing.token_set is not None), None)


def is_signed(keys: ProofStanding, override: bool | None) -> bool:
    """Say whether mail is to be signed: as the domain has it, unless the address has a switch of its own."""
    return keys.identity.signing_enabled if override is None else override


def switch_of(address: str, override: Callable[[str], bool | None]) -> bool | None:
    """Return the switch that applies to an address: its own, else that of the address without its label."""
    plain = without_label(address)
    own = override(address)
    return override(plain) if own is None and plain is not None else own


def effective_identity(
    address: str, lookup: Callable[[str], S | None], override: Callable[[str], bool | None] = lambda _: None
) -> Effective[S] | None:
    """Return what applies to mail from a bare address, None where nobody proved that it may be sent from.

    `lookup` finds the identity of a name, one of `candidates`; `override` the switch of an address. What is
    not verified supplies nothing, neither settings nor keys: mail from an address that waits for its link
    goes as its domain says (spec 9.1).
    """
    names = candidates(address)
    usable = [found for name in names if (found := lookup(name)) is not None and may_send(found)]
    if not usable:
        return None
    keys = keys_of(usable)
    return Effective(
        supplier=usable[0],
        proof=_proof(address, usable[0].identity),
        keys=keys,
        signed=keys is not None and is_signed(keys, switch_of(address, override)),
    )


def _proof(address: str, supplier: Identity) -> SendingProof:
    if supplier.kind is IdentityKind.EMAIL_ADDRESS:
        return SendingProof.ADDRESS if supplier.name == address else SendingProof.LABEL
    return SendingProof.DOMAIN if supplier.name == address.rpartition("@")[2].lower() else SendingProof.PARENT
