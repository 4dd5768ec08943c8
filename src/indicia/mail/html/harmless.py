"""What is left of somebody's HTML when it is harmless, and how it travels between processes.

Everything but the parser, which is `restricted_html` and which one process alone imports (`html_child`).
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

MOST_OCTETS: Final = 4 * 1024 * 1024
"""The most that is left of one HTML: encoded, a mail of less than 10 MB (SES guide, creating identities)."""
MOST_IMAGES: Final = 100
NESTED: Final = "its elements are nested too deeply, or there are too many of them"

MEMORY: Final = 256 * 1024 * 1024
"""Octets of addresses that reading may take; a plain megabyte takes a tenth."""
PROCESSOR_SECONDS: Final = 2
"""What reading a document may take; a plain megabyte takes a quarter of a second."""
TOO_MUCH: Final = f"{NESTED}: it takes more than {PROCESSOR_SECONDS} seconds or {MEMORY >> 20} MiB to read"


class UnsuitableHtmlError(Exception):
    """No mail is made of the HTML. Says in words what is wrong with it."""


class Image(msgspec.Struct, frozen=True, array_like=True):
    """An image that was written into the HTML, and is an attachment of the mail."""

    content_id: str
    subtype: str
    octets: bytes


class HarmlessHtml(msgspec.Struct, frozen=True, array_like=True):
    """A fragment of HTML that is well formed and holds nothing that is not allowed.

    `text` is the fragment as plain text, a line a block; `images` are those that it shows.
    """

    fragment: str
    text: str
    images: tuple[Image, ...]

    def __repr__(self) -> str:
        """Say how much there is of it."""
        return f"<HarmlessHtml of {len(self.fragment)} characters>"

    def packed(self) -> bytes:
        """Return it as it travels between processes, and as the store keeps it."""
        return _PACK.encode(self)

    @classmethod
    def unpacked(cls, octets: bytes) -> HarmlessHtml:
        """Return what was packed. Raises: `msgspec.MsgspecError` where the octets are none."""
        return _UNPACK.decode(octets)


_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(HarmlessHtml)


class Document(msgspec.Struct, frozen=True, array_like=True):
    """HTML that is to be made harmless, and the right side of the content ids of its images."""

    html: str
    domain: str


class Sanitized(msgspec.Struct, frozen=True, array_like=True):
    """What is left of a document, packed; or in words why nothing is made of it."""

    packed: bytes
    reason: str = ""


_LENGTH: Final = struct.Struct("!I")
HEADER: Final = _LENGTH.size
"""How many octets stand in a pipe before each message, and say how long it is."""


def framed(message: Document | Sanitized) -> bytes:
    """Return the message as it stands in a pipe."""
    octets = _PACK.encode(message)
    return _LENGTH.pack(len(octets)) + octets


def frame_length(header: bytes) -> int:
    """Return how many octets follow a header."""
    (length,) = _LENGTH.unpack(header)
    return int(length)
