"""A key of one's own, as callers upload it, and what is wrong with others."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from indicia.wire.shapes.sesv2 import DkimSigningAttributes

OWN_KEY = rsa.generate_private_key(65537, 1024)


OWN_KEY_TEXT = base64.b64encode(
    OWN_KEY.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
).decode()


OWN_PUBLIC = base64.b64encode(
    OWN_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()


OWN = DkimSigningAttributes(DomainSigningSelector="mail-2026", DomainSigningPrivateKey=OWN_KEY_TEXT)


BOTH_NEEDED = (
    "When using Bring Your Own DKIM, you must provide both DomainSigningSelector and DomainSigningPrivateKey."
)


ONE_WAY = (
    "You cannot configure the identity to use Easy DKIM and Bring Your Own DKIM properties at the same time."
)
