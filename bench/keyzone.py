"""The key zone beside NSD: the same keys, the same questions, dnsperf asking both in turn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa

from bench import nameserver, servers
from bench.house import Populated, made, populated
from bench.nameserver import Asked
from bench.plan import Plan
from bench.report import Aim, Section, spread
from indicia.domain.dkim.key_record import key_record, split_text
from indicia.store.dkim import tables
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared

_QUESTIONS: Final = 50_000
# Issue 4, item 11.
_OF_NSD: Final = 0.6

_k = tables.published_key.c
_KEYS: Final = Prepared(sa.select(_k.zone, _k.token, _k.public_key).order_by(_k.token))


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Publish as many keys as there are identities, and ask for them."""
    count = max(plan.sizes)
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        plan.say(f"{count:,} published keys")
        house = populated(folder / "house", "", count)
        keys = _keys(house)
        zone = keys[0][0]
        lines = (f"{token} 300 IN TXT {_quoted(key)}\n" for _, token, key in keys)
        peer = held.enter_context(nameserver.nsd(made(folder / "nsd"), zone, lines))
        ours = held.enter_context(_key_zone(house, zone))
        names = [(f"{token}.{zone}", "TXT") for _, token, _ in keys]
        ports = {"indicia": ours, "NSD": peer}
        rounds: dict[str, list[Asked]] = {name: [] for name in ports}
        for number in range(-1, plan.rounds):  # the first warms up and does not count
            questions = Random(number).choices(names, k=_QUESTIONS)
            for name, port in ports.items():
                asked = nameserver.dnsperf(port, folder, questions, plan.seconds)
                if number >= 0:
                    rounds[name].append(asked)
    return _told(rounds, count, plan)


def _quoted(key: str) -> str:
    return " ".join(f'"{each}"' for each in split_text(key_record(key)))


def _keys(house: Populated) -> list[tuple[str, str, str]]:
    database = open_database(house.url)
    try:
        rows = database.read(lambda s: s.all(_KEYS))
    finally:
        database.close()
    return [(str(zone), str(token), str(key)) for zone, token, key in rows]


@contextmanager
def _key_zone(house: Populated, zone: str) -> Iterator[int]:
    """Run the key zone, and nothing else, and give its port."""
    port = servers.free_port()
    command = [sys.executable, "-m", "bench.zone_server", house.url, zone, str(port)]
    log = house.folder / "log"
    with servers.process(command, log) as running:
        servers.wait_for(running, log, lambda: nameserver.answers(port, zone))
        yield port


def _told(rounds: dict[str, list[Asked]], count: int, plan: Plan) -> tuple[list[Section], list[Aim]]:
    share = spread(mine.rate / peer.rate for mine, peer in zip(rounds["indicia"], rounds["NSD"], strict=True))
    rows = []
    for name, asked in rounds.items():
        rate = spread(each.rate for each in asked)
        lost = sum(each.lost for each in asked)
        rows.append((name, f"{rate.median:,.0f} [{rate.lowest:,.0f}-{rate.highest:,.0f}]", f"{lost:,}"))
    section = Section(
        f"The key zone, {count:,} keys, {plan.rounds} rounds of {plan.seconds} s; median [lowest-highest]",
        ("", "questions/s", "lost"),
        rows,
        (),
        {name: [asdict(each) for each in asked] for name, asked in rounds.items()},
    )
    aim = Aim("the key zone", f">= {_OF_NSD:.0%} of NSD", f"{share.median:.0%}", share.median >= _OF_NSD)
    return [section], [aim]
