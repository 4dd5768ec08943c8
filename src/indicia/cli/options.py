"""The options that several commands have: the settings as flags, the configuration file, `--json`."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Group, Parameter

from indicia.cli.errors import CommandError
from indicia.settings import Settings, Survey, load, survey
from indicia.settings.setting import Setting
from indicia.settings.table import BY_NAME, TABLE

DEFAULT_CONFIG_FILE = Path("indicia.toml")

_SETTINGS = Group(
    "Settings", help="Each also in the environment and in the TOML file; see `indicia config show`."
)

Config: TypeAlias = Annotated[
    Path | None, Parameter(name="--config", help="TOML file. ./indicia.toml is read if it is there.")
]
Json: TypeAlias = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="Print JSON.")
]


@dataclass(frozen=True)
class Flags:
    """Settings given on the command line; what was not given is None."""

    def given(self) -> dict[str, str]:
        """Return what was given, by setting name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def _flags(name: str, settings: Sequence[Setting[Any]]) -> type[Flags]:
    """Return a class of flags with one field a setting."""
    made = make_dataclass(
        name,
        [_field(setting) for setting in settings if not setting.toml_only],
        bases=(Flags,),
        frozen=True,
        kw_only=True,
    )
    made.__module__ = __name__  # cyclopts takes classes of the module `types` for built-in ones
    return made


def _field(setting: Setting[Any]) -> tuple[str, Any, None]:
    """Return the field of one flag: name, annotation, default."""
    default = setting.default if setting.default is not None else setting.otherwise
    shown = f" [default: {default}]" if 0 < len(default) < 60 and default != "none" else ""
    later = " (later)" if setting.later else ""
    name, meaning = setting.name, setting.meaning
    if setting.secret:
        # On a command line it would be there for everyone on the machine to read, in the list of processes.
        name, meaning = f"{name}_file", f"file with {meaning}"
    parameter = Parameter(
        name=f"--{name.replace('_', '-')}",
        help=f"{meaning}{later}{shown}",
        group=_SETTINGS,
        show_default=False,
    )
    return name, Annotated[str | None, parameter], None


if TYPE_CHECKING:
    AnySetting = Flags
    Place = Flags
    Parts = Flags
else:
    AnySetting = _flags("AnySetting", TABLE)
    Place = _flags("Place", [BY_NAME[name] for name in ("data_dir", "database_url", "master_key_file")])
    Parts = _flags("Parts", [BY_NAME[name] for name in ("database_url", "master_key_file")])

SettingFlags: TypeAlias = Annotated[AnySetting, Parameter(name="*")]
PlaceFlags: TypeAlias = Annotated[Place, Parameter(name="*")]
PartsFlags: TypeAlias = Annotated[Parts, Parameter(name="*")]
NO_SETTING = AnySetting()
NO_PLACE = Place()
NO_PARTS = Parts()


def settings_of(config: Path | None, flags: Flags) -> Settings:
    """Return the settings tree of this process: its environment, its terminal, the configuration file."""
    return load(config_file(config), os.environ, flags.given(), terminal=sys.stderr.isatty())


def survey_of(config: Path | None, flags: Flags) -> Survey:
    """Return the settings of this process with every mistake in them."""
    return survey(config_file(config), os.environ, flags.given(), terminal=sys.stderr.isatty())


def config_file(config: Path | None) -> Path | None:
    """Return the configuration file that was named, else ./indicia.toml where there is one.

    Raises: `CommandError` where this user may not look: the settings could be other ones than are meant.
    """
    if config is not None:
        return config
    try:
        return DEFAULT_CONFIG_FILE if stat.S_ISREG(DEFAULT_CONFIG_FILE.stat().st_mode) else None
    except PermissionError as error:
        raise CommandError(
            f"nobody may look for ./{DEFAULT_CONFIG_FILE} here as this user ({error.strerror}):"
            " go to another folder, or name the file with --config"
        ) from error
    except OSError:
        return None
