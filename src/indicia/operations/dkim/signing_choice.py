"""What a caller chose for DKIM, parsed from `DkimSigningAttributes` (spec 6.2).

Both operations that take the shape, CreateEmailIdentity and PutEmailIdentityDkimSigningAttributes, read it
here; the rules on how its members go together are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from indicia.domain.dkim.replication import parent_region
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import KeyLength, TokenSetKind
from indicia.vault.rsa import KeyPair, parse_private
from indicia.wire.shapes import sesv2

_NEEDS_BOTH = (
    "When using Bring Your Own DKIM, you must provide both DomainSigningSelector and DomainSigningPrivateKey."
)
_NOT_BOTH_WAYS = (
    "You cannot configure the identity to use Easy DKIM and Bring Your Own DKIM properties at the same time."
)
_PARENTS = (
    "A replica has the tokens, the keys and the key length of its parent; give neither a selector, nor a"
    " private key, nor NextSigningKeyLength."
)


@dataclass(frozen=True, slots=True)
class EasyDkim:
    """Keys are ours. `key_length` is None where the caller left it to us."""

    key_length: KeyLength | None = None


@dataclass(frozen=True, slots=True)
class OwnDkim:
    """The caller's selector and key, the key checked in full."""

    selector: str
    pair: KeyPair = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replica:
    """Keys are those of the identity of the same name in another region (Deterministic Easy DKIM)."""

    region: str


SigningChoice: TypeAlias = EasyDkim | OwnDkim | Replica


def parse_choice(attributes: sesv2.DkimSigningAttributes | None, origin: str | None) -> SigningChoice:
    """Return the choice. `origin` is the caller's word on who makes the keys, None where it was not given.

    Checks an uploaded key, which takes tens of milliseconds: never call it inside a transaction.

    Raises: `Fault` INVALID_PARAMETER with the vendor's texts.
    """
    selector = attributes.DomainSigningSelector if attributes else None
    key = attributes.DomainSigningPrivateKey if attributes else None
    length = attributes.NextSigningKeyLength if attributes else None
    own = selector is not None or key is not None
    region = None if origin is None else parent_region(origin)
    if region is not None:
        if own or length is not None:
            refuse(FaultKind.INVALID_PARAMETER, _PARENTS)
        return Replica(region)
    if own and (length is not None or origin == TokenSetKind.EASY.value):
        refuse(FaultKind.INVALID_PARAMETER, _NOT_BOTH_WAYS)
    if own or origin == TokenSetKind.EXTERNAL.value:
        if length is not None:
            refuse(FaultKind.INVALID_PARAMETER, _NOT_BOTH_WAYS)
        if selector is None or key is None:
            refuse(FaultKind.INVALID_PARAMETER, _NEEDS_BOTH)
        return OwnDkim(selector, parse_private(key))
    return EasyDkim(KeyLength(length) if length is not None else None)


def own_selector(choice: SigningChoice) -> str | None:
    """Return the selector that the caller chose, None where selectors are tokens of ours."""
    return choice.selector if isinstance(choice, OwnDkim) else None


def carries_key(attributes: sesv2.DkimSigningAttributes | None) -> bool:
    """Say whether parsing will take the time that checking an uploaded key takes."""
    return attributes is not None and attributes.DomainSigningPrivateKey is not None
