"""Tokens that continue a list: opaque, authenticated, and good only for the list they were made for.

A token is the name it continues after, sealed for one list of one account in one region. It names a place in
the order of names and nothing else, so it stays good when identities come and go, and works with another
filter (spec 6.8: a token taken with a type filter continues the unfiltered list). v1 and v2 share them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.vault.keyring import KeyringError

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.vault.keyring import Keyring

IDENTITIES = "identities"
CONFIGURATION_SETS = "configuration-sets"
VERIFICATION_TEMPLATES = "verification-templates"
RECOMMENDATIONS = "recommendations"


def certificates_of(identity_id: int) -> str:
    """Return the name of the list of one identity's certificates."""
    return f"certificates/{identity_id}"


def _purpose(listed: str, call: Call) -> str:
    return f"next-token/{listed}/{call.account}/{call.region}"


def token_after(name: str, listed: str, call: Call, keyring: Keyring) -> str:
    """Return the token that continues a list behind this name."""
    sealed = keyring.seal(name.encode(), _purpose(listed, call))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def place_of(
    token: str | None,
    listed: str,
    call: Call,
    keyring: Keyring,
    *,
    refusal: Callable[[str], str] = "Invalid NextToken <{}>.".format,
) -> str:
    """Return the name behind which the list goes on; the empty text for its beginning.

    `refusal` makes the sentence of the token: no two lists of the vendor refuse one in the same words.

    Raises: `Fault` INVALID_PARAMETER `Invalid NextToken <T>.` for a token of another list, account, region or
    making.
    """
    if not token:  # an empty token counts as absent (spec 6.8)
        return ""
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        return keyring.open(sealed, _purpose(listed, call)).decode()
    except (binascii.Error, ValueError, KeyringError):
        refuse(FaultKind.INVALID_PARAMETER, refusal(shown(token)))
