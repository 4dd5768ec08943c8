"""What the operator does on a machine of the installation, as the audit log has it.

There is no access key and no request: who that was is the user of the machine, and where is its name.
"""

from __future__ import annotations

import os
import pwd
import socket

from indicia.domain.time import Instant
from indicia.store.accounts.audit import AuditEntry

SERVICE = "operator"
"""What stands before the name of an operation of the operator's, as `sesv2` before one of API v2."""


def entry(
    operation: str, at: Instant, *, account: str = "", resource: str = "*", detail: str = ""
) -> AuditEntry:
    """Return the entry of something that the operator has done. Holds no secret."""
    return AuditEntry(
        at=at,
        account=account,
        principal=f"os-user/{_user()}",
        access_key="",
        address=socket.gethostname(),
        operation=f"{SERVICE}:{operation}",
        resource=resource,
        outcome="success",
        request_id="",
        detail=detail,
    )


def made(key_id: str, account: str, at: Instant, *, detail: str) -> AuditEntry:
    """Return the entry of an access key that counts from now on."""
    return entry("CreateAccessKey", at, account=account, resource=f"access-key/{key_id}", detail=detail)


def revoked(key_id: str, account: str, at: Instant) -> AuditEntry:
    """Return the entry of an access key that counts no longer."""
    return entry("RevokeAccessKey", at, account=account, resource=f"access-key/{key_id}")


def _user() -> str:
    """Return the user of this process; where that is root by sudo(8), who became root."""
    asked = os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else ""
    if asked.isprintable() and 0 < len(asked) <= 64:
        return f"{asked} as root"
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
