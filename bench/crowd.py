"""Crowds: ten times as many identities as elsewhere due at once, and thousands of zones that never answer.

In both, new identities come every now and then, with their records published: how long each of them waits is
what is measured. Only when asked for by name: it takes a quarter of an hour.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa

from bench import nameserver, servers
from bench.house import ZONE, Populated, made, populated, verifying
from bench.plan import Plan
from bench.report import Aim, Section
from indicia.domain.fairness import Lane
from indicia.domain.identities.identity import Status
from indicia.domain.time import HOUR, SECOND
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables as proofs_tables
from indicia.store.verification import checks
from indicia.store.verification import tables as verification_tables

_TIMES: Final = 10
_SILENT: Final = 10_000
_MARK: Final = "silent-"
_NEWCOMERS: Final = 20
_EVERY: Final = 1.0  # seconds between two of them
_LOOK: Final = 0.02
_GIVE_UP: Final = 1800.0
# How soon a new identity is to be looked at (INDICIA_CHECK_MIN).
_WITHIN: Final = 10.0

_v, _i, _f = verification_tables.verification.c, identities_tables.identity.c, proofs_tables.facet_state.c
_CROWD_DUE: Final = Prepared(
    sa.update(verification_tables.verification)
    .where(_v.last_checked_at.is_not(None))
    .values(due_at=sa.bindparam("at"), lane=int(Lane.ROUTINE))
)
_SILENT_DUE: Final = Prepared(
    sa.update(verification_tables.verification)
    .where(
        _v.identity_id.in_(sa.select(_i.id).where(_i.name.startswith(sa.bindparam("mark")))),
    )
    .values(due_at=sa.bindparam("at"), lane=int(Lane.FRESH), interval_ms=10 * SECOND)
)
_LEFT: Final = Prepared(
    sa.select(sa.func.count())
    .select_from(verification_tables.verification)
    .where(_v.last_checked_at < sa.bindparam("since"))
)
_KNOWN: Final = Prepared(sa.select(_i.id).where(_i.name == sa.bindparam("name")))
_STATUS: Final = Prepared(sa.select(_f.status).where(_f.identity_id == sa.bindparam("id")))


@dataclass(slots=True)
class Crowd:
    """What came of one crowd."""

    title: str
    identities: int
    rates: list[float] = field(default_factory=list)  # of the parts of the crowd, identities a second
    waits: list[float] = field(default_factory=list)  # of the new ones, seconds
    idle_mib: float = 0.0
    resident_mib: float = 0.0


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Populate, let everything be due, and let new ones come meanwhile."""
    count = _TIMES * max(plan.sizes)
    newcomers = [f"newcomer-{number:03}.{ZONE}" for number in range(_NEWCOMERS)]
    late = [f"late-{number:03}.{ZONE}" for number in range(_NEWCOMERS)]
    silent = [f"{_MARK}{number:05}.example" for number in range(_SILENT)]
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        plan.say(f"{count:,} verified identities, {len(silent):,} in zones that do not answer")
        house = populated(folder / "house", "", count, unseen=[*newcomers, *late, *silent])
        port = held.enter_context(nameserver.nsd(made(folder / "nsd"), ZONE, house.lines()))
        database = open_database(house.url)
        held.callback(database.close)
        plan.say("all of them are due")
        drained = _drain(house, port, database, count, newcomers)
        plan.say("the zones that do not answer are due")
        with _tarpit(folder, port) as swallowing:
            stuck = _stick(house, swallowing, database, late)
    return [_section([drained, stuck])], _aims(drained, stuck)


def _drain(house: Populated, port: int, database: Database, count: int, newcomers: Sequence[str]) -> Crowd:
    """Let every identity be due, and measure the rate of each tenth of it while newcomers come."""
    crowd = Crowd("everything due at once", count)
    with verifying(house, port, 1) as (running,):
        crowd.idle_mib = running.resident_mib()
        since = int(time.time() * 1000)
        database.write(lambda s: s.run(_CROWD_DUE, at=since - HOUR))
        waiting, began, parts = list(newcomers), time.perf_counter(), [(time.perf_counter(), count)]
        step = max(1, count // 10)
        pause = max(_EVERY, count / 4000 / (len(waiting) + 1))
        while parts[-1][1] > count // 50 and time.perf_counter() - began < _GIVE_UP:
            if waiting:
                crowd.waits.append(_welcome(database, waiting.pop(0)))
            time.sleep(pause if waiting else _EVERY)
            row = database.read(lambda s: s.one(_LEFT, since=since))
            assert row is not None
            if parts[-1][1] - row[0] >= step or row[0] <= count // 50:
                parts.append((time.perf_counter(), row[0]))
        crowd.resident_mib = running.resident_mib()
    crowd.rates = [
        (before - after) / (ended - began) for (began, before), (ended, after) in itertools.pairwise(parts)
    ]
    return crowd


def _stick(house: Populated, port: int, database: Database, newcomers: Sequence[str]) -> Crowd:
    """Let all the silent zones be due, and newcomers come while they are looked at."""
    crowd = Crowd("zones on one tarpit", _SILENT)
    with verifying(house, port, 1) as (running,):
        crowd.idle_mib = running.resident_mib()
        now = int(time.time() * 1000)
        database.write(lambda s: s.run(_SILENT_DUE, mark=_MARK, at=now))
        time.sleep(_EVERY)
        for name in newcomers:
            crowd.waits.append(_welcome(database, name))
            time.sleep(_EVERY)
        crowd.resident_mib = running.resident_mib()
    return crowd


def _welcome(database: Database, name: str) -> float:
    """Let an identity be due as its creation does, and return how long it took to prove it."""
    row = database.read(lambda s: s.one(_KNOWN, name=name))
    assert row is not None
    identity_id, now = int(row[0]), int(time.time() * 1000)
    began = time.perf_counter()
    database.write(lambda s: checks.schedule(s, identity_id, shard_of(name), now, interval=10 * SECOND))
    while time.perf_counter() - began < _GIVE_UP:
        found = database.read(lambda s: s.one(_STATUS, id=identity_id))
        if found is not None and found[0] == Status.SUCCESS.value:
            break
        time.sleep(_LOOK)
    return time.perf_counter() - began


@contextmanager
def _tarpit(folder: Path, port: int) -> Iterator[int]:
    at = servers.free_port()
    command = [sys.executable, "-m", "bench.tarpit", str(port), _MARK, str(at)]
    with servers.process(command, folder / "tarpit.log") as running:
        servers.wait_for(running, folder / "tarpit.log", lambda: nameserver.answers(at, ZONE))
        yield at


def _section(crowds: Sequence[Crowd]) -> Section:
    return Section(
        "Crowds on SQLite, one process, and new identities that come meanwhile, records published",
        ("", "identities", "a second, slowest and quickest tenth", "new ones wait (s), worst", "RSS MiB"),
        [
            (
                each.title,
                f"{each.identities:,}",
                f"{min(each.rates):,.0f}-{max(each.rates):,.0f}" if each.rates else "",
                f"{max(each.waits):.2f}",
                f"{each.idle_mib:.0f}, {each.resident_mib:.0f} under load",
            )
            for each in crowds
        ],
        (),
        [asdict(each) for each in crowds],
    )


def _aims(drained: Crowd, stuck: Crowd) -> list[Aim]:
    return [
        Aim(
            f"new identities, {each.title}",
            f"looked at and proved < {_WITHIN:.0f} s",
            f"{max(each.waits):.2f} s",
            max(each.waits) < _WITHIN,
        )
        for each in (drained, stuck)
    ]
