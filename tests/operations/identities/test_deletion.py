"""Deleting identities in both versions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desk import T0, ZONE, Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.store.dkim import keys
from indicia.store.policies import policies
from indicia.wire.shapes.sesv2 import Tag


@pytest.mark.parametrize("name", ["example.com", "ann@example.com"])
def test_a_deleted_identity_is_gone_at_once(desk: Desk, name: str) -> None:
    """No Get, no list, no v1 attribute and no check finds it any more; its policies and tags go with it."""
    desk.ask("CreateEmailIdentity", EmailIdentity=name, Tags=[Tag(Key="a", Value="b")])
    identity = desk.view(name).identity
    desk.database.write(lambda s: policies.put(s, identity.id, "p", "{}", T0))

    desk.ask("DeleteEmailIdentity", EmailIdentity=name)

    assert desk.refused("GetEmailIdentity", EmailIdentity=name).kind is FaultKind.NOT_FOUND
    assert desk.ask("ListIdentities").Identities == []
    assert desk.ask("GetIdentityVerificationAttributes", Identities=[name]).VerificationAttributes == {}
    assert desk.claims() == []


def test_v2_says_that_it_is_missing_without_brackets(desk: Desk) -> None:
    """The repeat is refused in the probed words, which lack the brackets of Get."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.ask("DeleteEmailIdentity", EmailIdentity="Example.com")

    fault = desk.refused("DeleteEmailIdentity", EmailIdentity="Example.com")

    assert (fault.kind, fault.message) == (
        FaultKind.NOT_FOUND,
        "Email identity Example.com does not exist.",
    )


@pytest.mark.parametrize("name", ["example.com", "never.example", "a b", "", "\x00", "ann@none.example"])
def test_v1_deletes_what_is_there_and_is_content(desk: Desk, name: str) -> None:
    """DeleteIdentity succeeds for whatever is not there afterwards."""
    desk.ask("VerifyDomainIdentity", Domain="example.com")
    for _ in range(2):
        desk.ask("DeleteIdentity", Identity=name)
    assert desk.ask("ListIdentities").Identities == ([] if name == "example.com" else ["example.com"])


def test_the_deprecated_call_deletes_addresses_only(desk: Desk) -> None:
    """DeleteVerifiedEmailAddress leaves a domain of that name alone."""
    desk.ask("VerifyDomainIdentity", Domain="example.com")
    desk.ask("VerifyEmailAddress", EmailAddress="ann@example.com")

    assert desk.ask("DeleteVerifiedEmailAddress", EmailAddress="example.com") is None
    assert desk.ask("DeleteVerifiedEmailAddress", EmailAddress="ann@example.com") is None

    assert desk.ask("ListIdentities").Identities == ["example.com"]


def test_only_the_own_identity_is_deleted(desk: Desk) -> None:
    """The same name in another account or region stays."""
    others = (desk, desk.beside(region="us-east-1"), desk.beside(account="999988887777"))
    for each in others:
        each.ask("VerifyDomainIdentity", Domain="example.com")

    desk.ask("DeleteIdentity", Identity="example.com")

    assert [len(each.ask("ListIdentities").Identities) for each in others] == [0, 1, 1]


def test_published_keys_outlive_the_identity(desk: Desk) -> None:
    """Mail signed a moment ago can still be checked: the key stays in its zone."""
    public = desk.stock(2048)
    tokens = desk.ask("CreateEmailIdentity", EmailIdentity="example.com").DkimAttributes.Tokens
    desk.ask("DeleteEmailIdentity", EmailIdentity="example.com")
    assert desk.read(lambda s: keys.lookup(s, ZONE, tokens[0])) == public


@pytest.mark.parametrize(
    ("operation", "member"), [("DeleteEmailIdentity", "EmailIdentity"), ("DeleteIdentity", "Identity")]
)
def test_deletes_at_once(desk: Desk, operation: str, member: str) -> None:
    """v1 callers all succeed; of v2 callers one does, and the others hear that it is gone or was taken."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(desk.asking(operation, **{member: "example.com"}) for _ in range(5)), return_exceptions=True
        )

    faults = [outcome for outcome in asyncio.run(race()) if isinstance(outcome, Fault)]

    assert len(faults) == (4 if operation == "DeleteEmailIdentity" else 0)
    assert {fault.kind for fault in faults} <= {FaultKind.NOT_FOUND, FaultKind.CONCURRENT_MODIFICATION}
    assert desk.ask("ListIdentities").Identities == []
