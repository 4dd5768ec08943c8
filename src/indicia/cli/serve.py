"""`indicia serve`: the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from indicia.cli.config import roles_of
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.options import NO_SETTING, Config, SettingFlags, settings_of
from indicia.settings import refusals

_MOST_WORKERS = 64


def serve(
    *,
    config: Config = None,
    roles: Annotated[str | None, Parameter(help="Only these: api, links, verifier, dns.")] = None,
    workers: Annotated[int, Parameter(help="Processes that answer the API.")] = 1,
    ready_file: Annotated[
        Path | None, Parameter(help="Where to write the bound addresses, in JSON, when ready.")
    ] = None,
    settings: SettingFlags = NO_SETTING,
) -> int:
    """Run the service: every role in one process, on embedded defaults, until SIGTERM."""
    if not 1 <= workers <= _MOST_WORKERS:
        raise CommandError(f"--workers: {workers} is not from 1 to {_MOST_WORKERS}", status=USAGE)
    tree = settings_of(config, settings)
    chosen = roles_of(roles)
    against = [refusal for refusal in refusals(tree, chosen) if not refusal.waived]
    if against:
        raise CommandError("; ".join(map(str, against)), status=USAGE)

    # The service brings in most of the house; a refusal should not have to wait for that.
    from indicia.app.running import serve as run
    from indicia.cli.opened import speaking_of_the_installation

    with speaking_of_the_installation():
        return run(tree, roles=chosen, workers=workers, ready_file=ready_file)
