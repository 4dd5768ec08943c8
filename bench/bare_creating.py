"""What creating an identity costs with uvicorn and sqlite3 alone: no signature, no rules, the same rows.

The rows are those of one identity that our server has created, with other names, numbers and tokens. What
comes together goes in together and is committed once, in a thread. Run as a program: a database file in which
an identity was created last, what is to be answered, the port.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from bench.bare import answering, serve

if TYPE_CHECKING:
    from indicia.wire.http.requests import App, Receive, Scope

_QUIET_TURNS: Final = 8  # as our writer waits
_MOST: Final = 32
_PORTION: Final = 16  # rows in one INSERT
_NUMBERS: Final = 8  # for each identity
_TOKEN: Final = 32  # characters
# Every table a creation writes to, behind those it refers to; the column by which the rows of an identity are
# found there; and which columns hold a number, the name or a token of its own.
_TABLES: Final[Sequence[tuple[str, str, dict[str, str]]]] = (
    ("token_set", "id", {"id": "set", "domain": "name", "token1": "t0", "token2": "t1", "token3": "t2"}),
    ("token", "token_set_id", {"token_set_id": "set", "token": "t"}),
    ("published_key", "token_set_id", {"id": "key", "token_set_id": "set", "token": "t0"}),
    ("identity", "id", {"id": "identity", "name": "name", "token_set_id": "set"}),
    ("listed", "name", {"name": "name"}),
    ("facet_state", "identity_id", {"identity_id": "identity"}),
    ("event", "identity_id", {"id": "event", "identity_id": "identity", "name": "name"}),
    ("verification", "identity_id", {"identity_id": "identity"}),
    ("audit", "id", {"id": "line", "resource": "name"}),
)


class Rows:
    """Makes the rows of one identity after the other, and puts them into the database."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self.connection.execute(f"PRAGMA {pragma}")
        self._number, token_set, name = self._row(
            "SELECT id, token_set_id, name FROM identity WHERE token_set_id IS NOT NULL ORDER BY id DESC"
        )
        (line,) = self._row("SELECT max(id) FROM audit")
        found_by = {"token_set": token_set, "token_set_id": token_set, "listed": name, "audit": line}
        self._models = [
            self._model(table, column, found_by.get(table, found_by.get(column, self._number)), own)
            for table, column, own in _TABLES
        ]
        found = self.connection.execute("SELECT id FROM pooled_key ORDER BY id").fetchall()
        self._keys = [row[0] for row in found]
        self._made = 0

    def _row(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self.connection.execute(query).fetchone()
        return row

    def _model(
        self, table: str, column: str, value: object, own: dict[str, str]
    ) -> tuple[str, int, list[list[Any]], list[tuple[int, str]]]:
        """Return the table, its width, its rows of the model identity, and which cells others have."""
        found = self.connection.execute(
            f"SELECT * FROM {table} WHERE {column} = ?",  # noqa: S608 - a name of ours
            (value,),
        )
        names = [each[0] for each in found.description]
        rows = [list(row) for row in found]
        if not rows:
            raise RuntimeError(f"the last identity has no row in {table}")
        return table, len(names), rows, [(names.index(name), what) for name, what in own.items()]

    def add(self, count: int) -> None:
        """Put the rows of so many identities into the database, all in one transaction that goes on."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        keys, self._made = self._keys[self._made : self._made + count], self._made + count
        marks = ", ".join("?" * len(keys))
        execute(f"DELETE FROM pooled_key WHERE id IN ({marks})", keys)  # noqa: S608
        owns = [self._own(self._made - count + place) for place in range(count)]
        for table, width, rows, cells in self._models:
            made = [row for own in owns for row in _filled(rows, cells, own)]
            for portion in _portions(made):
                one = f"({', '.join('?' * width)})"
                execute(
                    f"INSERT INTO {table} VALUES {', '.join([one] * len(portion))}",  # noqa: S608
                    [cell for row in portion for cell in row],
                )
        execute("UPDATE identity_count SET identities = identities + ?", (count,))

    def _own(self, place: int) -> dict[str, Any]:
        base = self._number + _NUMBERS * (place + 1)
        tokens = {f"t{which}": f"{place:08x}{which}".ljust(_TOKEN, "x") for which in range(3)}
        return {
            "set": base, "key": base + 1, "identity": base + 2, "line": base + 3, "event": base + 4,
            "name": f"bare-{place}.example.net", **tokens,
        }  # fmt: skip


def _filled(rows: list[list[Any]], cells: list[tuple[int, str]], own: dict[str, Any]) -> Iterator[list[Any]]:
    for which, model in enumerate(rows):
        row = model.copy()
        for at, what in cells:
            row[at] = own[f"t{which}"] if what == "t" else own[what] + which if what == "event" else own[what]
        yield row


def _portions(rows: list[list[Any]]) -> Iterator[list[list[Any]]]:
    at = 0
    while at < len(rows):
        length = _PORTION if len(rows) - at >= _PORTION else 1
        yield rows[at : at + length]
        at += length


class Creations:
    """Those that wait, those whose commit is on its way, and the thread that commits."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._waiting: list[asyncio.Future[None]] = []
        self._seen = self._quiet = 0
        self._committing = False
        self._queue: SimpleQueue[list[asyncio.Future[None]]] = SimpleQueue()
        threading.Thread(target=self._commit, daemon=True).start()

    async def create(self) -> None:
        """Create one, with whoever else comes now."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        self._waiting.append(waiting)
        if len(self._waiting) == 1 and not self._committing:
            loop.call_soon(self._look, loop)
        await waiting

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        there = len(self._waiting)
        self._quiet = self._quiet + 1 if there == self._seen else 0
        self._seen = there
        if self._quiet < _QUIET_TURNS and there < _MOST:
            loop.call_soon(self._look, loop)
            return
        group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        self._seen = self._quiet = 0
        self._rows.add(len(group))
        self._committing = True
        self._queue.put(group)

    def _commit(self) -> None:
        while True:
            group = self._queue.get()
            self._rows.connection.execute("COMMIT")
            group[0].get_loop().call_soon_threadsafe(self._committed, group)

    def _committed(self, group: list[asyncio.Future[None]]) -> None:
        self._committing = False
        for waiting in group:
            waiting.set_result(None)
        if self._waiting:
            self._look(group[0].get_loop())


def creating(creations: Creations, answer: bytes) -> App:
    """Return an ASGI application that creates an identity for every POST, whatever it says."""

    async def create(scope: Scope, receive: Receive) -> None:
        if scope["method"] == "POST":
            json.loads((await receive())["body"])
            await creations.create()

    return answering(answer, "application/json", create)


if __name__ == "__main__":
    _, file, answer, port = sys.argv
    serve(creating(Creations(Rows(file)), answer.encode()), int(port))
