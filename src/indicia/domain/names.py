"""Identity names: which text is an address, which a domain, and which is neither.

A name is parsed once, at the edge, into an `IdentityName`. Domains fold to lower case (recorded: three
spellings of one domain gave one identity); addresses are compared as they are written, domain part included
(SES developer guide, creating identities).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from indicia.domain.faults import Fault, FaultKind, refuse
from indicia.domain.identities.identity import IdentityKind

MAX_LABEL = 63  # RFC 1035 §2.3.4
MAX_DOMAIN = 253  # 255 octets on the wire less the root and the first length octet
MAX_ADDRESS = 320  # 64 + 1 + 255, as SES counts it
_QUOTE_AT_MOST = 100

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")


@dataclass(frozen=True, slots=True)
class IdentityName:
    """A well-formed identity name. `text` is the folded form under which it is stored and compared."""

    kind: IdentityKind
    text: str

    @property
    def domain(self) -> str:
        """The domain in lower case: the name itself, or what follows the last `@` of an address."""
        return self.text if self.kind is IdentityKind.DOMAIN else self.text.rpartition("@")[2].lower()


def _unquoted_ats(text: str) -> int:
    """Count the `@` outside a quoted local part (RFC 5321 §4.1.2)."""
    if '"' not in text:
        return text.count("@")
    count, quoted, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "@" and not quoted:
            count += 1
    return count


def fold(text: str) -> str:
    """Return the form under which a name is stored, the empty text where no identity can have such a name.

    Never fails: what is not a name is simply not found. Nor does it reach the store: PostgreSQL refuses text
    with a NUL in it, SQLite a lone surrogate.
    """
    if not (text.isascii() and text.isprintable()):
        return ""
    if "@" not in text:
        return text.lower()
    return text if '"' not in text or _unquoted_ats(text) else text.lower()


def fold_domain(text: str) -> str:
    """Return the text in lower case where it is ASCII, and else as it is: nothing else folds to a domain.

    The Kelvin sign in lower case is the letter k, so that another text would be taken for a domain.
    """
    return text.lower() if text.isascii() else text


def shown(text: str) -> str:
    """Return the text as a message may quote it: at most 100 characters, and how many more there were."""
    if len(text) <= _QUOTE_AT_MOST:
        return text
    return f"{text[:_QUOTE_AT_MOST]}... ({len(text) - _QUOTE_AT_MOST} more characters)"


def is_domain(text: str) -> bool:
    """Say whether the text is a domain this service can verify: lower case, ASCII, two labels or more."""
    if len(text) > MAX_DOMAIN:
        return False
    labels = text.split(".")
    # A last label of digits only is an address, not a domain (RFC 1123 §2.1).
    return len(labels) > 1 and all(map(_LABEL.match, labels)) and not labels[-1].isdigit()


def is_address(text: str) -> bool:
    """Say whether the text is an address this service can verify (spec 6.1)."""
    if len(text) > MAX_ADDRESS or _unquoted_ats(text) != 1 or text.count('"') % 2:
        return False
    local, _, domain = text.rpartition("@")
    # 7-bit, no white space or control characters anywhere (SES: troubleshooting error messages); a dotless
    # domain is accepted live (probe: floci).
    plain = all(" " < character < "\x7f" for character in text)
    labels = domain.lower().split(".")
    return bool(local) and plain and len(domain) <= MAX_DOMAIN and all(map(_LABEL.match, labels))


def parse_domain(text: str, to_ascii: Callable[[str], str | None] | None = None) -> IdentityName:
    """Return the domain identity name.

    `to_ascii` turns an internationalised domain into its A-label form (RFC 5891) or None; it is used for the
    advice only, since SES takes domains as punycode.

    Raises: `Fault` INVALID_PARAMETER with the vendor's `Invalid domain name X.`.
    """
    folded = fold_domain(text)
    if is_domain(folded):
        return IdentityName(IdentityKind.DOMAIN, folded)
    advice = ""
    if not text.isascii() and to_ascii is not None:
        punycode = to_ascii(text)
        advice = f" Use its ASCII form {punycode}." if punycode and is_domain(punycode) else ""
    elif "." not in text and text:
        advice = " A domain has at least two labels."
    elif len(text) > MAX_DOMAIN:
        advice = f" It is {len(text)} octets long; a name in the DNS has {MAX_DOMAIN} at most."
    raise Fault(FaultKind.INVALID_PARAMETER, f"Invalid domain name {shown(text)}.{advice}")


def parse_address(text: str) -> IdentityName:
    """Return the address identity name, in the case it was written in.

    Raises: `Fault` INVALID_PARAMETER with the vendor's texts: `Email address not specified.` and
    `Invalid email address<X>.`
    """
    if not text:
        refuse(FaultKind.INVALID_PARAMETER, "Email address not specified.")
    if not is_address(text):
        refuse(FaultKind.INVALID_PARAMETER, f"Invalid email address<{shown(text)}>.")
    return IdentityName(IdentityKind.EMAIL_ADDRESS, text)


def parse_identity(text: str, to_ascii: Callable[[str], str | None] | None = None) -> IdentityName:
    """Return the name of an identity: with an unquoted `@` an address, else a domain.

    Raises: `Fault` INVALID_PARAMETER.
    """
    return parse_address(text) if _unquoted_ats(text) else parse_domain(text, to_ascii)


def under(name: str, zone: str) -> bool:
    """Say whether a name is the zone's apex or below it. Both in lower case without a trailing dot."""
    return name == zone or name.endswith("." + zone)


def parents(domain: str) -> Iterator[str]:
    """Yield the domain and each of its parents with at least two labels, the most specific first.

    SES: settings and proof come from the exact domain, then from each parent domain (creating identities).
    """
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def registrable(domain: str, is_public_suffix: Callable[[str], bool]) -> str:
    """Return the domain just below the public suffix, or the name itself where it is a suffix."""
    return next((each for each in parents(domain) if is_public_suffix(each.partition(".")[2])), domain)


def refuse_reserved(name: IdentityName, service_domain: str, is_public_suffix: Callable[[str], bool]) -> None:
    """Refuse domains nobody can own alone: public suffixes, and names at or under the service's own domain.

    Raises: `Fault` INVALID_PARAMETER naming the reason.
    """
    if name.kind is not IdentityKind.DOMAIN:
        return
    if under(name.text, service_domain):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Invalid domain name {shown(name.text)}. It belongs to this service ({service_domain}).",
        )
    if is_public_suffix(name.text):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Invalid domain name {shown(name.text)}. It is a public suffix, under which others register"
            " domains; use a domain below it.",
        )
