"""Mistakes that a colleague could make: those of mutmut, and a few more of ours, for one node each.

mutmut changes numbers, operators, names and arguments. What it leaves alone is where rules live: which
of two is the greatest, whether a condition counts at all, which member of an enumeration is meant, which
entry of a table is missing, whether a step is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from mutmut.mutation.mutators import mutation_operators, operator_string

_OPPOSITES = {"max": "min", "min": "max", "any": "all", "all": "any"}
_UNITS = {"SECOND": "MINUTE", "MINUTE": "HOUR", "HOUR": "DAY", "DAY": "HOUR"}


def mistakes(node: cst.CSTNode, members: dict[str, list[str]]) -> list[cst.CSTNode]:
    """Return what could stand in the place of a node, wrongly.

    `members` are the members named in the module of each enumeration it names.
    """
    found: list[cst.CSTNode] = []
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            made = list(operator(node))
            # A word written in capitals is no other mistake than a word that is wrong.
            found += made[:1] if operator is operator_string else made
    found += _of_ours(node)
    if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name):
        others = [one for one in members.get(node.value.value, ()) if one != node.attr.value]
        found += [node.with_changes(attr=cst.Name(one)) for one in others]
    return found


def is_of_a_rule(node: cst.CSTNode) -> bool:
    """Return whether a mistake here is one about a rule, rather than one that mostly ends in a crash."""
    return not isinstance(node, cst.Assign | cst.AnnAssign | cst.BaseString) and (
        not isinstance(node, cst.Call) or (isinstance(node.func, cst.Name) and node.func.value in _OPPOSITES)
    )


def _of_ours(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    match node:
        case cst.BooleanOperation():
            yield from (_in_brackets(node.left), _in_brackets(node.right))
        case cst.If() | cst.CompIf():
            yield node.with_changes(test=_joined(node.test, cst.Or(), "True"))
            yield node.with_changes(test=_joined(node.test, cst.And(), "False"))
        case cst.Return(value=cst.BaseExpression() as value) if not _is_named(value, "None"):
            yield node.with_changes(value=cst.Name("None"))
        case cst.SimpleStatementLine(body=[cst.Expr(value=cst.Call() | cst.Await())]):
            yield node.with_changes(body=[cst.Pass()])
        case cst.AugAssign():
            yield cst.Pass()
        case cst.Dict() | cst.Set() | cst.List() if len(node.elements) > 1:
            for index in range(len(node.elements)):
                yield node.with_changes(elements=[*node.elements[:index], *node.elements[index + 1 :]])
        case _:
            yield from _of_ours_within(node)


def _of_ours_within(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    match node:
        case cst.Name(value=name) if name in _UNITS:
            yield node.with_changes(value=_UNITS[name])
        case cst.Integer() if node.evaluated_value > 0:
            yield node.with_changes(value=str(node.evaluated_value - 1))
        case cst.Call(func=cst.Name(value=name)) if name in _OPPOSITES:
            yield node.with_changes(func=cst.Name(_OPPOSITES[name]))
        case _:
            return


def _in_brackets(node: cst.BaseExpression) -> cst.BaseExpression:
    if node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _joined(test: cst.BaseExpression, operator: cst.BaseBooleanOp, name: str) -> cst.BaseExpression:
    return cst.BooleanOperation(_in_brackets(test), operator, cst.Name(name))


def _is_named(node: cst.BaseExpression, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name
