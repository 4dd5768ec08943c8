"""Identities created one after the other, each with a name of its own, beside moto's and beside reading one.

Beside them the same rows by uvicorn and sqlite3 alone (`bare_creating`): what is left when everything else is
left out.

Keys come from the pool, which is filled beforehand and lasts. The verifier, which would make more of them and
ask the DNS about every new identity, is not in this process: what that costs, `checking` says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import load, servers
from bench.plan import Plan
from bench.population import name_of
from bench.report import Aim, Section
from bench.rows import COLUMNS, Row, cells, faster, folder_in, share, unanswered, with_memory
from bench.servers import Server
from bench.signing import Signer, ask, write

_X_MOTO: Final = 12.0
_P99_OF_READING: Final = 3.0
_KEYS_A_SECOND: Final = 5000  # more than are taken
# Names are signed beforehand, as many as a stretch may use up: nothing is created faster than it is read.
_ENOUGH: Final = 1.3
_READS: Final = 1000


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Create identities beside the smallest number of others."""
    load.wrk()
    size = min(plan.sizes)
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        plan.say(f"starting indicia and moto with {size:,} identities")
        spare = _KEYS_A_SECOND * plan.seconds * (plan.rounds + 1)
        ours = held.enter_context(
            servers.indicia(folder_in(folder, "ours"), size, roles="api", spare_keys=spare)
        )
        moto = held.enter_context(servers.moto(folder_in(folder, "moto"), size))
        first = ask(ours.port, next(_creates(ours, 0, 1)))
        copied = folder_in(folder, "bare") / "copy.db"
        _copy(folder / "ours" / "data" / "indicia.db", copied)
        started = held.enter_context(servers.bare_creating(copied.parent, copied, first.body.decode()))
        bare = replace(started, key=ours.key)
        read, create, moto_create, bare_create = (
            Row(replace(server, name=f"{server.name}, {what}"), size, [], 0.0)
            for server, what in (
                (ours, "GetEmailIdentity"),
                (ours, "create"),
                (moto, "create"),
                (bare, "the same rows"),
            )
        )
        plan.say("v2 CreateEmailIdentity")
        file = folder / "requests"
        for number in range(-1, plan.rounds):  # the first warms up and does not count
            seconds = plan.seconds if number >= 0 else 1
            for server, row in ((ours, create), (moto, moto_create), (bare, bare_create)):
                write(file, _reads(server, size))
                reading = load.run(server, file, seconds)
                enough = max(_READS, int(reading.rate * seconds * _ENOUGH))
                write(file, _creates(server, number + 1, enough))
                creating = load.run(server, file, seconds)
                if number >= 0:
                    row.stretches.append(creating)
                    if server is ours:
                        read.stretches.append(reading)
        return _told(plan, *map(with_memory, (read, create, moto_create, bare_create)))


def _copy(database: Path, to: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(to),))


def _reads(server: Server, size: int) -> Iterator[bytes]:
    signer = Signer("sesv2", server.key)
    return (
        signer.request("get_email_identity", {"EmailIdentity": name_of(place % size)})
        for place in range(_READS)
    )


def _creates(server: Server, number: int, count: int) -> Iterator[bytes]:
    signer = Signer("sesv2", server.key)
    return (
        signer.request("create_email_identity", {"EmailIdentity": f"new-{place}.round-{number}.example.net"})
        for place in range(count)
    )


def _told(
    plan: Plan, read: Row, create: Row, moto_create: Row, bare_create: Row
) -> tuple[list[Section], list[Aim]]:
    rows = (read, create, moto_create, bare_create)
    of_moto, of_read, of_bare = (create.against(other) for other in (moto_create, read, bare_create))
    slowest = create.against(read, "p99_ms")
    section = Section(
        f"v2 CreateEmailIdentity, always another name: {load.CONNECTIONS} connections, "
        f"{plan.rounds} rounds of {plan.seconds} s; median [lowest-highest]",
        (*COLUMNS, "x moto", "of reading", "of bare", "p99 of reading's"),
        [
            cells(read, "", "", "", ""),
            cells(create, faster(of_moto), share(of_read), share(of_bare), faster(slowest)),
            cells(moto_create, "", "", "", ""),
            cells(bare_create, faster(bare_create.against(moto_create)), "", "", ""),
        ],
        unanswered(rows),
        [row.figures() for row in rows],
    )
    what = "v2 CreateEmailIdentity"
    return [section], [
        Aim(what, f">= {_X_MOTO:.0f} x moto", f"{of_moto.median:.1f}", of_moto.median >= _X_MOTO),
        Aim(
            what,
            f"p99 <= {_P99_OF_READING:.0f} x GetEmailIdentity's",
            f"{slowest.median:.1f}",
            slowest.median <= _P99_OF_READING,
        ),
    ]
