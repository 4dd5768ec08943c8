"""POST /indicia/v1/policy/explain: may this principal do this with this identity, and what decides it.

Asked of identities of the caller's own account, and answered by the evaluator that decides when it is done
for real (spec 8.6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from msgspec import Struct

from indicia.domain.arns import Arn, caller_arn, parse_arn
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import fold, parents, shown, under
from indicia.domain.policies import conditions
from indicia.domain.policies.evaluation import AccessQuestion, Policy, decide, decide_sending
from indicia.domain.policies.explanation import explained
from indicia.domain.policies.grammar import sending_policy
from indicia.domain.policies.principals import Principal, parse_principal
from indicia.domain.proofs.inheritance import domains_of, may_send, with_and_without_label
from indicia.domain.time import rfc3339
from indicia.operations.authorization import compiled_key_policy, needs_policy
from indicia.operations.resources import own_identity
from indicia.store.accounts import access
from indicia.store.identities import identities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.domain.policies.conditions import Context
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.accounts.access import AccessKey
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView

# As many values as a message has recipients, and of these characters all in all.
_MOST_VALUES: Final = 50
_MOST_CHARACTERS: Final = 4096
# Characters of policies times characters of the request: a few milliseconds.
_QUICK: Final = 1_000_000
_ACTION: Final = re.compile(r"(?:ses|indicia):[a-z0-9]+\Z", re.ASCII | re.IGNORECASE)


class ExplainRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Who would do what with which identity. `context` are values of condition keys."""

    principal: str
    action: str
    resource: str
    context: dict[str, str | list[str]] = {}


class ExplainResponse(Struct, kw_only=True, frozen=True):
    """`allow` or `deny`, and the reason in words."""

    decision: str
    because: str


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """A question, and all that decides it: the identities of each level, and the keys of the principal."""

    question: AccessQuestion
    levels: tuple[Sequence[IdentityView], ...]
    keys: Sequence[AccessKey]


def find_case(context: OperationContext, call: Call, request: ExplainRequest, s: Session) -> PolicyCase:
    """Return what is asked, and what decides it.

    An identity that is not registered is covered by the one above it. Raises: `Fault` INVALID_PARAMETER for
    what cannot be asked, ACCESS_DENIED for an identity of another account, NOT_FOUND.
    """
    question, identity = _question(call, request)
    levels = _levels(call, identity, question.context, s)
    if not any(levels):
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(identity)}> does not exist.")
    own = question.principal.account == call.account
    held = [
        key
        for key in (access.list_keys(s, call.account) if own else ())
        if key.revoked_at is None and _principal(key, call.region) == question.principal.arn
    ]
    return PolicyCase(question, levels, held)


def is_slow(case: PolicyCase) -> bool:
    """Say whether deciding takes long: every pattern is held against every value."""
    documents = [document for level in case.levels for view in level for document in view.policies.values()]
    documents += [key.policy or "" for key in case.keys]
    texts = sum(len(value) for values in case.question.context.values() for value in values)
    return texts * sum(map(len, documents)) > _QUICK


def decide_case(context: OperationContext, call: Call, case: PolicyCase) -> ExplainResponse:
    """Return what would be decided."""
    question = case.question
    policies = [[policy for view in level for policy in _policies(call, view)] for level in case.levels]
    decision = decide_sending(question, owner=call.account, levels=policies)
    own = question.principal.account == call.account
    if own and (decision.allowed or not decision.explicit):
        return _by_keys(question, case.keys)
    if not decision.allowed:
        return ExplainResponse(decision="deny", because=explained(decision))
    return ExplainResponse(
        decision="allow",
        because=f"{explained(decision)} The principal's own account must allow it as well.",
    )


def _question(call: Call, request: ExplainRequest) -> tuple[AccessQuestion, str]:
    """Return the question, and the folded name of the identity it is about."""
    arn = parse_arn(request.resource)
    if arn is None or not arn.identity:
        _refuse(f"The resource {shown(request.resource)} is not the ARN of an identity.")
    if arn.account != call.account:
        refuse(FaultKind.ACCESS_DENIED, "Only identities of your own account can be asked about.")
    if arn.region != call.region:
        _refuse(f"The resource is in {shown(arn.region)}; sign the request for that region.")
    principal = parse_principal(request.principal, call.region)
    if principal is None:
        _refuse(
            f"The principal {shown(request.principal)} is neither an account id nor the ARN of a root, a user"
            " or a role, nor an AWS service."
        )
    if not _ACTION.match(request.action):
        _refuse(f"The action {shown(request.action)} is not one as ses:SendEmail is.")
    resource = str(own_identity(call, arn.identity))
    context = {**_circumstances(call, principal, arn), **_context(request)}
    return AccessQuestion(principal, request.action, resource, context), arn.identity


def _refuse(sentence: str) -> NoReturn:
    refuse(FaultKind.INVALID_PARAMETER, sentence)


def _circumstances(call: Call, principal: Principal, identity: Arn) -> dict[str, tuple[str, ...]]:
    """Return what is known of a request without its being made: when it is now, and who it is about."""
    known = {
        "aws:CurrentTime": rfc3339(call.now),
        "aws:EpochTime": str(call.now // 1000),
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalArn": principal.arn,
        "aws:RequestedRegion": call.region,
        "aws:ResourceAccount": identity.account,
        "aws:username": _user(principal),
    }
    return {key: (value,) for key, value in known.items() if value}


def _user(principal: Principal) -> str:
    kind, _, path = principal.arn.rpartition(":")[2].partition("/")
    return path.rpartition("/")[2] if kind == "user" else ""


def _context(request: ExplainRequest) -> dict[str, tuple[str, ...]]:
    """Return the values that are given. Each costs a comparison with every pattern."""
    context = {
        conditions.ACCESS_KEY.canonical(key): (value,) if isinstance(value, str) else tuple(value)
        for key, value in request.context.items()
    }
    values = [value for several in context.values() for value in several]
    if len(values) > _MOST_VALUES:
        _refuse(f"The context has {len(values)} values; at most {_MOST_VALUES} are looked at.")
    characters = sum(map(len, values))
    if characters > _MOST_CHARACTERS:
        _refuse(f"The context has {characters} characters; at most {_MOST_CHARACTERS} are looked at.")
    return context


def _levels(call: Call, name: str, context: Context, s: Session) -> tuple[Sequence[IdentityView], ...]:
    """Return the identities whose policies count: that of the address, then that of its domain (spec 8.6).

    Asked about a domain, the address is the one in `ses:FromAddress`. Of each level the most specific
    identity counts that is verified, since no other supplies anything (spec 9.1); while none is, those that
    are registered.
    """
    sender = next(iter(context.get("ses:FromAddress", ())), "")
    if "@" in name:
        addresses, domains = with_and_without_label(name), domains_of(name)
    else:
        within = under(sender.rpartition("@")[2].lower(), name)
        addresses, domains = with_and_without_label(fold(sender)) if within else (), tuple(parents(name))
    found = identities.view_many(s, call.account, call.region, [*addresses, *domains])
    usable = {each: view for each, view in found.items() if may_send(view)} or found
    return tuple([usable[each] for each in names if each in usable][:1] for names in (addresses, domains))


def _by_keys(question: AccessQuestion, held: Sequence[AccessKey]) -> ExplainResponse:
    """Return what the access keys of a principal of the own account may do.

    Of several keys the one that may most is told of: its holder would use that one.
    """
    who = question.principal.arn
    by_policy = needs_policy(question.action)
    if by_policy:
        held = [key for key in held if key.policy is not None]
    unlimited = next((key for key in held if key.policy is None), None)
    if unlimited is not None:
        return ExplainResponse(
            decision="allow",
            because=f"The access key {unlimited.id} has no policy, so it may do everything of its account.",
        )
    decisions = [(key, decide((compiled_key_policy(key.policy or ""),), question)) for key in held]
    decisions.sort(key=lambda each: not each[1].allowed)
    if not decisions and by_policy:
        return ExplainResponse(
            decision="deny",
            because=f"There is no access key of {who} with a policy, and what hands out secrets has to be"
            " allowed by one.",
        )
    if not decisions and who.endswith(":root"):
        return ExplainResponse(decision="allow", because="No policy limits the root of the account.")
    if not decisions:
        return ExplainResponse(decision="deny", because=f"There is no access key of {who}.")
    key, decision = decisions[0]
    return ExplainResponse(
        decision="allow" if decision.allowed else "deny",
        because=f"By the policy of the access key {key.id}: {explained(decision)}",
    )


def _principal(key: AccessKey, region: str) -> str:
    return caller_arn(region, key.account, "root" if key.user_name is None else f"user/{key.user_name}")


def _policies(call: Call, view: IdentityView) -> list[Policy]:
    identity = own_identity(call, view.identity.name)
    return [_compiled(document, identity, name) for name, document in view.policies.items()]


@lru_cache(maxsize=256)
def _compiled(document: str, identity: Arn, name: str) -> Policy:
    return sending_policy(document, identity, name)
