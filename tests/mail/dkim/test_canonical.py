"""A message in its parts, as signatures see them."""

from __future__ import annotations

import pytest

from indicia.mail.dkim.canonical import Field, NotAMessageError, parse


@pytest.mark.parametrize(
    ("message", "fields", "body"),
    [
        (b"A: 1\r\nB:2\r\n\r\nbody\r\n", (Field(b"A", b" 1"), Field(b"B", b"2")), b"body\r\n"),
        (b"A: 1\r\n folded\r\n\r\n", (Field(b"A", b" 1\r\n folded"),), b""),
        (b"A: 1\r\n", (Field(b"A", b" 1"),), b""),
        (b"\r\nbody\r\n", (), b"body\r\n"),
        (b"A: 1\r\n\r\n\r\nbody", (Field(b"A", b" 1"),), b"\r\nbody"),
    ],
)
def test_the_parts_of_a_message(message: bytes, fields: tuple[Field, ...], body: bytes) -> None:
    """Fields as they are folded, and whatever follows the first empty line, to the octet."""
    assert parse(message) == (fields, body)


@pytest.mark.parametrize("message", [b"A: 1\n\nbody", b"A: 1\r\n\r\nbo\rdy", b"A: 1\r\n\r\nbody\n"])
def test_a_line_that_ends_otherwise_is_refused(message: bytes) -> None:
    """A receiver that counts its lines another way would see another message."""
    with pytest.raises(NotAMessageError, match="lines end with CRLF"):
        parse(message)
