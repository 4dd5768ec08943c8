"""An account's standing: what it may send, and the review that lets it out of the SES sandbox.

The vendor decides such requests by people; so does the operator here (`indicia account approve|deny`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

# Whose calls in a sandbox are that are made with a key nobody knows (contract, Sandbox credentials).
SANDBOX_ACCOUNT: Final = "000000000000"


class ReviewStatus(Enum):
    """SES v2 `ReviewStatus`, as far as it occurs: nothing here fails by itself."""

    PENDING = "PENDING"
    GRANTED = "GRANTED"
    DENIED = "DENIED"


@dataclass(frozen=True, slots=True)
class Quota:
    """How much may be sent. -1 mails a day are without limit, in the vendor's words (`SendQuota`)."""

    per_day: float
    per_second: float


# Spec 1 (Sandbox), recorded: what an account may send before it has production access.
SANDBOX_QUOTA = Quota(200.0, 1.0)
# No number a second stands for "no limit", so one is said that paces nobody.
UNLIMITED = Quota(-1.0, 1000.0)
