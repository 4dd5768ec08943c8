"""`docs/reference/settings.md`: every setting, read from the table of settings."""

from __future__ import annotations

import re
from typing import Any

from indicia.settings.choices import Danger
from indicia.settings.exposure_checks import UNREAL_SUFFIXES
from indicia.settings.limits import PROFILES, SINGLE
from indicia.settings.setting import Setting
from indicia.settings.table import TABLE
from pages.markdown import SOURCES, Blocks, code, table

PATH = "docs/reference/settings.md"

_WAIVABLE = {
    Danger.SERVICE_DOMAIN: "a service domain under "
    + ", ".join(f"`.{suffix}`" for suffix in UNREAL_SUFFIXES)
    + ", which no DNS will ever hold",
    Danger.INSTANT_VERIFICATION: "`INDICIA_VERIFICATION=instant`, with which anybody verifies any domain",
    Danger.PRIVATE_ADDRESSES: "`INDICIA_PRIVATE_ADDRESSES=allow`, with which tenants reach into your network",
    Danger.PLAIN_HTTP: "HTTP with neither TLS nor a trusted proxy in front",
}

# Settings that only the reading looks at.
_USED_IN_READING = {"unsafe"}
_TREE = r"(?:settings|tree|installation\.settings|windows|listen|root|tls)"


def blocks() -> Blocks:
    """Return the settings, the limits of each profile, and what `serve` refuses."""
    common = [setting for setting in TABLE if not setting.toml_only]
    return {
        PATH: {
            "settings": table(("variable", "meaning", "default", ""), map(_row, common)),
            "limits": table(("value in `[limits]`", *(code(name) for name in PROFILES), ""), _limits()),
            "refusals": table(
                ("name", "refused"), [(code(danger.value), _WAIVABLE[danger]) for danger in Danger]
            ),
        }
    }


def _row(setting: Setting[Any]) -> tuple[str, str, str, str]:
    notes = []
    if setting.has_file_form:
        notes.append(f"also {code(setting.variable + '_FILE')}")
    if setting.later:
        notes.append("reserved for a later version")
    elif not _used(setting):
        notes.append("checked, and not used by this version yet")
    if setting.default is None:
        default = setting.otherwise if setting.otherwise != "none" else ""
    else:
        default = code(setting.default) or "none"
    if len(default) > 200:
        default = (
            f"the regions of Amazon SES, {code(setting.default.split(',')[0])} first"
            if setting.default
            else ""
        )
    return code(setting.variable), setting.meaning, default, "; ".join(notes)


def _used(setting: Setting[Any]) -> bool:
    """Say whether anything but the reading of settings looks at the value."""
    return setting.name in _USED_IN_READING or _named_outside(rf"\b{_TREE}\.{setting.place}\b")


def _named_outside(pattern: str) -> bool:
    """Say whether anything outside the package of settings matches."""
    files = [file for file in SOURCES.rglob("*.py") if file.parent.name != "settings"]
    return any(re.search(pattern, file.read_text(encoding="utf-8")) for file in files)


def _limits() -> list[tuple[str, ...]]:
    def shown(value: int | None) -> str:
        return "off" if value is None else f"{value:,}"

    return [
        (
            code(name),
            *(shown(getattr(profile, name)) for profile in PROFILES.values()),
            "" if _named_outside(rf"\blimits\.{name}\b") else "not enforced by this version yet",
        )
        for name in SINGLE
    ]
