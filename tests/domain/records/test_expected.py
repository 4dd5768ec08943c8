"""Which records an identity should have, and which of them the DNS can hold."""

from __future__ import annotations

from dataclasses import replace

from looks import IDENTITY, TOKEN_SET, ZONE

from indicia.domain.identities.identity import IdentityKind
from indicia.domain.names import MAX_DOMAIN
from indicia.domain.records.expected import Purpose, expected_records
from indicia.domain.records.observation import RecordType
from indicia.domain.records.publishable import dkim_to_be, ownership_to_be, unpublishable


def test_a_domain_should_have_dmarc_and_an_address_nothing() -> None:
    """The required ones come first; an address has none of its own."""
    records = expected_records(IDENTITY, TOKEN_SET, "mail.example")
    address = replace(IDENTITY, kind=IdentityKind.EMAIL_ADDRESS, name="ann@example.com")

    assert [each.purpose for each in records] == [Purpose.DKIM] * 3 + [Purpose.DMARC]
    assert [each.required for each in records] == [True] * 3 + [False]
    assert expected_records(address, None, "mail.example") == ()


def test_the_records_of_dkim_as_they_will_be() -> None:
    """Three aliases with tokens of their length, or the one text of an own selector."""
    ours = dkim_to_be("example.com", ZONE)
    (own,) = dkim_to_be("example.com", ZONE, "Mine")

    assert {(each.rtype, len(each.name), each.value.partition(".")[2]) for each in ours} == {
        (RecordType.CNAME, 32 + len("._domainkey.example.com"), ZONE)
    }
    assert len(ours) == 3
    assert (own.name, own.rtype) == ("mine._domainkey.example.com", RecordType.TXT)


def test_what_the_dns_cannot_hold_is_said_with_its_name() -> None:
    """At one octet more than a name may have, the record's own or that which it points to."""
    label = "a" * 63
    room = MAX_DOMAIN - len("_amazonses.")
    fits = f"{label}.{label}.{label}.{'b' * (room - 3 * 64)}"

    assert unpublishable(ownership_to_be(fits)) is None
    said = unpublishable(ownership_to_be(f"{fits}b"))
    assert said is not None
    assert said.startswith("The record _amazonses.aaaa")
    assert "TXT cannot be published: its name would be 254 octets long" in said
    zone = f"{label}.{label}.{label}.{'b' * (MAX_DOMAIN + 1 - 33 - 3 * 64)}"
    pointed = unpublishable(dkim_to_be("example.com", zone))
    assert pointed is not None
    assert "the name that it points to would be 254 octets long" in pointed
