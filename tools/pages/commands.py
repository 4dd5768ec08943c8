"""`docs/reference/cli.md`: every command and its options, read from the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from indicia.cli import application
from pages.markdown import Blocks, code, table

PATH = "docs/reference/cli.md"

# Groups of options that many commands share: named, and said once.
_SETTINGS, _SERVICE = "Settings", "Service"
_MANY = 8


def blocks() -> Blocks:
    """Return every command."""
    listed = [_command(name, command) for name, command in _commands(application(), ("indicia",))]
    return {PATH: {"commands": "\n\n".join(listed)}}


def _commands(app: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Return every command that can be run, each behind the one it is in."""
    for name in app:
        if name.startswith("-"):
            continue
        inner = app[name]
        here = (*path, name)
        if inner.default_command is not None:
            yield " ".join(here), inner
        yield from _commands(inner, here)


def _command(name: str, command: Any) -> str:
    told = inspect.getdoc(command.default_command) or command.help
    arguments = [
        each for each in command.assemble_argument_collection() if each.names and each.names != ("*",)
    ]
    own = [each for each in arguments if _group(each) not in {_SETTINGS, _SERVICE}]
    parts = [f"## {name}", told]
    if own:
        parts.append(table(("argument", "meaning"), map(_row, own)))
    parts += _shared(arguments)
    return "\n\n".join(parts)


def _shared(arguments: list[Any]) -> list[str]:
    """Return one sentence for each group of options that the command shares with others."""
    settings = [each.names[0] for each in arguments if _group(each) == _SETTINGS]
    service = [each.names[0] for each in arguments if _group(each) == _SERVICE]
    said = []
    if len(settings) > _MANY:
        said.append("And every [setting](settings.md) as a flag.")
    elif settings:
        said.append(f"And {', '.join(map(code, settings))}: [settings](settings.md) that say where to work.")
    if service:
        said.append(f"And {', '.join(map(code, service))}, as of the AWS CLI.")
    return said


def _group(argument: Any) -> str:
    groups = argument.parameter.group
    return str(groups[0].name) if groups else ""


def _row(argument: Any) -> tuple[str, str]:
    default = argument.field_info.default
    meaning = argument.parameter.help or ""
    if isinstance(default, (str, int)) and not isinstance(default, bool) and default != "":
        meaning += f" Default: {code(str(default))}."
    return " or ".join(map(code, argument.names)), meaning
