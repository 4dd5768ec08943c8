"""The key zone as a zone file (RFC 1035 §5), for NSD, for other secondaries, for reading.

A token that has no key yet is left out: a zone file has no way to say that a name is there with nothing at
it. Secondaries say NXDOMAIN where this service says no data; both are kept for the same 60 seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from indicia.domain.dkim.key_record import key_record, split_text
from indicia.domain.verification.controls import CONTROL_TEXT, control_zone
from indicia.keyzone.zone import (
    APEX_TTL,
    EXPIRE,
    KEY_TTL,
    NEGATIVE_TTL,
    REFRESH,
    RETRY,
    administrator,
)


def zone_lines(
    zone: str,
    *,
    nameservers: Sequence[str],
    serial: int,
    keys: Iterable[tuple[str, str]],
    key_ttl: int = KEY_TTL,
) -> Iterator[str]:
    """Yield the lines of the zone file, each with its newline: SOA, name servers, controls, one TXT a key.

    `keys` are pairs of a token and its base64 public key, in any order, as many as there are: they are not
    collected.
    """
    yield f"$ORIGIN {zone}.\n$TTL {key_ttl}\n"
    soa = f"{nameservers[0]}. {administrator(zone)}. {serial} {REFRESH} {RETRY} {EXPIRE} {NEGATIVE_TTL}"
    yield f"@ {NEGATIVE_TTL} IN SOA {soa}\n"
    for server in nameservers:
        yield f"@ {APEX_TTL} IN NS {server}.\n"
    yield f'*.{control_zone(zone)}. {NEGATIVE_TTL} IN TXT "{CONTROL_TEXT}"\n'
    for token, public_key in keys:
        strings = " ".join(f'"{string}"' for string in split_text(key_record(public_key)))
        yield f"{token} IN TXT {strings}\n"
