"""The plain values of settings: spans of time, numbers, yes and no, names.

Every parser here takes the text that somebody wrote and returns the value, or raises `ValueError` with the
reason, in words that can follow the setting's name and a colon.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from indicia.domain.dkim.rotation import KEY_TTL
from indicia.domain.faults import Fault
from indicia.domain.names import fold_domain, is_domain, parse_address, shown
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from enum import Enum

    E = TypeVar("E", bound=Enum)
    T = TypeVar("T")

UNITS: dict[str, Span] = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
LONGEST: Span = (
    3650 * DAY
)  # beyond ten years a number is a slip of the finger, and sums stay far from 63 bits

_SPAN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)\Z")
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_ACCOUNT = re.compile(r"[0-9]{12}\Z")
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_]{16,128}\Z")  # the pattern of the vendor's accessKeyIdType
_SECRET = re.compile(r"[!-~]{16,128}\Z")


def quoted(text: str) -> str:
    """Return the text in quotes, at most 100 characters of it."""
    return f'"{shown(text)}"'


def parse_span(text: str) -> Span:
    """Return a span in milliseconds: `10s`, `15m`, `72h`, `5d`."""
    found = _SPAN.match(text)
    if found is None:
        raise ValueError(f"{quoted(text)} is not a duration such as 10s, 15m, 72h or 5d")
    span = int(found[1]) * UNITS[found[2]]
    if not 0 < span <= LONGEST:
        raise ValueError(f"{quoted(text)} is not a duration between 1ms and {LONGEST // DAY}d")
    return span


def shown_span(span: Span) -> str:
    """Return the span as it would be written: in the largest unit that holds it whole; days from five on."""
    fitting = [item for item in UNITS.items() if span % item[1] == 0 and (item[1] < DAY or span >= 5 * DAY)]
    name, unit = fitting[-1]
    return f"{span // unit}{name}"


def parse_span_or_off(text: str) -> Span | None:
    """Return a span of a day or more, None for `off`."""
    if text == "off":
        return None
    span = parse_span(text)
    if span < DAY:
        raise ValueError(f"{quoted(text)} is less than 24h; off is for never")
    return span


def shown_span_or_off(span: Span | None) -> str:
    """Return the span as it would be written."""
    return "off" if span is None else shown_span(span)


def parse_linger(text: str) -> Span:
    """Return a span in which every resolver forgets a key: none is taken from under mail that needs it."""
    span = parse_span(text)
    if span < KEY_TTL:
        raise ValueError(f"{quoted(text)} is less than {shown_span(KEY_TTL)}, the TTL of a key")
    return span


def parse_number(text: str, *, least: int = 1, most: int = 1_000_000_000) -> int:
    """Return a whole number within bounds."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise ValueError(f"{quoted(text)} is not a whole number from {least} to {most}")
    return int(text)


def parse_port(text: str) -> int:
    """Return a port that can be talked to."""
    return parse_number(text, most=65535)


def parse_truth(text: str) -> bool:
    """Return yes or no."""
    if text not in {"true", "false"}:
        raise ValueError(f"{quoted(text)} is neither true nor false")
    return text == "true"


def parse_choice(choices: type[E]) -> Callable[[str], E]:
    """Return a parser of one of the values of a closed list."""

    def parse(text: str) -> E:
        for choice in choices:
            if choice.value == text:
                return choice
        raise ValueError(f"{quoted(text)} is none of {listed(choice.value for choice in choices)}")

    return parse


def parse_list(parse: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    """Return a parser of a comma list in which nothing stands twice. Empty text is an empty list."""

    def parse_all(text: str) -> tuple[T, ...]:
        items = tuple(parse(part.strip()) for part in text.split(",")) if text.strip() else ()
        for position, item in enumerate(items):
            if item in items[:position]:
                raise ValueError(f"{quoted(str(item))} is there twice")
        return items

    return parse_all


def not_empty(parse: Callable[[str], tuple[T, ...]]) -> Callable[[str], tuple[T, ...]]:
    """Return the same parser, which refuses an empty list."""

    def parse_some(text: str) -> tuple[T, ...]:
        items = parse(text)
        if not items:
            raise ValueError("is empty, and needs at least one value")
        return items

    return parse_some


def shown_list(values: Iterable[object]) -> str:
    """Return values as a list is written."""
    return ",".join(map(str, values))


def parse_path(text: str) -> Path:
    """Return an absolute path."""
    if not text or "\0" in text:
        raise ValueError("is not a path")
    return Path(text).expanduser().absolute()


def parse_existing_file(text: str) -> Path:
    """Return the absolute path of a file that is there."""
    path = parse_path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def listed(values: Iterable[str]) -> str:
    """Return the values as a sentence lists them: `a`, `b` or `c`."""
    *first, last = [f"`{value}`" for value in values]
    return f"{', '.join(first)} or {last}" if first else last


def parse_domain(text: str) -> str:
    """Return a domain name in lower case, without a trailing dot."""
    domain = fold_domain(text).removesuffix(".")
    if not is_domain(domain):
        raise ValueError(f"{quoted(text)} is not a domain name of two labels or more")
    return domain


# A CNAME target is <32 characters>.dkim.<service domain>, in 253 octets (RFC 1035 §2.3.4).
_LONGEST_SERVICE_DOMAIN = 253 - len(".dkim.") - 32


def parse_service_domain(text: str) -> str:
    """Return a domain name short enough for key names below it."""
    domain = parse_domain(text)
    if len(domain) > _LONGEST_SERVICE_DOMAIN:
        raise ValueError(
            f"{quoted(text)} is longer than the {_LONGEST_SERVICE_DOMAIN} octets that leave key names room"
        )
    return domain


def parse_region(text: str) -> str:
    """Return a region name: any DNS label."""
    if not _DNS_LABEL.match(text):
        raise ValueError(f"{quoted(text)} is not a region name: one DNS label in lower case")
    return text


def parse_mailbox(text: str) -> str:
    """Return a bare mail address."""
    try:
        return parse_address(text).text
    except Fault as fault:
        raise ValueError(f"{quoted(text)} is not a mail address") from fault


def parse_account(text: str) -> str:
    """Return an account number."""
    if not _ACCOUNT.match(text):
        raise ValueError(f"{quoted(text)} is not an account number of 12 digits")
    return text


def parse_access_key_id(text: str) -> str:
    """Return an access key id."""
    if not _ACCESS_KEY_ID.match(text):
        raise ValueError(f"{quoted(text)} is not an access key id: 16 to 128 letters and digits")
    return text


def parse_secret(text: str) -> str:
    """Return a secret access key. The reason never quotes it."""
    if not _SECRET.match(text):
        raise ValueError("is not a secret access key: 16 to 128 printable characters without spaces")
    return text
