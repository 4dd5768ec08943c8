"""Conditions of policies: which keys there are, and when a condition holds (spec 8.4).

A key that a request does not have decides by itself: what asks for a value does not hold, what forbids one
does, and `IfExists` and `ForAllValues` hold. A key that it has and whose value is UNKNOWN is not asked: see
`Statement.miss`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.domain.policies.document import Json, malformed
from indicia.domain.policies.operators import NULL, OPERATORS, boolean

Context: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of a request by the key's canonical spelling. A key without values is not there."""

UNKNOWN: Final = ("unknown",)
"""The value of a key that the request has, and that nobody can tell: compared by identity."""

# Spec 8.4, of which each has one value but for the recipients.
SENDING_KEYS: Final = frozenset(
    {
        "ses:ApiVersion",
        "ses:FeedbackAddress",
        "ses:FromAddress",
        "ses:FromDisplayName",
        "ses:Recipients",
        "aws:CurrentTime",
        "aws:EpochTime",
        "aws:PrincipalOrgID",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:UserAgent",
    }
)
_MORE_KEYS_OF_ACCESS_KEYS: Final = frozenset(
    {
        "ses:ReplicaRegion",  # spec 3.8
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:RequestedRegion",
        "aws:ResourceAccount",
        "aws:username",
    }
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The keys that one kind of policy may ask about, by their spellings, to the canonical one."""

    keys: Mapping[str, str]
    any_case: bool

    def canonical(self, key: str) -> str:
        """Return the spelling by which a key is known.

        Raises: `Fault` INVALID_POLICY `Unknown or unapplicable condition field '…'.`
        """
        found = self.keys.get(key.lower() if self.any_case else key)
        if found is None:
            refuse(FaultKind.INVALID_POLICY, f"Unknown or unapplicable condition field '{shown(key)}'.")
        return found


# A sending policy is strict about the spelling (spec 8.4), IAM is not.
SENDING: Final = Vocabulary(MappingProxyType({key: key for key in SENDING_KEYS}), any_case=False)
ACCESS_KEY: Final = Vocabulary(
    MappingProxyType({key.lower(): key for key in SENDING_KEYS | _MORE_KEYS_OF_ACCESS_KEYS}), any_case=True
)


class Quantifier(Enum):
    """Of how many of a request's values a condition must hold."""

    EACH = ""  # none is asked for: it must hold of each, and there must be one
    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key. `operator` is as it was written, `key` canonical."""

    operator: str
    key: str
    values: tuple[str, ...]
    holds: Callable[[Context], bool] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Form:
    """An operator's name, taken apart."""

    name: str
    quantifier: Quantifier
    if_exists: bool


def _form(written: str) -> _Form:
    prefix, colon, rest = written.partition(":")
    quantifier = Quantifier.EACH
    if colon:
        if prefix not in {Quantifier.ALL.value, Quantifier.ANY.value}:
            _unknown_operator(written)
        quantifier = Quantifier(prefix)
    name = (rest if colon else written).removesuffix("IfExists")
    if_exists = written.endswith("IfExists")
    if name not in OPERATORS and (name != NULL or colon or if_exists):
        _unknown_operator(written)
    return _Form(name, quantifier, if_exists)


def _unknown_operator(written: str) -> NoReturn:
    malformed(f"there is no condition operator {shown(written)}")


@dataclass(frozen=True, slots=True)
class Unchecked:
    """One operator on one key, as it was written: well formed, nothing known of its key and values yet."""

    operator: str
    form: _Form
    key: str
    values: tuple[str, ...]


def read_conditions(block: Json) -> tuple[Unchecked, ...]:
    """Return the conditions of a `Condition` element, in order.

    Raises: `Fault` INVALID_POLICY for an operator that does not exist and for what has not the form.
    """
    if not isinstance(block, dict):
        malformed("Condition is not an object")
    found = []
    for written, keys in block.items():
        form = _form(written)
        if not isinstance(keys, dict) or not keys:
            malformed(f"the condition operator {shown(written)} does not have an object with a key")
        found += [Unchecked(written, form, key, _values(key, value)) for key, value in keys.items()]
    return tuple(found)


def _values(key: str, value: Json) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values:
        malformed(f"the condition key {shown(key)} has no values")
    return tuple(_text(key, each) for each in values)


def _text(key: str, value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        malformed(f"a value of the condition key {shown(key)} is neither text nor number nor boolean")
    if "${" in value:
        malformed(f"a value of the condition key {shown(key)} has a variable; there are none here")
    return str(value)


def check_condition(unchecked: Unchecked, vocabulary: Vocabulary) -> Condition:
    """Return the condition, compiled.

    Raises: `Fault` INVALID_POLICY for a key that is unknown, and for a value the operator cannot use.
    """
    key, form, values = vocabulary.canonical(unchecked.key), unchecked.form, unchecked.values
    try:
        holds = _null(key, values) if form.name == NULL else _holds(form, key, values)
    except ValueError:
        told = ", ".join(map(shown, values[:3]))
        malformed(f"the condition operator {unchecked.operator} cannot be used with {told}")
    return Condition(unchecked.operator, key, values, holds)


def _null(key: str, values: tuple[str, ...]) -> Callable[[Context], bool]:
    wanted = frozenset(map(boolean, values))
    return lambda context: (not context.get(key)) in wanted


def _holds(form: _Form, key: str, values: tuple[str, ...]) -> Callable[[Context], bool]:
    operator = OPERATORS[form.name]
    fits, negated = operator.compiled(values), operator.negated
    if form.quantifier is Quantifier.ANY:
        absent, of_several = form.if_exists, any
    else:
        absent, of_several = negated or form.if_exists or form.quantifier is Quantifier.ALL, all

    def holds(context: Context) -> bool:
        given = context.get(key)
        if not given:
            return absent
        if len(given) == 1:
            return fits(given[0]) is not negated
        return of_several(fits(each) is not negated for each in given)

    return holds
