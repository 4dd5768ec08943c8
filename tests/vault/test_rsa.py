"""RSA keys: what is uploaded is sound or refused, and nothing of it is ever quoted."""

from __future__ import annotations

import base64
import codecs
import threading
import time
from collections.abc import Callable

import pytest
import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from indicia.domain.faults import Fault, FaultKind
from indicia.vault.rsa import KeyPair, generate, load_trusted, parse_private

_CERTIFICATE = trustme.CA().cert_pem.bytes()
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
PKCS1, PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A sound key of 2048 bits, made once."""
    return rsa.generate_private_key(65537, 2048)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


@pytest.mark.parametrize("bits", [1024, 2048])
def test_generate(bits: int) -> None:
    """A generated pair belongs together, loads without checks, and shows nothing of its private half."""
    pair = generate(bits)
    private = load_trusted(pair.private_key)
    public = serialization.load_der_public_key(base64.b64decode(pair.public_key, validate=True))
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(
        private.sign(b"mail", padding.PKCS1v15(), hashes.SHA256()),
        b"mail",
        padding.PKCS1v15(),
        hashes.SHA256(),
    )

    assert (pair.bits, private.key_size, public.key_size) == (bits, bits, bits)
    assert "private_key" not in repr(pair)
    serialization.load_der_private_key(pair.private_key, None)  # with every check


@pytest.mark.parametrize("encoding", [DER, PEM], ids=["der", "pem"])
@pytest.mark.parametrize("form", [PKCS1, PKCS8], ids=["pkcs1", "pkcs8"])
def test_accepted_forms(
    key: rsa.RSAPrivateKey, encoding: serialization.Encoding, form: serialization.PrivateFormat
) -> None:
    """PKCS#1 and PKCS#8, bare or as a whole PEM file in base64, give the same pair (spec 6.2)."""
    pair = parse_private(_text(key.private_bytes(encoding, form, PLAIN)))

    assert pair.bits == 2048
    assert pair.private_key == key.private_bytes(DER, PKCS8, PLAIN)
    assert pair.public_key == _text(
        key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


_ATTRIBUTES = b"""Bag Attributes
    friendlyName: mail
    localKeyID: 54 69 6D 65 20 31
Key Attributes: <No Attributes>
"""


@pytest.mark.parametrize(
    "written",
    [
        lambda pem: _ATTRIBUTES + pem,  # openssl pkcs12 -nodes
        lambda pem: b"# the key of mail, made in 2024\n\n" + pem + b"\n# that was it\n",
        lambda pem: codecs.BOM_UTF8 + pem,
        lambda pem: pem.decode().encode("utf-16"),  # `>` of PowerShell
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: b"".join(b"    " + line + b" \n" for line in pem.splitlines()),  # out of some YAML
        lambda pem: _CERTIFICATE + pem,
        lambda pem: pem + _CERTIFICATE,
    ],
    ids=["bag", "comment", "bom", "utf-16", "crlf", "indented", "certificate first", "certificate after"],
)
@pytest.mark.parametrize("form", [PKCS1, PKCS8], ids=["pkcs1", "pkcs8"])
def test_what_stands_round_a_pem_is_explanation(
    key: rsa.RSAPrivateKey, form: serialization.PrivateFormat, written: Callable[[bytes], bytes]
) -> None:
    """RFC 7468 §3: what is before and after the boundaries, and what editors make of it, changes nothing."""
    pair = parse_private(_text(written(key.private_bytes(PEM, form, PLAIN))))

    assert pair.private_key == key.private_bytes(DER, PKCS8, PLAIN)


def test_a_pem_without_a_private_key_says_what_it_has() -> None:
    """A certificate in its place is named as one."""
    assert _refusal(_text(b"Bag Attributes\n" + _CERTIFICATE)) == (
        "Its PEM file has no private key; it has CERTIFICATE."
    )


@pytest.mark.parametrize("bits", [1024, 1025, 1536, 2047])
def test_accepted_lengths(bits: int) -> None:
    """Every length from 1024 to 2048 bits is accepted."""
    assert (
        parse_private(_text(rsa.generate_private_key(3, bits).private_bytes(DER, PKCS1, PLAIN))).bits == bits
    )


def _refusal(text: str) -> str:
    with pytest.raises(Fault) as caught:
        parse_private(text)
    fault = caught.value
    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert fault.message.startswith("The DomainSigningPrivateKey cannot be used. ")
    assert len(text) < 12 or not any(text[at : at + 12] in fault.message for at in range(len(text) - 12))
    return fault.message.removeprefix("The DomainSigningPrivateKey cannot be used. ")


@pytest.mark.parametrize(("bits", "sentence"), [(2056, "of 2056 bits"), (4096, "of 4096 bits")])
def test_too_long(bits: int, sentence: str) -> None:
    """A longer key is refused with its length and the lengths to use."""
    refusal = _refusal(_text(rsa.generate_private_key(65537, bits).private_bytes(DER, PKCS8, PLAIN)))

    assert sentence in refusal
    assert "1024 to 2048" in refusal


def test_too_short() -> None:
    """A key of fewer than 1024 bits is refused with its length."""
    p, q = 2**521 - 1, 2**89 - 1  # Mersenne primes
    d = pow(65537, -1, (p - 1) * (q - 1))

    assert "It is an RSA key of 610 bits" in _refusal(_text(_pkcs1(p * q, 65537, d, p, q)))


@pytest.mark.parametrize("text", ["?", "abc", "a", "ab\ncd", "====", "-----BEGIN"])
def test_not_base64(text: str) -> None:
    """What is not base64 is called so."""
    assert _refusal(text) == "It is not base64."


def test_no_rsa_private_key(key: rsa.RSAPrivateKey) -> None:
    """Garbage, a public key, a key of another kind and an encrypted key are told apart."""
    public = key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(DER, PKCS8, PLAIN)
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN)
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"passphrase"))

    for octets in (b"", b"garbage that is long enough", public, b"-----BEGIN PRIVATE KEY-----\n"):
        assert _refusal(_text(octets)).startswith("It is not an RSA private key in PKCS#1 or PKCS#8 form")
    assert _refusal(_text(elliptic)) == "It is not an RSA key."
    assert _refusal(_text(edwards)) == "It is not an RSA key."
    assert "passphrase" in _refusal(_text(locked))


def _element(tag: int, content: bytes) -> bytes:
    """DER (X.690 §8.1)."""
    size = len(content)
    short = size.to_bytes(1 if size < 256 else 2)
    length = short if size < 128 else bytes((0x80 | len(short),)) + short
    return bytes((tag,)) + length + content


def _pkcs1(n: int, e: int, d: int, p: int, q: int, dp: int = 0, dq: int = 0, qi: int = 0) -> bytes:
    """An RSAPrivateKey of any numbers (RFC 8017 §A.1.2)."""
    numbers = (0, n, e, d, p, q, dp or d % (p - 1), dq or d % (q - 1), qi or pow(q, -1, p))
    return _element(
        0x30, b"".join(_element(0x02, number.to_bytes(number.bit_length() // 8 + 1)) for number in numbers)
    )


@pytest.mark.parametrize("name", ["n", "e", "d", "p", "q", "dp", "dq", "qi"])
def test_one_wrong_number(key: rsa.RSAPrivateKey, name: str) -> None:
    """Any one of the eight numbers altered, and the key is refused as damaged."""
    own = key.private_numbers()
    numbers = {
        "n": own.public_numbers.n, "e": own.public_numbers.e, "d": own.d,
        "p": own.p, "q": own.q, "dp": own.dmp1, "dq": own.dmq1, "qi": own.iqmp,
    }  # fmt: skip
    parse_private(_text(_pkcs1(**numbers)))
    numbers[name] += 2

    assert "damaged" in _refusal(_text(_pkcs1(**numbers)))


def test_factor_that_is_not_prime() -> None:
    """A factor that is a product of two primes is found, though every equation of the key holds."""
    q = rsa.generate_private_key(65537, 2048).private_numbers().p
    half = rsa.generate_private_key(65537, 1024).private_numbers()
    p = half.p * half.q
    d = pow(65537, -1, (p - 1) * (q - 1))

    assert "damaged" in _refusal(_text(_pkcs1(p * q, 65537, d, p, q)))


@pytest.mark.parametrize("exponent", [1, 2, 65536, 2**31 + 11])
def test_exponents_that_receivers_refuse(key: rsa.RSAPrivateKey, exponent: int) -> None:
    """An exponent that is even, 1, or beyond 31 bits is refused."""
    own = key.private_numbers()
    assert "damaged" in _refusal(_text(_pkcs1(own.public_numbers.n, exponent, own.d, own.p, own.q)))


def test_unlike_factors() -> None:
    """A modulus of factors of very unlike length is refused before it costs time."""
    p = rsa.generate_private_key(65537, 3072).private_numbers().p
    q = rsa.generate_private_key(65537, 1024).private_numbers().p
    d = pow(65537, -1, (p - 1) * (q - 1))

    assert "damaged" in _refusal(_text(_pkcs1(p * q, 65537, d, p, q)))


def _turns_beside(work: threading.Thread) -> int:
    """How often this thread came to its turn while the other one worked."""
    turns = 0
    work.start()
    while work.is_alive():
        time.sleep(0.001)
        turns += 1
    return turns


def test_checking_lets_others_run(key: rsa.RSAPrivateKey) -> None:
    """While a thread checks an uploaded key another has its turn many times, and not once at the end.

    A busy machine can only take turns away, so the best of several attempts is what the code does.
    """
    text = _text(key.private_bytes(DER, PKCS8, PLAIN))
    turns = [_turns_beside(threading.Thread(target=parse_private, args=(text,))) for _ in range(10)]

    assert max(turns) > 5


def test_pair_does_not_show_its_private_half() -> None:
    """The repr of a pair ends up in logs; the private key does not."""
    assert "secret" not in repr(KeyPair(1024, "public", b"secret"))
