"""What is to be improved about the records of a domain, and what becomes of a recommendation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from indicia.domain.diagnosis.recommendations import (
    FIXED_SHOWN,
    Code,
    Impact,
    Progress,
    Published,
    Recommendation,
    Topic,
    advise,
    agreed,
    merged,
)
from indicia.domain.identities.identity import (
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.verification.findings import Finding

GOOD_DMARC = "v=DMARC1; p=none;"
GOOD_SPF = "v=spf1 include:mail.example.org ~all"
GOOD_BIMI = "v=BIMI1; l=https://example.com/logo.svg"
IDENTITY = Identity(
    id=1,
    account="111122223333",
    region="eu-west-1",
    kind=IdentityKind.DOMAIN,
    name="example.com",
    created_at=0,
    version=1,
    generation=1,
    origin="AWS_SES",
    signing_enabled=True,
    next_key_length=KeyLength.RSA_2048_BIT,
    token_set_id=1,
    legacy_token="",
    legacy_requested=False,
    mail_from_domain="",
    mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
    feedback_forwarding=True,
    configuration_set="",
)
TOKENS = TokenSet(
    1, TokenSetKind.EASY, ("a", "b", "c"), "dkim.example", KeyLength.RSA_2048_BIT, 0, has_key=True
)


def states(**given: str) -> dict[Facet, FacetState]:
    """Facets in these statuses."""
    return {Facet(name): FacetState(Facet(name), Status(status), 1, 0) for name, status in given.items()}


@dataclass
class Domain:
    """A domain that DKIM is set up for and proved of."""

    identity: Identity = IDENTITY
    facets: dict[Facet, FacetState] = field(default_factory=lambda: states(dkim="SUCCESS"))
    token_set: TokenSet | None = TOKENS


def codes(domain: Domain, **published: object) -> dict[str, set[str]]:
    """The advice as plain text."""
    advice = advise(domain, Published(**published))  # type: ignore[arg-type]
    return {topic.value: {code.value for code in found} for topic, found in advice.items()}


def test_nothing_is_said_about_what_nobody_knows() -> None:
    """Without a look at the DNS only DKIM is judged, and that there is no MAIL FROM domain to judge."""
    assert codes(Domain()) == {"DKIM": set(), "SPF": set()}


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Domain(), set()),
        (Domain(facets=states(dkim="PENDING")), set()),
        (Domain(facets=states(dkim="FAILED")), {"DKIM3"}),
        (Domain(facets=states(dkim="TEMPORARY_FAILURE")), {"DKIM3"}),
        (Domain(facets=states(ownership="SUCCESS"), token_set=None), {"DKIM1"}),
        (Domain(identity=replace(IDENTITY, signing_enabled=False)), {"DKIM1"}),
        (Domain(token_set=replace(TOKENS, key_length=KeyLength.RSA_1024_BIT)), {"DKIM2"}),
        (
            Domain(
                identity=replace(IDENTITY, signing_enabled=False),
                token_set=replace(TOKENS, key_length=KeyLength.RSA_1024_BIT),
            ),
            {"DKIM1", "DKIM2"},
        ),
        (Domain(token_set=replace(TOKENS, kind=TokenSetKind.EXTERNAL, key_length=None)), set()),
    ],
)
def test_dkim(domain: Domain, expected: set[str]) -> None:
    """DKIM is to be set up, switched on, with a key long enough, and its records are to be seen."""
    assert codes(domain)["DKIM"] == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), {"DMARC1"}),
        (("v=spf1 -all", "google-site-verification=x"), {"DMARC1"}),
        ((GOOD_DMARC,), set()),
        (("v=DMARC1;p=Reject ; rua=mailto:d@example.com",), set()),
        (("v = DMARC1 ; p = quarantine",), set()),
        (("v=DMARC1; rua=mailto:d@example.com",), set()),
        (("v=DMARC1",), {"DMARC2"}),
        (("v=DMARC1; p=",), {"DMARC2"}),
        (("v=DMARC1; p=block",), {"DMARC2"}),
        (("v=DMARC1; p=none; sp=block",), {"DMARC2"}),
        (("v=DMARC1; none",), {"DMARC2"}),
        (("v=DMARC1; p=none; p=reject",), {"DMARC2"}),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), {"DMARC2"}),
        # RFC 7489 §6.3: the version is compared to the letter, and comes first.
        (("v=dmarc1; p=none",), {"DMARC1"}),
        (("p=none; v=DMARC1",), {"DMARC1"}),
        (("v=DMARC10; p=none",), {"DMARC1"}),
    ],
)
def test_dmarc(texts: tuple[str, ...], expected: set[str]) -> None:
    """One policy that receivers would act on is all that is asked for."""
    assert codes(Domain(), dmarc=texts)["DMARC"] == expected


@pytest.mark.parametrize(
    ("facets", "aligns"),
    [
        (states(dkim="SUCCESS"), True),
        (states(dkim="TEMPORARY_FAILURE"), True),
        (states(ownership="SUCCESS"), False),
        (states(ownership="SUCCESS", dkim="PENDING"), False),
        (states(ownership="SUCCESS", mail_from="FAILED"), False),
        (states(ownership="SUCCESS", mail_from="SUCCESS"), True),
    ],
)
def test_a_policy_needs_something_that_aligns(facets: dict[Facet, FacetState], aligns: bool) -> None:
    """Where neither DKIM nor a MAIL FROM domain stands no mail passes DMARC; without a policy, no matter."""
    assert ("DMARC3" in codes(Domain(facets=facets), dmarc=(GOOD_DMARC,))["DMARC"]) is not aligns
    assert codes(Domain(facets=facets), dmarc=())["DMARC"] == {"DMARC1"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), {"BIMI1"}),
        (("v=spf1 -all",), {"BIMI1"}),
        ((GOOD_BIMI,), set()),
        (("v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/vmc.pem",), set()),
        (("v=BIMI1; l=; a=;",), set()),
        (("v=BIMI1;",), {"BIMI2"}),
        (("v=BIMI1; l=http://example.com/logo.svg",), {"BIMI2"}),
        (("v=BIMI1; l=https://example.com/logo.svg; a=vmc.pem",), {"BIMI2"}),
        (("v=BIMI1; l",), {"BIMI2"}),
        ((GOOD_BIMI, GOOD_BIMI + "2"), {"BIMI2"}),
    ],
)
def test_bimi(texts: tuple[str, ...], expected: set[str]) -> None:
    """One assertion with an indicator behind https, or one that declines to show any."""
    assert codes(Domain(), bimi=texts)["BIMI"] == expected


@pytest.mark.parametrize(
    ("texts", "finding", "expected"),
    [
        ((GOOD_SPF,), Finding.OK, set()),
        (("v=spf1 redirect=_spf.example.net",), Finding.OK, set()),
        ((), Finding.MISSING, {"SPF1"}),
        (("v=spf1 mx -all",), Finding.SPF_MISSING_INCLUDE, {"SPF2"}),
        (("v=spf1 mx",), Finding.SPF_MISSING_INCLUDE, {"SPF2", "SPF3"}),
        (("v=spf1 include:mail.example.org",), Finding.OK, {"SPF3"}),
        ((GOOD_SPF, "v=spf1 -all"), Finding.MULTIPLE, {"SPF4"}),
        (("v=spf1 bogus",), Finding.SPF_INVALID, {"SPF4"}),
        ((GOOD_SPF,), Finding.SPF_TOO_MANY_LOOKUPS, {"SPF4"}),
    ],
)
def test_spf(texts: tuple[str, ...], finding: Finding, expected: set[str]) -> None:
    """The MAIL FROM domain names this service and says what holds for all others."""
    domain = Domain(identity=replace(IDENTITY, mail_from_domain="bounce.example.com"))

    assert codes(domain, spf=texts, spf_finding=finding)["SPF"] == expected


def test_spf_that_is_unknown_is_left_open() -> None:
    """Without texts or without a finding nothing is said about SPF."""
    domain = Domain(identity=replace(IDENTITY, mail_from_domain="bounce.example.com"))

    assert "SPF" not in codes(domain)
    assert "SPF" not in codes(domain, spf=(GOOD_SPF,))


def test_every_code_has_its_topic_and_impact() -> None:
    """The letters of a code are its topic; what loses no mail is of low impact."""
    assert {code.topic for code in Code} == set(Topic)
    assert {code.value for code in Code if code.impact is Impact.LOW} == {"DKIM2", "SPF3", "BIMI1", "BIMI2"}


def open_one(code: Code, created_at: int, updated_at: int) -> Recommendation:
    """An open recommendation."""
    return Recommendation(code, Progress.OPEN, created_at, updated_at)


def fixed_one(code: Code, created_at: int, updated_at: int) -> Recommendation:
    """One that was followed."""
    return Recommendation(code, Progress.FIXED, created_at, updated_at)


def test_a_recommendation_is_opened_confirmed_and_fixed() -> None:
    """It keeps the instant at which it was opened for as long as it stands."""
    wanted, nothing = {Topic.DMARC: frozenset({Code.NO_DMARC})}, {Topic.DMARC: frozenset[Code]()}

    opened = merged([], wanted, 10)
    confirmed = merged(opened, wanted, 20)
    fixed = merged(confirmed, nothing, 30)
    still = merged(fixed, nothing, 40)
    reopened = merged(still, wanted, 50)

    assert opened == [open_one(Code.NO_DMARC, 10, 10)]
    assert confirmed == [open_one(Code.NO_DMARC, 10, 20)]
    assert fixed == still == [fixed_one(Code.NO_DMARC, 10, 30)]
    assert reopened == [open_one(Code.NO_DMARC, 50, 50)]


def test_what_was_fixed_long_ago_is_forgotten() -> None:
    """After `FIXED_SHOWN` it goes, and not a moment before."""
    fixed = [fixed_one(Code.NO_DMARC, 0, 10)]
    nothing = {Topic.DMARC: frozenset[Code]()}

    assert merged(fixed, nothing, 10 + FIXED_SHOWN - 1) == fixed
    assert merged(fixed, nothing, 10 + FIXED_SHOWN) == []


def test_what_is_unknown_stays_as_it_was() -> None:
    """A topic that nothing is known about is neither confirmed nor fixed."""
    stored = [open_one(Code.NO_BIMI, 0, 5), fixed_one(Code.NO_DMARC, 0, 5)]

    assert merged(stored, {Topic.DKIM: frozenset()}, 10) == stored


def seen(*values: str, reply: Reply = Reply.ANSWER) -> Observation:
    """What one perspective saw."""
    return Observation(Question("_dmarc.example.com", RecordType.TXT), "p", reply, 0, values)


@pytest.mark.parametrize(
    ("observations", "quorum", "expected"),
    [
        ([seen("a", "b"), seen("b", "a")], 2, ("a", "b")),
        ([seen("a"), seen("b")], 2, None),
        ([seen("a"), seen("b"), seen("a")], 2, ("a",)),
        ([seen("a"), seen(reply=Reply.TIMEOUT), seen("a")], 2, ("a",)),
        ([seen(reply=Reply.NXDOMAIN), seen(reply=Reply.NODATA)], 2, ()),
        ([seen(reply=Reply.NXDOMAIN), seen(reply=Reply.SERVFAIL)], 2, None),
        ([], 1, None),
    ],
)
def test_a_quorum_says_what_is_published(
    observations: list[Observation], quorum: int, expected: tuple[str, ...] | None
) -> None:
    """Values count as published when enough perspectives see the same ones; silence says nothing."""
    assert agreed(observations, quorum) == expected
