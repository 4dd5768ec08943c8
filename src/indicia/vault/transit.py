"""A private key on its way from one installation to another, under a key that only those two can make.

TLS keeps strangers out; this keeps the key out of whatever stands between TLS and the two: proxies that end
it, their logs, and a body that was cached. The key is made from the secret of the access key with which the
request was signed, and from nothing else that travels (RFC 5869, HKDF).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_SALT: Final = 16
_NONCE: Final = 12


class TransitError(Exception):
    """What arrived does not open. Says nothing of what was in it."""


def seal(plaintext: bytes, secret: str, about: str) -> str:
    """Return the octets encrypted for whoever has the secret, as base64. `about` must be known to open it."""
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    sealed = _cipher(secret, salt).encrypt(nonce, plaintext, about.encode())
    return base64.b64encode(salt + nonce + sealed).decode("ascii")


def open_sealed(text: str, secret: str, about: str) -> bytes:
    """Return the octets that were sealed so.

    Raises: `TransitError`.
    """
    try:
        octets = base64.b64decode(text, validate=True)
        salt, nonce, sealed = octets[:_SALT], octets[_SALT : _SALT + _NONCE], octets[_SALT + _NONCE :]
        return _cipher(secret, salt).decrypt(nonce, sealed, about.encode())
    except (binascii.Error, ValueError, InvalidTag):
        raise TransitError("a replicated key does not open: another secret, or it was altered") from None


def _cipher(secret: str, salt: bytes) -> AESGCM:
    derived = HKDF(hashes.SHA256(), 32, salt, b"indicia replication 1").derive(secret.encode())
    return AESGCM(derived)
