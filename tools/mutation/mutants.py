"""The mutants of a module: each is the module with one mistake in it."""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import libcst as cst

from mutation.operators import is_of_a_rule, mistakes

# What says something about types only, or is read by nobody: a mistake there changes nothing.
_TYPES_ONLY = {"NewType", "TypeVar", "ParamSpec", "cast", "overload"}
_LISTS_OF_NAMES = {"__all__", "__slots__", "__match_args__"}


@dataclass(frozen=True)
class Mutant:
    """A module with one mistake: where it is, and the lines as they were and as they became."""

    module: str
    inside: str
    before: str
    source: str

    @cached_property
    def diff(self) -> str:
        """The mistake, for a reader."""
        lines = difflib.unified_diff(
            self.before.splitlines(), self.source.splitlines(), self.module, self.module, n=2, lineterm=""
        )
        return "\n".join(lines)

    @cached_property
    def was(self) -> str:
        """The lines that the mistake replaces, one after another, without their indentation."""
        return self._changed("-")

    @cached_property
    def becomes(self) -> str:
        """The lines that stand there instead."""
        return self._changed("+")

    def _changed(self, sign: str) -> str:
        lines = self.diff.splitlines()[2:]
        return "\n".join(line[1:].strip() for line in lines if line.startswith(sign))


@dataclass(frozen=True)
class Place:
    """Where mistakes can be made, and which."""

    node: cst.CSTNode
    inside: str
    mistakes: list[cst.CSTNode]
    is_rule: bool


def sample(module: str, source: str, count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants, or as many as there are: the same ones for the same module and seed.

    Two of three are drawn from the mistakes about rules, the others from all of them.
    """
    tree = cst.parse_module(source)
    finder = _PlaceFinder(_members(tree))
    tree.visit(finder)
    chance = random.Random(f"{seed} {module}")
    rules = [place for place in finder.places if place.is_rule]
    drawn = [*_shuffled(rules, chance)[: count * 2 // 3], *_shuffled(finder.places, chance)]
    made: dict[str, Mutant] = {}
    for place in drawn:
        if len(made) == count:
            break
        mutant = _mutant(module, source, tree, place, chance)
        if mutant is not None:
            made.setdefault(mutant.source, mutant)
    return list(made.values())


def _mutant(module: str, source: str, tree: cst.Module, place: Place, chance: random.Random) -> Mutant | None:
    mutated = tree.deep_replace(place.node, chance.choice(place.mistakes))
    assert isinstance(mutated, cst.Module)
    text = mutated.code
    try:
        compiled = ast.parse(text)
    except SyntaxError:
        return None
    # A pair of brackets more is no mistake.
    if ast.dump(compiled) == ast.dump(ast.parse(source)):
        return None
    return Mutant(module, place.inside, source, text)


def _shuffled(places: list[Place], chance: random.Random) -> list[Place]:
    return chance.sample(places, len(places))


def _members(tree: cst.Module) -> dict[str, list[str]]:
    finder = _MemberFinder()
    tree.visit(finder)
    return {name: sorted(found) for name, found in finder.members.items()}


class _MemberFinder(cst.CSTVisitor):
    """Finds what is written like a member of an enumeration: `Status.PENDING`."""

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, set[str]] = {}

    def on_visit(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.Attribute(value=cst.Name(value=name), attr=cst.Name(value=member)):
                if name[0].isupper() and member.isupper():
                    self.members.setdefault(name, set()).add(member)
            case _:
                pass
        return True


class _PlaceFinder(cst.CSTVisitor):
    """Finds the places where a mistake would change what the module does."""

    def __init__(self, members: dict[str, list[str]]) -> None:
        super().__init__()
        self.places: list[Place] = []
        self._members = members
        self._inside: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _says_nothing(node):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._inside.append(node.name.value)
        found = mistakes(node, self._members)
        if found:
            self.places.append(Place(node, ".".join(self._inside), found, is_of_a_rule(node)))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        # What says nothing of what it does was not entered, and is left all the same.
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._inside.pop()


def _says_nothing(node: cst.CSTNode) -> bool:
    match node:
        case cst.Annotation() | cst.Decorator() | cst.Import() | cst.ImportFrom() | cst.AssignTarget():
            return True
        case cst.AnnAssign(annotation=cst.Annotation(annotation=cst.Name(value="TypeAlias"))):
            return True
        case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString() | cst.Ellipsis()):
            return True
        case cst.Call(func=cst.Name(value=name)):
            return name in _TYPES_ONLY
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]):
            return name in _LISTS_OF_NAMES
        case _:
            return isinstance(node, cst.If) and any(_names_of(node.test, "TYPE_CHECKING"))


def _names_of(node: cst.CSTNode, name: str) -> Iterator[cst.CSTNode]:
    if isinstance(node, cst.Name) and node.value == name:
        yield node
