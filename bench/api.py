"""The API under load: signed requests to us, to moto's server and to the bare HTTP server, in turn.

In each round every server gets one stretch of the same load; ratios are taken within the round, and it is
their median that counts. So a neighbour that slows down the machine slows down all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from bench import load, servers
from bench.cases import CASES, Case
from bench.plan import Plan
from bench.report import Aim, Section
from bench.rows import AS_FAST, COLUMNS, Row, cells, check, faster, folder_in, share, unanswered, with_memory
from bench.servers import Server
from bench.signing import Key, Signer, ask, write


@dataclass(frozen=True, slots=True)
class _Result:
    """A case and what every server made of it."""

    case: Case
    bare: Row
    ours: dict[int, Row]  # by the number of identities
    moto: dict[int, Row]


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Start the servers, measure every case, say what was found."""
    load.wrk()
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        ours: dict[int, Server] = {}
        moto: dict[int, Server] = {}
        for size in plan.sizes:
            place = folder_in(folder, str(size))
            plan.say(f"starting indicia and moto with {size:,} identities")
            ours[size] = held.enter_context(servers.indicia(place, size))
            moto[size] = held.enter_context(servers.moto(folder_in(folder, f"moto-{size}"), size))
        results = [_case(plan, case, folder, ours, moto) for case in CASES]
    return [_section(plan, result) for result in results], _aims(plan, results)


def _case(
    plan: Plan, case: Case, folder: Path, ours: Mapping[int, Server], moto: Mapping[int, Server]
) -> _Result:
    plan.say(case.title)
    place = folder_in(folder, case.operation)
    first = ours[plan.sizes[0]]
    answer = ask(first.port, Signer(case.service, first.key).request(case.operation, case.arguments(0)))
    with servers.bare(place, answer) as bare:
        rows = {
            "bare": {plan.sizes[0]: Row(bare, plan.sizes[0], [], 0.0)},
            "ours": {size: Row(server, size, [], 0.0) for size, server in ours.items()},
            "moto": {size: Row(server, size, [], 0.0) for size, server in moto.items() if case.moto},
        }
        everyone = [row for kind in rows.values() for row in kind.values()]
        for row in everyone:
            check(case, row.server)
        for number in range(-1, plan.rounds):  # the first warms up and does not count
            for row in everyone:
                file = place / "requests"
                write(file, _requests(case, row.server.key, row.identities, number))
                seconds = plan.seconds if number >= 0 else 1
                stretch = load.run(row.server, file, seconds)
                if number >= 0:
                    row.stretches.append(stretch)
        filled = {
            kind: {size: with_memory(row) for size, row in sized.items()} for kind, sized in rows.items()
        }
    return _Result(case, filled["bare"][plan.sizes[0]], filled["ours"], filled["moto"])


def _requests(case: Case, key: Key, identities: int, number: int) -> Iterator[bytes]:
    """Sign requests about identities chosen anywhere in the store, the same for every server."""
    signer = Signer(case.service, key)
    places = Random(number).choices(range(identities), k=case.distinct)
    return (signer.request(case.operation, case.arguments(place)) for place in places)


def _section(plan: Plan, result: _Result) -> Section:
    bare = result.bare
    smallest = result.ours[plan.sizes[0]]
    table: list[tuple[str, ...]] = [cells(bare, "", "", "")]
    for size, row in result.ours.items():
        beside = result.moto.get(size)
        of_moto = "" if beside is None else faster(row.against(beside))
        of_smallest = "" if row is smallest else share(row.against(smallest))
        table.append(cells(row, of_moto, share(row.against(bare)), of_smallest))
    table += [cells(row, "", "", "") for row in result.moto.values()]
    return Section(
        f"{result.case.title}: {load.CONNECTIONS} connections, {plan.rounds} rounds of {plan.seconds} s; "
        "median [lowest-highest]",
        (*COLUMNS, "x moto", "of bare", "of smallest"),
        table,
        unanswered(_rows(result)),
        [row.figures() for row in _rows(result)],
    )


def _rows(result: _Result) -> Sequence[Row]:
    return [result.bare, *result.ours.values(), *result.moto.values()]


# Issue 2, item 10.
_X_MOTO: Final = 25.0
_OF_BARE: Final = 0.40
_CPU_US: Final = 100.0
_RESIDENT_MIB: Final = 100.0


def _aims(plan: Plan, results: Sequence[_Result]) -> list[Aim]:
    aims: list[Aim] = []
    for result in results:
        title, smallest = result.case.title, result.ours[plan.sizes[0]]
        for size, row in result.ours.items():
            what = f"{title}, {size:,}"
            if size in result.moto:
                times = row.against(result.moto[size]).median
                aims.append(Aim(what, f">= {_X_MOTO:.0f} x moto", f"{times:.1f}", times >= _X_MOTO))
            share = row.against(result.bare).median
            aims.append(Aim(what, f">= {_OF_BARE:.0%} of bare", f"{share:.0%}", share >= _OF_BARE))
            cpu = row.of("cpu_us").median
            aims.append(Aim(what, f"< {_CPU_US:.0f} µs CPU", f"{cpu:.0f}", cpu < _CPU_US))
            if row is not smallest:
                kept = row.against(smallest).median
                aims.append(Aim(what, "no slower than the smallest", f"{kept:.0%}", kept >= AS_FAST))
    resident = max(row.resident for result in results for row in result.ours.values())
    aims.append(
        Aim(
            "every role in one process",
            f"< {_RESIDENT_MIB:.0f} MiB resident",
            f"{resident:.0f}",
            resident < _RESIDENT_MIB,
        )
    )
    return aims
