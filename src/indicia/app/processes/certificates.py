"""The certificate that the HTTP listeners show, as the settings name it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from indicia.installation import InstallationError
from indicia.wire.http.server import Certificate

if TYPE_CHECKING:
    from indicia.settings import Tls


def certificate_of(tls: Tls) -> Certificate:
    """Return the certificate with its key. Raises: `InstallationError` when they cannot be used together."""
    try:
        return Certificate(tls.cert_file, tls.key_file)
    except OSError as error:
        raise InstallationError(
            f"the certificate {tls.cert_file} with the key {tls.key_file} cannot be used: {reason_of(error)}"
        ) from error


def reason_of(error: OSError) -> str:
    """Return what is wrong in the words of the operating system, or of OpenSSL."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is not one").replace("_", " ").lower()
    return error.strerror or type(error).__name__
