"""DKIM as the DNS holds it: the names we issue, the key record we publish, the key record we read.

Writing is one line, `p=<key>` (spec 4.3). Reading follows RFC 6376 §3.6.1 and says of a record that cannot
be used every reason why, so that a diagnosis can name them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from indicia.domain.time import Instant, Span

RandomBytes: TypeAlias = Callable[[int], bytes]
"""A source of that many unpredictable octets; `secrets.token_bytes` in the running service."""

KEY_ZONE_LABEL: Final = "dkim."  # what a key zone has before the service domain that it is under
TOKENS_OF_A_SET: Final = 3
TOKEN_LENGTH: Final = 32
MINIMUM_BITS: Final = 1024  # RFC 8301 §3.2: verifiers must not consider shorter RSA keys valid
MAX_STRING: Final = 255  # RFC 1035 §3.3: a character-string has one length octet

_LEAD: Final = 6  # characters that the tokens of one moment have in common
_REST: Final = TOKEN_LENGTH - _LEAD
_MOMENT: Final[Span] = 8  # as many sets as are made in it share a page or two of the index
_DRAWN: Final = 24  # octets of a verification token that are random
_MARK: Final = 8  # and those that say whose it is

_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyz234567" * 8  # of a token, by the octet that is drawn
_TOKEN: Final = re.compile(r"[a-z2-7]{32}\Z")
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")  # RFC 6376 §3.2 tag-name
# As zone files have them, and as word processors set them: the octets of UTF-8, one a character.
QUOTATION_MARK: Final = re.compile("[\"'`]|\u00e2\u0080[\u0098-\u009f]|\u00c2[\u00ab\u00bb]")
_WHITE_SPACE: Final = re.compile(r"[ \t\r\n]+")  # RFC 6376 §2.8 FWS, unfolding left to the reader


def key_zone_of(service_domain: str) -> str:
    """Return the zone that holds the keys of a service domain: its SigningHostedZone (contract, HTTP)."""
    return f"{KEY_ZONE_LABEL}{service_domain}"


def new_tokens(random: RandomBytes, now: Instant) -> tuple[str, str, str]:
    """Return three new Easy DKIM tokens: 32 characters of `a-z2-7`, of which 26, 130 bits, are random.

    The alphabet of base32 in lower case survives every DNS panel: no case to lose, no `0` and `1` to misread
    (RFC 4648 §6). Five bits of each octet choose a character. The first six are those of the moment in which
    they are made, and look as random: tokens of one moment stand side by side in the index of all tokens, and
    not each on a page of its own that has to be written. (decision 27)
    """
    moment = now // _MOMENT
    lead = hashlib.sha256(b"indicia tokens\0%d" % moment).digest()[:_LEAD].translate(_CHARACTERS)
    drawn = random(TOKENS_OF_A_SET * _REST).translate(_CHARACTERS)
    first, second, third = (lead + drawn[at : at + _REST] for at in range(0, len(drawn), _REST))
    return first.decode("ascii"), second.decode("ascii"), third.decode("ascii")


def is_token(label: str) -> bool:
    """Say whether a label has the form of an Easy DKIM token. In lower case, as the DNS compares names."""
    return _TOKEN.match(label) is not None


def new_verification_token(random: RandomBytes, service_domain: str) -> str:
    """Return a new value for the `_amazonses` TXT record, as 44 characters of base64.

    192 of its bits are random and the rest are the mark of the service, by which `is_verification_token`
    knows it again: no list of tokens has to be kept for as long as somebody's DNS may hold one.
    """
    drawn = random(_DRAWN)
    return base64.b64encode(drawn + _mark(drawn, service_domain)).decode("ascii")


def is_verification_token(text: str, service_domain: str) -> bool:
    """Say whether a TXT value is a token that the service under this domain made, for whomever and whenever.

    The forms that are accepted of a token are accepted here too (spec 4.4).
    """
    bare = text.strip().strip('"').removeprefix("amazonses:")
    try:
        octets = base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(octets) == _DRAWN + _MARK and octets[_DRAWN:] == _mark(octets[:_DRAWN], service_domain)


def _mark(drawn: bytes, service_domain: str) -> bytes:
    # No secret: whoever forges a mark is told OTHER_IDENTITY in place of WRONG_VALUE, and gains nothing.
    return hashlib.sha256(b"indicia verification token\0" + service_domain.encode() + b"\0" + drawn).digest()[
        :_MARK
    ]


def key_record(public_key: str) -> str:
    """Return the text of the key record for a base64 SubjectPublicKeyInfo: `p=` and the key (spec 4.3)."""
    return f"p={public_key}"


def split_text(text: str) -> tuple[str, ...]:
    """Return an ASCII text as the strings of one TXT record, each at most 255 octets (RFC 6376 §3.6.2.2).

    An empty text is one empty string: a TXT record has at least one (RFC 1035 §3.3.14).
    """
    return tuple(text[at : at + MAX_STRING] for at in range(0, len(text), MAX_STRING)) or ("",)


class KeyFlaw(Enum):
    """Why a receiver cannot use a key record. The value is a clause that completes `the record ...`."""

    QUOTED = "has quotation marks in its value, which belong to zone files only"  # spec 4.4
    MALFORMED = "is not a list of tag=value pairs"  # RFC 6376 §3.2
    DUPLICATE_TAG = "names a tag twice"  # RFC 6376 §3.2: the whole list is invalid
    VERSION = "has a version tag that is not v=DKIM1 at its start"  # RFC 6376 §3.6.1 v=
    KEY_TYPE = "is of another key type than rsa"  # RFC 6376 §3.6.1 k=
    HASH = "does not allow sha256"  # RFC 6376 §3.6.1 h=
    SERVICE = "is not for e-mail"  # RFC 6376 §3.6.1 s=
    NO_KEY = "has no p= tag"  # RFC 6376 §3.6.1 p= is required
    REVOKED = "has an empty p= tag, which revokes the key"  # RFC 6376 §3.6.1 p=
    UNREADABLE = "has a p= tag that is not a base64 SubjectPublicKeyInfo of an RSA key"  # erratum 3017
    TOO_SHORT = "holds an RSA key of fewer than 1024 bits"  # RFC 8301 §3.2


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """An RSA public key. Keys are the same when these numbers are equal, however they were encoded."""

    modulus: int
    exponent: int

    @property
    def bits(self) -> int:
        """The length of the modulus."""
        return self.modulus.bit_length()


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A DKIM key record as a receiver reads it.

    `public_key` is the p= value without white space, as it was written; `key` the RSA key in it, when there
    is one. `testing` is the `y` flag, `strict` the `s` flag of t=. A record without `flaws` is usable.
    """

    public_key: str
    key: RsaPublicKey | None
    testing: bool
    strict: bool
    flaws: tuple[KeyFlaw, ...]

    @property
    def usable(self) -> bool:
        """True when a receiver can check an rsa-sha256 signature with it."""
        return not self.flaws


def parse_key_record(text: str) -> KeyRecord:
    """Return the key record in the joined strings of a TXT record. Never fails: flaws are in the value."""
    tags, flaws = _tags(text.replace('"', ""))
    if '"' in text:
        flaws.insert(0, KeyFlaw.QUOTED)
    flaws += _scope_flaws(tags)
    public_key = _WHITE_SPACE.sub("", tags.get("p", ""))
    key = None
    if "p" not in tags:
        flaws.append(KeyFlaw.NO_KEY)
    elif not public_key:
        flaws.append(KeyFlaw.REVOKED)
    elif KeyFlaw.KEY_TYPE not in flaws:  # another type's key is not ours to read
        key = parse_public_key(public_key)
        if key is None:
            flaws.append(KeyFlaw.UNREADABLE)
        elif key.bits < MINIMUM_BITS:
            flaws.append(KeyFlaw.TOO_SHORT)
    flags = _listed(tags.get("t", ""))
    return KeyRecord(public_key, key, "y" in flags, "s" in flags, tuple(flaws))


def _scope_flaws(tags: dict[str, str]) -> list[KeyFlaw]:
    """Return why the record is not for an rsa-sha256 signature on mail (RFC 6376 §3.6.1 v=, k=, h=, s=)."""
    wrong = {
        KeyFlaw.VERSION: "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"),
        KeyFlaw.KEY_TYPE: tags.get("k", "rsa") != "rsa",
        KeyFlaw.HASH: "sha256" not in _listed(tags.get("h", "sha256")),
        KeyFlaw.SERVICE: not {"*", "email"} & set(_listed(tags.get("s", "*"))),
    }
    return [flaw for flaw, holds in wrong.items() if holds]


def _tags(text: str) -> tuple[dict[str, str], list[KeyFlaw]]:
    """Return the tags in order, and what is wrong with the list itself (RFC 6376 §3.2)."""
    tags: dict[str, str] = {}
    flaws: list[KeyFlaw] = []
    specs = text.split(";")
    if not specs[-1].strip(" \t\r\n"):
        specs.pop()  # one trailing semicolon is allowed
    for spec in specs:
        name, equals, value = spec.partition("=")
        name = name.strip(" \t\r\n")
        if not equals or not _TAG_NAME.match(name):
            flaws.append(KeyFlaw.MALFORMED)
        elif name in tags:
            flaws.append(KeyFlaw.DUPLICATE_TAG)
        else:
            tags[name] = value.strip(" \t\r\n")
    return tags, list(dict.fromkeys(flaws))


def _listed(value: str) -> list[str]:
    """Return the elements of a colon-separated list, white space round them dropped."""
    return [element.strip(" \t\r\n") for element in value.split(":")]


# The body of AlgorithmIdentifier for rsaEncryption with NULL parameters (RFC 8017 §A.1), or without them.
_RSA_OID: Final = bytes.fromhex("06092a864886f70d010101")
_RSA_ALGORITHMS: Final = (_RSA_OID + b"\x05\x00", _RSA_OID)


def parse_public_key(text: str) -> RsaPublicKey | None:
    """Return the RSA key of a base64 SubjectPublicKeyInfo (RFC 5280 §4.1), None when it is not one.

    RFC 6376 §3.6.1 asks for a bare RSAPublicKey; its erratum 3017, its own examples and every receiver's code
    mean the SubjectPublicKeyInfo, and many receivers refuse the bare form. So do we.
    """
    try:
        der = base64.b64decode(text, validate=True)
        info, rest = der_element(der, 0x30)
        algorithm, bits = der_element(info, 0x30)
        subject, after = der_element(bits, 0x03)
        if rest or after or algorithm not in _RSA_ALGORITHMS or subject[:1] != b"\x00":
            return None
        numbers, rest = der_element(subject[1:], 0x30)
        modulus, numbers = der_element(numbers, 0x02)
        exponent, after = der_element(numbers, 0x02)
    except (binascii.Error, ValueError):
        return None
    key = RsaPublicKey(int.from_bytes(modulus, signed=True), int.from_bytes(exponent, signed=True))
    return None if rest or after or key.modulus <= 0 or key.exponent <= 0 else key


def der_element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Split the first DER element from what follows it (X.690 §8.1). Raises ValueError on anything else."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError("another element was expected")
    length, start = der[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    if start > len(der) or start + length > len(der) or start > 6:
        raise ValueError("the element does not end")
    return der[start : start + length], der[start + length :]
