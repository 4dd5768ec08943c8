"""`indicia config`: whether the settings hold together, and what they are."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from indicia.cli.errors import FAILED, USAGE, CommandError
from indicia.cli.options import NO_SETTING, Config, Json, SettingFlags, settings_of
from indicia.cli.output import print_columns, print_json
from indicia.settings import (
    ALL_ROLES,
    Refusal,
    Role,
    Settings,
    parse_roles,
    refusals,
    warnings,
)

app = App(name="config", help="Check and show the settings.")


def roles_of(text: str | None) -> frozenset[Role]:
    """Return the roles of `--roles`, all of them where it was not given."""
    try:
        return ALL_ROLES if text is None else parse_roles(text)
    except ValueError as refused:
        raise CommandError(f"--roles: {refused}", status=USAGE) from refused


def what_stands_against(tree: Settings, roles: frozenset[Role]) -> list[Refusal]:
    """Return why `serve` would not start with these settings, nothing when it would."""
    return [refusal for refusal in refusals(tree, roles) if not refusal.waived]


@app.command
def check(
    *,
    config: Config = None,
    roles: Annotated[str | None, Parameter(help="Check for `serve` with these roles.")] = None,
    json: Json = False,
    settings: SettingFlags = NO_SETTING,
) -> int:
    """Check whether `indicia serve` would start with these settings. Exit status 0 when it would."""
    tree = settings_of(config, settings)
    chosen = roles_of(roles)
    stand = refusals(tree, chosen)
    against = what_stands_against(tree, chosen)
    warned = [
        *(f"waived ({refusal.name}): {refusal.reason}" for refusal in stand if refusal.waived),
        *warnings(tree, chosen),
    ]
    if json:
        print_json(
            {
                "ok": not against,
                "refusals": [
                    {"name": refusal.name, "reason": refusal.reason}
                    for refusal in stand
                    if not refusal.waived
                ],
                "warnings": warned,
            }
        )
        return FAILED if against else 0
    for warning in warned:
        print(f"warning: {warning}")
    if against:
        raise CommandError("; ".join(map(str, against)))
    print("The settings are good.")
    return 0


@app.command
def show(*, config: Config = None, json: Json = False, settings: SettingFlags = NO_SETTING) -> None:
    """Print every setting with its value and where that came from. Secrets are not shown."""
    shown = settings_of(config, settings).shown
    if json:
        print_json(
            {
                setting.name: {"value": setting.value, "source": setting.source, "meaning": setting.meaning}
                for setting in shown
            }
        )
        return
    print_columns(
        ("SETTING", "SOURCE", "VALUE"), [(setting.name, setting.source, setting.value) for setting in shown]
    )
