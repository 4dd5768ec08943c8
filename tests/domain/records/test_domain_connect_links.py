"""The link and the template have the same variables, and together they make the expected records."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from lookout import REGION, SERVICE_DOMAIN, easy_dkim, own_dkim
from places import ROOT

from indicia.domain.identities.identity import Identity, IdentityKind, KeyLength, MxFailureBehavior, TokenSet
from indicia.domain.records.domain_connect import Provider, ProviderOffer, apply_url, read_settings, template
from indicia.domain.records.expected import Purpose, expected_records
from indicia.domain.records.observation import RecordType

PROVIDER = Provider("p.example", "P", "https://p.example/sync", "https://p.example/api")
SHIPPED = ROOT / "deploy/domain-connect/mail.example.com.sending.json"


def plain(name: str) -> Identity:
    """An identity with nothing but its tokens to publish."""
    return Identity(
        id=1,
        account="111122223333",
        region=REGION,
        kind=IdentityKind.EMAIL_ADDRESS if "@" in name else IdentityKind.DOMAIN,
        name=name,
        created_at=0,
        version=1,
        generation=1,
        origin="AWS_SES",
        signing_enabled=True,
        next_key_length=KeyLength.RSA_2048_BIT,
        token_set_id=None,
        legacy_token="a+b/c=",
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set="",
    )


def whole(name: str) -> Identity:
    """A domain with everything that can be published."""
    return replace(plain(name), legacy_requested=True, mail_from_domain=f"bounce.{name}")


def published(url: str) -> set[tuple[str, str, str]]:
    """What a provider publishes that follows the link: name, type and value of each record."""
    query = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    at = f"{query['host']}.{query['domain']}" if "host" in query else query["domain"]
    groups = query.pop("groupId").split(",")

    def filled(text: str) -> str:
        for name, value in query.items():
            text = text.replace(f"%{name}%", value)
        assert "%" not in text
        return text

    records = set()
    for record in template(SERVICE_DOMAIN)["records"]:
        if record["groupId"] not in groups:
            continue
        name, kind = f"{filled(record['host'])}.{at}", record["type"]
        if kind == "SPFM":
            records.add((name, "TXT", f"v=spf1 {record['spfRules']} ~all"))
        elif kind == "MX":
            records.add((name, "MX", f"{record['priority']} {filled(record['pointsTo'])}"))
        else:
            records.add((name, kind, filled(record.get("pointsTo") or record["data"])))
    return records


@pytest.mark.parametrize(
    ("in_use", "types"),
    [
        ({Purpose.MAIL_FROM}, {"dkim": 1, "ownership": 1}),
        ({Purpose.DKIM}, {"ownership": 1, "mail_from": 2}),
        ({Purpose.OWNERSHIP, Purpose.MAIL_FROM, Purpose.DKIM}, {}),
    ],
)
def test_what_is_in_use_is_not_taken_away(in_use: set[Purpose], types: dict[str, int]) -> None:
    """A provider removes what a record conflicts with, so the link leaves such records out."""
    subject, token_set = whole("example.com"), own_dkim("sel", "MIIB")
    url = apply_url(ProviderOffer(PROVIDER, "example.com"), subject, token_set, SERVICE_DOMAIN, in_use)
    expected = {
        (record.name, record.rtype.name, record.value)
        for record in expected_records(subject, token_set, SERVICE_DOMAIN)
        if record.purpose.value in types
    }

    assert (set() if url is None else published(url)) == expected
    assert len(expected) == sum(types.values())


@pytest.mark.parametrize("name", ["example.com", "shop.eu.example.com"])
@pytest.mark.parametrize("token_set", [easy_dkim(), own_dkim("Sel", "MIIBab+/cd=")], ids=["easy", "own"])
def test_the_link_publishes_what_is_expected(name: str, token_set: TokenSet) -> None:
    """Every expected record but DMARC, at the apex of the zone and below it, with every octet of a key."""
    subject = whole(name)
    url = apply_url(ProviderOffer(PROVIDER, "example.com"), subject, token_set, SERVICE_DOMAIN)
    assert url is not None
    expected = {
        (each.name, each.rtype.name, each.value)
        for each in expected_records(subject, token_set, SERVICE_DOMAIN)
        if each.purpose is not Purpose.DMARC
    }

    assert published(url) == expected
    assert {kind for _, kind, _ in expected} >= {RecordType.MX.name, RecordType.TXT.name}
    assert url.startswith(
        f"https://p.example/sync/v2/domainTemplates/providers/{SERVICE_DOMAIN}/services/sending/apply?domain="
    )


def test_where_the_template_does_not_fit_there_is_no_link() -> None:
    """An address, tokens of a key zone of before, a zone that does not hold the domain."""
    bare = plain("example.com")
    before = easy_dkim(zone="dkim.before.example.org")

    assert (
        apply_url(ProviderOffer(PROVIDER, "example.com"), plain("a@example.com"), None, SERVICE_DOMAIN)
        is None
    )
    assert apply_url(ProviderOffer(PROVIDER, "example.com"), bare, before, SERVICE_DOMAIN) is None
    assert apply_url(ProviderOffer(PROVIDER, "example.net"), bare, easy_dkim(), SERVICE_DOMAIN) is None


def test_the_shipped_template_is_the_one_that_links_are_for() -> None:
    """`deploy/` has it for mail.example.com, named as the repository of templates wants it."""
    shipped = json.loads(SHIPPED.read_text())

    assert shipped == template("mail.example.com")
    assert SHIPPED.name == f"{shipped['providerId']}.{shipped['serviceId']}.json"


def test_the_template_is_one_by_the_public_schema() -> None:
    """The fields that the schema of the repository of templates has and requires, of the right types."""
    known = {
        *("providerId", "providerName", "serviceId", "serviceName", "version", "description"),
        *("variableDescription", "warnPhishing", "hostRequired", "records"),
    }
    fields = {
        "CNAME": {"groupId": str, "type": str, "host": str, "pointsTo": str, "ttl": int},
        "MX": {"groupId": str, "type": str, "host": str, "pointsTo": str, "priority": int, "ttl": int},
        "TXT": {
            "groupId": str,
            "type": str,
            "host": str,
            "data": str,
            "ttl": int,
            "txtConflictMatchingMode": str,
        },
        "SPFM": {"groupId": str, "type": str, "host": str, "spfRules": str},
    }
    made = template(SERVICE_DOMAIN)

    assert set(made) == known
    for record in made["records"]:
        assert {name: type(value) for name, value in record.items()} == fields[record["type"]]


OFFER = {
    "providerId": "p.example",
    "providerName": "p",
    "urlSyncUX": "https://p.example/sync/",
    "urlAPI": "https://p.example/api",
}


def test_settings_are_read() -> None:
    """The name to show is the one meant for that, and URLs have no slash at their end."""
    shown = json.dumps(OFFER | {"providerDisplayName": "The P"}).encode()

    assert read_settings(json.dumps(OFFER).encode()) == Provider(
        "p.example", "p", "https://p.example/sync", "https://p.example/api"
    )
    assert read_settings(shown) == Provider(
        "p.example", "The P", "https://p.example/sync", "https://p.example/api"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("urlSyncUX", None),
        ("urlSyncUX", "javascript:alert(1)"),
        ("urlSyncUX", "http://p.example"),
        ("urlSyncUX", "https://user@p.example"),
        ("urlSyncUX", "https://p.example/?x=y"),
        ("urlSyncUX", "https://"),
        ("urlSyncUX", "https://[/"),
        ("urlSyncUX", "https://p.example/\x1b[2J"),
        ("urlAPI", 17),
        ("providerId", ""),
        ("providerName", "\x1b[31mred"),
        ("providerName", "p" * 2000),
    ],
)
def test_settings_that_nobody_should_be_led_by(name: str, value: object) -> None:
    """A link that is none, a name that would play tricks on a terminal: no offer at all."""
    assert read_settings(json.dumps(OFFER | {name: value}).encode()) is None
