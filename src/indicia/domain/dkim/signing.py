"""Whether mail of a domain may be signed now, and with which key (verification.md, Granting; spec 9.4).

Nothing signs that a receiver could not check: an unsigned message is no worse than one whose signature fails.
"""

from __future__ import annotations

from enum import Enum

from indicia.domain.dkim.rotation import KeyLife, Stage
from indicia.domain.identities.identity import FacetState
from indicia.domain.proofs.transitions import MAY_SEND


class Unsigned(Enum):
    """Why mail of a domain goes without its signature. The value says so."""

    NO_DKIM = "DKIM is not set up for the domain"
    SWITCHED_OFF = "signing is switched off for the domain"
    NOT_VERIFIED = "the DKIM records of the domain are not verified"
    NO_KEY = "no key of the domain signs yet: it is published and has to be seen first"
    NOT_VISIBLE = "the key of the domain is not to be seen in the DNS"


def refusal(
    state: FacetState | None, key: KeyLife | None, *, enabled: bool, carried: FacetState | None = None
) -> Unsigned | None:
    """Return why the key may not sign, None where it may.

    `state` is that of the DKIM facet and `key` the one that signs for the present token set; `carried` is
    what proved the domain by the records of this same set before its owner changed something about its key.
    In the grace period a key that is still to be seen signs; one that is not stops.
    """
    if state is None:
        return Unsigned.NO_DKIM
    if not enabled:
        return Unsigned.SWITCHED_OFF
    proved = state.status in MAY_SEND
    if not proved and (carried is None or carried.status not in MAY_SEND):
        return Unsigned.NOT_VERIFIED
    if key is None or key.stage is not Stage.SIGNING or key.signing_at is None:
        return Unsigned.NO_KEY
    # After a change of the length the facet is PENDING and the key of before signs on. After a change of the
    # method there is no key of before (spec 3.4: the previous method is not used).
    if not proved and key.signing_at >= state.since:
        return Unsigned.NOT_VERIFIED
    return None if key.visible else Unsigned.NOT_VISIBLE
