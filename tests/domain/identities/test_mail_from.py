"""MAIL FROM domains: which names may be one, what setting one begins, and what its records prove."""

from __future__ import annotations

from dataclasses import replace

import pytest
from looks import IDENTITY, NOW, TOKEN_SET, rules_of

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, FacetState, IdentityKind, MxFailureBehavior, Status
from indicia.domain.identities.mail_from import Envelope, Step, envelope, next_step, parse_mail_from
from indicia.domain.names import IdentityName, parse_identity
from indicia.domain.proofs.transitions import Cause, start
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.time import HOUR, SECOND
from indicia.domain.verification.check import conclude, questions_of, records_to_check


@pytest.mark.parametrize("identity", ["example.com", "ann@example.com", "ann@EXAMPLE.com"])
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("bounce.example.com", "bounce.example.com"),
        ("Bounce.EXAMPLE.com", "bounce.example.com"),
        ("a.b.c.example.com", "a.b.c.example.com"),
        ("_bounce.example.com", "_bounce.example.com"),
    ],
)
def test_a_strict_subdomain_is_accepted(identity: str, text: str, stored: str) -> None:
    """Below the domain, or below the domain part of an address; folded as domains are."""
    assert parse_mail_from(text, parse_identity(identity), asked=identity) == stored


@pytest.mark.parametrize("identity", ["b.example.com", "ann@b.example.com"])
@pytest.mark.parametrize(
    "text",
    [
        "b.example.com",
        "B.Example.Com",
        "example.com",
        "c.example.com",
        "bounce.other.org",
        "xb.example.com",
        "bounce.b.example.com.",
        "ann@b.example.com.org",
        "com",
        ".",
        " ",
        "\u212a.b.example.org",
    ],
)
def test_anything_else_is_refused_in_one_sentence(identity: str, text: str) -> None:
    """The identity's own domain, its parent, a sibling and a stranger are refused alike (spec 6.3)."""
    with pytest.raises(Fault) as caught:
        parse_mail_from(text, parse_identity(identity), asked=identity)

    assert (caught.value.kind, caught.value.message) == (
        FaultKind.INVALID_PARAMETER,
        f"Provided MAIL-FROM domain <{text}> is not subdomain of the domain of the identity <{identity}>.",
    )


@pytest.mark.parametrize(
    "below", ["", "-x", "a..b", "a b", "x" * 64, "ann@x", "a\x00", "\u212a", "x." * 130 + "y"]
)
def test_a_name_that_can_be_no_domain_is_refused(below: str) -> None:
    """Ending in the right letters is not enough."""
    with pytest.raises(Fault) as caught:
        parse_mail_from(f"{below}.example.com", IdentityName(IdentityKind.DOMAIN, "example.com"), asked="x")

    assert caught.value.kind is FaultKind.INVALID_PARAMETER
    assert caught.value.message.startswith("Invalid domain name ")


@pytest.mark.parametrize(
    ("domain", "status", "wanted", "step"),
    [
        ("", None, "", Step.KEEP),
        ("", None, "a.example", Step.BEGIN),
        ("a.example", Status.PENDING, "a.example", Step.KEEP),
        ("a.example", Status.SUCCESS, "a.example", Step.KEEP),
        ("a.example", Status.TEMPORARY_FAILURE, "a.example", Step.KEEP),
        ("a.example", Status.FAILED, "a.example", Step.BEGIN),
        ("a.example", Status.PENDING, "b.example", Step.BEGIN),
        ("a.example", Status.SUCCESS, "b.example", Step.BEGIN),
        ("a.example", Status.TEMPORARY_FAILURE, "b.example", Step.BEGIN),
        ("a.example", Status.FAILED, "b.example", Step.BEGIN),
        ("a.example", Status.PENDING, "", Step.FORGET),
        ("a.example", Status.SUCCESS, "", Step.FORGET),
        ("a.example", Status.FAILED, "", Step.FORGET),
    ],
)
def test_what_setting_it_begins(domain: str, status: Status | None, wanted: str, step: Step) -> None:
    """The same domain again loses nothing, but a search that failed begins anew (spec 3.5)."""
    assert next_step(domain, status, wanted) is step


@pytest.mark.parametrize("status", [None, *Status])
def test_what_mail_leaves_with(status: Status | None) -> None:
    """The custom domain once its MX is proved, and not before; else what was chosen, or the default."""
    proved = status is Status.SUCCESS
    default, reject = MxFailureBehavior.USE_DEFAULT_VALUE, MxFailureBehavior.REJECT_MESSAGE

    assert envelope("b.example.com", status, default) is (Envelope.CUSTOM if proved else Envelope.DEFAULT)
    assert envelope("b.example.com", status, reject) is (Envelope.CUSTOM if proved else Envelope.REFUSED)
    assert envelope("", status, default) is envelope("", status, reject) is Envelope.DEFAULT


MX = Question("bounce.example.com", RecordType.MX)
DOMAIN = replace(IDENTITY, mail_from_domain="bounce.example.com")
ADDRESS = replace(
    DOMAIN, kind=IdentityKind.EMAIL_ADDRESS, name="ann@example.com", token_set_id=None, legacy_token=""
)
PENDING = start(Facet.MAIL_FROM, 1, NOW, 72 * HOUR)
LINK = FacetState(Facet.LINK, Status.SUCCESS, 1, since=NOW)


def seen(reply: Reply, *values: str) -> dict[Question, list[Observation]]:
    """What one perspective saw of the MX."""
    return {MX: [Observation(MX, "p0", reply, NOW, values=values, negative_ttl=60)]}


@pytest.mark.parametrize("preference", [0, 10, 65535])
@pytest.mark.parametrize(
    "host", ["feedback-smtp.us-east-1.mail.example", "Feedback-SMTP.eu-west-1.mail.example"]
)
def test_the_mx_alone_proves_it(preference: int, host: str) -> None:
    """An address has no record but its MX to ask for; nobody asks for SPF, for an SOA or for DKIM."""
    facets = {Facet.LINK: LINK, Facet.MAIL_FROM: PENDING}
    records = records_to_check(ADDRESS, None, facets, rules_of(1))
    assert questions_of(records, ADDRESS) == (MX,)

    found = conclude(
        ADDRESS,
        None,
        facets,
        records,
        seen(Reply.ANSWER, f"{preference} {host}"),
        rules=rules_of(1),
        now=NOW,
        interval=10 * SECOND,
        jitter=0.0,
    )

    verdict = next(each for each in found.facets if each.facet is Facet.MAIL_FROM)
    assert (verdict.after.status, verdict.cause) == (Status.SUCCESS, Cause.PROVED)
    # It says nothing about the identity (spec 5: MAIL FROM is not reported there).
    assert (found.succeeded, found.error) == (False, None)
    assert next((each.after for each in found.facets if each.facet is Facet.LINK), LINK) == LINK


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        (Reply.NXDOMAIN, ()),
        (Reply.NODATA, ()),
        (Reply.ANSWER, ("10 mx.elsewhere.org",)),
        (Reply.ANSWER, ("10 feedback-smtp.us-east1.mail.example",)),  # a hyphen lost
        (Reply.ANSWER, ("10 feedback-smtp.ap-south-1.mail.example",)),  # a region that is not served
        (
            Reply.ANSWER,
            ("10 feedback-smtp.us-east-1.mail.example", "20 feedback-smtp.us-east-1.mail.example"),
        ),
        (Reply.SERVFAIL, ()),
    ],
)
def test_without_its_mx_it_is_not_proved(reply: Reply, values: tuple[str, ...]) -> None:
    """None, another, or a second one beside the right one: PENDING, and never an error of the identity."""
    facets = {Facet.DKIM: FacetState(Facet.DKIM, Status.FAILED, 1, since=NOW), Facet.MAIL_FROM: PENDING}
    found = conclude(
        DOMAIN,
        TOKEN_SET,
        facets,
        records_to_check(DOMAIN, TOKEN_SET, facets, rules_of(1)),
        seen(reply, *values),
        rules=rules_of(1),
        now=NOW,
        interval=10 * SECOND,
        jitter=0.0,
    )

    assert [(each.facet, each.after.status) for each in found.facets] == [(Facet.MAIL_FROM, Status.PENDING)]
    assert found.error is None
    assert found.due_at is not None
