"""An account has as many identities in a region as it may have, and not one more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.operations.dispatch import Dispatch


def _limited(desk: Desk, most: int) -> Desk:
    desk.house = replace(desk.house, most_identities=most)
    desk.dispatch = Dispatch(desk.database, desk.house)
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
