"""From what people wrote to the settings tree: every value parsed, every pair that must fit compared."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from indicia.settings.setting import Section, Setting
from indicia.settings.sources import (
    Layer,
    Mistakes,
    SettingsError,
    Written,
    from_defaults,
    from_environment,
    from_flags,
    from_overlay,
    from_toml,
)
from indicia.settings.table import BY_NAME, DECLARED, TABLE
from indicia.settings.tree import Settings, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")

NOT_SHOWN = "(set, not shown)"


@dataclass(frozen=True, slots=True)
class Survey:
    """What people set: every setting as it may be shown, the mistakes, and the tree where there are none."""

    settings: Settings | None
    shown: tuple[Shown, ...]
    mistakes: Mistakes


def load(
    config_file: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    flags: Mapping[str, str] = MappingProxyType({}),
    *,
    terminal: bool = False,
    defaults: Mapping[str, str] = MappingProxyType({}),
    defaults_name: str = "sandbox",
) -> Settings:
    """Return the settings tree.

    `flags` are by setting name. `terminal` says whether log lines will be read by a person. `defaults`
    replace built-in defaults by name, for a command that has its own.

    Raises: `SettingsError` for whatever is unknown, malformed, or does not fit the rest.
    """
    found = survey(
        config_file, environment, flags, terminal=terminal, defaults=defaults, defaults_name=defaults_name
    )
    found.mistakes.stop()
    assert found.settings is not None
    return found.settings


def survey(
    config_file: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    flags: Mapping[str, str] = MappingProxyType({}),
    *,
    terminal: bool = False,
    defaults: Mapping[str, str] = MappingProxyType({}),
    defaults_name: str = "sandbox",
) -> Survey:
    """Return the settings with every mistake in them. What is given is as for `load`."""
    mistakes = Mistakes()
    written: Layer = from_defaults() | from_overlay(defaults, defaults_name)
    if config_file is not None:
        written |= from_toml(config_file, mistakes)
    written |= from_environment(environment, mistakes)
    written |= from_flags(flags, mistakes)
    reading = _Reading(written, terminal=terminal)
    for setting in TABLE:
        if reading.is_written(setting) or not setting.toml_only:
            with mistakes.noted():
                reading.read(setting)
    if not mistakes.found:
        for check in (setting.check for setting in TABLE if setting.check is not None):
            with mistakes.noted():
                check(reading)
    settings = None if mistakes.found else reading.tree()
    return Survey(settings, reading.rows(mistakes.found), mistakes)


class _Reading:
    """The written values being read, and how each is to be shown (`Values`).

    What follows from other values is settled when somebody asks for it: they have all been read by then.
    """

    def __init__(self, written: Layer, *, terminal: bool) -> None:
        self._written = written
        self._read: dict[str, Any] = {}
        self._open: set[str] = set()  # read, and nobody has written any
        self._settled: dict[str, tuple[str, str]] = {}
        self.terminal = terminal

    def __getitem__(self, name: str, /) -> Any:
        """Return a value as it was read, or as it follows from others."""
        setting = BY_NAME[name]
        if name not in self._read:
            self.read(setting)
        if setting.follows is not None and name in self._open:
            self._open.remove(name)
            value = self._read[name] = setting.follows(self)
            self._settled[name] = (setting.show(value), "default")
        return self._read[name]

    def is_written(self, setting: Setting[Any]) -> bool:
        """Say whether it has a text, a default's or anybody's."""
        return setting.name in self._written

    def read(self, setting: Setting[Any]) -> None:
        """Read the value, where there is a text."""
        written = self._written.get(setting.name)
        if written is None:
            self._read[setting.name] = setting.absent
            self._open.add(setting.name)
            self._settled[setting.name] = (f"({setting.otherwise})", "default")
            return
        value = self._parsed(setting, written)
        self._read[setting.name] = value
        self._settled[setting.name] = (NOT_SHOWN if setting.secret else setting.show(value), written.source)

    def _parsed(self, setting: Setting[T], written: Written) -> T:
        try:
            return setting.parse(written.text)
        except ValueError as refused:
            # The chain ends here: the cause may quote what a person wrote, and the reason is made not to.
            raise SettingsError(written.spelling, str(refused), setting=setting.name) from None

    def is_set(self, name: str) -> bool:
        """Say whether anybody set it, the built-in default aside."""
        return self._settled[name][1] != "default"

    def shown(self, name: str) -> str:
        """Return a value as `indicia config show` has it."""
        return self._settled[name][0]

    def variable(self, name: str) -> str:
        """Return what a setting is called in messages."""
        return BY_NAME[name].variable

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Stop for a value that is well-formed and does not fit."""
        written = self._written.get(name)
        raise SettingsError(written.spelling if written else self.variable(name), reason, setting=name)

    def sources(self) -> Mapping[str, str]:
        """Return where each value came from, by setting name."""
        return MappingProxyType({name: source for name, (_, source) in self._settled.items()})

    def rows(self, mistakes: Sequence[SettingsError] = ()) -> tuple[Shown, ...]:
        """Return every setting with its value as it may be shown, in the order of the table."""
        reasons = {mistake.setting: mistake.reason for mistake in mistakes}
        return tuple(
            self._row(setting, reasons.get(setting.name, ""))
            for setting in TABLE
            if setting.name in self._settled or setting.name in reasons
        )

    def _row(self, setting: Setting[Any], mistake: str) -> Shown:
        if mistake:
            written = self._written.get(setting.name)
            source = written.source if written else "default"
            return Shown(setting.variable, "", source, setting.meaning, mistake)
        return Shown(setting.variable, *self._settled[setting.name], setting.meaning)

    def tree(self) -> Settings:
        """Return the tree of what was read."""
        values = {place: self._made(declared) for place, declared in DECLARED.items()}
        return Settings(**values, sources=self.sources(), shown=self.rows())

    def _made(self, declared: Setting[Any] | Section) -> Any:
        if isinstance(declared, Setting):
            value = self[declared.name]
            return value if declared.into is None else declared.into(value)
        return declared.make(
            **{
                place: self._made(setting)
                for place, setting in declared.settings.items()
                if self.is_written(setting) or not setting.replaces
            }
        )
