"""Deterministic Easy DKIM: a replica has the tokens and keys of a parent in another region (spec 3.8).

The parent is the identity of the same name and account in the region that the replica's origin names. What
keeps a replica from its parent is never a failed creation: it is told in VerificationInfo, and tried again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from indicia.domain.identities.identity import ErrorType, Identity, TokenSetKind
from indicia.domain.proofs.transitions import Evidence, Sight
from indicia.domain.time import Span

_PREFIX: Final = f"{TokenSetKind.EASY.value}_"


def origin_of(region: str) -> str:
    """Return the origin of replicas whose parent is in the region (spec 11.1)."""
    return _PREFIX + region.upper().replace("-", "_")


def parent_region(origin: str) -> str | None:
    """Return the region that an origin names, None when it is no replica's."""
    if not origin.startswith(_PREFIX):
        return None
    return origin.removeprefix(_PREFIX).lower().replace("_", "-")


def is_replica(identity: Identity) -> bool:
    """Say whether the identity has another's keys, or waits for them."""
    return parent_region(identity.origin) is not None


def obstacle(
    parent: Identity | None, *, region: str, replica_region: str, served: Collection[str], allowed: bool
) -> ErrorType | None:
    """Return what keeps a replica in one region from a parent in another, None where nothing does.

    `served` are the regions in which a parent can be, `allowed` whether the replica's creator may replicate.
    A parent without Easy DKIM has no key to give: there is no parent yet.
    """
    if region == replica_region or region not in served:
        return ErrorType.REPLICATION_PRIMARY_INVALID_REGION
    if not allowed:
        return ErrorType.REPLICATION_ACCESS_DENIED
    if parent is None:
        return ErrorType.REPLICATION_PRIMARY_NOT_FOUND
    if parent.origin == TokenSetKind.EXTERNAL.value:
        return ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED
    if is_replica(parent):
        return ErrorType.REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED
    return ErrorType.REPLICATION_PRIMARY_NOT_FOUND if parent.token_set_id is None else None


_SENTENCES: Final = {
    ErrorType.REPLICATION_PRIMARY_INVALID_REGION: "The parent's region is this one, or is not served.",
    ErrorType.REPLICATION_ACCESS_DENIED: "Whoever made the replica may not replicate the parent's key:"
    " ses:ReplicateEmailIdentityDkimSigningKey is not allowed on it.",
    ErrorType.REPLICATION_PRIMARY_NOT_FOUND: "There is no identity of this name with Easy DKIM in the region"
    " of the parent.",
    ErrorType.REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED: "The parent signs with an uploaded key, which is"
    " replicated nowhere.",
    ErrorType.REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED: "The identity in the parent's region is a replica"
    " itself; name the region of its parent.",
}


@dataclass(frozen=True, slots=True)
class ParentSeen:
    """How a replica stands to its parent, as the verifier found it.

    `again` is in how long that has to be asked again at the latest, None where the next check is soon enough.
    """

    evidence: Evidence
    again: Span | None = None


# The parent's region could not be asked, or not in time: that is our trouble, and moves nothing.
NOTHING_LEARNT: Final = ParentSeen(Evidence(Sight.UNKNOWN, ErrorType.SERVICE_ERROR))


def sentence(error: ErrorType | None) -> str:
    """Return in words how a replica stands to its parent."""
    if error is None:
        return "The parent's tokens and keys are shared."
    return _SENTENCES.get(error, "The parent's region could not be asked.")
