"""What a sandbox has otherwise than the service it is one of (contract)."""

from __future__ import annotations

from typing import Final

from indicia.domain.accounts.account import SANDBOX_ACCOUNT

# Fast first checks, no limits, private addresses allowed, and one account for every access key that nobody
# knows.
DEFAULTS: Final = {
    "check_min": "1s",
    "limits": "off",
    "private_addresses": "allow",
    "root_account": SANDBOX_ACCOUNT,
}
# With a command nobody needs to know the ports, and two sandboxes at once are normal.
FREE_PORTS: Final = {
    "listen_http": "127.0.0.1:0",
    "listen_admin": "127.0.0.1:0",
    "listen_dns": "127.0.0.1:0",
}
