"""RSA key pairs: made here, or uploaded by a caller and checked once.

Loading an RSA key with the library's own checks holds the interpreter for 30 to 65 ms (measured), in which
the whole event loop stands still, thread or not. So keys we made, or once checked, are loaded without; an
uploaded key is checked here by the same arithmetic in steps of a few milliseconds, with the interpreter given
up between them. A process was the alternative: it costs its start, its memory and a way to hand a secret
over, to save 30 ms of background work on a rare call.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import secrets
import time
from dataclasses import dataclass, field
from math import lcm
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown

SHORTEST: Final = 1024  # RFC 8301 §3.2; SES: 1024 to 2048 bits
LONGEST: Final = 2048
_EXPONENT: Final = 65537
# FIPS 186-5 table B.1: five rounds for the primes of a 2048-bit modulus. Bases are random, so a number built
# to look prime fails one round with a chance of 3/4. Whoever uploads such a number weakens nobody's key but
# the own: the test is there for damage, not for an adversary.
_ROUNDS: Final = 5
_PAUSE: Final = 0.0005  # seconds: long enough for a thread that waits for the interpreter to take it


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An RSA key pair. `public_key` is the base64 SubjectPublicKeyInfo, `private_key` the PKCS#8 DER."""

    bits: int
    public_key: str
    private_key: bytes = field(repr=False)


def generate(bits: int) -> KeyPair:
    """Return a new key pair. Takes tens of milliseconds, during which the interpreter is free for others."""
    return _pair(rsa.generate_private_key(_EXPONENT, bits))


def made_here(private_key: bytes) -> KeyPair:
    """Return the key pair of a PKCS#8 DER that a process of ours has made just now."""
    key = load_trusted(private_key)
    return KeyPair(key.key_size, _public(key), private_key)


def load_trusted(private_key: bytes) -> rsa.RSAPrivateKey:
    """Return the key of a PKCS#8 DER that this module made or checked before: microseconds, no checks."""
    key = serialization.load_der_private_key(private_key, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a stored private key is not an RSA key")
    return key


def parse_private(text: str) -> KeyPair:
    """Return the key pair of an uploaded private key that is sound in every respect.

    Accepted are the base64 of a PKCS#1 DER, of a PKCS#8 DER, and of a whole PEM file of either (spec 6.2).
    Takes some 30 ms at 2048 bits, none of them in one piece of more than a few: call it from a thread, and
    not inside a transaction.

    Raises: `Fault` INVALID_PARAMETER; the sentence never quotes the key.
    """
    key = _loaded(_decoded(text))
    if not SHORTEST <= key.key_size <= LONGEST:
        _refuse(f"It is an RSA key of {key.key_size} bits; use {SHORTEST} to {LONGEST}.")
    if not _sound(key):
        _refuse("Its numbers do not form an RSA key pair: the key is damaged.")
    return _pair(key)


def examined(private_key: bytes) -> KeyPair:
    """Return the key pair of a DER that came from another installation, sound in every respect.

    Takes as long as `parse_private`, and is to be called as that is.

    Raises: `Fault` INVALID_PARAMETER.
    """
    key = _loaded(private_key)
    if not SHORTEST <= key.key_size <= LONGEST or not _sound(key):
        _refuse("It is no sound RSA key.")
    return _pair(key)


def _refuse(reason: str) -> NoReturn:
    refuse(FaultKind.INVALID_PARAMETER, f"The DomainSigningPrivateKey cannot be used. {reason}")


def _public(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(public).decode("ascii")


def _pair(key: rsa.RSAPrivateKey) -> KeyPair:
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyPair(key.key_size, _public(key), private)


def _decoded(text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        _refuse("It is not base64.")
    return octets


# RFC 7468 §3: what stands before the boundaries, and what comes after them, is explanation.
_BLOCK: Final = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<text>.*?)-----END (?P=label)-----", re.DOTALL
)


def _loaded(octets: bytes) -> rsa.RSAPrivateKey:
    """Return the RSA private key in a DER or PEM, its numbers unchecked."""
    pem = _pem_of(octets)
    load = serialization.load_der_private_key if pem is None else serialization.load_pem_private_key
    try:
        key = load(octets if pem is None else pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        _refuse("It is encrypted with a passphrase; upload it without one.")
    except (ValueError, UnsupportedAlgorithm):
        _refuse("It is not an RSA private key in PKCS#1 or PKCS#8 form, DER or PEM.")
    if not isinstance(key, rsa.RSAPrivateKey):
        _refuse("It is not an RSA key.")
    return key


def _pem_of(octets: bytes) -> bytes | None:
    """Return the private key of a PEM file by itself, None where it is no such file.

    Before it there may be whatever tools and editors write: the attributes that `openssl pkcs12` prints, a
    comment, a certificate, the mark of an encoding; lines may end or be indented as they like.
    """
    if octets[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # as `>` of PowerShell writes files
        octets = octets.decode("utf-16", "replace").encode()
    blocks = list(_BLOCK.finditer(octets))
    if not blocks:
        return None
    found = next((block for block in blocks if block["label"].endswith(b"PRIVATE KEY")), None)
    if found is None:
        labels = dict.fromkeys(block["label"].decode() for block in blocks)
        _refuse(f"Its PEM file has no private key; it has {shown(', '.join(labels))}.")
    lines = [line.strip() for line in found["text"].strip().splitlines()]
    label = found["label"]
    return b"\n".join([b"-----BEGIN %b-----" % label, *lines, b"-----END %b-----" % label, b""])


def _sound(key: rsa.RSAPrivateKey) -> bool:
    """Say whether the numbers are those of an RSA key pair (RFC 8017 §3.2), and sign with it once.

    All eight are checked: with a wrong CRT exponent OpenSSL still signs, at ten times the cost, every time.
    """
    numbers = key.private_numbers()
    p, q, d = numbers.p, numbers.q, numbers.d
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    # Receivers written in Go refuse an exponent of more than 31 bits (crypto/rsa checkPub).
    if not (3 <= e < 2**31 and e % 2 and 1 < p < n and 1 < q < n and p != q and p * q == n):
        return False
    # Primes of unlike length make the test below slow, and are not what any key generator gives.
    if max(p, q).bit_length() > LONGEST // 2 or not 1 < d < n or d * e % lcm(p - 1, q - 1) != 1:
        return False
    if (numbers.dmp1, numbers.dmq1) != (d % (p - 1), d % (q - 1)) or numbers.iqmp * q % p != 1:
        return False
    return _probably_prime(p) and _probably_prime(q) and _signs(key)


def _probably_prime(candidate: int) -> bool:
    """Say whether Miller-Rabin with random bases finds no witness against it (FIPS 186-5 §B.3.1).

    One round at 1024 bits holds the interpreter for some 3 ms; the pause after each lets others run.
    """
    if candidate < 5 or candidate % 2 == 0:
        return False
    odd = candidate - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for _ in range(_ROUNDS):
        power = pow(2 + secrets.randbelow(candidate - 3), odd, candidate)
        time.sleep(_PAUSE)
        if power in {1, candidate - 1}:
            continue
        for _ in range(twos - 1):
            power = power * power % candidate
            if power == candidate - 1:
                break
        else:
            return False
    return True


def _signs(key: rsa.RSAPrivateKey) -> bool:
    message = b"indicia checks an uploaded key"
    try:
        signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
