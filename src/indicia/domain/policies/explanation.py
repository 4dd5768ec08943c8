"""Decisions in words: which statement decided, or what kept each statement from applying."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from indicia.domain.names import shown
from indicia.domain.policies.conditions import UNKNOWN, Condition
from indicia.domain.policies.evaluation import (
    AccessQuestion,
    Decision,
    Effect,
    Element,
    Ground,
    Miss,
    Policy,
    Statement,
)

# What is told at most: of statements that do not apply, and of values.
_MOST_STATEMENTS = 5
_MOST_VALUES = 3


def explained(decision: Decision) -> str:
    """Return why it was decided so."""
    match decision.ground:
        case Ground.STATEMENT:
            assert decision.policy is not None
            assert decision.statement is not None
            verb = "allows" if decision.effect is Effect.ALLOW else "denies"
            return f"{_named(decision.policy, decision.statement)} {verb} it."
        case Ground.OWNER:
            return (
                "The principal belongs to the account that owns the identity, which needs no sending"
                " authorization policy, and no statement denies it."
            )
        case Ground.NOTHING:
            return _nothing(decision)
        case _ as never:
            assert_never(never)


def _nothing(decision: Decision) -> str:
    if not decision.policies:
        return "There is no policy that could allow it."
    misses = [
        f"{_named(policy, statement)} does not apply: {_missed(miss, decision.question)}."
        for policy, statement in _statements(decision.policies)
        if statement.effect is Effect.ALLOW and (miss := statement.miss(decision.question)) is not None
    ]
    if not misses:
        return "No statement allows anything."
    more = len(misses) - _MOST_STATEMENTS
    rest = [f"Nor do {more} more."] if more > 0 else []
    return " ".join(["No statement allows it.", *misses[:_MOST_STATEMENTS], *rest])


def _statements(policies: Sequence[Policy]) -> Iterator[tuple[Policy, Statement]]:
    for policy in policies:
        for statement in policy.statements:
            yield policy, statement


def _named(policy: Policy, statement: Statement) -> str:
    sid = f" ({shown(statement.sid)})" if statement.sid else ""
    name = f" of policy {policy.name}" if policy.name else ""
    return f"Statement {statement.position}{sid}{name}"


def _missed(miss: Miss, question: AccessQuestion) -> str:
    match miss.element:
        case Element.ACTION:
            return f"its actions do not include {shown(question.action)}"
        case Element.PRINCIPAL:
            return f"its principals do not include {shown(str(question.principal))}"
        case Element.RESOURCE:
            return f"its resources do not include {shown(question.resource)}"
        case Element.CONDITION:
            assert miss.condition is not None
            return _unheld(miss.condition, question)
        case _ as never:
            assert_never(never)


def _unheld(condition: Condition, question: AccessQuestion) -> str:
    told = (
        f"its condition {condition.operator} of {condition.key} and {_listed(condition.values)} does not hold"
    )
    given = question.context.get(condition.key)
    if given is UNKNOWN:
        return f"{told}, as nobody knows the {condition.key} of the request"
    if not given:
        return f"{told}, as the request has no {condition.key}"
    return f"{told} of {_listed(given)}"


def _listed(values: Sequence[str]) -> str:
    told = ", ".join(f'"{shown(value)}"' for value in values[:_MOST_VALUES])
    more = len(values) - _MOST_VALUES
    return f"{told} and {more} more" if more > 0 else told
