"""Tokens, and key records as receivers read them."""

from __future__ import annotations

import base64
import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.dkim.key_record import (
    KeyFlaw,
    is_token,
    is_verification_token,
    key_record,
    new_tokens,
    new_verification_token,
    parse_key_record,
    parse_public_key,
    split_text,
)

DER, SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def _spki(bits: int) -> str:
    """The SubjectPublicKeyInfo of a number of that many bits: nobody's key, but well formed."""
    modulus = random.Random(bits).getrandbits(bits) | 1 << bits - 1 | 1
    return base64.b64encode(
        rsa.RSAPublicNumbers(65537, modulus).public_key().public_bytes(DER, SPKI)
    ).decode()


KEY = _spki(2048)
SHORT_KEY = _spki(1024)
BARE_KEY = base64.b64encode(
    rsa.RSAPublicNumbers(65537, 1 << 2047 | 1)
    .public_key()
    .public_bytes(DER, serialization.PublicFormat.PKCS1)
).decode()
ELLIPTIC = base64.b64encode(
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(DER, SPKI)
).decode()


def test_new_tokens() -> None:
    """Three different tokens of 32 characters of a-z2-7; a random octet chooses each of the last 26."""
    alphabet = base64.b32encode(bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df")).decode().lower()

    tokens = new_tokens(random.Random(1).randbytes, 0)

    assert alphabet == "abcdefghijklmnopqrstuvwxyz234567"
    assert len(set(tokens)) == 3
    assert all(map(is_token, tokens))
    assert "".join(token[6:] for token in tokens) == "".join(
        alphabet[octet % 32] for octet in random.Random(1).randbytes(78)
    )


def test_tokens_of_one_moment_stand_side_by_side() -> None:
    """Those that are made within 8 ms begin alike, whatever is random; those of the next 8 do not."""

    def lead(now: int) -> str:
        (found,) = {token[:6] for token in new_tokens(random.Random(now).randbytes, now)}
        return found

    assert len({lead(now) for now in range(800, 808)}) == 1
    assert len({lead(now) for now in range(800, 1600, 8)}) == 100


def test_new_verification_token() -> None:
    """44 characters of base64 that hold 192 bits of the given randomness, and the mark of the service."""
    token = new_verification_token(random.Random(1).randbytes, "mail.example")

    assert len(token) == 44
    assert base64.b64decode(token, validate=True)[:24] == random.Random(1).randbytes(24)


@pytest.mark.parametrize("form", ["{}", '"{}"', "amazonses:{}", " {} "])
def test_a_token_is_known_again_by_its_service_alone(form: str) -> None:
    """Whoever it was made for: by its mark, in every form in which a token is accepted."""
    text = form.format(new_verification_token(random.Random(2).randbytes, "mail.example"))

    assert is_verification_token(text, "mail.example")
    assert not is_verification_token(text, "mail.example.org")


@pytest.mark.parametrize("text", ["", "v=spf1 -all", "é" * 44, "A" * 44, "A" * 43 + "=", "AAAA"])
def test_what_no_service_made_is_no_token(text: str) -> None:
    """Another text, the token of an SES account among them, has no mark of ours."""
    assert not is_verification_token(text, "mail.example")


@pytest.mark.parametrize(
    "label", ["a" * 31, "a" * 33, "A" * 32, "1" * 32, "a" * 31 + "\n", "", "a" * 31 + "é"]
)
def test_not_a_token(label: str) -> None:
    """Another length, another character or another case is no token."""
    assert not is_token(label)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=2000))
def test_split_text(text: str) -> None:
    """The strings join to the text; all but the last have 255 octets, and there is at least one."""
    strings = split_text(text)

    assert "".join(strings) == text
    assert strings
    assert all(len(string) == 255 for string in strings[:-1])
    assert len(strings[-1]) <= 255


def test_our_own_record() -> None:
    """What we publish is a record that receivers can use, and reads back as the key."""
    record = parse_key_record(key_record(KEY))

    assert record.usable
    assert (record.public_key, record.testing, record.strict) == (KEY, False, False)
    assert record.key is not None
    assert record.key.bits == 2048


@pytest.mark.parametrize(
    "text",
    [
        f"v=DKIM1; k=rsa; p={KEY}",
        f"v=DKIM1;k=rsa;p={KEY};",
        f" v = DKIM1 ; p = {KEY[:100]} {KEY[100:200]}\t{KEY[200:]} ; ",
        f"k=rsa; p={KEY}; n=a note; x=unknown; g=*",
        f"h=sha1:sha256; s=email; t=s; p={KEY}",
        f"h = sha1 : sha256 ; s = tlsrpt : * ; p={KEY}",
        f"p={KEY};n=",
    ],
)
def test_usable_records(text: str) -> None:
    """Every spelling that RFC 6376 §3.6.1 allows is read as the same key."""
    record = parse_key_record(text)

    assert record.flaws == ()
    assert record.public_key == KEY
    assert record.key == parse_public_key(KEY)


@pytest.mark.parametrize(
    ("text", "flaws"),
    [
        ("", {KeyFlaw.NO_KEY}),
        ("k=rsa", {KeyFlaw.NO_KEY}),
        ("v=spf1 include:example.com ~all", {KeyFlaw.VERSION, KeyFlaw.NO_KEY}),
        ("p=", {KeyFlaw.REVOKED}),
        ("v=DKIM1; p= ;", {KeyFlaw.REVOKED}),
        (f"p={SHORT_KEY[:-20]}", {KeyFlaw.UNREADABLE}),
        (f"p={KEY.swapcase()}", {KeyFlaw.UNREADABLE}),
        (f"p={BARE_KEY}", {KeyFlaw.UNREADABLE}),
        (f"p={ELLIPTIC}", {KeyFlaw.UNREADABLE}),
        ("p=hello", {KeyFlaw.UNREADABLE}),
        (f"p={KEY}AAAA", {KeyFlaw.UNREADABLE}),
        (f"p={_spki(1023)}", {KeyFlaw.TOO_SHORT}),
        (f"p={KEY}; v=DKIM1", {KeyFlaw.VERSION}),
        (f"v=DKIM2; p={KEY}", {KeyFlaw.VERSION}),
        (f"v=dkim1; p={KEY}", {KeyFlaw.VERSION}),
        ("k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", {KeyFlaw.KEY_TYPE}),
        (f"h=sha1; p={KEY}", {KeyFlaw.HASH}),
        (f"s=tlsrpt; p={KEY}", {KeyFlaw.SERVICE}),
        (f"p={KEY}; p={KEY}", {KeyFlaw.DUPLICATE_TAG}),
        (f"DKIM1; p={KEY}", {KeyFlaw.MALFORMED}),
        (f"p={KEY};;", {KeyFlaw.MALFORMED}),
        (f"1p=x; p={KEY}", {KeyFlaw.MALFORMED}),
        (f'"p={KEY}"', {KeyFlaw.QUOTED}),
        (f'"p={KEY[:100]}" "{KEY[100:]}"', {KeyFlaw.QUOTED}),
        (f"k=rsa\\; p={KEY}", {KeyFlaw.KEY_TYPE}),
        ("v=x; h=sha1; s=web; p=", {KeyFlaw.VERSION, KeyFlaw.HASH, KeyFlaw.SERVICE, KeyFlaw.REVOKED}),
    ],
)
def test_flawed_records(text: str, flaws: set[KeyFlaw]) -> None:
    """Every reason why a receiver could not use the record is found, and no other."""
    record = parse_key_record(text)

    assert set(record.flaws) == flaws
    assert len(record.flaws) == len(flaws)


def test_flags() -> None:
    """The flags of t= are read, and make no record unusable (RFC 6376 §3.6.1 t=)."""
    record = parse_key_record(f"t=y:s; p={KEY}")

    assert (record.testing, record.strict, record.usable) == (True, True, True)


@given(st.one_of(st.text(max_size=300), st.text('vkhpts=;:" DKIM1rsa', max_size=60)))
def test_any_text(text: str) -> None:
    """Whatever stands in a TXT record is read, and is usable only with an RSA key of 1024 bits or more."""
    record = parse_key_record(text)

    assert not record.usable or (record.key is not None and record.key.bits >= 1024)


@given(st.binary(max_size=400), st.integers(0, 300), st.integers(0, 255))
def test_any_octets_as_a_key(octets: bytes, at: int, octet: int) -> None:
    """Damaged DER is no key or another key, and never an exception."""
    damaged = bytearray(base64.b64decode(KEY))
    damaged[at % len(damaged)] = octet
    for der in (octets, bytes(damaged)):
        parse_public_key(base64.b64encode(der).decode())


@pytest.mark.parametrize("bits", [1024, 1500, 2047, 2048, 3072])
def test_agrees_with_cryptography(bits: int) -> None:
    """The numbers read are those that were encoded, at every length of the DER's length octets."""
    text = _spki(bits)
    key = parse_public_key(text)
    public = serialization.load_der_public_key(base64.b64decode(text))

    assert key is not None
    assert isinstance(public, rsa.RSAPublicKey)
    assert (key.modulus, key.exponent) == (public.public_numbers().n, public.public_numbers().e)
    assert key.bits == bits
