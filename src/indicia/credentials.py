"""Access keys as people hold them: made, written to the AWS shared files, read back.

What a key looks like is in the contract: `AKIA` and 16 of `A-Z0-9`, and a secret of 40 of `A-Za-z0-9+/`. The
two files are in the formats that every AWS SDK reads, so that `AWS_SHARED_CREDENTIALS_FILE` and
`AWS_CONFIG_FILE` are enough to use an installation.
"""

from __future__ import annotations

import configparser
import secrets
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indicia.private_files import write_file

_ID_ALPHABET = string.ascii_uppercase + string.digits
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"
# The names under which AWS clients look for the endpoints of what is served here.
SERVICES: Final = ("ses", "sesv2", "sts")


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """An access key with its secret, and the account it belongs to."""

    id: str
    secret: str = field(repr=False)
    account: str


def new_access_key(account: str) -> AccountCredentials:
    """Return a key that nobody has."""
    identifier = "AKIA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
    return AccountCredentials(
        identifier, "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40)), account
    )


def new_account() -> str:
    """Return an account number that is not that of the sandbox and begins with no zero."""
    return str(secrets.randbelow(9 * 10**11) + 10**11)


def write_credentials(path: Path, key: AccountCredentials) -> None:
    """Write the key as the default profile, to a file that only its owner can read."""
    _write(
        path,
        "[default]\n"
        f"aws_access_key_id = {key.id}\n"
        f"aws_secret_access_key = {key.secret}\n"
        f"aws_account_id = {key.account}\n",
    )


def read_credentials(path: Path) -> AccountCredentials | None:
    """Return the default profile's key; None when there is no such file or no key in it."""
    # No interpolation: `%` may be in a secret that was set. Nothing is quoted in errors, which are all None.
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
        profile = parser["default"]
        return AccountCredentials(
            profile["aws_access_key_id"], profile["aws_secret_access_key"], profile.get("aws_account_id", "")
        )
    except (OSError, UnicodeDecodeError, KeyError, configparser.Error):
        return None


def write_config(path: Path, *, region: str, url: str) -> None:
    """Write region and endpoints as the default profile (AWS shared config, service-specific endpoints)."""
    endpoints = "".join(f"{service} =\n  endpoint_url = {url}\n" for service in SERVICES)
    _write(path, f"[default]\nregion = {region}\nservices = indicia\n\n[services indicia]\n{endpoints}")


def environment(key: AccountCredentials, *, region: str, url: str) -> dict[str, str]:
    """Return the environment in which AWS SDKs and the AWS CLI use this installation."""
    return {
        **{f"AWS_ENDPOINT_URL_{service.upper()}": url for service in SERVICES},
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }


def _write(path: Path, text: str) -> None:
    """Put a private file in place in one step; leave it alone when it says so already."""
    try:
        if path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o077 == 0:
            return
    except (OSError, UnicodeDecodeError):
        pass  # not there, or not ours to keep
    write_file(path, text)
