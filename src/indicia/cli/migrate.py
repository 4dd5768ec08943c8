"""`indicia migrate`: the database schema."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from cyclopts import Parameter

from indicia.cli.errors import FAILED, CommandError
from indicia.cli.opened import speaking_of_the_installation
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.cli.output import print_json
from indicia.installation import prepare_folder, record_migration, require_own_files
from indicia.store.engine import schema
from indicia.store.engine.opening import open_database
from indicia.store.engine.schema import NewerSchemaError, Schema

_SAID = {
    Schema.UP_TO_DATE: "The schema is up to date.",
    Schema.EMPTY: "There is no schema yet: `indicia migrate` makes it.",
    Schema.OLDER: "The schema is older than this version: `indicia migrate` brings it up to date.",
    Schema.NEWER: "The schema is newer than this version of Indicia.",
}


def migrate(
    *,
    check: Annotated[
        bool, Parameter(negative="", show_default=False, help="Only look; exit status 1 when it is not.")
    ] = False,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> int:
    """Bring the database schema up to date."""
    tree = settings_of(config, place)
    url = tree.database_url.text
    with speaking_of_the_installation():
        require_own_files(tree)
    if check:
        found = schema.check(url)
        if json:
            print_json({"schema": found.value})
        elif found is Schema.UP_TO_DATE:
            print(_SAID[found])
        else:
            raise CommandError(_SAID[found])
        return 0 if found is Schema.UP_TO_DATE else FAILED
    with speaking_of_the_installation():
        prepare_folder(tree.data_dir)
    try:
        done = schema.migrate(url)
    except NewerSchemaError as error:
        raise CommandError(str(error)) from error
    database = open_database(url)
    try:
        database.write(partial(record_migration, done=done))
    finally:
        database.close()
    if json:
        copy = None if done.copy is None else str(done.copy)
        print_json({"before": done.before, "after": done.after, "copy": copy})
    elif done.before == done.after:
        print(_SAID[Schema.UP_TO_DATE])
    else:
        kept = f" The file as it was is {done.copy}." if done.copy else ""
        print(f"The schema went from {done.before or 'nothing'} to {done.after}.{kept}")
    return 0
