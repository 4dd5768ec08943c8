"""The one settings tree: default, TOML file, environment, flag, each over the last.

`load` reads and checks all of it; what is unknown, malformed or does not fit raises one `SettingsError`, with
the name of each setting and the reason; `survey` returns the mistakes beside what is right. `refusals` and
`warnings` say what a server that others can reach should not do.
"""

from indicia.settings.addresses import (
    Address,
    ConfiguredPerspective,
    ConfiguredResolver,
    Network,
    PrivateAddresses,
)
from indicia.settings.choices import Danger, LogFormat, VerificationMode
from indicia.settings.exposure_checks import ExposureRefusal, listeners, refusals, warnings
from indicia.settings.limits import AccountLimits
from indicia.settings.loading import Survey, load, survey
from indicia.settings.resolv_conf import system_perspective
from indicia.settings.roles import ALL_ROLES, BACKGROUND, Role, parse_roles
from indicia.settings.sources import SettingsError
from indicia.settings.tree import ListenSettings, Root, Settings, Shown, Tls, WindowSettings
from indicia.settings.urls import DatabaseUrl, Relay, RelayKind

__all__ = [
    "ALL_ROLES",
    "BACKGROUND",
    "AccountLimits",
    "Address",
    "ConfiguredPerspective",
    "ConfiguredResolver",
    "Danger",
    "DatabaseUrl",
    "ExposureRefusal",
    "ListenSettings",
    "LogFormat",
    "Network",
    "PrivateAddresses",
    "Relay",
    "RelayKind",
    "Role",
    "Root",
    "Settings",
    "SettingsError",
    "Shown",
    "Survey",
    "Tls",
    "VerificationMode",
    "WindowSettings",
    "listeners",
    "load",
    "parse_roles",
    "refusals",
    "survey",
    "system_perspective",
    "warnings",
]
