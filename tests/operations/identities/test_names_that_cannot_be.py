"""A domain whose records no server could hold is refused at once, and the refusal says which and how long."""

from __future__ import annotations

from typing import Any

import pytest
from desk import SERVICE_DOMAIN, Desk
from own_keys import OWN, OWN_KEY_TEXT

from indicia.domain.faults import FaultKind
from indicia.domain.records.expected import expected_records
from indicia.store.identities import identities
from indicia.verifier.dns.codec import form
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

CREATE, CHANGE = "CreateEmailIdentity", "PutEmailIdentityDkimSigningAttributes"
LONG_SELECTOR = DkimSigningAttributes(DomainSigningSelector="s" * 63, DomainSigningPrivateKey=OWN_KEY_TEXT)
REPLICA = DkimSigningAttributes(DomainSigningAttributesOrigin="AWS_SES_US_EAST_1")


def domain_of(octets: int) -> str:
    """A domain of so many octets, its labels as long as labels get."""
    name = "example.com"
    while (left := octets - len(name) - 1) > 0:
        name = f"{'a' * min(63, left if left != 64 else 62)}.{name}"
    assert len(name) == octets
    return name


def v2(operation: str, domain: str, **members: Any) -> tuple[str, dict[str, Any]]:
    """A call about the domain."""
    return operation, {"EmailIdentity": domain, **members}


def v1(operation: str, domain: str) -> tuple[str, dict[str, Any]]:
    """A call of v1 about the domain."""
    return operation, {"Domain": domain}


# How long a domain may be, and what the record begins with that would not fit.
WAYS = {
    "Easy DKIM": (209, "_domainkey", lambda domain: v2(CREATE, domain)),
    "Easy DKIM of v1": (209, "_domainkey", lambda domain: v1("VerifyDomainDkim", domain)),
    "a replica": (209, "_domainkey", lambda domain: v2(CREATE, domain, DkimSigningAttributes=REPLICA)),
    "own key": (253 - 9 - 12, "mail-2026.", lambda domain: v2(CREATE, domain, DkimSigningAttributes=OWN)),
    "own key, long selector": (
        178,
        "s" * 63,
        lambda domain: v2(CREATE, domain, DkimSigningAttributes=LONG_SELECTOR),
    ),
    "legacy TXT": (242, "_amazonses.", lambda domain: v1("VerifyDomainIdentity", domain)),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_longest_domain_is_taken_and_one_octet_more_is_refused(desk: Desk, way: str) -> None:
    """Whatever is asked of the longest can be put into a question; one longer is refused, and leaves nothing.

    What can be asked is what the client can put into octets.
    """
    longest, record, call = WAYS[way]
    good, bad = domain_of(longest), domain_of(longest + 1)

    operation, members = call(bad)
    fault = desk.refused(operation, **members)
    operation, members = call(good)
    desk.ask(operation, **members)

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert record in fault.message
    assert "its name would be 254 octets long" in fault.message
    assert "names in the DNS have 253 at most" in fault.message
    assert desk.read(lambda s: identities.view(s, desk.account, desk.region, bad)) is None
    view = desk.view(good)
    for each in expected_records(view.identity, view.token_set, SERVICE_DOMAIN):
        for question in each.questions if each.required else ():
            assert form(question).length > 0


def test_one_that_is_there_cannot_change_to_what_would_not_fit(desk: Desk) -> None:
    """The legacy record fits a domain whose tokens do not: Easy DKIM is refused it, by v1 and by v2."""
    domain = domain_of(240)
    desk.ask("VerifyDomainIdentity", Domain=domain)
    before = desk.view(domain)

    easy = desk.refused(CHANGE, EmailIdentity=domain, SigningAttributesOrigin="AWS_SES")
    replica = desk.refused(CHANGE, EmailIdentity=domain, SigningAttributesOrigin="AWS_SES_US_EAST_1")
    own = desk.refused(
        CHANGE, EmailIdentity=domain, SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN
    )
    of_v1 = desk.refused("VerifyDomainDkim", Domain=domain)

    for fault, octets in ((easy, 284), (replica, 284), (own, 261), (of_v1, 284)):
        assert fault.kind is FaultKind.INVALID_PARAMETER
        assert f"its name would be {octets} octets long" in fault.message
    assert desk.view(domain) == before


def test_a_mail_from_domain_that_is_too_long_says_so(desk: Desk) -> None:
    """Its MX stands at the name itself: 253 octets are taken, 254 are refused with their number."""
    domain = domain_of(200)
    desk.ask(CREATE, EmailIdentity=domain)
    good, bad = f"{'b' * 52}.{domain}", f"{'b' * 53}.{domain}"

    fault = desk.refused("SetIdentityMailFromDomain", Identity=domain, MailFromDomain=bad)
    desk.ask("SetIdentityMailFromDomain", Identity=domain, MailFromDomain=good)

    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert "It is 254 octets long; a name in the DNS has 253 at most." in fault.message
    assert desk.view(domain).identity.mail_from_domain == good
