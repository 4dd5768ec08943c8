"""The database and keyring of an installation, for the length of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from indicia.cli.errors import CommandError
from indicia.installation import InstallationError, open_database, open_keyring, prepare_folder
from indicia.settings import Settings
from indicia.store.database import Database
from indicia.vault.keyring import Keyring


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Open the installation's database, and close it when the command is done."""
    with speaking_of_the_installation():
        prepare_folder(settings.data_dir)
        database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Database, Keyring]]:
    """Open the database and the keyring that it belongs to."""
    with opened_database(settings) as database:
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
