"""Where values come from: the default, a TOML file, the environment, the command line, each over the last.

A source turns into a layer: setting name to text and to how the person who wrote it would find it again.
Nothing is parsed here; unknown names stop here.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indicia.settings.replication_peers import notation
from indicia.settings.service_links import is_service_link
from indicia.settings.table import BY_NAME, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from indicia.settings.setting import Setting

PREFIX = "INDICIA_"


class SettingsError(Exception):
    """A setting that stops the start: `name` as its writer spelled it, and the reason. Quotes no secret.

    `setting` is its name in the table, empty where it is none. `others` are further mistakes in the same
    settings: the text has all of them, so that nobody mends them one start at a time.
    """

    def __init__(self, name: str, reason: str, *, setting: str = "") -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason
        self.setting = setting
        self.others: tuple[SettingsError, ...] = ()

    @property
    def all(self) -> tuple[SettingsError, ...]:
        """This mistake and the others, in the order in which they were found."""
        return (self, *self.others)

    def __str__(self) -> str:
        return "; ".join(f"{each.name}: {each.reason}" for each in self.all)


class Mistakes:
    """The mistakes found so far, while the rest of the settings is read on."""

    def __init__(self) -> None:
        self.found: list[SettingsError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the mistake that ends what is done inside, and go on after it."""
        try:
            yield
        except SettingsError as mistake:
            self.found.append(mistake)

    def stop(self) -> None:
        """Raise the first mistake, with the others, where there are any."""
        if self.found:
            first, *others = self.found
            first.others = tuple(others)
            raise first


@dataclass(frozen=True, slots=True)
class Written:
    """One value as somebody wrote it. `spelling` is its name there; `source` says where that is."""

    text: str = field(repr=False)
    spelling: str
    source: str


Layer = dict[str, Written]


def from_defaults() -> Layer:
    """Return the built-in defaults."""
    return {
        setting.name: Written(setting.default, setting.variable, "default")
        for setting in TABLE
        if setting.default is not None
    }


def from_overlay(values: Mapping[str, str], source: str) -> Layer:
    """Return other defaults, such as the sandbox's."""
    return {name: Written(text, BY_NAME[name].variable, source) for name, text in values.items()}


def from_environment(environment: Mapping[str, str], mistakes: Mistakes) -> Layer:
    """Return what is set in the environment, where INDICIA_ begins a setting or a mistake.

    What an orchestrator says there of services of our name is neither.
    """
    layer: Layer = {}
    for variable, text in sorted(environment.items()):
        if variable.startswith(PREFIX) and not is_service_link(variable, text):
            with mistakes.noted():
                _take_variable(layer, variable, text)
    return layer


def _take_variable(layer: Layer, variable: str, text: str) -> None:
    name = variable.removeprefix(PREFIX).lower()
    setting, is_file = _find(name)
    if setting is None or variable != variable.upper():
        near = _nearest(name)
        raise SettingsError(variable, f"there is no such setting{_meant(near.variable if near else None)}")
    if setting.toml_only:
        raise SettingsError(variable, f"is set in the TOML file only, in [{name.partition('_')[0]}]")
    _add(layer, setting, text, variable, "environment", is_file=is_file)


def from_flags(flags: Mapping[str, str], mistakes: Mistakes) -> Layer:
    """Return what was given on the command line, by setting name."""
    layer: Layer = {}
    for name, text in flags.items():
        with mistakes.noted():
            _take_flag(layer, name, text)
    return layer


def _take_flag(layer: Layer, name: str, text: str) -> None:
    setting, is_file = _find(name)
    flag = f"--{name.replace('_', '-')}"
    if setting is None or setting.toml_only:
        near = _nearest(name)
        raise SettingsError(flag, f"there is no such setting{_meant(near.flag if near else None)}")
    _add(layer, setting, text, flag, "flag", is_file=is_file)


def from_toml(path: Path, mistakes: Mistakes) -> Layer:
    """Return what a TOML file says, nothing where it is none. Paths in it are relative to its folder."""
    layer: Layer = {}
    with mistakes.noted():
        document = _document(path)
        with mistakes.noted():
            _take_replication(layer, document, path)
        for keys, value in _leaves(document, ()):
            with mistakes.noted():
                _take_key(layer, keys, value, path)
    return layer


def _document(path: Path) -> dict[str, Any]:
    import tomllib  # most installations have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"is not TOML: {error}") from error


def _take_key(layer: Layer, keys: tuple[str, ...], value: object, path: Path) -> None:
    spelling = f"{'.'.join(keys)} in {path}"
    name = "_".join(keys).lower()
    setting, is_file = _find("limits" if name == "limits_profile" else name)
    if setting is None:
        near = _nearest(name.removeprefix(PREFIX.lower()))
        raise SettingsError(spelling, f"there is no such setting{_meant(near.key if near else None)}")
    text = _text(value, spelling)
    if (setting.path or is_file) and text:
        text = str(path.parent / Path(text).expanduser())
    _add(layer, setting, text, spelling, str(path), is_file=is_file)


def _take_replication(layer: Layer, document: dict[str, Any], path: Path) -> None:
    """Put the tables of other installations into one text, as which they are one setting.

    `offers` beside them is a setting of its own.
    """
    given = document.pop("replication", None)
    if isinstance(given, dict):
        offers = given.pop("offers", None)
        if offers is not None:
            _take_key(layer, ("replication", "offers"), offers, path)
        try:
            given = notation(given, path.parent) if given else None
        except ValueError as refused:
            raise SettingsError(f"replication in {path}", str(refused)) from None
    if given is not None:
        document["replication"] = given


def _leaves(table: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        keys = (*above, key)
        if isinstance(value, dict) and "_".join(keys).lower() == "resolvers":
            yield keys, _perspectives(value)
        elif isinstance(value, dict):
            yield from _leaves(value, keys)
        else:
            yield keys, value


def _perspectives(table: dict[str, Any]) -> str:
    """Return a table of perspectives in the notation of the environment."""
    return ";".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in table.items()
    )


def _text(value: object, spelling: str) -> str:
    """Return a TOML value in the notation of the environment."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise SettingsError(spelling, "is neither a string, a whole number, a truth value nor a list of strings")


def _find(name: str) -> tuple[Setting[Any] | None, bool]:
    """Return the setting of a name, and whether the name is its `_file` form."""
    setting = BY_NAME.get(name)
    if setting is not None:
        return setting, False
    setting = BY_NAME.get(name.removesuffix("_file"))
    return (setting, True) if setting is not None and setting.has_file_form else (None, False)


def _nearest(name: str) -> Setting[Any] | None:
    import difflib

    near = difflib.get_close_matches(name, BY_NAME, n=1)
    return BY_NAME[near[0]] if near else None


def _meant(spelling: str | None) -> str:
    return f"; did you mean {spelling}?" if spelling else ""


def _add(
    layer: Layer, setting: Setting[Any], text: str, spelling: str, source: str, *, is_file: bool
) -> None:
    if setting.name in layer:
        raise SettingsError(spelling, f"{layer[setting.name].spelling} says it already")
    if is_file:
        text = _contents(text, spelling)
        source = f"{source}, file"
    layer[setting.name] = Written(text, spelling, source)


def _contents(text: str, spelling: str) -> str:
    """Return what the file holds, less the line end that editors put there."""
    if not text:
        raise SettingsError(spelling, "is not a path")
    path = Path(text).expanduser()
    try:
        contents = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(spelling, f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(spelling, f"{path} is not text") from error
    if not contents.strip():
        raise SettingsError(spelling, f"{path} is empty")
    return contents.rstrip("\r\n")
