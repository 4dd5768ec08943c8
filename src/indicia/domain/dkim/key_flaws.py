"""What is wrong with a DKIM key record, and where: the tag, the character, the place.

`dkim.parse_key_record` says that receivers cannot use a record and of what kind the flaw is. Whoever has to
mend it needs the place: a value has four hundred characters, and one too many of them is seen by nobody.
Places count characters of the joined strings, from 1.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from indicia.domain.dkim.key_record import QUOTATION_MARK, KeyFlaw, der_element, parse_key_record
from indicia.domain.names import shown

_SPACE: Final = " \t\r\n"
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/= \t\r\n]")
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class NamedFlaw:
    """A flaw as a clause, and the place in the value (from 0) that an excerpt should show."""

    told: str
    at: int


@dataclass(frozen=True, slots=True)
class _Tag:
    """One tag as it stands in the value: `at` is where it begins, `value_at` where its value does."""

    name: str
    value: str
    at: int
    value_at: int


def named_flaw(text: str) -> NamedFlaw | None:
    """Return the flaw to mend first, None where receivers can use the record."""
    flaws = parse_key_record(text).flaws
    if not flaws:
        return None
    escaped = text.find("\\;")
    if escaped >= 0 and not _for_itself(text, escaped):
        return NamedFlaw(
            f'character {escaped + 1} is a "\\" before a semicolon, as zone files have it: the value itself'
            " has none",
            escaped,
        )
    return _NAMED[flaws[0]](text)


def _for_itself(text: str, at: int) -> bool:
    """Say whether a backslash stands in a note, where any character may (RFC 6376 §3.2 tval, §3.6.1 n=)."""
    return any(tag.name == "n" and tag.value_at <= at <= tag.value_at + len(tag.value) for tag in _tags(text))


def _specs(text: str) -> list[tuple[int, str]]:
    """Return what stands between the semicolons, with its place; after the last one there may be nothing."""
    specs, at = [], 0
    for part in text.split(";"):
        specs.append((at, part))
        at += len(part) + 1
    return specs if specs[-1][1].strip(_SPACE) else specs[:-1]


def _tags(text: str) -> list[_Tag]:
    tags = []
    for at, part in _specs(text):
        name, equals, value = part.partition("=")
        bare = name.strip(_SPACE)
        if equals and _TAG_NAME.match(bare):
            start = at + len(name) - len(name.lstrip(_SPACE))
            value_at = at + len(name) + 1 + len(value) - len(value.lstrip(_SPACE))
            tags.append(_Tag(bare, value.strip(_SPACE), start, value_at))
    return tags


def _tag(text: str, name: str) -> _Tag:
    return next(tag for tag in _tags(text) if tag.name == name)


def _place(at: int) -> str:
    return f"at character {at + 1}"


def _quoted(text: str) -> NamedFlaw:
    found = QUOTATION_MARK.search(text)
    at = 0 if found is None else found.start()
    return NamedFlaw(f"there is a quotation mark {_place(at)}, which belongs to zone files only", at)


def _malformed(text: str) -> NamedFlaw:
    for at, part in _specs(text):
        bare = part.strip(_SPACE)
        name, equals, _ = bare.partition("=")
        begins = at + len(part) - len(part.lstrip(_SPACE))
        if not bare:
            return NamedFlaw(
                f"there is nothing before the semicolon {_place(at + len(part))}", at + len(part)
            )
        if not equals:
            return NamedFlaw(f'"{shown(bare)}" {_place(begins)} is no tag: it has no "="', begins)
        if not _TAG_NAME.match(name.strip(_SPACE)):
            return NamedFlaw(f'"{shown(name)}" {_place(begins)} is no name that a tag can have', begins)
    return NamedFlaw("it is not a list of tags", 0)


def _twice(text: str) -> NamedFlaw:
    seen: set[str] = set()
    for tag in _tags(text):
        if tag.name in seen:
            return NamedFlaw(f"the tag {tag.name}= is there a second time {_place(tag.at)}", tag.at)
        seen.add(tag.name)
    return NamedFlaw("a tag is there twice", 0)


def _version(text: str) -> NamedFlaw:
    tag = _tag(text, "v")
    if tag.value == "DKIM1":
        return NamedFlaw(f"the tag v= stands {_place(tag.at)}, and has to be the first one", tag.at)
    return NamedFlaw(f'v="{shown(tag.value)}" {_place(tag.at)} is not DKIM1 to the letter', tag.at)


def _key_type(text: str) -> NamedFlaw:
    tag = _tag(text, "k")
    return NamedFlaw(f"k={shown(tag.value)} {_place(tag.at)} is another type of key than rsa", tag.at)


def _hash(text: str) -> NamedFlaw:
    tag = _tag(text, "h")
    return NamedFlaw(
        f"h={shown(tag.value)} {_place(tag.at)} does not list sha256: the tag names hashes, and is best left"
        " out",
        tag.at,
    )


def _service(text: str) -> NamedFlaw:
    tag = _tag(text, "s")
    return NamedFlaw(f"s={shown(tag.value)} {_place(tag.at)} lists neither email nor *", tag.at)


def _no_key(text: str) -> NamedFlaw:
    return NamedFlaw("there is no tag p=, which holds the key", len(text))


def _revoked(text: str) -> NamedFlaw:
    tag = _tag(text, "p")
    return NamedFlaw(f"p= {_place(tag.at)} is empty, which revokes the key", tag.at)


def _too_short(text: str) -> NamedFlaw:
    tag = _tag(text, "p")
    return NamedFlaw(f"the key in p= {_place(tag.at)} is an RSA key of fewer than 1024 bits", tag.at)


def _unreadable(text: str) -> NamedFlaw:
    tag = _tag(text, "p")
    strange = _NOT_BASE64.search(tag.value)
    if "-----BEGIN" in tag.value:
        told = "has the first line of a PEM file in it: p= has the base64 between the lines alone"
        return NamedFlaw(f"p= {_place(tag.at)} {told}", tag.value_at)
    if strange is not None:
        at = tag.value_at + strange.start()
        return NamedFlaw(
            f"character {at + 1}, in p=, is {character(text, at)}, which base64 does not have", at
        )
    told, at_end = _why_no_key("".join(tag.value.split()))
    return NamedFlaw(f"p= {_place(tag.at)} {told}", tag.value_at + (len(tag.value) if at_end else 0))


def _why_no_key(encoded: str) -> tuple[str, bool]:
    """Return why base64 is no RSA key as receivers read it, and whether that is to be seen at its end."""
    body = encoded.rstrip("=")
    if "=" in body:
        return 'goes on after a "=", which ends base64', False
    der = _decoded(body)
    if der is None or len(der) < 2:
        return f"is not base64: {len(body)} characters do not fill octets, so some were lost", True
    if der[0] != 0x30:
        return "does not begin as a key does: what comes before was lost, or it is something else", False
    announced = _announced(der)
    if announced > len(der):
        return f"ends after {len(der)} octets of {announced}: it was cut", True
    if announced < len(der):
        return f"goes on for {len(der) - announced} octets after the key", True
    if len(encoded) % 4:
        return 'ends in the wrong number of "="', True
    if _first_inside(der) == 0x02:
        return "is a bare RSAPublicKey (PKCS#1), and has to be a SubjectPublicKeyInfo", False
    return "holds something else than the SubjectPublicKeyInfo of an RSA key", False


def _decoded(body: str) -> bytes | None:
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _announced(der: bytes) -> int:
    """Return how many octets the outermost element says it has (X.690 §8.1.3)."""
    length, start = der[1], 2
    if length >= 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    return start + length


def _first_inside(der: bytes) -> int | None:
    """Return the type of the first element inside the outermost one."""
    try:
        inside, _ = der_element(der, 0x30)
    except ValueError:
        return None
    return inside[0] if inside else None


def character(text: str, at: int) -> str:
    """Return the character as people can search for it: itself, or its name in Unicode where it shows badly.

    The text holds octets, one a character: where they are UTF-8 the character that they encode is told.
    """
    octets = text[at : at + 4].encode("latin-1", "replace")
    for length in (1, 2, 3, 4):
        try:
            one = octets[:length].decode()
        except UnicodeDecodeError:
            continue
        if " " < one < "\x7f":
            return f'"{one}"'
        return f"{unicodedata.name(one, 'a control character')} (U+{ord(one):04X})"
    return f"the octet {octets[0]:02X}" if octets else "missing"


_NAMED: Final[dict[KeyFlaw, Callable[[str], NamedFlaw]]] = {
    KeyFlaw.QUOTED: _quoted,
    KeyFlaw.MALFORMED: _malformed,
    KeyFlaw.DUPLICATE_TAG: _twice,
    KeyFlaw.VERSION: _version,
    KeyFlaw.KEY_TYPE: _key_type,
    KeyFlaw.HASH: _hash,
    KeyFlaw.SERVICE: _service,
    KeyFlaw.NO_KEY: _no_key,
    KeyFlaw.REVOKED: _revoked,
    KeyFlaw.UNREADABLE: _unreadable,
    KeyFlaw.TOO_SHORT: _too_short,
}
