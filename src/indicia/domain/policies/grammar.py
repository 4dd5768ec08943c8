"""The grammar of policies: from a document to what can be decided by (spec 8.1 to 8.5).

The gates are passed one after the other by the whole document, in the order in which the vendor's texts were
observed: form and ARNs, then principals, then the keys of conditions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NoReturn

from indicia.domain import arns
from indicia.domain.arns import Arn, parse_arn
from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.domain.policies import conditions, wildcards
from indicia.domain.policies.conditions import Unchecked, Vocabulary, check_condition, read_conditions
from indicia.domain.policies.document import Json, Number, malformed, parse
from indicia.domain.policies.evaluation import Effect, Policy, Statement
from indicia.domain.policies.principals import Principals, parse_principals
from indicia.domain.policies.wildcards import Test

MOST_OF_SENDING: Final = 4096  # octets, spec 6.5
MOST_OF_ACCESS_KEY: Final = 6144  # as of a managed IAM policy

_VERSIONS: Final = frozenset({"2012-10-17", "2008-10-17"})
# IAM: neither the service nor the name tells cases apart, and wildcards stand in the name only; but for `*`.
_ACTION = re.compile(r"([a-z0-9-]+):[a-z0-9*?]+\Z", re.ASCII)
_EVERY_ACTION: Final = frozenset({"*", "*:*"})


class _Kind(Enum):
    """What a policy hangs on."""

    IDENTITY = "identity"
    ACCESS_KEY = "access key"


_ELEMENTS: Final[Mapping[_Kind, frozenset[str]]] = {
    _Kind.IDENTITY: frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}),
    _Kind.ACCESS_KEY: frozenset(
        {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
    ),
}


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement whose form is right; principals and conditions are not looked into yet."""

    position: int
    sid: str
    effect: Effect
    principal: Json
    actions: tuple[str, ...]
    action_fits: Test
    resource_fits: Test | None
    conditions: tuple[Unchecked, ...]


def sending_policy(text: str, identity: Arn, name: str = "") -> Policy:
    """Return the sending authorization policy that `text` is, for the identity it is to hang on.

    Raises: `Fault` INVALID_POLICY, in the words of the first gate that is not passed.
    """

    def resource(value: Json, position: int) -> None:
        _check_own_resource(value, identity, position)

    forms = _forms(text, MOST_OF_SENDING, _Kind.IDENTITY, resource)
    principals = [parse_principals(form.principal, identity.region) for form in forms]
    return Policy(
        tuple(
            _statement(form, named, conditions.SENDING) for form, named in zip(forms, principals, strict=True)
        ),
        name,
    )


def access_key_policy(text: str) -> Policy:
    """Return the policy of an access key that `text` is: an identity-based policy as IAM has it.

    Raises: `Fault` INVALID_POLICY naming what is wrong.
    """
    forms = _forms(text, MOST_OF_ACCESS_KEY, _Kind.ACCESS_KEY, None)
    return Policy(tuple(_statement(form, None, conditions.ACCESS_KEY) for form in forms))


def _statement(form: _Form, principals: Principals | None, vocabulary: Vocabulary) -> Statement:
    return Statement(
        position=form.position,
        sid=form.sid,
        effect=form.effect,
        principals=principals,
        actions=form.actions,
        action_fits=form.action_fits,
        resource_fits=form.resource_fits,
        conditions=tuple(check_condition(each, vocabulary) for each in form.conditions),
    )


def _forms(
    text: str, most: int, kind: _Kind, own_resource: Callable[[Json, int], None] | None
) -> tuple[_Form, ...]:
    tree = parse(text, most)
    for element in tree:
        if element not in {"Version", "Id", "Statement"}:
            malformed(f"it has an element {shown(element)}, which is none of Version, Id and Statement")
    for element in ("Version", "Id"):
        if element in tree and not _is_text(tree[element]):
            malformed(f"{element} is not a text")
    if kind is _Kind.ACCESS_KEY and "Version" in tree and tree["Version"] not in _VERSIONS:
        malformed("its Version is neither 2012-10-17 nor 2008-10-17")
    statements = tree.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        malformed("it has no Statement")
    forms = tuple(_form(each, position, kind, own_resource) for position, each in enumerate(statements, 1))
    if kind is _Kind.ACCESS_KEY:
        _check_sids(forms)
    return forms


def _check_sids(forms: tuple[_Form, ...]) -> None:
    """Refuse two statements of one name, as IAM does."""
    sids = [form.sid for form in forms if form.sid]
    for at, sid in enumerate(sids):
        if sid in sids[:at]:
            malformed(f"two statements have the Sid {shown(sid)}")


def _form(value: Json, position: int, kind: _Kind, own_resource: Callable[[Json, int], None] | None) -> _Form:
    if not isinstance(value, dict):
        malformed(f"statement {position} is not an object")
    for element in value:
        if element not in _ELEMENTS[kind]:
            malformed(
                f"statement {position} has an element {shown(element)},"
                f" which the policy of an {kind.value} does not have"
            )
    sid = value.get("Sid", "")
    if not isinstance(sid, str) or isinstance(sid, Number):
        malformed(f"the Sid of statement {position} is not a text")
    if kind is _Kind.IDENTITY and "Principal" not in value:
        malformed(f"statement {position} has no Principal")
    resource_fits: Test | None = None
    if own_resource is None:
        _, resource_fits = _either(value, "Resource", position, _resource)
    else:
        own_resource(value.get("Resource"), position)
    if kind is _Kind.IDENTITY and "Action" not in value:
        malformed(f"statement {position} has no Action")
    actions, action_fits = _either(
        value, "Action", position, _sending_actions if kind is _Kind.IDENTITY else _key_actions
    )
    return _Form(
        position=position,
        sid=sid,
        effect=_effect(value.get("Effect"), position),
        principal=value.get("Principal"),
        actions=actions,
        action_fits=action_fits,
        resource_fits=resource_fits,
        conditions=read_conditions(value["Condition"]) if "Condition" in value else (),
    )


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _effect(value: Json, position: int) -> Effect:
    if not isinstance(value, str) or value not in {effect.value for effect in Effect}:
        malformed(f"the Effect of statement {position} is neither Allow nor Deny")
    return Effect(str(value))


def _either(
    statement: Mapping[str, Json], element: str, position: int, compiled: Callable[[list[str], int], Test]
) -> tuple[tuple[str, ...], Test]:
    """Return what an element or its `Not` form lists, and its test. Exactly one of the two is there."""
    opposite = f"Not{element}"
    if (element in statement) == (opposite in statement):
        malformed(
            f"statement {position} has {'both' if element in statement else 'neither'} {element}"
            f" {'and' if element in statement else 'nor'} {opposite}"
        )
    given = element if element in statement else opposite
    texts = _texts(statement[given], given, position)
    fits = compiled(texts, position)
    return tuple(texts), fits if given == element else (lambda text: not fits(text))


def _texts(value: Json, element: str, position: int) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [each for each in values if isinstance(each, str) and not isinstance(each, Number)]
    if not values or len(texts) < len(values):
        malformed(f"the {element} of statement {position} is neither a text nor a list of texts")
    return texts


def _sending_actions(actions: list[str], position: int) -> Test:
    """Return the test of actions that are all of SES (spec 8.3); `*` is every one of them."""
    for action in actions:
        if not _is_action(action, {"ses"}):
            malformed(
                f"the Action {shown(action)} of statement {position} is not one of SES,"
                " as ses:SendEmail or ses:Send* are"
            )
    return wildcards.any_of("ses:*" if action in _EVERY_ACTION else action.lower() for action in actions)


def _key_actions(actions: list[str], position: int) -> Test:
    for action in actions:
        if not _is_action(action, {"ses", "indicia", "sts"}):
            malformed(
                f"the Action {shown(action)} of statement {position} is not one of this service,"
                " as ses:GetEmailIdentity, ses:* or indicia:CheckIdentity are"
            )
    return wildcards.any_of(action.lower() for action in actions)


def _is_action(text: str, services: set[str]) -> bool:
    # The Kelvin sign folds to a k.
    found = _ACTION.match(text.lower()) if text.isascii() else None
    return text in _EVERY_ACTION or (found is not None and found[1] in services)


def _resource(resources: list[str], position: int) -> Test:
    """Return the test of the resources of an access key's policy."""
    tests = []
    for resource in resources:
        if "${" in resource:
            malformed(
                f"the Resource {shown(resource)} of statement {position} has a variable; there are none here"
            )
        if resource == "*":
            tests.append(wildcards.compiled("*"))
            continue
        arn = parse_arn(resource)
        if arn is None:
            refuse(FaultKind.INVALID_POLICY, f"Invalid ARN: {shown(resource)}, in statement {position}")
        if not wildcards.compiled(arn.service)("ses"):
            malformed(f"the Resource {shown(resource)} of statement {position} is not one of this service")
        tests.append(arns.compiled_resource(resource))
    return lambda text: any(test(text) for test in tests)


def _check_own_resource(value: Json, identity: Arn, position: int) -> None:
    """The resource is the one identity that the policy hangs on (spec 8.1).

    Raises: `Fault` INVALID_POLICY `Invalid ARN` for what is no ARN of SES.
    """
    (resource,) = _exactly_one(value, position)
    arn = parse_arn(resource)
    if arn is None or arn.service != "ses" or not arn.identity:  # so is one of another region's partition
        refuse(FaultKind.INVALID_POLICY, "Invalid ARN")
    if (arn.region, arn.account, arn.identity) != (identity.region, identity.account, identity.identity):
        malformed(
            f"the Resource of statement {position} is {shown(resource)},"
            f" and the policy is for {shown(str(identity))}"
        )


def _exactly_one(value: Json, position: int) -> tuple[str]:
    if value is None:
        malformed(f"statement {position} has no Resource")
    texts = _texts(value, "Resource", position)
    if len(texts) != 1:
        _several(position, len(texts))
    return (texts[0],)


def _several(position: int, count: int) -> NoReturn:
    malformed(f"statement {position} has {count} resources; the only one is the identity it hangs on")
