"""Fields that hold what somebody else wrote: it comes back as it was, and begins nothing new."""

from __future__ import annotations

import re
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indicia.mail.message.header import address_field, text_field

ENCODED_WORD = re.compile(r"=\?[^\s?]+\?[bq]\?[^\s?]*\?=\Z")  # RFC 2047 §2


def written(name: str, value: str) -> bytes:
    """Return the octets of a mail that has this field and no more."""
    message = EmailMessage(policy=policy.SMTP)
    message[name] = value
    return message.as_bytes().removesuffix(b"\r\n")


@given(st.text(st.characters(exclude_categories=("Cs",))))
@example("=?utf-8?q?a=0D=0ABcc=3A_everyone=40example.com?=")
@example("=?us-ascii?q?a=0A=0AText?=")
@example("Hello\r\nBcc: everyone@example.com")
@example("x" * 2000)
@example("日本語 " * 100)
@example("\x07 \x7f\x00")
@example("a\u2028b")
def test_a_text_comes_back_in_one_line(text: str) -> None:
    """White space and control characters are one space; the rest is read as it was written, in one field."""
    octets = written("Subject", text_field("Subject", text))
    read = BytesParser(policy=policy.default).parsebytes(octets)

    assert read.keys() == ["Subject"]
    assert not read.get_payload()
    assert read["Subject"] == re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


@given(st.text(st.characters(exclude_categories=("Cs",))))
@example("Grüße aus München, bitte bestätigen Sie Ihre E-Mail-Adresse für unseren Newsletter jetzt")
@example("y" * 2000)
def test_what_is_encoded_keeps_to_the_limits(text: str) -> None:
    """An encoded word has 75 characters at most, its line 76, and a plain line 998 (RFC 2047, 5322)."""
    lines = written("Subject", text_field("Subject", text)).decode("ascii").split("\r\n")

    plain = lines[0].removeprefix("Subject: ")
    if "=?" not in plain:
        assert len(lines) == 2
        assert len(lines[0]) <= 998
        return
    for line in lines[:-1]:
        assert len(line) <= 76
        word = line.removeprefix("Subject: ").removeprefix(" ")
        assert ENCODED_WORD.match(word)
        assert len(word) <= 75


@pytest.mark.parametrize(
    ("local", "octets"),
    [
        ("ann", b"To: ann@example.com\r\n"),
        ("two words", b'To: "two words"@example.com\r\n'),
        (
            "=?utf-8?q?a=0D=0ABcc=3A_everyone=40example.com?=",
            b"To: =?utf-8?q?a=0D=0ABcc=3A_everyone=40example.com?=@example.com\r\n",
        ),
    ],
)
def test_an_address_is_written_as_it_is(local: str, octets: bytes) -> None:
    """Nothing of an address is taken for an encoded word."""
    assert written("To", address_field("To", Address(username=local, domain="example.com"))) == octets
