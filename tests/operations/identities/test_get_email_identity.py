"""GetEmailIdentity and the v1 attribute calls: the recorded shapes, and what comes from above."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from desk import T0, ZONE, Desk

from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import ErrorType, Facet, MxFailureBehavior, Status
from indicia.domain.records.observation import Soa
from indicia.store.identities import identities
from indicia.store.policies import policies
from indicia.store.verification import checks
from indicia.wire.shapes.sesv2 import DkimSigningAttributes


def test_a_fresh_address_reads_as_recorded(desk: Desk) -> None:
    """Every member of the recording, and no other."""
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")

    got = desk.ask("GetEmailIdentity", EmailIdentity="ann@example.com")

    assert msgspec.to_builtins(got) == {
        "IdentityType": "EMAIL_ADDRESS",
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": False,
        "DkimAttributes": {
            "SigningEnabled": False,
            "Status": "NOT_STARTED",
            "SigningAttributesOrigin": "AWS_SES",
            "NextSigningKeyLength": "RSA_1024_BIT",
        },
        "MailFromAttributes": {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"},
        "Policies": {},
        "Tags": [],
        "VerificationStatus": "PENDING",
        "VerificationInfo": {},
    }


def test_a_fresh_domain_reads_as_probed(desk: Desk) -> None:
    """PENDING with three tokens, both lengths, the creation as generation, the zone, not looked up yet."""
    created = desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    got = desk.ask("GetEmailIdentity", EmailIdentity="EXAMPLE.COM")

    assert msgspec.to_builtins(got) == {
        "IdentityType": "DOMAIN",
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": False,
        "DkimAttributes": {
            "SigningEnabled": True,
            "Status": "PENDING",
            "Tokens": created.DkimAttributes.Tokens,
            "SigningHostedZone": ZONE,
            "SigningAttributesOrigin": "AWS_SES",
            "NextSigningKeyLength": "RSA_2048_BIT",
            "CurrentSigningKeyLength": "RSA_2048_BIT",
            "LastKeyGenerationTimestamp": T0 / 1000,
        },
        "MailFromAttributes": {"BehaviorOnMxFailure": "USE_DEFAULT_VALUE"},
        "Policies": {},
        "Tags": [],
        "VerificationStatus": "PENDING",
        "VerificationInfo": {},
    }


def test_a_checked_domain_shows_when_and_what(desk: Desk) -> None:
    """VerificationInfo has both instants, the error, and the SOA with its admin as dotted text."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    (claim,) = desk.claims()
    result = checks.CheckResult(
        identity_id=claim.identity.id,
        generation=claim.identity.generation,
        owner="test",
        facets=(replace(claim.facets[Facet.DKIM], error=ErrorType.HOST_NOT_FOUND),),
        due_at=T0 + 10_000,
        interval=10_000,
        checked_at=T0 + 115,
        succeeded_at=T0 + 441,
        error=ErrorType.HOST_NOT_FOUND,
        soa=Soa("example.com", "ns1.example.net", "dns.example.net", 2026112201, 300),
    )
    assert desk.database.write(lambda s: checks.write_back(s, [result])) == [result]

    info = desk.ask("GetEmailIdentity", EmailIdentity="example.com").VerificationInfo

    assert msgspec.to_builtins(info) == {
        "LastCheckedTimestamp": (T0 + 115) / 1000,
        "LastSuccessTimestamp": (T0 + 441) / 1000,
        "ErrorType": "HOST_NOT_FOUND",
        "SOARecord": {
            "PrimaryNameServer": "ns1.example.net",
            "AdminEmail": "dns.example.net",
            "SerialNumber": 2026112201,
        },
    }


@pytest.mark.parametrize(
    ("status", "may_send"),
    [
        (Status.PENDING, False),
        (Status.SUCCESS, True),
        (Status.TEMPORARY_FAILURE, True),
        (Status.FAILED, False),
    ],
)
def test_each_status_says_whether_it_may_send(desk: Desk, status: Status, may_send: bool) -> None:
    """Sending goes on during the grace period and ends with it (spec 3.6)."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, status)

    got = desk.ask("GetEmailIdentity", EmailIdentity="example.com")

    assert got.VerificationStatus == got.DkimAttributes.Status == status.value
    assert got.VerifiedForSendingStatus is may_send


def test_either_proof_verifies_a_domain(desk: Desk) -> None:
    """A domain whose TXT record was found is verified while its DKIM is still pending."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("VerifyDomainIdentity", Domain="example.com")
    desk.find("example.com", Facet.OWNERSHIP, Status.SUCCESS)

    got = desk.ask("GetEmailIdentity", EmailIdentity="example.com")

    assert (got.VerificationStatus, got.DkimAttributes.Status) == ("SUCCESS", "PENDING")


def test_mail_from_policies_and_configuration_set_are_shown(desk: Desk) -> None:
    """What was set on an identity is in the answer, MAIL FROM with its status."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    identity = desk.view("example.com").identity
    changed = replace(
        identity,
        mail_from_domain="bounce.example.com",
        mail_from_behavior=MxFailureBehavior.REJECT_MESSAGE,
        configuration_set="main",
        feedback_forwarding=False,
    )
    desk.database.write(lambda s: identities.update(s, changed, identity.version))
    desk.find("example.com", Facet.MAIL_FROM, Status.FAILED)
    desk.database.write(lambda s: policies.put(s, identity.id, "p", '{"Statement":[]}', T0))

    got = desk.ask("GetEmailIdentity", EmailIdentity="example.com")

    assert msgspec.to_builtins(got.MailFromAttributes) == {
        "MailFromDomain": "bounce.example.com",
        "MailFromDomainStatus": "FAILED",
        "BehaviorOnMxFailure": "REJECT_MESSAGE",
    }
    assert got.Policies == {"p": '{"Statement":[]}'}
    assert (got.ConfigurationSetName, got.FeedbackForwardingStatus) == ("main", False)


@pytest.mark.parametrize("name", ["example.com", "nobody@example.com", "a b", "x" * 90, "@", "\x00"])
def test_a_missing_identity_is_named_in_brackets(desk: Desk, name: str) -> None:
    """The recorded sentence, angle brackets included, whatever was asked for."""
    fault = desk.refused("GetEmailIdentity", EmailIdentity=name)
    assert (fault.kind, fault.message) == (FaultKind.NOT_FOUND, f"Email identity <{name}> does not exist.")


def test_addresses_are_compared_in_their_case(desk: Desk) -> None:
    """`Ann@Example.com` is not `ann@example.com` (spec 6.1)."""
    desk.ask("CreateEmailIdentity", EmailIdentity="Ann@Example.com")
    assert desk.refused("GetEmailIdentity", EmailIdentity="ann@example.com").kind is FaultKind.NOT_FOUND


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("example.com", "ann@example.com"),
        ("example.com", "ann@EXAMPLE.com"),
        ("example.com", "ann@a.b.example.com"),
        ("example.com", "a.b.example.com"),
        ("b.example.com", "a.b.example.com"),
    ],
)
def test_a_verified_domain_covers_what_is_below_it(desk: Desk, above: str, below: str) -> None:
    """What lies below a verified domain may send at once, its own status untouched (spec 3.6)."""
    desk.ask("CreateEmailIdentity", EmailIdentity=above)
    desk.find(above, Facet.DKIM, Status.SUCCESS)

    created = desk.ask("CreateEmailIdentity", EmailIdentity=below)
    got = desk.ask("GetEmailIdentity", EmailIdentity=below)

    assert created.VerifiedForSendingStatus is True
    assert (got.VerifiedForSendingStatus, got.VerificationStatus) == (True, "PENDING")


@pytest.mark.parametrize(
    ("status", "covered"), [(Status.PENDING, False), (Status.SUCCESS, True), (Status.FAILED, False)]
)
def test_a_verified_address_covers_its_labels(desk: Desk, status: Status, covered: bool) -> None:
    """`ann+news@` may be sent from once `ann@` is verified, in every answer; its own status stays (9.1)."""
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    desk.find("ann@example.com", Facet.LINK, status)

    created = desk.ask("CreateEmailIdentity", EmailIdentity="ann+news@example.com")
    got = desk.ask("GetEmailIdentity", EmailIdentity="ann+news@example.com")
    (listed,) = desk.ask("ListEmailIdentities", Filter={"IDENTITY_NAME_CONTAINS": "+news"}).EmailIdentities

    assert created.VerifiedForSendingStatus is got.VerifiedForSendingStatus is covered
    assert (listed.SendingEnabled, listed.VerificationStatus) == (covered, "PENDING")
    assert got.VerificationStatus == "PENDING"
    assert (
        desk.ask("CreateEmailIdentity", EmailIdentity="Ann+x@example.com").VerifiedForSendingStatus is False
    )


def test_a_verified_label_covers_no_other_address(desk: Desk) -> None:
    """`ann+news@` says nothing of `ann@` or of another label."""
    desk.ask("CreateEmailIdentity", EmailIdentity="ann+news@example.com")
    desk.find("ann+news@example.com", Facet.LINK, Status.SUCCESS)
    for name in ("ann@example.com", "ann+other@example.com"):
        assert desk.ask("CreateEmailIdentity", EmailIdentity=name).VerifiedForSendingStatus is False


@pytest.mark.parametrize("below", ["ann@other.com", "badexample.com", "ann@badexample.com"])
def test_a_verified_domain_covers_nothing_else(desk: Desk, below: str) -> None:
    """A neighbour, or a name that only ends in the same letters, is not below."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)

    assert desk.ask("CreateEmailIdentity", EmailIdentity=below).VerifiedForSendingStatus is False


def test_a_verified_domain_of_another_account_covers_nobody(desk: Desk) -> None:
    """Coverage ends at the account and at the region."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    for other in (desk.beside(account="999988887777"), desk.beside(region="us-east-1")):
        created = other.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
        assert created.VerifiedForSendingStatus is False


def test_an_address_shows_the_dkim_of_its_domain(desk: Desk) -> None:
    """Tokens, status, zone and lengths of an address are those of the most specific registered domain."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("CreateEmailIdentity", EmailIdentity="b.example.com")
    desk.find("b.example.com", Facet.DKIM, Status.SUCCESS)
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@a.b.example.com")

    got = desk.ask("GetEmailIdentity", EmailIdentity="ann@a.b.example.com")

    assert got.DkimAttributes == desk.ask("GetEmailIdentity", EmailIdentity="b.example.com").DkimAttributes
    assert got.DkimAttributes.Status == "SUCCESS"


def test_an_own_key_shows_its_selector_and_no_easy_dkim(desk: Desk) -> None:
    """BYODKIM reads as EXTERNAL with `[selector]`; zone, lengths and generation are Easy DKIM's alone."""
    from own_keys import OWN

    desk.ask("CreateEmailIdentity", EmailIdentity="example.com", DkimSigningAttributes=OWN)

    got = desk.ask("GetEmailIdentity", EmailIdentity="example.com")

    assert msgspec.to_builtins(got.DkimAttributes) == {
        "SigningEnabled": True,
        "Status": "PENDING",
        "Tokens": ["mail-2026"],
        "SigningAttributesOrigin": "EXTERNAL",
    }


def test_an_address_may_choose_the_length_of_the_next_key(desk: Desk) -> None:
    """NextSigningKeyLength alone is accepted on an address, and shown."""
    desk.ask(
        "CreateEmailIdentity",
        EmailIdentity="ann@example.com",
        DkimSigningAttributes=DkimSigningAttributes(NextSigningKeyLength="RSA_2048_BIT"),
    )
    got = desk.ask("GetEmailIdentity", EmailIdentity="ann@example.com")
    assert got.DkimAttributes.NextSigningKeyLength == "RSA_2048_BIT"


def test_v1_verification_attributes(desk: Desk) -> None:
    """Names come back as they were asked, the unknown left out; every domain has its token, no address."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    desk.find("example.com", Facet.DKIM, Status.TEMPORARY_FAILURE)

    answer = desk.ask(
        "GetIdentityVerificationAttributes",
        Identities=["Example.com", "ann@example.com", "none.example", "example.com"],
    )

    token = desk.view("example.com").identity.legacy_token
    domain = {"VerificationStatus": "TemporaryFailure", "VerificationToken": token}
    assert msgspec.to_builtins(answer.VerificationAttributes) == {
        "Example.com": domain,
        "example.com": domain,
        "ann@example.com": {"VerificationStatus": "Pending"},
    }


def test_v1_dkim_attributes(desk: Desk) -> None:
    """A domain without DKIM has not started; an address has its domain's, or none."""
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    desk.ask("VerifyDomainIdentity", Domain="plain.example")
    for address in ("ann@example.com", "bob@other.example"):
        desk.ask("VerifyEmailIdentity", EmailAddress=address)

    answer = desk.ask(
        "GetIdentityDkimAttributes",
        Identities=["EXAMPLE.com", "ann@example.com", "bob@other.example", "plain.example", "none.example"],
    )

    easy = {"DkimEnabled": True, "DkimVerificationStatus": "Pending", "DkimTokens": tokens}
    nothing = {"DkimEnabled": False, "DkimVerificationStatus": "NotStarted", "DkimTokens": []}
    assert msgspec.to_builtins(answer.DkimAttributes) == {
        "EXAMPLE.com": easy,
        "ann@example.com": easy,
        "bob@other.example": nothing,
        "plain.example": nothing,
    }


@pytest.mark.parametrize("operation", ["GetIdentityVerificationAttributes", "GetIdentityDkimAttributes"])
def test_a_hundred_identities_are_the_most(desk: Desk, operation: str) -> None:
    """A hundred are answered, one more is refused (spec 6.7)."""
    names = [f"d{number}.example" for number in range(101)]

    desk.ask(operation, Identities=names[:100])

    assert desk.refused(operation, Identities=names).kind is FaultKind.INVALID_PARAMETER


def test_a_domain_without_dkim_shows_the_shorter_length(desk: Desk) -> None:
    """As recorded; what is set up later has the longer one, and an address shows what it was made with."""
    desk.ask("VerifyDomainIdentity", Domain="example.com")
    shown = desk.ask("GetEmailIdentity", EmailIdentity="example.com").DkimAttributes
    assert (shown.Status, shown.NextSigningKeyLength) == ("NOT_STARTED", "RSA_1024_BIT")
    assert shown.CurrentSigningKeyLength is None

    desk.ask("VerifyDomainDkim", Domain="example.com")
    shown = desk.ask("GetEmailIdentity", EmailIdentity="example.com").DkimAttributes
    assert (shown.NextSigningKeyLength, shown.CurrentSigningKeyLength) == ("RSA_2048_BIT", "RSA_2048_BIT")

    desk.ask(
        "CreateEmailIdentity",
        EmailIdentity="a@example.org",
        DkimSigningAttributes=DkimSigningAttributes(NextSigningKeyLength="RSA_2048_BIT"),
    )
    shown = desk.ask("GetEmailIdentity", EmailIdentity="a@example.org").DkimAttributes
    assert shown.NextSigningKeyLength == "RSA_2048_BIT"
