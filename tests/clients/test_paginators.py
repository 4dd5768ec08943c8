"""Every paginator and waiter that boto3 has for what is built goes to its end, however small the page."""

from __future__ import annotations

from typing import Any

import pytest

from indicia.testing import Sandbox

DOMAINS = [f"page{number}.example" for number in range(5)]


def collected(client: Any, operation: str, member: str, size: int = 2) -> list[Any]:
    """Return what is in all pages of a list."""
    pages = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size})
    return [each for page in pages for each in page.get(member, [])]


def test_list_identities(indicia: Sandbox) -> None:
    """v1: each identity once, in pages of two, of one type where that is asked for; MaxItems stops early."""
    ses = indicia.client("ses")
    for domain in DOMAINS:
        ses.verify_domain_identity(Domain=domain)
    ses.verify_email_identity(EmailAddress="ada@page0.example")

    found = collected(ses, "list_identities", "Identities")
    domains = ses.get_paginator("list_identities").paginate(
        IdentityType="Domain", PaginationConfig={"PageSize": 2, "MaxItems": 3}
    )
    first = domains.build_full_result()
    rest = ses.get_paginator("list_identities").paginate(
        IdentityType="Domain", PaginationConfig={"PageSize": 2, "StartingToken": first["NextToken"]}
    )

    assert sorted(found) == sorted([*DOMAINS, "ada@page0.example"])
    assert len(first["Identities"]) == 3
    assert sorted([*first["Identities"], *rest.build_full_result()["Identities"]]) == DOMAINS


def test_custom_verification_email_templates(indicia: Sandbox) -> None:
    """v1: each template once."""
    ses = indicia.client("ses")
    names = [f"template{number}" for number in range(3)]
    ses.verify_domain_dkim(Domain="shop.example")
    indicia.publish("shop.example")
    for name in names:
        ses.create_custom_verification_email_template(
            TemplateName=name,
            FromEmailAddress="ada@shop.example",
            TemplateSubject="Is this you?",
            TemplateContent="<html><body>Please say so.</body></html>",
            SuccessRedirectionURL="https://shop.example/yes",
            FailureRedirectionURL="https://shop.example/no",
        )

    listed = collected(
        ses, "list_custom_verification_email_templates", "CustomVerificationEmailTemplates", size=2
    )

    assert sorted(each["TemplateName"] for each in listed) == names


def test_configuration_sets(indicia: Sandbox) -> None:
    """v1: each configuration set once."""
    ses = indicia.client("ses")
    names = [f"set{number}" for number in range(3)]
    for name in names:
        ses.create_configuration_set(ConfigurationSet={"Name": name})

    listed = collected(ses, "list_configuration_sets", "ConfigurationSets")

    assert sorted(each["Name"] for each in listed) == names


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_list_email_identities(indicia: Sandbox, size: int) -> None:
    """v2, for which boto3 has no paginator: each identity once by NextToken, and none on the last page."""
    sesv2 = indicia.client("sesv2")
    for domain in DOMAINS:
        sesv2.create_email_identity(EmailIdentity=domain)

    pages, more = [], {}
    while not pages or more:
        page = sesv2.list_email_identities(PageSize=size, **more)
        pages.append([each["IdentityName"] for each in page["EmailIdentities"]])
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else {}

    assert not sesv2.can_paginate("list_email_identities")
    assert [name for page in pages for name in page] == DOMAINS
    assert all(0 < len(page) <= size for page in pages)


def test_the_waiter(indicia: Sandbox) -> None:
    """`identity_exists` ends at once for a verified identity, and gives up on one that is pending."""
    from botocore.exceptions import WaiterError

    ses = indicia.client("ses")
    ses.verify_domain_identity(Domain="shop.example")
    waiter = ses.get_waiter("identity_exists")
    never = {"Delay": 0, "MaxAttempts": 2}

    with pytest.raises(WaiterError):
        waiter.wait(Identities=["shop.example"], WaiterConfig=never)
    indicia.publish("shop.example")
    waiter.wait(Identities=["shop.example"], WaiterConfig={"Delay": 0, "MaxAttempts": 1})
