"""A message as DKIM hashes it: header fields `relaxed`, body `simple` (RFC 6376 §3.4.2, §3.4.3).

Octets in, octets out. A message is lines that end with CRLF (RFC 5322 §2.1): what has others is changed on
its way by the servers that carry it, so nothing that was hashed before would hold after.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_WSP_RUN = re.compile(rb"[ \t]+")
# RFC 5322 §2.2: printable US-ASCII without the colon; white space before the colon is obsolete syntax (§4.5).
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")


class NotAMessageError(ValueError):
    """The octets are no message that can be signed. Says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: its name as it is spelled, and what follows the colon, folded as it is."""

    name: bytes
    value: bytes


def parse(message: bytes) -> tuple[tuple[Field, ...], bytes]:
    """Return the header fields in their order, and the body.

    Raises: `NotAMessageError`.
    """
    # Three counts are equal only when every CR is followed by an LF and every LF follows a CR.
    if not message.count(b"\r\n") == message.count(b"\n") == message.count(b"\r"):
        raise NotAMessageError("a line ends with CR or LF alone; lines end with CRLF (RFC 5322 §2.1)")
    if message.startswith(b"\r\n"):
        return (), message[2:]
    head, empty_line, body = message.partition(b"\r\n\r\n")
    if not empty_line:
        head = head.removesuffix(b"\r\n")
    return tuple(map(_field, _unfolded_lines(head))), body


def _unfolded_lines(head: bytes) -> list[bytes]:
    """Return each field with its continuation lines (RFC 5322 §2.2.3)."""
    fields: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] not in {b" ", b"\t"}:
            fields.append(line)
        elif fields:
            fields[-1] += b"\r\n" + line
        else:
            raise NotAMessageError("the first line of the header continues no field")
    return fields


def _field(text: bytes) -> Field:
    found = _FIELD.match(text)
    if found is None:
        raise NotAMessageError("a line of the header has no field name and colon")
    return Field(found[1], text[found.end() :])


def relaxed(field: Field) -> bytes:
    """Return the field as `relaxed` has it, without its line end (RFC 6376 §3.4.2)."""
    value = field.value.replace(b"\r\n", b"")
    if b"\t" in value or b"  " in value:
        value = _WSP_RUN.sub(b" ", value)
    return field.name.lower() + b":" + value.strip(b" ")


def simple_body_hash(body: bytes) -> bytes:
    """Return the SHA-256 of the body as `simple` has it: one line end after its last line (§3.4.3).

    A body without a line is one line end.
    """
    # Nothing but whole line ends can be at the end: a CR or LF alone was refused.
    digest = hashlib.sha256(body.rstrip(b"\r\n"))
    digest.update(b"\r\n")
    return digest.digest()
