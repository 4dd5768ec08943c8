"""When the length of the Easy DKIM key may be changed (spec 3.4, "Key length").

Not to the length already configured, and not twice in a day; but the first step down to 1024 bits in that day
is allowed. A step down can be followed only by a step up, which waits for the day to end: so a second step
down within the day cannot come about, and the rule is that of the step up alone.
"""

from __future__ import annotations

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import KeyLength
from indicia.domain.time import DAY, Instant


def earliest_change(wanted: KeyLength, chosen_at: Instant) -> Instant:
    """Return when the length may be changed to this one, given when the present one was chosen."""
    return chosen_at if wanted is KeyLength.RSA_1024_BIT else chosen_at + DAY


def check_change(
    configured: KeyLength, wanted: KeyLength, *, chosen_at: Instant, now: Instant, shown_as: str
) -> None:
    """Refuse a change of length that may not be made now.

    `shown_as` is the earliest instant at which it may, as text.

    Raises: `Fault` INVALID_PARAMETER in words of our own (the vendor's are not known).
    """
    if wanted is configured:
        refuse(FaultKind.INVALID_PARAMETER, f"The DKIM signing key length is {wanted.value} already.")
    if now < earliest_change(wanted, chosen_at):
        refuse(
            FaultKind.INVALID_PARAMETER,
            "The DKIM signing key length can be changed once in 24 hours. The present one was chosen less"
            f" than that ago; {wanted.value} is possible from {shown_as} on.",
        )
