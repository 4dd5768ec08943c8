"""The records to publish, in the forms in which people run DNS.

Each form is a function of the expected records and the zone they are to be put into, which holds all of
them: an identity may be its apex or lie below it. Where a form needs a long TXT value in pieces it gets them
(RFC 1035 §3.3: a string holds 255 octets at most); where the provider splits by itself it gets the value
whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Final

from indicia.domain.dkim.key_record import split_text
from indicia.domain.records.expected import ExpectedRecord
from indicia.domain.records.observation import RecordType

_NUMBER: Final = re.compile(r"([0-9]+)")


def _quoted(text: str) -> str:
    """Return a string as zone files write it (RFC 1035 §5.1)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _absolute(record: ExpectedRecord) -> str:
    """Return the value with its trailing dot, as zone files need it. An MX has its host last."""
    return f"{record.value}."


def zone_file(records: Sequence[ExpectedRecord], _zone: str) -> str:
    """Return lines of a zone file, names absolute, long TXT split (RFC 1035 §5.1)."""
    lines = []
    for record in records:
        txt = record.rtype is RecordType.TXT
        value = " ".join(map(_quoted, split_text(record.value))) if txt else _absolute(record)
        lines.append(f"{record.name}. {record.ttl} IN {record.rtype.name} {value}\n")
    return "".join(lines)


def terraform(records: Sequence[ExpectedRecord], zone: str) -> str:
    """Return one resource for Route 53 over a map of the records; other providers take the same map.

    Route 53 wants a long TXT value as several quoted strings; the outer quotes are the provider's.
    """
    blocks = []
    for record in records:
        txt = record.rtype is RecordType.TXT
        value = '""'.join(split_text(record.value)) if txt else record.value
        blocks.append(
            f"    {json.dumps(f'{record.name} {record.rtype.name}')} = {{ name = {json.dumps(record.name)},"
            f" type = {json.dumps(record.rtype.name)}, ttl = {record.ttl}, value = {json.dumps(value)} }}\n"
        )
    return (
        f"# Set zone_id to the hosted zone of {zone}, which holds these records.\n"
        'variable "zone_id" { type = string }\n\n'
        "locals {\n  indicia_records = {\n" + "".join(blocks) + "  }\n}\n\n"
        'resource "aws_route53_record" "indicia" {\n'
        "  for_each = local.indicia_records\n"
        "  zone_id  = var.zone_id\n"
        "  name     = each.value.name\n"
        "  type     = each.value.type\n"
        "  ttl      = each.value.ttl\n"
        "  records  = [each.value.value]\n"
        "}\n"
    )


def cloudflare(records: Sequence[ExpectedRecord], _zone: str) -> str:
    """Return the body of `POST /zones/ZONE_ID/dns_records/batch` of Cloudflare's API, names absolute.

    `proxied` is off: a proxied CNAME is not visible as one. TXT values are whole: Cloudflare splits them.
    """
    return json.dumps({"posts": [_cloudflare_record(record) for record in records]}, indent=2) + "\n"


def _cloudflare_record(record: ExpectedRecord) -> dict[str, object]:
    entry: dict[str, object] = {"type": record.rtype.name, "name": record.name, "ttl": record.ttl}
    if record.rtype is RecordType.MX:
        preference, host = record.value.split()
        return entry | {"content": host, "priority": int(preference)}
    if record.rtype is RecordType.TXT:
        return entry | {"content": _quoted(record.value)}
    return entry | {"content": record.value, "proxied": False}


def octodns(records: Sequence[ExpectedRecord], zone: str) -> str:
    """Return the YAML of octoDNS for the zone: names relative to it, the apex empty, semicolons escaped.

    Values are written as JSON strings, which YAML takes as they are. octoDNS refuses names in another order
    than that in which people count: `ab3` comes before `ab27`.
    """

    def relative(record: ExpectedRecord) -> str:
        return "" if record.name == zone else record.name.removesuffix(f".{zone}")

    lines = ["---\n"]
    for record in sorted(records, key=lambda record: (_as_counted(relative(record)), record.rtype.name)):
        name = relative(record)
        lines += [f"{json.dumps(name)}:\n", f"  ttl: {record.ttl}\n", f"  type: {record.rtype.name}\n"]
        if record.rtype is RecordType.MX:
            preference, host = record.value.split()
            lines += ["  values:\n", f"  - exchange: {host}.\n", f"    preference: {preference}\n"]
        elif record.rtype is RecordType.TXT:
            lines.append(f"  value: {json.dumps(record.value.replace(';', chr(92) + ';'))}\n")
        else:
            lines.append(f"  value: {record.value}.\n")
    return "".join([f"# For the zone {zone}.\n", *_merged(lines)])


def _as_counted(name: str) -> list[str | int]:
    """Return the name as it is sorted where the numbers in it count as numbers."""
    return [int(part) if part.isdecimal() else part for part in _NUMBER.split(name)]


def _merged(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines with records of one name under one key, as YAML needs it: as a list of records."""
    merged: list[str] = []
    blocks: dict[str, list[list[str]]] = {}
    current = ""
    for line in lines:
        if line == "---\n":
            merged.append(line)
        elif not line.startswith(" "):
            current = line
            blocks.setdefault(line, []).append([])
        else:
            blocks[current][-1].append(line)
    for key, held in blocks.items():
        merged.append(key)
        for block in held:
            if len(held) == 1:
                merged += block
            else:
                merged += [("- " if at == 0 else "  ") + line[2:] for at, line in enumerate(block)]
    return merged


def table(records: Sequence[ExpectedRecord], _zone: str) -> str:
    """Return the records in columns, for people."""
    rows = [
        (
            record.name,
            record.rtype.name,
            str(record.ttl),
            record.value,
            "required" if record.required else "advice",
        )
        for record in records
    ]
    heading = ("NAME", "TYPE", "TTL", "VALUE", "")
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
        for row in (heading, *rows)
    )


# The text forms of the contract. JSON is not among them: it carries more than the records.
FORMS: dict[str, Callable[[Sequence[ExpectedRecord], str], str]] = {
    "table": table,
    "zone": zone_file,
    "terraform": terraform,
    "cloudflare": cloudflare,
    "octodns": octodns,
}
