"""What a decision costs on policies that are as long as policies may be, once they are compiled.

No statement applies to the question, so that every one of them is looked at.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, Final

from bench.plan import Plan
from bench.report import Aim, Section, spread
from indicia.domain.arns import parse_arn
from indicia.domain.policies.evaluation import AccessQuestion, Policy, decide
from indicia.domain.policies.grammar import MOST_OF_SENDING, sending_policy
from indicia.domain.policies.principals import Principal

_DECISIONS: Final = 2000
_MOST_US: Final = 50.0
_ARN: Final = "arn:aws:ses:eu-west-1:111122223333:identity/example.com"
_OTHER: Final = "444455556666"
_ASKED: Final = AccessQuestion(
    Principal(_OTHER, f"arn:aws:iam::{_OTHER}:user/ann"),
    "ses:SendEmail",
    _ARN,
    {
        "ses:FromAddress": ("nobody@example.com",),
        "ses:Recipients": ("a@0-1.example", "b@else.example"),
        "aws:SourceIp": ("192.0.2.7",),
    },
)


def _statement(**elements: object) -> dict[str, object]:
    plain = {"Effect": "Allow", "Principal": {"AWS": _OTHER}, "Action": "ses:SendEmail", "Resource": _ARN}
    return {**plain, **elements}


def _two_conditions(at: int) -> dict[str, object]:
    return _statement(
        Action=["ses:SendEmail", "ses:SendRaw*"],
        Condition={
            "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
            "StringLike": {"ses:FromAddress": f"team{at}@*"},
        },
    )


def _principals(at: int) -> dict[str, object]:
    return _statement(Principal={"AWS": [str(100000000000 + at * 20 + n) for n in range(20)]})


def _patterns(at: int) -> dict[str, object]:
    recipients = [f"*@{at}-{n}.example" for n in range(20)]
    return _statement(Condition={"ForAllValues:StringLike": {"ses:Recipients": recipients}})


_FILLED_WITH: Final[dict[str, Callable[[int], dict[str, object]]]] = {
    "statements of two conditions": _two_conditions,
    "principals": _principals,
    "patterns": _patterns,
}


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Return what a decision takes, and compiling for comparison."""
    plan.say("deciding on policies")
    rows, aims, figures = [], [], {}
    for filled, make in _FILLED_WITH.items():
        text = _full(make)
        policy = _compiled(text)
        taken = [_cost(partial(decide, (policy,), _ASKED), _DECISIONS) for _ in range(plan.rounds)]
        compiling = [_cost(partial(_compiled, text), 20) for _ in range(plan.rounds)]
        decision = spread(taken)
        rows.append(
            (
                filled,
                f"{len(text):,}",
                f"{len(policy.statements)}",
                f"{decision.median:.1f} [{decision.lowest:.1f}-{decision.highest:.1f}]",
                f"{spread(compiling).median:,.0f}",
            )
        )
        aims.append(
            Aim(
                f"a decision on 4 KB of {filled}",
                f"< {_MOST_US:.0f} µs CPU",
                f"{decision.median:.1f}",
                decision.median < _MOST_US,
            )
        )
        figures[filled] = {"decision_us": taken, "compiling_us": compiling}
    section = Section(
        "Decisions on policies as long as they may be: CPU µs, median [lowest-highest]",
        ("filled with", "octets", "statements", "a decision", "compiling"),
        rows,
        (),
        figures,
    )
    return [section], aims


def _full(make: Callable[[int], dict[str, object]]) -> str:
    """Return a policy with as many statements as fit."""
    statements: list[dict[str, object]] = []
    for at in count():
        longer = _document([*statements, make(at)])
        if len(longer) > MOST_OF_SENDING:
            return _document(statements)
        statements.append(make(at))
    raise AssertionError("a policy has no end")


def _document(statements: list[dict[str, object]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _compiled(text: str) -> Policy:
    identity = parse_arn(_ARN)
    assert identity is not None
    return sending_policy(text, identity)


def _cost(operation: Callable[[], Any], times: int) -> float:
    """Return microseconds of CPU the operation takes."""
    began = time.process_time_ns()
    for _ in range(times):
        operation()
    return (time.process_time_ns() - began) / times / 1000
