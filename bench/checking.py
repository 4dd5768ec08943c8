"""The verifier under load: everything is due at once, NSD has the records, and the clock runs.

The verifiers are `indicia serve --roles verifier`, as people run it. An identity counts when what was found
is committed; its three CNAMEs and its SOA are asked every time. NSD, the database and the verifiers share the
machine. dnsperf and a plain loop around dnspython's resolver ask the same NSD the same questions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa

from bench import nameserver, servers
from bench.house import ZONE, Populated, made, populated, postgresql, verifying
from bench.plan import Plan
from bench.report import Aim, Section
from indicia.domain.fairness import Lane
from indicia.domain.identities.identity import Status
from indicia.domain.time import HOUR
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.installation import tables as installation_tables
from indicia.store.proofs import tables as proofs_tables
from indicia.store.verification import tables as verification_tables

_LOOK: Final = 0.2
_GIVE_UP: Final = 300.0

_v, _f = verification_tables.verification.c, proofs_tables.facet_state.c
_DUE: Final = Prepared(
    sa.update(verification_tables.verification).values(
        due_at=sa.bindparam("at"), lane=sa.bindparam("in_lane")
    )
)
_CHECKED: Final = Prepared(
    sa.select(sa.func.count())
    .select_from(verification_tables.verification)
    .where(_v.last_checked_at >= sa.bindparam("since"))
)
_PROVED: Final = Prepared(
    sa.select(sa.func.count()).select_from(proofs_tables.facet_state).where(_f.status == Status.SUCCESS.value)
)
_ALIVE: Final = Prepared(sa.select(sa.func.count()).select_from(installation_tables.verifier))


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took the verifiers to look at everything."""

    title: str
    identities: int
    rate: float  # identities a second
    cpu_us: float  # of all verifiers' processor time, an identity
    resident_mib: float  # of the largest of them


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Populate, publish, let everything be due, and time what follows."""
    count = max(plan.sizes)
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        postgres = held.enter_context(postgresql(folder / "postgres"))
        drained: list[Drained] = []
        plan.say(f"{count:,} verified identities on SQLite")
        house = populated(folder / "sqlite", "", count)
        with nameserver.nsd(made(folder / "nsd-1"), ZONE, house.lines()) as port:
            questions = house.questions(20_000)
            peers = {
                "dnsperf": nameserver.dnsperf(port, folder, questions, plan.seconds),
                "dnspython": nameserver.plain_loop(port, questions, plan.seconds),
            }
            drained += [_recheck(house, port, 1, "SQLite, 1 process") for _ in range(plan.rounds)]
        plan.say(f"{count:,} verified identities on PostgreSQL")
        house = populated(folder / "postgresql", postgres, count)
        with nameserver.nsd(made(folder / "nsd-2"), ZONE, house.lines()) as port:
            for verifiers in (1, 2, 4):
                title = f"PostgreSQL, {verifiers} process{'es' if verifiers > 1 else ''}"
                drained.extend(_recheck(house, port, verifiers, title) for _ in range(plan.rounds))
        few = max(1000, count // 10)
        plan.say(f"{few:,} pending identities")
        house = populated(folder / "pending", "", few, pending=True)
        with nameserver.nsd(made(folder / "nsd-3"), ZONE, house.lines()) as port:
            drained.append(_prove(house, port))
    return [_section(drained, peers, plan)], _aims(drained, peers)


def _recheck(house: Populated, port: int, verifiers: int, title: str) -> Drained:
    """Let every identity be due, and time until each has been looked at."""
    database = open_database(house.url)
    try:
        with verifying(house, port, verifiers) as running:
            if database.dialect != "sqlite":
                _await(lambda: _count(database, _ALIVE) == verifiers)
                time.sleep(3)  # until all of them have seen all of them
            return _drain(database, running, len(house.tokens), title, Lane.ROUTINE, _CHECKED)
    finally:
        database.close()


def _prove(house: Populated, port: int) -> Drained:
    """Let every identity be due for its first look, and time until each is proved and has its key."""
    database = open_database(house.url)
    try:
        with verifying(house, port, 1) as running:
            title = "PENDING to SUCCESS, SQLite, 1 process"
            return _drain(database, running, len(house.tokens), title, Lane.FRESH, _PROVED)
    finally:
        database.close()


def _drain(  # noqa: PLR0917
    database: Database,
    running: Sequence[servers.Server],
    count: int,
    title: str,
    lane: Lane,
    done: Prepared,
) -> Drained:
    before = sum(each.cpu_seconds() for each in running)
    since = int(time.time() * 1000)
    database.write(lambda s: s.run(_DUE, at=since - HOUR, in_lane=int(lane)))
    due = int(time.time() * 1000)
    given = {"since": due} if done is _CHECKED else {}
    samples = [(time.perf_counter(), _count(database, done, **given))]
    end = samples[0][0] + _GIVE_UP
    while samples[-1][1] < count * 0.98 and samples[-1][0] < end:
        time.sleep(_LOOK)
        samples.append((time.perf_counter(), _count(database, done, **given)))
    used = sum(each.cpu_seconds() for each in running) - before
    # Not the start, in which they may still be asleep, nor the end, at which there are too few.
    first = next(index for index, (_, at) in enumerate(samples) if at > 0)
    (began, low), (ended, high) = samples[max(0, first - 1)], samples[-1]
    resident = max(each.resident_mib() for each in running)
    return Drained(title, count, (high - low) / (ended - began), used * 1e6 / max(high, 1), resident)


def _count(database: Database, statement: Prepared, **given: int) -> int:
    row = database.read(lambda s: s.one(statement, **given))
    assert row is not None
    return int(row[0])


def _await(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("the verifiers do not find each other")
        time.sleep(0.1)


def _best(drained: Sequence[Drained], title: str) -> Drained:
    mine = sorted((each for each in drained if each.title == title), key=lambda each: each.rate)
    return mine[len(mine) // 2]


def _titles(drained: Sequence[Drained]) -> list[str]:
    return list(dict.fromkeys(each.title for each in drained))


def _section(drained: Sequence[Drained], peers: dict[str, nameserver.Asked], plan: Plan) -> Section:
    rows: list[tuple[str, ...]] = []
    for title in _titles(drained):
        middle = _best(drained, title)
        rates = [each.rate for each in drained if each.title == title]
        rows.append(
            (
                title,
                f"{middle.identities:,}",
                f"{middle.rate:,.0f} [{min(rates):,.0f}-{max(rates):,.0f}]",
                f"{middle.rate * 4:,.0f}",
                f"{middle.cpu_us:,.0f}",
                f"{middle.resident_mib:.0f}",
            )
        )
    rows += [
        (name, "", f"{asked.rate / 4:,.0f}", f"{asked.rate:,.0f}", "", "") for name, asked in peers.items()
    ]
    return Section(
        f"Identities fully checked and committed, {plan.rounds} rounds; median [lowest-highest]",
        ("", "identities", "identities/s", "questions/s", "CPU µs each", "RSS MiB"),
        rows,
        ("dnsperf and the dnspython loop ask the same NSD the same questions, and judge and store nothing",),
        [asdict(each) for each in drained],
    )


# Issue 4, item 11.
_RATE: Final = 4000.0
_X_LOOP: Final = 25.0
_X_TWO: Final = 1.5


def _aims(drained: Sequence[Drained], peers: dict[str, nameserver.Asked]) -> list[Aim]:
    titles = _titles(drained)
    one, pg1, pg2, pg4 = (_best(drained, title).rate for title in titles[:4])
    times = one / (peers["dnspython"].rate / 4)
    two = pg2 / pg1
    return [
        Aim(titles[0], f">= {_RATE:,.0f} identities/s", f"{one:,.0f}", one >= _RATE),
        Aim(titles[0], f">= {_X_LOOP:.0f} x the dnspython loop", f"{times:.1f}", times >= _X_LOOP),
        Aim(titles[2], f">= {_X_TWO} x one", f"{two:.2f}", two >= _X_TWO),
        Aim(titles[3], "no slower than two", f"{pg4 / pg2:.2f}", pg4 >= pg2 * 0.95),
    ]
