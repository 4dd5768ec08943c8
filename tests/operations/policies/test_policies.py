"""Sending authorization policies: where they hang, how many there are, who is faster. Texts are golden."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status


def arn(desk: Desk, name: str) -> str:
    """Return the ARN of an identity of the desk."""
    return f"arn:aws:ses:{desk.region}:{desk.account}:identity/{name}"


def policy(desk: Desk, name: str = "example.com", **elements: Any) -> str:
    """Return a policy for an identity."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "444455556666"},
        "Action": "ses:SendEmail",
        "Resource": arn(desk, name),
        **elements,
    }
    return json.dumps({"Statement": statement}, separators=(",", ":"))


def verified(desk: Desk, name: str = "example.com") -> None:
    """Register an identity that is verified."""
    desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find(name, Facet.LINK if "@" in name else Facet.DKIM, Status.SUCCESS)


def fill(desk: Desk, count: int) -> None:
    """Hang so many policies on the identity."""
    for number in range(count):
        desk.ask(
            "CreateEmailIdentityPolicy",
            EmailIdentity="example.com",
            PolicyName=f"p{number:02}",
            Policy=policy(desk),
        )


TOO_MANY = "Number of policies for <example.com> exceeds max allowed number of policies per resource"


def test_an_identity_has_twenty_policies(desk: Desk) -> None:
    """The twenty-first is refused, by each version with its own code; one more over an old one is not."""
    verified(desk)
    fill(desk, 20)
    more = {"PolicyName": "more", "Policy": policy(desk)}

    v2 = desk.refused("CreateEmailIdentityPolicy", EmailIdentity="example.com", **more)
    v1 = desk.refused("PutIdentityPolicy", Identity="example.com", **more)

    assert (v2.kind, v2.message) == (FaultKind.LIMIT_EXCEEDED, TOO_MANY)
    assert (v1.kind, v1.message) == (FaultKind.INVALID_PARAMETER, TOO_MANY)
    desk.ask("PutIdentityPolicy", Identity="example.com", PolicyName="p00", Policy=policy(desk, Sid="new"))
    desk.ask("DeleteIdentityPolicy", Identity="example.com", PolicyName="p01")
    desk.ask("CreateEmailIdentityPolicy", EmailIdentity="example.com", **more)
    names = desk.ask("ListIdentityPolicies", Identity="example.com").PolicyNames
    assert names == sorted(names)
    assert len(names) == 20


def test_a_name_that_is_taken_is_said_before_the_number(desk: Desk) -> None:
    """Of a full identity, the repeat of a name is a repeat."""
    verified(desk)
    fill(desk, 20)

    repeat = desk.refused(
        "CreateEmailIdentityPolicy", EmailIdentity="example.com", PolicyName="p00", Policy=policy(desk)
    )
    assert (repeat.kind, repeat.message) == (FaultKind.ALREADY_EXISTS, "Policy <p00> already exists")


@pytest.mark.parametrize("operation", ["CreateEmailIdentityPolicy", "PutIdentityPolicy"])
def test_policies_put_at_once_stay_twenty(desk: Desk, operation: str) -> None:
    """However many callers there are, none of them gets past the limit, and nobody is told of a race."""
    verified(desk)
    fill(desk, 17)
    member = "Identity" if operation == "PutIdentityPolicy" else "EmailIdentity"

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(
                desk.asking(
                    operation, **{member: "example.com"}, PolicyName=f"r{number}", Policy=policy(desk)
                )
                for number in range(8)
            ),
            return_exceptions=True,
        )

    faults = [outcome for outcome in asyncio.run(race()) if isinstance(outcome, BaseException)]

    assert len(faults) == 5
    assert {fault.message for fault in faults if isinstance(fault, Fault)} == {TOO_MANY}
    assert len(desk.ask("GetEmailIdentityPolicies", EmailIdentity="example.com").Policies) == 20


def test_one_name_created_at_once_is_created_once(desk: Desk) -> None:
    """The others hear that it is there."""
    verified(desk)

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(
                desk.asking(
                    "CreateEmailIdentityPolicy",
                    EmailIdentity="example.com",
                    PolicyName="p",
                    Policy=policy(desk, Sid=f"s{number}"),
                )
                for number in range(5)
            ),
            return_exceptions=True,
        )

    kinds = [outcome.kind for outcome in asyncio.run(race()) if isinstance(outcome, Fault)]
    assert kinds == [FaultKind.ALREADY_EXISTS] * 4


def test_a_deleted_identity_takes_its_policies_along(desk: Desk) -> None:
    """One of the same name begins without any."""
    verified(desk)
    fill(desk, 2)

    desk.ask("DeleteIdentity", Identity="example.com")
    assert desk.ask("ListIdentityPolicies", Identity="example.com").PolicyNames == []
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    assert desk.ask("GetEmailIdentity", EmailIdentity="example.com").Policies == {}
    assert desk.ask("GetEmailIdentityPolicies", EmailIdentity="example.com").Policies == {}


def test_both_versions_and_get_show_the_same(desk: Desk) -> None:
    """What one version puts, the other shows, and so does GetEmailIdentity."""
    verified(desk)
    desk.ask("PutIdentityPolicy", Identity=arn(desk, "example.com"), PolicyName="a", Policy=policy(desk))
    stored = {"a": policy(desk)}

    assert desk.ask("GetEmailIdentity", EmailIdentity="Example.com").Policies == stored
    assert desk.ask("GetEmailIdentityPolicies", EmailIdentity="example.com").Policies == stored
    assert desk.ask("GetIdentityPolicies", Identity="example.com", PolicyNames=["a", "b"]).Policies == stored


def test_a_policy_belongs_to_one_identity_in_one_region(desk: Desk) -> None:
    """Its address, its parent, the same name in another region and in another account have none of it."""
    others = [desk.beside(region="us-east-1"), desk.beside(account="999988887777")]
    for each in (desk, *others):
        verified(each)
    verified(desk, "ann@example.com")

    fill(desk, 1)

    assert desk.ask("ListIdentityPolicies", Identity="ann@example.com").PolicyNames == []
    for each in others:
        assert each.ask("ListIdentityPolicies", Identity="example.com").PolicyNames == []
        foreign = {"Identity": arn(desk, "example.com"), "PolicyName": "p00"}
        assert each.ask("ListIdentityPolicies", Identity=foreign["Identity"]).PolicyNames == []
        each.ask("DeleteIdentityPolicy", **foreign)
    assert desk.ask("ListIdentityPolicies", Identity="example.com").PolicyNames == ["p00"]


def test_an_address_is_named_in_its_case(desk: Desk) -> None:
    """Address identities are case-sensitive, and so is the resource of their policies."""
    verified(desk, "Ann@Example.com")
    resource = {"EmailIdentity": "Ann@Example.com", "PolicyName": "p"}

    desk.ask("CreateEmailIdentityPolicy", **resource, Policy=policy(desk, "Ann@Example.com"))

    folded = policy(desk, "ann@example.com")
    assert (
        desk.refused("UpdateEmailIdentityPolicy", **resource, Policy=folded).kind is FaultKind.INVALID_POLICY
    )


@pytest.mark.parametrize("status", [None, *Status])
@pytest.mark.parametrize("name", ["example.com", "ann@example.com"])
def test_v1_takes_policies_whatever_the_identity_has_proved(
    desk: Desk, name: str, status: Status | None
) -> None:
    """Who sets up an identity and its policy in one go need not wait; only a missing one is refused."""
    desk.ask("CreateEmailIdentity", EmailIdentity=name)
    if status is not None:
        desk.find(name, Facet.LINK if "@" in name else Facet.DKIM, status)
    document = policy(desk, name)

    desk.ask("PutIdentityPolicy", Identity=name, PolicyName="p", Policy=document)

    assert desk.ask("GetEmailIdentity", EmailIdentity=name).Policies == {"p": document}
    refused = desk.refused(
        "PutIdentityPolicy", Identity="none.example", PolicyName="p", Policy=policy(desk, "none.example")
    )
    assert refused.message == "Invalid identity. Must be a verified email address or domain."


def test_whatever_a_document_escapes_is_kept(desk: Desk) -> None:
    """A NUL among it, which no database takes as it is."""
    verified(desk)
    document = policy(desk, Sid="SID").replace("SID", "\\u0000 \\u00e9 é \\ud83d\\ude00")

    desk.ask("PutIdentityPolicy", Identity="example.com", PolicyName="p", Policy=document)

    assert desk.ask("GetEmailIdentity", EmailIdentity="example.com").Policies == {"p": document}
    assert desk.ask("GetIdentityPolicies", Identity="example.com", PolicyNames=["p"]).Policies == {
        "p": document
    }


@pytest.mark.parametrize("name", ["\x00", "a\x00", "ü", "a" * 64 + "\n", " "])
def test_a_name_that_no_policy_can_have(desk: Desk, name: str) -> None:
    """It is refused where a policy would be made, and found nowhere."""
    verified(desk)
    named = {"EmailIdentity": "example.com", "PolicyName": name}

    for operation in ("CreateEmailIdentityPolicy", "UpdateEmailIdentityPolicy"):
        refused = desk.refused(operation, **named, Policy=policy(desk))
        assert refused.kind is FaultKind.INVALID_PARAMETER
    assert desk.refused("DeleteEmailIdentityPolicy", **named).kind is FaultKind.NOT_FOUND
    assert desk.ask("GetIdentityPolicies", Identity="example.com", PolicyNames=[name]).Policies == {}
    desk.ask("DeleteIdentityPolicy", Identity="example.com", PolicyName=name)


def test_at_most_twenty_policies_are_retrieved_at_once(sqlite_desk: Desk) -> None:
    """More names are refused; one name twice is one."""
    verified(sqlite_desk)
    fill(sqlite_desk, 1)
    names = [f"p{number:02}" for number in range(20)]

    found = sqlite_desk.ask("GetIdentityPolicies", Identity="example.com", PolicyNames=[*names, *names])
    refused = sqlite_desk.refused("GetIdentityPolicies", Identity="example.com", PolicyNames=[*names, "p20"])

    assert list(found.Policies) == ["p00"]
    assert (refused.kind, refused.message) == (
        FaultKind.INVALID_PARAMETER,
        "At most 20 policies can be retrieved at once; 21 were named.",
    )


def test_every_change_of_a_policy_is_on_the_record(desk: Desk) -> None:
    """With the identity it hangs on, whichever way that was named."""
    verified(desk)
    desk.ask("PutIdentityPolicy", Identity=arn(desk, "example.com"), PolicyName="a", Policy=policy(desk))
    desk.ask("DeleteEmailIdentityPolicy", EmailIdentity="example.com", PolicyName="a")

    deleted, put, *_ = desk.trail()
    assert (put.operation, deleted.operation) == ("ses:PutIdentityPolicy", "sesv2:DeleteEmailIdentityPolicy")
    assert put.resource == deleted.resource == arn(desk, "example.com")
