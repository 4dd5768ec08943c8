"""What SES has no operation for: records, a check that is asked for, the history of verdicts."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from desk import T0, ZONE, Desk
from own_keys import OWN, OWN_PUBLIC

from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.records.observation import Soa
from indicia.domain.time import DAY, MINUTE
from indicia.domain.verification.asking import AskedBy
from indicia.store.proofs import carried
from indicia.store.verification import checks, evidence
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

SIGNING = "PutEmailIdentityDkimSigningAttributes"
EXTERNAL = {"EmailIdentity": "example.com", "SigningAttributesOrigin": "EXTERNAL"}


def verdict(desk: Desk, name: str, facet: Facet, records: list[dict[str, str]], **more: object) -> None:
    """Store a verdict as the verifier does."""
    identity = desk.view(name).identity
    stored = evidence.StoredVerdict(
        identity_id=identity.id,
        facet=facet,
        at=desk.now,
        generation=identity.generation,
        asked_by=AskedBy.SCHEDULE,
        status_before=Status.PENDING,
        status_after=Status.PENDING,
        finding="MISSING",
        digest=str(more),
        body=json.dumps({"sight": "absent", "records": records, "cause": None}),
    )
    desk.database.write(lambda s: evidence.add(s, [stored]))


def test_records_of_an_easy_dkim_domain(desk: Desk) -> None:
    """Three CNAMEs to the key zone, then the advice; nothing looked up yet is unknown, without a finding."""
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens

    answer = msgspec.to_builtins(desk.ask("GetIdentityRecords", name="Example.com"))

    assert answer["identity"] == "example.com"
    unseen = {"ttl": 1800, "state": "unknown", "finding": None, "conflict": None}
    assert answer["records"] == [
        *(
            {
                "facet": "dkim",
                "name": f"{token}._domainkey.example.com",
                "type": "CNAME",
                "value": f"{token}.{ZONE}",
                "required": True,
                **unseen,
            }
            for token in tokens
        ),
        {
            "facet": "dmarc",
            "name": "_dmarc.example.com",
            "type": "TXT",
            "value": "v=DMARC1; p=none;",
            "required": False,
            **unseen,
        },
    ]


def test_records_show_what_the_last_verdict_saw(desk: Desk) -> None:
    """State and finding are those of the newest verdict by record; one on other values says nothing."""
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    seen = [
        {
            "name": f"{token}._domainkey.example.com",
            "type": "CNAME",
            "expected": f"{token}.{ZONE}",
            "sight": sight,
            "finding": finding,
        }
        for token, sight, finding in zip(
            tokens, ("present", "absent", "unknown"), ("OK", "WRONG_TARGET", "SERVER_FAILURE"), strict=True
        )
    ]
    verdict(desk, "example.com", Facet.DKIM, [{**seen[0], "sight": "absent", "finding": "MISSING"}], at=1)
    desk.now += MINUTE
    verdict(desk, "example.com", Facet.DKIM, seen, at=2)

    records = desk.ask("GetIdentityRecords", name="example.com").records
    assert [(record.state, record.finding) for record in records[:3]] == [
        ("present", "OK"),
        ("absent", "WRONG_TARGET"),
        ("unknown", "SERVER_FAILURE"),
    ]

    desk.ask("VerifyDomainIdentity", Domain="example.com")
    legacy = desk.ask("GetIdentityRecords", name="example.com").records[3]
    assert (legacy.facet, legacy.name, legacy.required) == ("ownership", "_amazonses.example.com", True)
    assert (legacy.state, legacy.finding) == ("unknown", None)


def test_records_that_are_to_stay_while_they_prove_the_domain(desk: Desk) -> None:
    """Those of before a change, beside what is to be published, until the new ones are seen."""
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    assert desk.ask("GetIdentityRecords", name="example.com").leave == []
    desk.ask(SIGNING, **EXTERNAL, SigningAttributes=OWN)
    before = [(f"{token}._domainkey.example.com", f"{token}.{ZONE}") for token in tokens]
    seen = {"name": before[1][0], "type": "CNAME", "expected": before[1][1]}
    verdict(desk, "example.com", Facet.CARRIED_DKIM, [{**seen, "sight": "absent", "finding": "MISSING"}])

    answer = desk.ask("GetIdentityRecords", name="example.com")

    assert [(each.facet, each.type, each.name, each.value, each.required) for each in answer.leave] == [
        ("carried_dkim", "CNAME", name, value, True) for name, value in before
    ]
    assert [(each.state, each.finding) for each in answer.leave] == [
        ("unknown", None),
        ("absent", "MISSING"),
        ("unknown", None),
    ]
    assert [each.name for each in answer.records if each.facet == "dkim"] == [
        f"{OWN.DomainSigningSelector}._domainkey.example.com"
    ]
    # A zone file has what is to be published, and not what is there already.
    assert tokens[0] not in desk.ask("GetIdentityRecords", name="example.com", format="zone")

    desk.database.write(lambda s: carried.end(s, [desk.view("example.com").identity.id], desk.now))
    assert desk.ask("GetIdentityRecords", name="example.com").leave == []


def test_a_record_whose_place_another_takes_is_not_to_stay(desk: Desk) -> None:
    """Another key under the selector of before stands where that one did; a shorter key changes no record."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=OWN)
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    der = rsa.generate_private_key(65537, 1024).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    other = DkimSigningAttributes(
        DomainSigningSelector=OWN.DomainSigningSelector,
        DomainSigningPrivateKey=base64.b64encode(der).decode(),
    )
    desk.ask(SIGNING, **EXTERNAL, SigningAttributes=other)
    desk.ask("CreateEmailIdentity", EmailIdentity="shop.example.com")
    desk.find("shop.example.com", Facet.DKIM, Status.SUCCESS)
    shorter = DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT")
    easy = {"EmailIdentity": "shop.example.com", "SigningAttributesOrigin": "AWS_SES"}
    desk.now += DAY
    desk.ask(SIGNING, **easy, SigningAttributes=shorter)

    for name in ("example.com", "shop.example.com"):
        assert desk.view(name).carried is not None
        assert desk.ask("GetIdentityRecords", name=name).leave == []


def test_records_as_a_zone_file(desk: Desk) -> None:
    """Names are absolute, text is quoted and split at 255 octets."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=OWN)

    text = desk.ask("GetIdentityRecords", name="example.com", format="zone")

    whole = f"p={OWN_PUBLIC}"
    assert text == (
        f'mail-2026._domainkey.example.com. 1800 IN TXT "{whole}"\n'
        '_dmarc.example.com. 1800 IN TXT "v=DMARC1; p=none;"\n'
    )
    assert len(whole) <= 255


def test_other_forms_are_refused(desk: Desk) -> None:
    """An unknown form is refused, naming those there are."""
    fault = desk.refused("GetIdentityRecords", name="example.com", format="pdf")

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert "cloudflare, json, octodns, table, terraform, zone" in fault.message


@pytest.mark.parametrize("form", ["table", "terraform", "cloudflare", "octodns"])
def test_the_text_forms_hold_every_value(desk: Desk, form: str) -> None:
    """Each form has all of the records."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    records = desk.ask("GetIdentityRecords", name="example.com").records
    text = desk.ask("GetIdentityRecords", name="example.com", format=form)

    assert all(record.value.split(";")[0] in text for record in records)


@pytest.mark.parametrize(
    ("asked", "zone"),
    [("", "example.com"), ("example.com.", "example.com"), ("COM.Example.com", "com.example.com")],
)
def test_a_form_fits_the_zone(desk: Desk, asked: str, zone: str) -> None:
    """That which is named, in any spelling, else the zone cut that the last check saw."""
    name = "news.com.example.com"
    desk.ask("CreateEmailIdentity", EmailIdentity=name)
    soa = Soa("example.com", "ns1.example.com", "hostmaster.example.com", 1, 300)
    after_a_check(desk, name, Facet.DKIM, Status.PENDING, soa=soa)

    text = desk.ask("GetIdentityRecords", name=name, format="octodns", zone=asked)

    assert text.startswith(f"# For the zone {zone}.\n---\n")
    assert f'"_dmarc.{name.removesuffix(f".{zone}")}":' in text


@pytest.mark.parametrize(
    ("name", "label"),
    [("example.com", "_dmarc"), ("a.b.example.com", "_dmarc.a.b"), ("shop.example.co.uk", "_dmarc.shop")],
)
def test_before_a_zone_was_seen_the_registered_domain_counts_for_one(
    desk: Desk, name: str, label: str
) -> None:
    """Names are relative to the domain that its owner registered, below which few have another zone."""
    desk.ask("CreateEmailIdentity", EmailIdentity=name)

    assert f'"{label}":' in desk.ask("GetIdentityRecords", name=name, format="octodns")


@pytest.mark.parametrize(
    ("zone", "sentence"),
    [
        (
            "example.net",
            "The zone example.net cannot hold the records of example.com, which is not at or below",
        ),
        ("news.example.com", "The zone news.example.com cannot hold the records of example.com"),
        ("example", "zone example is no domain name."),
        ("-", "zone - is no domain name."),
    ],
)
@pytest.mark.parametrize("form", ["octodns", "zone", "terraform", "cloudflare"])
def test_a_zone_that_cannot_hold_the_records(desk: Desk, form: str, zone: str, sentence: str) -> None:
    """It is refused, naming both."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    fault = desk.refused("GetIdentityRecords", name="example.com", format=form, zone=zone)

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert fault.message.startswith(sentence)


def test_an_address_has_no_records_of_its_own(desk: Desk) -> None:
    """Nothing is to be published for an address without MAIL FROM."""
    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")
    assert desk.ask("GetIdentityRecords", name="ann@example.com").records == []


@pytest.mark.parametrize("operation", ["GetIdentityRecords", "CheckIdentity", "GetIdentityHistory"])
@pytest.mark.parametrize("name", ["none.example", "\x00", "a b"])
def test_a_missing_identity_is_not_found(desk: Desk, operation: str, name: str) -> None:
    """Each of our own operations says so in the words of Get."""
    fault = desk.refused(operation, name=name)
    assert (fault.kind, fault.message) == (FaultKind.NOT_FOUND, f"Email identity <{name}> does not exist.")


def after_a_check(desk: Desk, name: str, facet: Facet, status: Status, *, soa: Soa | None = None) -> None:
    """Let a check have been made that found this of the facet, the next one far away."""
    (claim,) = (each for each in desk.claims() if each.identity.name == name)
    result = checks.CheckResult(
        identity_id=claim.identity.id,
        generation=claim.identity.generation,
        owner="test",
        facets=(replace(claim.facets[facet], status=status),),
        due_at=T0 + 99 * MINUTE if status is not Status.FAILED else None,
        interval=MINUTE,
        checked_at=T0,
        succeeded_at=None,
        error=None,
        soa=soa,
    )
    desk.database.write(lambda s: checks.write_back(s, [result]))
    desk.hints.woken.clear()


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUCCESS, Status.TEMPORARY_FAILURE])
def test_a_check_makes_due_and_moves_nothing(desk: Desk, status: Status) -> None:
    """The identity is due now, as one that a person asked about; no state moved."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    after_a_check(desk, "example.com", Facet.DKIM, status)
    before = desk.view("example.com")
    assert desk.claims() == []

    assert desk.ask("CheckIdentity", name="example.com").identity == "example.com"

    assert desk.view("example.com").facets == before.facets
    assert desk.hints.woken == ["engine"]
    (claim,) = desk.claims()
    assert claim.asked


@pytest.mark.parametrize(
    ("setup", "facet", "starts"),
    [
        (
            "CreateEmailIdentity",
            Facet.DKIM,
            "VerifyDomainDkim (API v1) or PutEmailIdentityDkimSigningAttributes",
        ),
        ("VerifyDomainIdentity", Facet.OWNERSHIP, "VerifyDomainIdentity (API v1)"),
    ],
)
def test_a_check_of_a_failed_facet_names_what_starts_it(
    desk: Desk, setup: str, facet: Facet, starts: str
) -> None:
    """Looking brings nothing back that has failed: 409, with the operation that does."""
    member = "EmailIdentity" if setup == "CreateEmailIdentity" else "Domain"
    desk.ask(setup, **{member: "example.com"})
    after_a_check(desk, "example.com", facet, Status.FAILED)

    fault = desk.refused("CheckIdentity", name="example.com")

    assert (fault.kind, fault.message) == (
        FaultKind.CONFLICT,
        (
            f"The {facet.value} verification of example.com has failed and is not looked for any more."
            f" {starts} starts it anew."
        ),
    )
    assert desk.claims() == []


def test_a_failed_facet_does_not_hold_up_another(desk: Desk) -> None:
    """While another facet is awaited, the check is for that one."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    after_a_check(desk, "example.com", Facet.DKIM, Status.FAILED)
    desk.ask("VerifyDomainIdentity", Domain="example.com")

    assert desk.ask("CheckIdentity", name="example.com").identity == "example.com"


def test_an_address_is_not_proved_by_looking(desk: Desk) -> None:
    """A check of an address is refused, naming the call that sends another link."""
    desk.ask("VerifyEmailIdentity", EmailAddress="ann@example.com")
    fault = desk.refused("CheckIdentity", name="ann@example.com")
    assert fault.kind is FaultKind.CONFLICT
    assert "VerifyEmailIdentity" in fault.message


def test_the_history_is_newest_first_with_its_evidence(desk: Desk) -> None:
    """Every stored verdict, its evidence as it was stored, of this identity alone."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("CreateEmailIdentity", EmailIdentity="other.example")
    for number in range(2):
        verdict(desk, "example.com", Facet.DKIM, [], number=number)
        desk.now += MINUTE
    verdict(desk, "other.example", Facet.DKIM, [], number=9)

    answer = json.loads(msgspec.json.encode(desk.ask("GetIdentityHistory", name="example.com")))

    assert [item["at"] for item in answer["verdicts"]] == [
        "2026-09-21T14:14:20.000Z",
        "2026-09-21T14:13:20.000Z",
    ]
    assert answer["verdicts"][0] == {
        "facet": "dkim",
        "at": "2026-09-21T14:14:20.000Z",
        "asked_by": "schedule",
        "before": "PENDING",
        "after": "PENDING",
        "finding": "MISSING",
        "generation": 1,
        "evidence": {"sight": "absent", "records": [], "cause": None},
    }
