"""Fields of a mail's header that hold what somebody else wrote, an address or a text, and nothing but that.

`EmailMessage` reads every value it is given: in `=?utf-8?q?a=0D=0ABcc=3A...?=` it sees an encoded word, takes
it apart and writes out a second field. A `HeaderValue` is written already, so that nobody reads it.
"""

from __future__ import annotations

import re
from email.header import Header
from email.headerregistry import Address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from email.policy import Policy

LINE_AT_MOST: Final = 998  # RFC 5322 §2.1.1
_ENCODED_AT_MOST: Final = 76  # RFC 2047 §2: a line with encoded words; one of them has 75 at most
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*\Z", re.ASCII)
# What no field can hold (RFC 5322 §3.2.5). `\s` has the line breaks of Unicode.
_NO_TEXT: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class HeaderValue(str):
    """The value of a field as it stands in the mail. Its `name` tells the email package to leave it alone."""

    __slots__ = ("name",)

    name: str

    def fold(self, *, policy: Policy) -> str:
        """Return the whole field, as it was written."""
        return f"{self.name}: {self}{policy.linesep}"


def _field(name: str, value: str) -> HeaderValue:
    field = HeaderValue(value)
    field.name = name
    return field


def address_field(name: str, address: Address) -> HeaderValue:
    """Return a field that holds an address: no part of one is ever encoded (RFC 2047 §5)."""
    return _field(name, address.addr_spec)


def one_line(text: str) -> str:
    """Return the text as a field can hold it: a run of white space or control characters is a space."""
    return _NO_TEXT.sub(" ", text).strip()


def text_field(name: str, text: str) -> HeaderValue:
    """Return a field that holds a text in `one_line`, in encoded words where it has to be (RFC 2047)."""
    line = one_line(text)
    # What looks like an encoded word would be read as one.
    if _PRINTABLE.match(line) and "=?" not in line and len(f"{name}: {line}") <= LINE_AT_MOST:
        return _field(name, line)
    encoded = Header(line, "utf-8", maxlinelen=_ENCODED_AT_MOST, header_name=name)
    return _field(name, encoded.encode(linesep="\r\n"))
