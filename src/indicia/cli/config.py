"""`indicia config`: whether the settings hold together, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from indicia.cli.errors import FAILED, USAGE, CommandError, complain
from indicia.cli.options import NO_SETTING, Config, Json, SettingFlags, survey_of
from indicia.cli.output import print_columns, print_json
from indicia.settings import (
    ALL_ROLES,
    ExposureRefusal,
    Role,
    Settings,
    parse_roles,
    refusals,
    warnings,
)
from indicia.settings.exposure_checks import only_for_trying

if TYPE_CHECKING:
    from indicia.app.processes.preflight import Obstacle

app = App(name="config", help="Check and show the settings.")


def roles_of(text: str | None) -> frozenset[Role]:
    """Return the roles of `--roles`, all of them where it was not given."""
    try:
        return ALL_ROLES if text is None else parse_roles(text)
    except ValueError as refused:
        raise CommandError(f"--roles: {refused}", status=USAGE) from refused


def what_stands_against(tree: Settings, roles: frozenset[Role]) -> list[ExposureRefusal]:
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
    """Check whether `indicia serve` would start: settings, certificate, data dir, database, keyring.

    Makes and changes nothing. Exit status 0 when it would start, 1 when it would not, 2 for a mistake in the
    settings.
    """
    chosen = roles_of(roles)
    survey = survey_of(config, settings)
    tree = survey.settings
    stand = [] if tree is None else refusals(tree, chosen)
    against = [refusal for refusal in stand if not refusal.waived]
    hindered = [] if tree is None else _obstacles(tree, chosen)
    warned = [f"waived ({refusal.name}): {refusal.reason}" for refusal in stand if refusal.waived]
    warned += [] if tree is None else [*warnings(tree, chosen), *_open_secrets(tree)]
    if tree is not None and not stand and (trying := only_for_trying(tree)):
        warned.append(trying)
    mistakes = survey.mistakes.found
    if json:
        print_json(
            {
                "ok": not (mistakes or against or hindered),
                "mistakes": [{"name": mistake.name, "reason": mistake.reason} for mistake in mistakes],
                "refusals": [{"name": refusal.name, "reason": refusal.reason} for refusal in against],
                "obstacles": [{"part": obstacle.part, "reason": obstacle.reason} for obstacle in hindered],
                "warnings": warned,
            }
        )
    else:
        for warning in warned:
            print(f"warning: {warning}")
        for reason in (
            *(f"{mistake.name}: {mistake.reason}" for mistake in mistakes),
            *map(str, against),
            *(obstacle.reason for obstacle in hindered),
        ):
            complain(reason)
    if mistakes:
        return USAGE
    if against or hindered:
        return FAILED
    if not json:
        print("The settings are good: `indicia serve` would start.")
    return 0


def _open_secrets(tree: Settings) -> list[str]:
    from indicia.app.processes.preflight import open_secrets

    return open_secrets(tree)


def _obstacles(tree: Settings, roles: frozenset[Role]) -> list[Obstacle]:
    from indicia.app.processes.preflight import obstacles  # it brings in the server and the database

    return obstacles(tree, roles)


@app.command
def show(*, config: Config = None, json: Json = False, settings: SettingFlags = NO_SETTING) -> int:
    """Print every setting with its value and where that came from. Secrets are not shown.

    What is wrong with a setting stands in place of its value. Exit status 2 when anything is wrong.
    """
    survey = survey_of(config, settings)
    if json:
        print_json(
            {
                setting.name: {
                    "value": setting.value,
                    "source": setting.source,
                    "meaning": setting.meaning,
                    "mistake": setting.mistake or None,
                }
                for setting in survey.shown
            }
        )
    else:
        print_columns(
            ("SETTING", "SOURCE", "VALUE"),
            [
                (each.name, each.source, f"(wrong: {each.mistake})" if each.mistake else each.value)
                for each in survey.shown
            ],
        )
    for mistake in survey.mistakes.found:
        complain(f"{mistake.name}: {mistake.reason}")
    return USAGE if survey.mistakes.found else 0
