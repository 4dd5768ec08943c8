"""Every setting there is, in the order in which they are shown, from the declarations in the tree."""

from __future__ import annotations

from typing import Any, Final

from indicia.settings.setting import Section, Setting, declarations
from indicia.settings.tree import Settings

DECLARED: Final = declarations(Settings)
_ALL: Final = [
    setting
    for declared in DECLARED.values()
    for setting in (declared.settings.values() if isinstance(declared, Section) else (declared,))
]
# What only replaces a part of another value comes last.
TABLE: Final[tuple[Setting[Any], ...]] = tuple(sorted(_ALL, key=lambda setting: setting.replaces))
BY_NAME: Final[dict[str, Setting[Any]]] = {setting.name: setting for setting in TABLE}
