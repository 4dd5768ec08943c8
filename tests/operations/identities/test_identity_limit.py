"""An account has as many identities in a region as it may have, and not one more."""

from __future__ import annotations

import asyncio

import pytest
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.store.installation import sandbox


def _limited(desk: Desk, most: int) -> Desk:
    desk.rule(most_identities=most)
    return desk


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("CreateEmailIdentity", "EmailIdentity"),
        ("VerifyDomainIdentity", "Domain"),
        ("VerifyDomainDkim", "Domain"),
    ],
)
def test_one_more_than_allowed_is_refused_and_leaves_nothing(desk: Desk, operation: str, member: str) -> None:
    """The limit is named; a repeat of what is there, another region, and a freed place are fine."""
    desk = _limited(desk, 2)
    for name in ("one.example.com", "two.example.com"):
        desk.ask(operation, **{member: name})

    fault = desk.refused(operation, **{member: "three.example.com"})

    assert FaultKind.LIMIT_EXCEEDED is fault.kind
    assert "2 identities" in fault.message
    assert 2 == len(desk.ask("ListEmailIdentities").EmailIdentities)
    desk.beside(region="us-east-1").ask(operation, **{member: "three.example.com"})
    desk.ask("DeleteEmailIdentity", EmailIdentity="one.example.com")
    desk.ask(operation, **{member: "three.example.com"})


def test_callers_at_once_do_not_pass_the_limit(desk: Desk) -> None:
    """Of twenty creates at once, as many succeed as there is room for."""
    desk = _limited(desk, 7)

    async def create_all() -> int:
        calls = [
            desk.asking("CreateEmailIdentity", EmailIdentity=f"d{number}.example.com") for number in range(20)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        assert all(isinstance(each, Fault) and each.kind is FaultKind.LIMIT_EXCEEDED for each in refused)
        return len(answers) - len(refused)

    assert 7 == asyncio.run(create_all())


def test_creates_at_once_beyond_the_limit_are_all_told_of_it(desk: Desk) -> None:
    """Two of one name as well, as if they had come one after the other: there is no such identity."""
    desk = _limited(desk, 1)
    desk.ask("CreateEmailIdentity", EmailIdentity="one.example.com")

    async def create_all() -> list[object]:
        names = ("two.example.com", "two.example.com", "one.example.com", "three.example.com")
        calls = [desk.asking("CreateEmailIdentity", EmailIdentity=name) for name in names]
        return await asyncio.gather(*calls, return_exceptions=True)

    limit, there = FaultKind.LIMIT_EXCEEDED, FaultKind.ALREADY_EXISTS
    outcomes = asyncio.run(create_all())
    assert [limit, limit, there, limit] == [each.kind for each in outcomes if isinstance(each, Fault)]


def test_a_sandbox_that_begins_again_has_room_again(desk: Desk) -> None:
    """What was counted is forgotten with the identities."""
    desk = _limited(desk, 1)
    desk.ask("CreateEmailIdentity", EmailIdentity="one.example.com")

    desk.database.write(sandbox.reset)

    desk.ask("CreateEmailIdentity", EmailIdentity="two.example.com")
