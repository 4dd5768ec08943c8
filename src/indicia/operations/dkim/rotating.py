"""POST /indicia/v1/identities/{name}/rotate: the next Easy DKIM key, now and not when its time has come.

The answer comes before the rotation has ended: the new key is published, and signs once it was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from indicia.domain.dkim.rotation import Stage, signs_from
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import TokenSetKind
from indicia.domain.names import fold, shown
from indicia.domain.time import SECOND, rfc3339
from indicia.operations.dkim.token_sets import rotate
from indicia.store.dkim import rotation as rotations
from indicia.store.identities import identities

if TYPE_CHECKING:
    from indicia.domain.dkim.rotation import KeyPace, KeySet
    from indicia.domain.identities.identity import TokenSet
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.dkim.rotation import StoredKeys
    from indicia.store.engine.session import Session


class RotateRequest(Struct, kw_only=True, frozen=True):
    """Whose key is to be rotated."""

    name: str


class KeyInLife(Struct, kw_only=True, frozen=True):
    """One published key. `stage` is published, seen, signing or retired; instants are RFC 3339 in UTC."""

    selector: str
    bits: int
    stage: str
    published_at: str
    seen_at: str | None
    signing_at: str | None
    retired_at: str | None


class RotateResponse(Struct, kw_only=True, frozen=True):
    """The keys of the identity, the oldest first. `began` is false where a rotation was under way already."""

    identity: str
    began: bool
    keys: list[KeyInLife]


def rotate_identity(
    context: OperationContext, call: Call, request: RotateRequest, s: Session
) -> RotateResponse:
    """A rotation of the identity's Easy DKIM key is under way.

    Raises: `Fault` NOT_FOUND; CONFLICT where there is no key of ours that signs.
    """
    identity = identities.get(s, call.account, call.region, fold(request.name))
    if identity is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(request.name)}> does not exist.")
    stored = None if identity.token_set_id is None else rotations.hold(s, identity.token_set_id)
    if stored is None:
        refuse(FaultKind.CONFLICT, f"{shown(identity.name)} has no Easy DKIM key of its own.")
    if stored.token_set.kind is TokenSetKind.EXTERNAL:
        refuse(
            FaultKind.CONFLICT,
            f"The key of {shown(identity.name)} was uploaded. PutEmailIdentityDkimSigningAttributes takes the"
            " next one.",
        )
    if identity.origin != TokenSetKind.EASY.value:
        refuse(
            FaultKind.CONFLICT,
            f"{shown(identity.name)} has the key of its parent, by the origin {identity.origin}, and follows"
            " it: rotate it there.",
        )
    if stored.life.signing is None:
        refuse(FaultKind.CONFLICT, _not_yet(identity.name, stored.life, context.rules.key_pace))
    newest = stored.life.newest
    began = newest is not None and newest.stage is Stage.SIGNING
    if began:
        rotate(context, call, s, stored.token_set)
    now = rotations.read(s, stored.token_set.id) or stored
    return RotateResponse(identity=identity.name, began=began, keys=_shown(stored.token_set, now))


def _not_yet(name: str, life: KeySet, pace: KeyPace) -> str:
    """Return why there is nothing to rotate, and from when on there will be."""
    settle = f"{pace.settle // SECOND} s"
    begins = signs_from(life, pace)
    if life.newest is None:
        reason = (
            f"it gets one when its records are seen. A rotation is possible {settle} after its key is seen."
        )
    elif begins is None:
        reason = (
            "its key was not seen through its CNAME so far. A rotation is possible"
            f" {settle} after it is: `indicia doctor {shown(name)}` says what is in the way."
        )
    else:
        reason = f"its key was seen and signs from {rfc3339(begins)} on. A rotation is possible from then on."
    return f"No key of {shown(name)} signs yet: {reason}"


def _shown(token_set: TokenSet, stored: StoredKeys) -> list[KeyInLife]:
    return [
        KeyInLife(
            selector=token_set.tokens[key.position],
            bits=key.bits,
            stage=key.stage.value,
            published_at=rfc3339(key.published_at),
            seen_at=None if key.seen_at is None else rfc3339(key.seen_at),
            signing_at=None if key.signing_at is None else rfc3339(key.signing_at),
            retired_at=None if key.retired_at is None else rfc3339(key.retired_at),
        )
        for key in stored.life.keys
    ]
