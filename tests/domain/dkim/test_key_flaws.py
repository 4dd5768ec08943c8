"""A flaw of a key record is named with its tag, its character and its place."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.dkim.key_flaws import named_flaw
from indicia.domain.dkim.key_record import parse_key_record
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import Observation, RecordType, Reply
from indicia.domain.verification.findings import Finding

DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
_PUBLIC = rsa.RSAPublicNumbers(65537, 1 << 2047 | 3).public_key()
KEY = base64.b64encode(_PUBLIC.public_bytes(DER, SPKI)).decode()
PADDED = base64.b64encode(
    rsa.RSAPublicNumbers(65537, 1 << 2039 | 3).public_key().public_bytes(DER, SPKI)
).decode()
BARE = base64.b64encode(_PUBLIC.public_bytes(DER, serialization.PublicFormat.PKCS1)).decode()
ELLIPTIC = base64.b64encode(
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(DER, SPKI)
).decode()
RECORD = ExpectedRecord(Purpose.DKIM, "sel._domainkey.example.com", RecordType.TXT, f"p={KEY}", required=True)


@pytest.mark.parametrize(
    ("text", "says", "shows"),
    [
        (f"v=DKIM1; h=rsa-sha256; p={KEY}", "h=rsa-sha256 at character 10 does not list sha256", "h=rsa-"),
        (f"p={KEY}\\;", f'character {len(KEY) + 3} is a "\\" before a semicolon', KEY[-10:] + "\\;"),
        (f"v=DKIM1\\; k=rsa\\; p={KEY}", 'character 8 is a "\\" before a semicolon', "v=DKIM1\\;"),
        (f"v=DKIM1; p={KEY[:100]}{KEY[200:]}", "ends after 219 octets of 294: it was cut", KEY[-10:]),
        (f"v=DKIM1; p={KEY[:101]}", "is not base64: 101 characters do not fill octets", KEY[90:101]),
        (f"v=DKIM1; p={KEY[60:]}", "p= at character 10 does not begin as a key does", "p="),
        (
            f"p={KEY[:300]}*{KEY[300:]}",
            'character 303, in p=, is "*", which base64 does not',
            KEY[290:300] + "*",
        ),
        (f"p={KEY[:9]}\u00c2\u00a0{KEY[9:]}", "character 12, in p=, is NO-BREAK SPACE (U+00A0)", "p="),
        (f"p={KEY[:9]}\u00ff{KEY[9:]}", "character 12, in p=, is the octet FF", "p="),
        (f"p=-----BEGIN PUBLIC KEY-----{KEY}", "has the first line of a PEM file in it", "BEGIN"),
        (f"p={KEY}; p={KEY}", f"the tag p= is there a second time at character {len(KEY) + 5}", "; p="),
        (f"k=rsa; v=DKIM1; p={KEY}", "the tag v= stands at character 8, and has to be the first", "v="),
        (f"v=dkim1; p={KEY}", 'v="dkim1" at character 1 is not DKIM1 to the letter', "v=dkim1"),
        ("v=spf1 -all", 'v="spf1 -all" at character 1 is not DKIM1', "v=spf1"),
        (f"v=DKIM1; k=ed25519; p={KEY}", "k=ed25519 at character 10 is another type of key", "k=ed"),
        (f"v=DKIM1; s=tlsrpt; p={KEY}", "s=tlsrpt at character 10 lists neither email nor *", "s=tls"),
        (f"v=DKIM1; rsa; p={KEY}", '"rsa" at character 10 is no tag: it has no "="', "rsa;"),
        (f"v=DKIM1;; p={KEY}", "there is nothing before the semicolon at character 9", ";;"),
        (f"v=DKIM1; 1k=rsa; p={KEY}", '"1k" at character 10 is no name that a tag can have', "1k="),
        ("v=DKIM1; k=rsa", "there is no tag p=, which holds the key", "k=rsa"),
        (f"p={KEY}AAAA", "goes on for 3 octets after the key", "AAAA"),
        (f"p={KEY[:-8]}={KEY[-8:]}", 'goes on after a "=", which ends base64', "p="),
        (f"p={PADDED[:-1]}", 'ends in the wrong number of "="', PADDED[-10:-1]),
        (f"p={BARE}", "is a bare RSAPublicKey (PKCS#1)", "p="),
        (f"p={ELLIPTIC}", "holds something else than the SubjectPublicKeyInfo of an RSA key", "p="),
    ],
)
def test_a_flaw_is_named_and_shown(text: str, says: str, shows: str) -> None:
    """The sentence names it, and the value is quoted round it however long that is."""
    seen = Observation(RECORD.questions[0], "local", Reply.ANSWER, 0, values=(text,))
    words = explain(RECORD, Finding.KEY_UNREADABLE, [seen])
    quoted = words.explanation.rpartition("It is ")[2]

    assert says in words.explanation
    assert shows in quoted
    assert len(quoted) < 170


def test_what_can_be_read_has_no_flaw() -> None:
    """A backslash in a note, where any character may be, is none (RFC 6376 §3.6.1 n=)."""
    text = f"v=DKIM1; p={KEY}; n=a note\\"

    assert parse_key_record(text).usable
    assert named_flaw(text) is None


@given(st.one_of(st.text(max_size=300), st.text('vkhpts=;:" \\DKIM1rsa', max_size=60)))
def test_every_flaw_has_a_place(text: str) -> None:
    """Whatever stands in a TXT record: where receivers cannot use it there is a sentence and a place."""
    flaw = named_flaw(text)

    assert (flaw is None) == parse_key_record(text).usable
    assert flaw is None or (flaw.told and 0 <= flaw.at <= len(text))
