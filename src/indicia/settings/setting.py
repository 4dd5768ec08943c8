"""The declaration of a setting, which stands where the tree has its value, and how declarations are found.

A field of the tree is declared by `setting`, or by `section` where several settings make it up. Everything
else follows from that: names in the environment, in TOML and on the command line, reading and checking, the
pages and what `indicia config` shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
_DECLARED: Final = "declared"


class Values(Protocol):
    """The values that were read, by the names of their settings: others follow from them, or have to fit."""

    @property
    def terminal(self) -> bool:
        """Whether a person reads log lines on a terminal."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a value as it was read."""

    def is_set(self, name: str) -> bool:
        """Say whether anybody set it, the built-in default aside."""

    def shown(self, name: str) -> str:
        """Return a value as `indicia config show` has it."""

    def variable(self, name: str) -> str:
        """Return what a setting is called in messages."""

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Stop for a value that is well-formed and does not fit."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting(Generic[T]):
    """One setting. `default` is text like any other value; without one, `otherwise` says what happens.

    The value is then what `follows` makes of others, or `absent`. The tree has it as `into` makes it. `check`
    looks whether it fits others, once all were read.
    """

    parse: Callable[[str], T]
    meaning: str
    default: str | None = None
    otherwise: str = "none"
    show: Callable[[T], str] = str
    secret: bool = False  # never shown, and has a `_file` form
    sealed: bool = False  # may hold a password: shown without it, and has a `_file` form
    path: bool = False  # in TOML relative to the file it stands in
    later: bool = False  # accepted and checked, and nothing uses it yet
    toml_only: bool = False
    replaces: bool = False  # part of another one's value: there is none where nobody set it
    follows: Callable[[Values], T] | None = None
    absent: T | None = None
    into: Callable[[T], Any] | None = None
    check: Callable[[Values], None] | None = None
    name: str = ""  # that of its field in the tree behind that of the section, where it is no other
    place: str = ""  # its field in the tree; that of the section where it is what the section begins with

    @property
    def variable(self) -> str:
        """The name in messages and documents: that in the environment, or the key in TOML if that is all."""
        return self.key if self.toml_only else f"INDICIA_{self.name.upper()}"

    @property
    def key(self) -> str:
        """The key in TOML, with its table where it is documented in one."""
        return self.name.replace("_", ".", 1) if self.toml_only else self.name

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def has_file_form(self) -> bool:
        """Whether the value may be named as a file that holds it."""
        return self.secret or self.sealed


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """A field of the tree that several settings make up: by `make`, from what each has, by its field."""

    make: Callable[..., Any]
    settings: Mapping[str, Setting[Any]]


def setting(parse: Callable[[str], T], meaning: str, default: str | None = None, **more: Any) -> T:
    """Declare the field of the tree that this stands at. `more` is as for `Setting`."""
    return cast("T", _field(Setting(parse, meaning, default, **more)))


def converted(into: Callable[[Any], T], parse: Callable[[str], Any], meaning: str, **more: Any) -> T:
    """Declare a field that has what `into` makes of what was read, and not that itself."""
    made: Setting[Any] = Setting(parse, meaning, into=into, **more)
    return cast("T", _field(made))


def section(make: Callable[..., T], prefix: str = "", **settings: Setting[Any]) -> T:
    """Declare a field that several settings make up: those given, or those declared in the class `make`.

    Their names are `prefix` and that of the field, where they have none of their own.
    """
    given = settings or dict(_declared_in(make))
    named = {name: _named(each, name, prefix) for name, each in given.items()}
    return cast("T", _field(Section(make, named)))


def _field(declared: Setting[Any] | Section) -> Any:
    return field(metadata={_DECLARED: declared}, repr=not (isinstance(declared, Setting) and declared.secret))


def declarations(tree: type) -> dict[str, Setting[Any] | Section]:
    """Return what is declared in a tree, by its fields, in their order."""
    declared = _declared_in(tree)
    return {name: _named(each, name, "") if isinstance(each, Setting) else each for name, each in declared}


def _declared_in(tree: Any) -> Iterator[tuple[str, Any]]:
    for each in fields(tree):
        if _DECLARED in each.metadata:
            yield each.name, each.metadata[_DECLARED]


def _named(declared: Setting[Any], place: str, prefix: str) -> Setting[Any]:
    return replace(declared, name=declared.name or f"{prefix}{place}", place=declared.place or place)
