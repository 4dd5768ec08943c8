"""DKIM signatures: exact octets, what receivers make of them, and what is not signed."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS

from indicia.mail.dkim.canonical import Field, NotAMessageError, parse, relaxed, simple_body_hash
from indicia.mail.dkim.signing import SIGNED, sign

GOLDEN = TESTS / "mail" / "golden"
T0 = 1_790_000_000_123
SELECTOR = "abcdefghijklmnopqrstuvwxyz234567"


def _next_prime(number: int) -> int:
    """The first number from here on that has no witness among small bases: a prime, for our purpose."""
    number |= 1
    while any(pow(base, number - 1, number) != 1 for base in (2, 3, 5, 7, 11)):
        number += 2
    return number


@cache
def key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key that is the same in every run, and nobody's secret: its primes are the first of their size."""
    half = bits // 2
    p, q = _next_prime(3 << (half - 2)), _next_prime((3 << (half - 2)) + (1 << (half // 2)))
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p, q=q, d=d, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(65537, p * q),
    )  # fmt: skip
    return numbers.private_key()


def record(bits: int = 2048) -> bytes:
    """The key record that a receiver finds."""
    spki = (
        key(bits)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return b"p=" + base64.b64encode(spki)


def signed(message: bytes, bits: int = 2048) -> bytes:
    """The message with our signature before it."""
    field = sign(message, domain="example.com", selector=SELECTOR, key=key(bits), now=T0)
    return field + message


def accepted(message: bytes, bits: int = 2048) -> bool:
    """What dkimpy, a receiver's implementation, says of the first signature."""
    asked: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record(bits)

    good = bool(dkim.verify(message, dnsfunc=dns))
    assert asked in ([], [f"{SELECTOR}._domainkey.example.com.".encode()])
    return good


MESSAGE = (
    b"Received: from a by b; Mon, 21 Sep 2026 13:33:20 +0000\r\n"
    b"From: Ann Example <ann@example.com>\r\n"
    b"To: bob@example.net,\r\n\tcarol@example.org\r\n"
    b"Subject:  two   spaces and\ta tab \r\n"
    b"X-Mailer: something\r\n"
    b"message-id: <1@example.com>\r\n"
    b"Date: Mon, 21 Sep 2026 13:33:20 +0000\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Language: en\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n"
    b"\r\n"
    b"Hello,\r\n\r\n  world \t\r\n\r\n\r\n"
)


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_signature_is_written_as_ses_writes_it(bits: int) -> None:
    """Octet for octet: tags in their order, the folding, the allow-list as it is spelled, t= in seconds."""
    assert signed(MESSAGE, bits)[: -len(MESSAGE)] == (GOLDEN / f"signature-{bits}.txt").read_bytes()


@pytest.mark.parametrize(
    ("field", "canonical"),
    [
        (Field(b"A", b" X"), b"a:X"),  # RFC 6376 §3.4.5, example 1
        (Field(b"B", b" Y\t\r\n\tZ  "), b"b:Y Z"),
        (Field(b"Subject", b""), b"subject:"),
        (Field(b"SUBJECT", b" \t \r\n  "), b"subject:"),
        (Field(b"X", b" a\x0bb \x0c"), b"x:a\x0bb \x0c"),  # no white space but space and tab
    ],
)
def test_fields_are_relaxed(field: Field, canonical: bytes) -> None:
    """Name in lower case, unfolded, white space squeezed, none round the value (RFC 6376 §3.4.2)."""
    assert relaxed(field) == canonical


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n"),  # RFC 6376 §3.4.5, example 2
        (b"", b"\r\n"),
        (b"\r\n\r\n", b"\r\n"),
        (b"no line end", b"no line end\r\n"),
        (b"\r\nfirst line is empty\r\n", b"\r\nfirst line is empty\r\n"),
    ],
)
def test_bodies_are_simple(body: bytes, canonical: bytes) -> None:
    """Trailing empty lines are one line end, and nothing else is touched (RFC 6376 §3.4.3)."""
    assert simple_body_hash(body) == hashlib.sha256(canonical).digest()


def test_the_hash_of_no_body_is_the_one_of_the_rfc() -> None:
    """RFC 6376 §3.4.3 gives it in base64."""
    assert base64.b64encode(simple_body_hash(b"")) == b"frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="


@pytest.mark.parametrize("bits", [1024, 2048])
def test_a_receiver_accepts_it(bits: int) -> None:
    """A receiver (dkimpy) finds the key where s= and d= say, and verifies."""
    assert accepted(signed(MESSAGE, bits), bits)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"world", b"World"),
        (b"bob@example.net", b"eve@example.net"),
        (b"text/plain", b"text/html"),
        (b"Date: Mon", b"Date: Tue"),
        (b"  world \t", b"  world"),
    ],
)
def test_a_receiver_notices_a_change(old: bytes, new: bytes) -> None:
    """What is signed cannot be changed: every field of the allow-list, and the body to its white space."""
    assert old in MESSAGE
    assert not accepted(signed(MESSAGE).replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Mailer: something", b"X-Mailer: another"),
        (b"Content-Language: en", b"Content-Language: fr"),
        (b"Received: from a", b"Received: from z"),
        (b"Subject:  two   spaces", b"SUBJECT: two spaces"),
    ],
)
def test_carriers_may_change_what_they_do(old: bytes, new: bytes) -> None:
    """Fields outside the allow-list are not covered, nor is the white space of those inside (spec 9.4)."""
    assert old in MESSAGE
    assert accepted(signed(MESSAGE).replace(old, new))


# dkimpy takes VT and FF for white space, which they are not (RFC 5234 §B.1).
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00\x0b\x0c"), max_size=90)
_FIELDS = st.lists(
    st.tuples(st.sampled_from([*SIGNED[1:], "X-Other", "Received", "List-Id"]), st.lists(_TEXT, min_size=1)),
    max_size=12,
    unique_by=lambda field: field[0],
)
_BODY = st.lists(st.one_of(_TEXT, st.just(""), st.just(" \t")), max_size=30)


@settings(max_examples=150, deadline=None)
@given(fields=_FIELDS, body=_BODY, end=st.booleans())
def test_whatever_the_message_a_receiver_accepts_it(
    fields: list[tuple[str, list[str]]], body: list[str], *, end: bool
) -> None:
    """Any fields, folded anyhow, and any body: the signature that we write verifies."""
    lines = ["From: ann@example.com"]
    lines += [f"{name}: " + "\r\n\t".join(value) for name, value in fields]
    text = "\r\n".join([*lines, "", *body]) + ("\r\n" if end else "")
    assert accepted(signed(text.encode(), 1024), 1024)


@settings(max_examples=300, deadline=None)
@given(octets=st.binary(max_size=200))
def test_octets_are_signed_or_refused(octets: bytes) -> None:
    """Whatever comes, a signature comes back or `NotAMessageError`, and never another error."""
    try:
        parse(octets)
        sign(b"From: a@example.com\r\n" + octets, domain="d.example", selector="s", key=key(1024), now=0)
    except NotAMessageError:
        return


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"From: a@example.com\n\nbody\n", "ends with CR or LF alone"),
        (b"From: a@example.com\r\n\r\nbody\rmore\r\n", "ends with CR or LF alone"),
        (b"From: a@example.com\r\n\r\nbody\n\r", "ends with CR or LF alone"),
        (b" folded: first\r\n\r\n", "continues no field"),
        (b"From: a@example.com\r\nno colon here\r\n\r\n", "no field name and colon"),
        (b"Subject: nobody\r\n\r\n", "no From field"),
        (b"\r\nbody\r\n", "no From field"),
        (b"From: a@example.com\r\nFROM: b@example.com\r\n\r\n", "from is there more than once"),
        (b"From: a@example.com\r\nSubject: 1\r\nSubject: 2\r\n\r\n", "subject is there more than once"),
    ],
)
def test_what_cannot_be_signed_is_refused(message: bytes, why: str) -> None:
    """A message that carriers would change, or that readers may see in two ways, is not signed."""
    with pytest.raises(NotAMessageError, match=why):
        sign(message, domain="example.com", selector="s", key=key(1024), now=T0)


def test_a_header_without_a_body_is_a_message() -> None:
    """The empty line may be missing when no body follows (RFC 5322 §2.1)."""
    assert parse(b"From: a@example.com\r\n") == ((Field(b"From", b" a@example.com"),), b"")
