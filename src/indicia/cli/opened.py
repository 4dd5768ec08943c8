"""The database and keyring of an installation, for the length of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from indicia.cli.errors import CommandError
from indicia.installation import (
    InstallationError,
    open_keyring,
    open_with_schema,
    prepare_folder,
    require_own_files,
)
from indicia.settings import Settings
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.schema import Schema
from indicia.vault.keyring import Keyring


@contextmanager
def opened_database(settings: Settings, *, may_be_first: bool = False) -> Iterator[Database]:
    """Open the installation's database, and close it when the command is done.

    A command that works on what is there makes no new one: in the wrong folder it would answer that there is
    nothing, and leave an installation behind. What `may_be_first` makes it.
    """
    with speaking_of_the_installation():
        require_own_files(settings)
        if not may_be_first and settings.database_url.dialect == "sqlite":
            _require_one(settings)
        prepare_folder(settings.data_dir)
        database = open_with_schema(settings)
    try:
        yield database
    finally:
        database.close()


def _require_one(settings: Settings) -> None:
    if schema.check(settings.database_url.text) is Schema.EMPTY:
        raise InstallationError(
            f"there is no installation in {settings.data_dir}: start `indicia serve`, or name its folder with"
            " --data-dir or INDICIA_DATA_DIR"
        )


@contextmanager
def opened(settings: Settings, *, may_be_first: bool = False) -> Iterator[tuple[Database, Keyring]]:
    """Open the database and the keyring that it belongs to, as `opened_database` does."""
    with opened_database(settings, may_be_first=may_be_first) as database:
        with speaking_of_the_installation():
            ring = open_keyring(settings, database)
        yield database, ring


@contextmanager
def speaking_of_the_installation() -> Iterator[None]:
    """Turn what cannot be worked with into what a command says."""
    try:
        yield
    except InstallationError as error:
        raise CommandError(str(error)) from error
