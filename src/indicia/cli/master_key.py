"""`indicia master-key`: the key that encrypts private keys and secrets at rest."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from cyclopts import App, Parameter

from indicia import operator_entries
from indicia.cli.errors import CommandError
from indicia.cli.opened import opened, opened_database, speaking_of_the_installation
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.cli.output import print_json
from indicia.installation import FINGERPRINT, prepare_folder, require_own_files
from indicia.runtime.clock import real_now
from indicia.store.accounts import audit
from indicia.store.engine import meta, schema
from indicia.store.engine.schema import Schema
from indicia.store.engine.session import Session
from indicia.vault import keyring
from indicia.vault.keyring import KeyringError
from indicia.vault.reseal import reseal

app = App(name="master-key", help="Create and rotate the key that encrypts secrets at rest.")


@app.command
def create(*, config: Config = None, json: Json = False, place: PlaceFlags = NO_PLACE) -> None:
    """Create the keyring of a new installation. Every machine of it gets the same file."""
    tree = settings_of(config, place)
    with speaking_of_the_installation():
        require_own_files(tree)
    if schema.check(tree.database_url.text) is Schema.UP_TO_DATE:
        with opened_database(tree) as database:
            recorded = database.read(lambda s: meta.get(s, FINGERPRINT))
        if recorded is not None:
            raise CommandError(
                f"the database is encrypted under the master key {recorded}: put its keyring at "
                f"{tree.master_key_file}, or rotate it with `indicia master-key rotate`"
            )
    with speaking_of_the_installation():
        prepare_folder(tree.data_dir)
    try:
        ring = keyring.create(tree.master_key_file)
    except KeyringError as error:
        raise CommandError(str(error)) from error
    if json:
        print_json({"file": str(tree.master_key_file), "fingerprint": ring.fingerprint})
    else:
        print(f"{tree.master_key_file} holds the new master key {ring.fingerprint}. Keep a copy elsewhere:")
        print("without it no private key and no secret in the database can be read again.")


@app.command
def rotate(
    *,
    reseal_only: Annotated[
        bool,
        Parameter(
            name="--reseal",
            negative="",
            show_default=False,
            help="Make no new key: encrypt everything anew under the first key of the file.",
        ),
    ] = False,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Put a new master key in front of the others, and encrypt everything anew under it.

    Running servers follow. On PostgreSQL there may be other machines, which need the new file first:
    there it is two steps, `rotate`, and `rotate --reseal` when every machine has the file.
    """
    tree = settings_of(config, place)
    with opened(tree) as (database, present):
        try:
            ring = present if reseal_only else keyring.rotate(tree.master_key_file)
            if not reseal_only:
                database.write(partial(_record, operation="RotateMasterKey", fingerprint=ring.fingerprint))
            in_one_step = reseal_only or database.dialect == "sqlite"
            count = 0
            if in_one_step:
                database.write(lambda s: meta.put(s, FINGERPRINT, ring.fingerprint))
                count = reseal(database, ring)
                database.write(partial(_record, operation="ResealSecrets", fingerprint=ring.fingerprint))
        except KeyringError as error:
            raise CommandError(str(error)) from error
    if json:
        print_json({"fingerprint": ring.fingerprint, "resealed": count, "finished": in_one_step})
    elif in_one_step:
        print(f"The master key is {ring.fingerprint}; {count} values are encrypted anew under it.")
    else:
        print(
            f"{tree.master_key_file} begins with the new master key {ring.fingerprint}. Now copy the file to"
        )
        print("every machine of this installation, then run `indicia master-key rotate --reseal` on one.")


def _record(s: Session, *, operation: str, fingerprint: str) -> None:
    audit.append(s, operator_entries.entry(operation, real_now(), detail=fingerprint))
