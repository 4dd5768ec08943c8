"""Member-level validation of a request, in the vendor's words (spec 7.4).

It runs before anything is looked up. Every violation is found, in the order of the members, and all are
told in one sentence. The checks of a class are compiled when its first request arrives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from indicia.domain.faults import Fault, FaultKind
from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, Structure, members

if TYPE_CHECKING:
    from msgspec import Struct

    from indicia.wire.shapes.rules import Rule

# A text that has no maximum of its own is held against a pattern only up to this length: some patterns of
# the service models take quadratic time on text made for it. What is longer does not match.
LONGEST_MATCHED = 2048

# A small request can break a rule a hundred thousand times. The search ends when this many are found in one
# list or map, and no more are told.
MOST_TOLD = 50

# Where below the value (a path that begins with a dot, or nothing), and what must hold there.
_Violation: TypeAlias = tuple[str, str]
_Check: TypeAlias = Callable[[Any], Sequence[_Violation]]

_NOT_NULL = "Member must not be null"
_FINE: tuple[_Violation, ...] = ()


def validate(request: Struct) -> None:
    """`request` obeys every rule of its shape, or VALIDATION is raised with all that it breaks.

    A member that is required and absent is None.
    """
    check = _structure(type(request))
    if check is None:
        return
    violations = check(request)
    if violations:
        raise Fault(FaultKind.VALIDATION, _sentence(violations))


def _sentence(violations: Sequence[_Violation]) -> str:
    told = [_clause(path[1:], demand) for path, demand in violations[:MOST_TOLD]]
    more = "more than " if len(violations) > MOST_TOLD else ""
    return f"{more}{len(told)} validation error{'s' if len(told) > 1 else ''} detected: {'; '.join(told)}"


def _clause(path: str, demand: str) -> str:
    # Spec 7.4 shows `Value at 'policy'`, spec 7.6 `Value null at 'message.subject'`: both are followed.
    value = "Value null" if demand is _NOT_NULL and "." in path else "Value"
    return f"{value} at '{path}' failed to satisfy constraint: {demand}"


@cache
def _structure(shape: type[Struct]) -> _Check | None:
    """The check of a structure; None when its members have no rule."""
    rows = [
        (member.name, f".{member.name[0].lower()}{member.name[1:]}", member.required, _check(member.kind))
        for member in members(shape)
    ]
    rows = [row for row in rows if row[2] or row[3]]
    if not rows:
        return None

    def check(value: Struct) -> Sequence[_Violation]:
        found: list[_Violation] = []
        for name, path, required, inner in rows:
            part = getattr(value, name)
            if part is None:
                if required:
                    found.append((path, _NOT_NULL))
            elif inner is not None:
                below = inner(part)
                if below:
                    found += [(path + rest, demand) for rest, demand in below]
        return found

    return check


def _check(kind: Kind) -> _Check | None:
    match kind:
        case Scalar():
            return _scalar(kind)
        case ListOf():
            return _list(kind)
        case MapOf():
            return _map(kind)
        case Structure(shape):
            return _structure(shape)


def _scalar(kind: Scalar) -> _Check | None:
    rule = kind.rule
    if not any(part is not None for part in rule):
        return None
    minimum, maximum, allowed = rule.minimum, rule.maximum, rule.one_of and frozenset(rule.one_of)
    if kind.name != "text":
        return lambda value: _violated_range(value, rule)
    fits = _matcher(rule)

    def check(value: str) -> Sequence[_Violation]:
        # The one line that valid requests reach.
        if (
            (minimum is None or len(value) >= minimum)
            and (maximum is None or len(value) <= maximum)
            and (allowed is None or value in allowed)
            and (fits is None or fits(value))
        ):
            return _FINE
        found = _violated_length(value, rule)
        if allowed is not None and value not in allowed:
            found.append(("", _enumeration(rule)))
        if fits is not None and not fits(value) and (maximum is None or len(value) <= maximum):
            found.append(("", f"Member must satisfy regular expression pattern: {rule.pattern}"))
        return found

    return check


def _matcher(rule: Rule) -> Callable[[str], bool] | None:
    if rule.pattern is None:
        return None
    pattern = re.compile(rule.pattern, re.ASCII)
    limit = LONGEST_MATCHED if rule.maximum is None else rule.maximum
    return lambda value: len(value) <= limit and pattern.fullmatch(value) is not None


def _list(kind: ListOf) -> _Check | None:
    rule, item = kind.rule, _check(kind.item)
    structured = not isinstance(kind.item, Scalar)
    demands = "" if structured else _demands(kind.item)

    def check(value: list[Any]) -> Sequence[_Violation]:
        found = _violated_length(value, rule)
        for position, part in enumerate(value, 1):
            if part is None:
                found.append((f".{position}.member", _NOT_NULL))
            elif item is not None:
                below = item(part)
                if below and not structured:
                    # The vendor tells of such a list once, with all that is asked of its members.
                    return [*found, ("", f"Member must satisfy constraint: [{demands}]")]
                found += [(f".{position}.member{rest}", demand) for rest, demand in below]
            if len(found) > MOST_TOLD:
                break
        return found

    return check


def _map(kind: MapOf) -> _Check | None:
    rule, key_check, value_check = kind.rule, _scalar(kind.key), _check(kind.value)
    structured = not isinstance(kind.value, Scalar)
    if key_check is None and value_check is None and not any(part is not None for part in rule):
        return None

    def check(value: dict[str, Any]) -> Sequence[_Violation]:
        found = _violated_length(value, rule)
        if key_check is not None and any(map(key_check, value)):
            found.append(("", f"Map keys must satisfy constraint: [{_demands(kind.key)}]"))
        if value_check is not None:
            for key, part in value.items():
                below = value_check(part)
                if below and not structured:
                    found.append(("", f"Map value must satisfy constraint: [{_demands(kind.value)}]"))
                    break
                if len(found) > MOST_TOLD:
                    break
                found += [(f".{key[:100]}.member{rest}", demand) for rest, demand in below]
        return found

    return check


def _violated_length(value: Any, rule: Rule) -> list[_Violation]:
    if rule.minimum is not None and len(value) < rule.minimum:
        return [("", f"Member must have length greater than or equal to {rule.minimum}")]
    if rule.maximum is not None and len(value) > rule.maximum:
        return [("", f"Member must have length less than or equal to {rule.maximum}")]
    return []


def _violated_range(value: float, rule: Rule) -> Sequence[_Violation]:
    if rule.minimum is not None and value < rule.minimum:
        return (("", f"Member must have value greater than or equal to {rule.minimum}"),)
    if rule.maximum is not None and value > rule.maximum:
        return (("", f"Member must have value less than or equal to {rule.maximum}"),)
    return _FINE


def _enumeration(rule: Rule) -> str:
    return f"Member must satisfy enum value set: [{', '.join(rule.one_of or ())}]"


def _demands(kind: Kind) -> str:
    """All that is asked of the members of a list or a map, as one text."""
    rule = kind.rule if isinstance(kind, Scalar) else None
    if rule is None:
        return ""
    measure = "length" if isinstance(kind, Scalar) and kind.name == "text" else "value"
    demands = []
    if rule.maximum is not None:
        demands.append(f"Member must have {measure} less than or equal to {rule.maximum}")
    if rule.minimum is not None:
        demands.append(f"Member must have {measure} greater than or equal to {rule.minimum}")
    if rule.pattern is not None:
        demands.append(f"Member must satisfy regular expression pattern: {rule.pattern}")
    if rule.one_of is not None:
        demands.append(_enumeration(rule))
    return ", ".join(demands)
