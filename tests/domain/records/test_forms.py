"""The records in the forms in which people run DNS, read back by who reads them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import dns.rdatatype
import dns.zone
import pytest
import yaml

from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.forms import FORMS, cloudflare, octodns, table, terraform, zone_file
from indicia.domain.records.observation import RecordType

KEY = "p=" + "A" * 400
RECORDS = (
    ExpectedRecord(
        Purpose.DKIM, "tok._domainkey.example.com", RecordType.CNAME, "tok.dkim.mail.example", required=True
    ),
    ExpectedRecord(Purpose.DKIM, "sel._domainkey.example.com", RecordType.TXT, KEY, required=True),
    ExpectedRecord(
        Purpose.MAIL_FROM,
        "bounce.example.com",
        RecordType.MX,
        "10 feedback-smtp.eu-west-1.mail.example",
        required=True,
    ),
    ExpectedRecord(
        Purpose.MAIL_FROM,
        "bounce.example.com",
        RecordType.TXT,
        "v=spf1 include:mail.example ~all",
        required=False,
    ),
    ExpectedRecord(Purpose.DMARC, "_dmarc.example.com", RecordType.TXT, "v=DMARC1; p=none;", required=False),
)
SOA = "example.com. 60 IN SOA ns1.example.com. hostmaster.example.com. 1 2 3 4 5\n"
NS = "example.com. 60 IN NS ns1.example.com.\n"


def test_a_zone_file_is_read_back_whole() -> None:
    """A name server reads the lines and serves the values, the long key in pieces of 255 octets at most."""
    zone = dns.zone.from_text(SOA + NS + zone_file(RECORDS, "example.com"), "example.com.", relativize=False)

    for record in RECORDS:
        (rdata,) = zone.get_rdataset(f"{record.name}.", record.rtype.name)
        if record.rtype is RecordType.TXT:
            assert all(len(string) <= 255 for string in rdata.strings)
            assert record.value == b"".join(rdata.strings).decode()
        else:
            assert f"{record.value}." == rdata.to_text()


@pytest.mark.parametrize(
    ("zone", "below"), [("example.com", ""), ("com", ".example"), ("bounce.example.com", None)]
)
def test_octodns_reads_every_record(zone: str, below: str | None) -> None:
    """The YAML has each name once, relative to the zone, be it above the domain, with all its records."""
    within = [record for record in RECORDS if below is not None or record.name == zone]
    found = yaml.safe_load(octodns(within, zone))
    bounce = found["" if below is None else f"bounce{below}"]

    assert ["MX", "TXT"] == [record["type"] for record in bounce]
    assert [{"exchange": "feedback-smtp.eu-west-1.mail.example.", "preference": 10}] == bounce[0]["values"]
    if below is None:
        return
    assert {f"{each}{below}" for each in ("tok._domainkey", "sel._domainkey", "bounce", "_dmarc")} == set(
        found
    )
    assert {"ttl": 1800, "type": "CNAME", "value": "tok.dkim.mail.example."} == found[
        f"tok._domainkey{below}"
    ]
    assert r"v=DMARC1\; p=none\;" == found[f"_dmarc{below}"]["value"]
    assert KEY == found[f"sel._domainkey{below}"]["value"]


def test_a_name_that_only_ends_like_the_zone_is_not_in_it() -> None:
    """Names are cut where a label begins."""
    record = replace(RECORDS[0], name="tok._domainkey.myexample.com")

    assert ["tok._domainkey.myexample"] == list(yaml.safe_load(octodns([record], "com")))
    assert ["tok._domainkey.myexample.com"] == list(yaml.safe_load(octodns([record], "example.com")))


def test_octodns_has_its_names_in_the_order_of_people() -> None:
    """Numbers count as numbers: octoDNS refuses a file in any other order."""
    records = [replace(RECORDS[0], name=f"{token}._domainkey.example.com") for token in ("ab27", "b", "ab3")]
    names = re.findall(r'^"(.*)":$', octodns(records, "example.com"), re.MULTILINE)

    assert ["ab3._domainkey", "ab27._domainkey", "b._domainkey"] == names


def test_cloudflare_takes_the_body() -> None:
    """Each record is one post: a CNAME not proxied, an MX with its priority apart, a TXT quoted and whole."""
    posts = {
        (post["type"], post["name"]): post for post in json.loads(cloudflare(RECORDS, "example.com"))["posts"]
    }

    assert posts["CNAME", "tok._domainkey.example.com"]["proxied"] is False
    assert 10 == posts["MX", "bounce.example.com"]["priority"]
    assert "feedback-smtp.eu-west-1.mail.example" == posts["MX", "bounce.example.com"]["content"]
    assert f'"{KEY}"' == posts["TXT", "sel._domainkey.example.com"]["content"]


def test_terraform_splits_a_long_value_and_names_each_record_once() -> None:
    """Every record has a key of its own; the key of 402 characters is two strings for Route 53."""
    text = terraform(RECORDS, "example.com")
    keys = re.findall(r'^    ("[^"]+ [A-Z]+") = ', text, re.MULTILINE)
    values = [json.loads(value) for value in re.findall(r"value = (\".*\") }$", text, re.MULTILINE)]

    assert len(RECORDS) == len(set(keys)) == len(values)
    assert KEY in [value.replace('""', "") for value in values]
    assert max(len(part) for value in values for part in value.split('""')) <= 255
    assert text.count("{") == text.count("}")


def test_the_table_has_every_value_on_one_line() -> None:
    """A person can copy each value: nothing is wrapped or cut."""
    lines = table(RECORDS, "example.com").splitlines()

    assert len(RECORDS) + 1 == len(lines)
    assert all(record.value in line for record, line in zip(RECORDS, lines[1:], strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_no_records_are_no_trouble(form: str) -> None:
    """An identity with nothing to publish has a text in every form."""
    assert isinstance(FORMS[form]((), "example.com"), str)
