"""DKIM signatures as Amazon SES writes them: rsa-sha256, relaxed/simple (RFC 6376; spec 9.4).

The message must be finished: whatever changes a signed field or the body afterwards breaks the signature.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from indicia.domain.time import SECOND, Instant
from indicia.mail.dkim.canonical import Field, NotAMessageError, parse, relaxed, simple_body_hash

# Spec 9.4: signed where it is there, and nothing else is. RFC 5322 §3.6 and RFC 2045 §3 allow each once.
SIGNED: Final = (
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)
_SIGNED: Final = frozenset(name.lower().encode() for name in SIGNED)
_LINE: Final = 76  # RFC 5322 §2.1.1 recommends 78 with the line end

_PADDING: Final = padding.PKCS1v15()
_SHA256: Final = hashes.SHA256()


def sign(message: bytes, *, domain: str, selector: str, key: RSAPrivateKey, now: Instant) -> bytes:
    """Return the DKIM-Signature field of the message, its line end included, to be put before it.

    `domain` and `selector` are in the form in which the DNS holds them (RFC 6376 §3.5, d= and s=).

    Raises: `NotAMessageError` for octets that are no message, a message without From, and one that names a
    signed field twice: which of them a reader is shown, nobody can say.
    """
    fields, body = parse(message)
    signed = [field for field in fields if field.name.lower() in _SIGNED]
    _refuse_doubtful(signed)
    body_hash = base64.b64encode(simple_body_hash(body))
    unsigned = b"".join(
        [
            b" v=1; a=rsa-sha256; q=dns/txt; c=relaxed/simple;\r\n\ts=",
            selector.encode("ascii"),
            b"; d=",
            domain.encode("ascii"),
            b"; t=%d;\r\n\t" % (now // SECOND),
            _folded(b"h=" + b":".join(field.name for field in signed) + b";", b":"),
            b"\r\n\tbh=",
            body_hash,
            b";\r\n\tb=",
        ]
    )
    # RFC 6376 §3.7: the fields in the order of h=, then this one with an empty b= and without its line end.
    hashed = b"".join([*(relaxed(field) + b"\r\n" for field in signed), _itself(unsigned)])
    signature = base64.b64encode(key.sign(hashed, _PADDING, _SHA256))
    return b"DKIM-Signature:" + unsigned + _chunked(signature, _LINE - 3) + b"\r\n"


def _itself(value: bytes) -> bytes:
    return relaxed(Field(b"DKIM-Signature", value))


def _refuse_doubtful(signed: Sequence[Field]) -> None:
    names = [field.name.lower() for field in signed]
    if b"from" not in names:
        raise NotAMessageError("there is no From field, which every signature must cover (RFC 6376 §5.4)")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NotAMessageError(f"the header field {twice.decode()} is there more than once")


def _folded(text: bytes, at: bytes) -> bytes:
    """Return the text with line breaks behind some of its separators, so that lines stay short."""
    lines = [b""]
    parts = text.split(at)
    for number, part in enumerate(parts):
        piece = part if number == len(parts) - 1 else part + at
        if lines[-1] and len(lines[-1]) + len(piece) > _LINE:
            lines.append(b"")
        lines[-1] += piece
    return b"\r\n\t".join(lines)


def _chunked(text: bytes, width: int) -> bytes:
    """Return base64 in lines: white space in b= means nothing (RFC 6376 §3.5)."""
    return b"\r\n\t".join(text[at : at + width] for at in range(0, len(text), width))
