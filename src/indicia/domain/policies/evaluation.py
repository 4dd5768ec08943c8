"""What policies decide about a question: who wants to do what, with what, under which circumstances.

A policy is compiled when it is read; deciding only asks. An explicit Deny wins over every Allow, and what
nothing allows is denied (spec 8.6). The decision knows what decided it and can say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from indicia.domain.policies.conditions import UNKNOWN, Condition, Context
from indicia.domain.policies.principals import Principal, Principals
from indicia.domain.policies.wildcards import Test


class Effect(Enum):
    """What a statement does, and what is decided."""

    ALLOW = "Allow"
    DENY = "Deny"


class Element(Enum):
    """The parts of a statement, each of which must fit."""

    PRINCIPAL = "principal"
    ACTION = "action"
    RESOURCE = "resource"
    CONDITION = "condition"


@dataclass(frozen=True)
class AccessQuestion:
    """One thing somebody wants to do. `action` is `service:Name`, `resource` an ARN or `*`."""

    principal: Principal
    action: str
    resource: str
    context: Context

    @cached_property
    def folded_action(self) -> str:
        """The action in lower case: IAM does not tell cases of actions apart."""
        return self.action.lower()


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a statement does not apply: the first part that does not fit, with its condition if it is one."""

    element: Element
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, compiled.

    `principals` is None where the policy is that of an access key, and `resource_fits` None where it is that
    of an identity, which is the only resource it can be about. `actions` are as they were
    written, included or left out; the tests take actions in lower case.
    """

    position: int
    sid: str
    effect: Effect
    principals: Principals | None
    actions: tuple[str, ...]
    action_fits: Test = field(repr=False)
    resource_fits: Test | None = field(repr=False)
    conditions: tuple[Condition, ...]

    def miss(self, question: AccessQuestion) -> Miss | None:
        """Return why the statement does not apply to the question; None when it does.

        A condition on what is not known of a request lets nobody in and keeps out whoever might be meant.
        """
        if not self.action_fits(question.folded_action):
            return Miss(Element.ACTION)
        if self.principals is not None and not self.principals.include(question.principal):
            return Miss(Element.PRINCIPAL)
        if self.resource_fits is not None and not self.resource_fits(question.resource):
            return Miss(Element.RESOURCE)
        for condition in self.conditions:
            if question.context.get(condition.key) is UNKNOWN:
                held = self.effect is Effect.DENY
            else:
                held = condition.holds(question.context)
            if not held:
                return Miss(Element.CONDITION, condition)
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """A compiled policy. `name` is what it is called where there are several."""

    statements: tuple[Statement, ...]
    name: str = ""


class Ground(Enum):
    """What a decision rests on."""

    STATEMENT = "a statement applies"
    NOTHING = "no statement applies"
    OWNER = "the identity is the caller's own account's"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, and by which statement of which policy where one did."""

    effect: Effect
    ground: Ground
    question: AccessQuestion
    policies: tuple[Policy, ...]
    policy: Policy | None = None
    statement: Statement | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may be done."""
        return self.effect is Effect.ALLOW

    @property
    def explicit(self) -> bool:
        """Whether a statement says so."""
        return self.ground is Ground.STATEMENT


def decide(policies: Sequence[Policy], question: AccessQuestion) -> Decision:
    """Return what the policies of one level decide together: Deny wins, else Allow, else it is denied."""
    allowing: tuple[Policy, Statement] | None = None
    for policy in policies:
        for statement in policy.statements:
            if allowing is not None and statement.effect is Effect.ALLOW:
                continue
            if statement.miss(question) is not None:
                continue
            if statement.effect is Effect.DENY:
                return _by(policies, question, policy, statement)
            allowing = (policy, statement)
    if allowing is None:
        return Decision(Effect.DENY, Ground.NOTHING, question, tuple(policies))
    return _by(policies, question, *allowing)


def _by(
    policies: Iterable[Policy], question: AccessQuestion, policy: Policy, statement: Statement
) -> Decision:
    return Decision(statement.effect, Ground.STATEMENT, question, tuple(policies), policy, statement)


def decide_sending(question: AccessQuestion, *, owner: str, levels: Sequence[Sequence[Policy]]) -> Decision:
    """Return what the policies of an identity decide about somebody who wants to send with it (spec 8.6).

    `levels` are the policies of the address, then those of its domain: the first level on which a statement
    applies decides, whichever way. Whoever belongs to the `owner` account needs no Allow here, and is bound
    by every Deny that names it. For anybody else an Allow is one half: its own account must allow it too.
    """
    decision = _first_explicit(question, levels)
    if not decision.explicit and question.principal.account == owner:
        return Decision(Effect.ALLOW, Ground.OWNER, question, decision.policies)
    return decision


def _first_explicit(question: AccessQuestion, levels: Sequence[Sequence[Policy]]) -> Decision:
    for policies in levels:
        decision = decide(policies, question)
        if decision.explicit:
            return decision
    everything = tuple(policy for policies in levels for policy in policies)
    return Decision(Effect.DENY, Ground.NOTHING, question, everything)
