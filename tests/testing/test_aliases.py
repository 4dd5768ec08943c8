"""Aliases, redirections and wildcards in a sandbox: what they lead to counts, and changes are looked at."""

from __future__ import annotations

from typing import Any

import pytest

from indicia.testing import Sandbox

NEWS, BOUNCE = "news.example.com", "bounce.news.example.com"


def dkim(indicia: Sandbox, name: str) -> str:
    """The status of DKIM."""
    found: Any = indicia.client("sesv2").get_email_identity(EmailIdentity=name)
    return str(found["DkimAttributes"]["Status"])


def mail_from(indicia: Sandbox, name: str) -> str:
    """The status of the MAIL FROM domain."""
    found: Any = indicia.client("sesv2").get_email_identity(EmailIdentity=name)
    return str(found["MailFromAttributes"]["MailFromDomainStatus"])


def register(indicia: Sandbox, name: str, bounce: str = "") -> list[str]:
    """Register a name, with a MAIL FROM domain where one is given; return the tokens, none for an address."""
    sesv2: Any = indicia.client("sesv2")
    made = sesv2.create_email_identity(EmailIdentity=name)
    if bounce:
        sesv2.put_email_identity_mail_from_attributes(EmailIdentity=name, MailFromDomain=bounce)
    return list(made.get("DkimAttributes", {}).get("Tokens", []))


@pytest.mark.parametrize("links", [2, 8])
def test_a_chain_that_ends_at_ours_is_ours(indicia: Sandbox, links: int) -> None:
    """Through so many links, the last one published last and in another domain: verified in the next line."""
    tokens = register(indicia, NEWS)
    for token in tokens:
        names = [f"{token}._domainkey.{NEWS}", *(f"{token}.hop{at}.example.net" for at in range(links - 1))]
        targets = [*names[1:], f"{token}.dkim.indicia.test"]
        for name, target in zip(names, targets, strict=True):
            indicia.put(name, "CNAME", target)

    assert dkim(indicia, NEWS) == "SUCCESS"
    assert [
        record["finding"] for record in indicia.diagnosis(NEWS)["records"] if record["facet"] == "dkim"
    ] == ["OK"] * 4  # the key at the end with them


def test_a_ninth_link_is_one_too_many(indicia: Sandbox) -> None:
    """The chain is followed for eight links, as by the resolvers of receivers; then it leads elsewhere."""
    for token in register(indicia, NEWS):
        names = [f"{token}._domainkey.{NEWS}", *(f"{token}.hop{at}.example.net" for at in range(8))]
        for name, target in zip(names, [*names[1:], f"{token}.dkim.indicia.test"], strict=True):
            indicia.put(name, "CNAME", target)

    assert dkim(indicia, NEWS) == "PENDING"
    assert indicia.diagnosis(NEWS)["records"][0]["finding"] == "WRONG_TARGET"


def test_a_dname_that_leads_to_our_zone_is_ours(indicia: Sandbox) -> None:
    """One record for all three names, now and after every rotation (RFC 6672)."""
    register(indicia, NEWS)
    indicia.put(f"_domainkey.{NEWS}", "DNAME", "dkim.indicia.test")

    assert dkim(indicia, NEWS) == "SUCCESS"


def test_a_wildcard_with_the_right_answer_is_an_answer(indicia: Sandbox) -> None:
    """The MX that a wildcard of the organisation synthesises counts, for an address too; and goes with it."""
    register(indicia, NEWS, BOUNCE)
    register(indicia, f"me@{NEWS}", BOUNCE)
    indicia.put("*.example.com", "MX", "10 feedback-smtp.us-east-1.indicia.test")

    assert (mail_from(indicia, NEWS), mail_from(indicia, f"me@{NEWS}")) == ("SUCCESS", "SUCCESS")
    indicia.withdraw("example.com")
    indicia.advance("25h")
    assert mail_from(indicia, NEWS) == "TEMPORARY_FAILURE"
