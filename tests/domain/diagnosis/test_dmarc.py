"""DMARC policies are read as receivers read them, and alignment is told for what is sent."""

from __future__ import annotations

import pytest

from indicia.domain.diagnosis.dmarc import Sender, judge
from indicia.domain.verification.findings import Finding

DOMAIN, BOUNCE = "shop.example.com", "bounce.shop.example.com"
BOTH = Sender(DOMAIN, dkim=True, mail_from=BOUNCE, mail_from_stands=True)
NEITHER = Sender(DOMAIN, dkim=False, mail_from="", mail_from_stands=False)
SPF_ONLY = Sender(DOMAIN, dkim=False, mail_from=BOUNCE, mail_from_stands=True)


@pytest.mark.parametrize(
    ("text", "at", "sender", "says"),
    [
        ("v=DMARC1; p=none", DOMAIN, BOTH, "asks receivers for nothing but reports"),
        ("v=DMARC1; p=reject", DOMAIN, BOTH, "asks receivers to reject mail that fails"),
        ("v=DMARC1; p=reject", "example.com", BOTH, "asks receivers to reject"),
        ("v=DMARC1; p=reject; sp=quarantine", "example.com", BOTH, "take mail that fails for suspicious"),
        ("v=DMARC1; p=none; sp=reject", DOMAIN, BOTH, "asks receivers for nothing but reports"),
        ("v=DMARC1; p=none", "example.com", BOTH, f"_dmarc.example.com, which counts for {DOMAIN} too,"),
        ("v=DMARC1; p=none", DOMAIN, BOTH, f"Mail from {DOMAIN} and its subdomains passes by DKIM."),
        ("v=DMARC1; p=none; adkim=s", DOMAIN, BOTH, "but not mail from its subdomains (adkim=s)"),
        ("v=DMARC1; p=none", DOMAIN, BOTH, f"Mail with the MAIL FROM domain {BOUNCE} passes by SPF."),
        ("v=DMARC1; p=none; aspf=s", DOMAIN, BOTH, f"{BOUNCE} is not {DOMAIN} itself, as aspf=s demands"),
        ("v=DMARC1; p=none; aspf=r", DOMAIN, NEITHER, "DKIM does not stand, so nothing passes by it."),
        ("v=DMARC1; p=none", DOMAIN, NEITHER, "bounces go to this service, which is another organisation"),
    ],
)
def test_a_policy_and_what_aligns_with_it(text: str, at: str, sender: Sender, says: str) -> None:
    """`p`, or `sp` where the policy is the organisation's; strict and relaxed, for DKIM and for SPF."""
    found = judge([text, "other=text"], at, sender)

    assert found is not None
    assert found[0] is Finding.OK
    assert says in found[1].explanation


@pytest.mark.parametrize(
    ("text", "sender", "passes"),
    [
        ("v=DMARC1; p=reject", BOTH, True),
        ("v=DMARC1; p=reject; aspf=s; adkim=s", BOTH, True),
        ("v=DMARC1; p=reject", SPF_ONLY, True),
        ("v=DMARC1; p=reject; aspf=s", SPF_ONLY, False),
        ("v=DMARC1; p=reject", NEITHER, False),
    ],
)
def test_advice_is_given_where_nothing_passes(text: str, sender: Sender, passes: bool) -> None:
    """One of the two ways is enough; with neither the way out is told."""
    found = judge([text], DOMAIN, sender)

    assert found is not None
    assert (found[1].fix == "") is passes


@pytest.mark.parametrize(
    ("texts", "finding"),
    [
        ([], None),
        (["v=spf1 -all", "V=DMARC1; p=none", "DMARC1"], None),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], Finding.MULTIPLE),
        (["v=DMARC1; p=sometimes"], Finding.WRONG_VALUE),
        (["v=DMARC1; p=none; p=reject"], Finding.WRONG_VALUE),
        (["v=DMARC1"], Finding.WRONG_VALUE),
        (["v=DMARC1; rua=mailto:d@example.com"], Finding.OK),
    ],
)
def test_what_receivers_heed(texts: list[str], finding: Finding | None) -> None:
    """None, several, one that cannot be read, and one that asks for reports alone (RFC 7489 §6.6.3)."""
    found = judge(texts, DOMAIN, BOTH)

    assert (None if found is None else found[0]) is finding


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("v=DMARC1; p=rejcet", 'p="rejcet" is none of none, quarantine and reject'),
        ("v=DMARC1; p=none; sp=some", 'sp="some" is none of none, quarantine and reject'),
        ("v=DMARC1; p=none; p=reject", "the tag p= is there twice"),
        ("v=DMARC1; reject", '"reject" is no tag'),
        ("v=DMARC1", "it has no p= and no rua="),
    ],
)
def test_a_flaw_of_a_policy_is_named(text: str, flaw: str) -> None:
    """What is wrong with it, and nobody is told to ask receivers for less than was meant."""
    found = judge([text], DOMAIN, BOTH)

    assert found is not None
    assert f"cannot be read: {flaw}. It is" in found[1].explanation
    assert "as it was meant" in found[1].fix
