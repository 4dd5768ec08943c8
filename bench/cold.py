"""The first day: thousands of domains created and published at once, on a service that has just been started.

Each domain is a zone of its own, in NSD behind unbound, which asks the service itself for the keys. All
roles are in one process. While the crowd is verified others are created, and some of another account are
created and published. Beside it stands how many keys the machine makes when it does nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa

from bench import crowd_client, resolver, servers
from bench.house import made, postgresql
from bench.nameserver import HOST, answers
from bench.plan import Plan
from bench.report import Aim, Section
from bench.signing import Key, Signer
from indicia.domain.identities.identity import Status
from indicia.runtime import ready
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables as proofs_tables
from indicia.vault import keyring
from indicia.vault.makers import Makers, cores

COUNT: Final = 2000
_MORE: Final = 600  # created while the crowd is verified
NEWCOMERS: Final = 5
_BITS: Final = (1024, 2048)
_KEYS_FOR: Final = 5.0  # seconds of making keys and nothing else
_LOOK: Final = 0.25
GIVE_UP: Final = 600.0
SERVICE_DOMAIN: Final = "indicia.example"
_ACCOUNT: Final = "444455556666"
_ROOT: Final = {
    "INDICIA_ROOT_ACCESS_KEY_ID": "AKIABENCHBENCHBENCHB",
    "INDICIA_ROOT_SECRET_ACCESS_KEY": "a-secret-that-opens-nothing-else-000000",
    "INDICIA_ROOT_ACCOUNT": "111122223333",
}
# What should be reached: parts of the machine's own rate, and how soon a new identity is looked at again
# after the look that was before its records (INDICIA_CHECK_MIN, and a moment) in seconds.
_OF_KEYS: Final = 0.8
_OF_QUIET: Final = 0.6
WITHIN: Final = 11.0
_OF_SQLITE: Final = 1 / 3

_f, _i, _t = proofs_tables.facet_state.c, identities_tables.identity.c, dkim_tables.token_set.c
_PROVED: Final = Prepared(
    sa.select(sa.func.count()).select_from(proofs_tables.facet_state).where(_f.status == Status.SUCCESS.value)
)
_STATUS: Final = Prepared(
    sa.select(_i.name, _f.status)
    .select_from(identities_tables.identity.join(proofs_tables.facet_state, _f.identity_id == _i.id))
    .where(_i.account == sa.bindparam("account"))
)
_TOKENS: Final = Prepared(
    sa.select(_i.name, _t.zone, _t.token1, _t.token2, _t.token3)
    .select_from(identities_tables.identity.join(dkim_tables.token_set, _t.id == _i.token_set_id))
    .where(_i.name.startswith(sa.bindparam("begin")))
)


@dataclass(slots=True)
class Crowd:
    """What came of one crowd. Rates are a second, times in seconds."""

    title: str
    bits: int
    keys: float  # that the machine makes
    created: float = 0.0
    created_meanwhile: float = 0.0
    refused: int = 0
    verified: float = 0.0  # between the first and the last twentieth
    took: float = 0.0  # from the publication until all but a fiftieth were verified
    waits: dict[str, float] = field(default_factory=dict)  # of those of another account

    @property
    def of_keys(self) -> float:
        """What part of the rate of keys is verified."""
        return self.verified / self.keys

    @property
    def of_quiet(self) -> float:
        """What part of the quiet rate is created meanwhile."""
        return self.created_meanwhile / self.created


@dataclass(frozen=True, slots=True)
class Place:
    """A running service and the DNS around it."""

    url: str
    port: int
    farm: resolver.Farm
    keys: tuple[Key, Key]  # of the operator, and of another account


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Let the crowds come, on both databases and with both lengths of keys."""
    crowds: list[Crowd] = []
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        for bits in _BITS:
            plan.say(f"keys of {bits} bits, and nothing else")
            rate = asyncio.run(keys_a_second(bits))
            for title in ("SQLite", "PostgreSQL"):
                plan.say(f"{COUNT:,} domains at once, {bits} bits, {title}")
                with ExitStack() as around:
                    here = made(folder / f"{title}-{bits}")
                    url = "" if title == "SQLite" else around.enter_context(postgresql(here / "postgres"))
                    place = around.enter_context(standing(here, url))
                    crowds.append(_crowd(place, Crowd(f"{title}, {bits} bits", bits, rate)))
    return [_section(crowds)], _aims(crowds)


async def keys_a_second(bits: int) -> float:
    """Return how many keys all cores together make a second."""
    counted, enough = [0], asyncio.Event()
    makers = Makers(cores(), lambda *_: _count(counted), lambda: None)
    loop = asyncio.get_running_loop()
    warm, began = False, loop.time()
    while not enough.is_set():
        while makers.room > 0:
            makers.ask(bits)
        await asyncio.sleep(0.01)
        if not warm and makers.processes == cores() and counted[0] > 2 * cores():
            warm, began, counted[0] = True, loop.time(), 0
        if warm and loop.time() - began >= _KEYS_FOR:
            enough.set()
    rate = counted[0] / (loop.time() - began)
    await makers.close()
    return rate


def _count(counted: list[int]) -> None:
    counted[0] += 1


def names(begin: str, count: int) -> list[str]:
    """Return so many domains."""
    return [f"{begin}-{number:05}.example" for number in range(count)]


@contextmanager
def standing(
    folder: Path, url: str, slow: str = "", settings: dict[str, str] | None = None
) -> Iterator[Place]:
    """Run NSD, unbound and a fresh service with all roles.

    With `slow`, the mark of names that are slow, a resolver that is slow for them stands before unbound.
    """
    zones = [*names("crowd", COUNT), *names("newcomer", NEWCOMERS), SERVICE_DOMAIN]
    dns_port = servers.free_port()
    with ExitStack() as held:
        farm = held.enter_context(resolver.farm(made(folder / "nsd"), zones))
        stubs = {"example": farm.port, f"dkim.{SERVICE_DOMAIN}": dns_port}
        port = held.enter_context(resolver.unbound(made(folder / "unbound"), stubs, SERVICE_DOMAIN))
        if slow:
            port = held.enter_context(_slowed(folder, port, slow))
        given = {
            **servers.SETTINGS,
            **_ROOT,
            "INDICIA_SERVICE_DOMAIN": SERVICE_DOMAIN,
            "INDICIA_LISTEN_DNS": f"{HOST}:{dns_port}",
            "INDICIA_RESOLVERS": f"{HOST}:{port}",
            "INDICIA_DATA_DIR": str(made(folder / "data")),
            **({"INDICIA_DATABASE_URL": url} if url else {}),
            **(settings or {}),
        }
        if url:
            keyring.create(folder / "data" / "master.key")
        told = folder / "ready.json"
        command = [sys.executable, "-m", "indicia", "serve", "--ready-file", str(told)]
        running = held.enter_context(servers.process(command, folder / "log", given))
        servers.wait_for(running, folder / "log", told.exists)
        where = ready.read(told)
        assert where is not None
        database = url or f"sqlite:///{folder / 'data' / 'indicia.db'}"
        root = Key(_ROOT["INDICIA_ROOT_ACCESS_KEY_ID"], _ROOT["INDICIA_ROOT_SECRET_ACCESS_KEY"])
        other = _other_account(given)
        yield Place(database, int(where.http[0].rpartition(":")[2]), farm, (root, other))


def _other_account(settings: dict[str, str]) -> Key:
    """Return the key of an account that has nothing to do with the crowd."""
    environment = {**os.environ, **settings}

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "indicia", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    run("account", "create", _ACCOUNT)
    found = json.loads(run("key", "create", "--account", _ACCOUNT, "--json"))
    return Key(found["access_key_id"], found["secret_access_key"])


@contextmanager
def _slowed(folder: Path, port: int, mark: str) -> Iterator[int]:
    at = servers.free_port()
    command = [sys.executable, "-m", "bench.slow_resolver", str(port), mark, str(at)]
    with servers.process(command, folder / "slow.log") as running:
        servers.wait_for(running, folder / "slow.log", lambda: answers(at, SERVICE_DOMAIN))
        yield at


def creations(key: Key, domains: Sequence[str], bits: int) -> list[bytes]:
    """Return the signed requests that create these domains."""
    signer = Signer("sesv2", key)
    length = {"NextSigningKeyLength": f"RSA_{bits}_BIT"}
    return [
        signer.request("create_email_identity", {"EmailIdentity": name, "DkimSigningAttributes": length})
        for name in domains
    ]


def publish(place: Place, database: Database, begin: str) -> None:
    """Serve the records of the domains whose names begin so; return once they are served."""
    last = ""
    for name, zone, *tokens in database.read(lambda s: s.all(_TOKENS, begin=begin)):
        lines = [f"{token}._domainkey 300 IN CNAME {token}.{zone}.\n" for token in tokens]
        place.farm.write(name, lines)
        last = name
    place.farm.reload(last)


def _crowd(place: Place, crowd: Crowd) -> Crowd:
    root, other = place.keys
    first = creations(root, names("crowd", COUNT), crowd.bits)
    more = creations(root, names("more", _MORE), crowd.bits)
    late = creations(other, names("newcomer", NEWCOMERS), crowd.bits)
    database = open_database(place.url)
    try:
        sent = crowd_client.send(place.port, first)
        crowd.created, crowd.refused = sent.rate, sent.refused
        publish(place, database, "crowd-")
        began = time.perf_counter()
        samples = [(0.0, _proved(database))]
        watch(database, samples, began, COUNT // 20)
        meanwhile = crowd_client.send(place.port, more)
        crowd.created_meanwhile = meanwhile.rate
        crowd.refused += meanwhile.refused
        newcomers = crowd_client.send(place.port, late)
        crowd.refused += newcomers.refused
        publish(place, database, "newcomer-")
        published = time.perf_counter()
        watch(database, samples, began, COUNT * 49 // 50, crowd.waits, published)
        crowd.took = samples[-1][0]
        crowd.verified = _slope(samples)
        watch(database, samples, began, 0, crowd.waits, published)
    finally:
        database.close()
    return crowd


def watch(  # noqa: PLR0917
    database: Database,
    samples: list[tuple[float, int]],
    began: float,
    enough: int,
    waits: dict[str, float] | None = None,
    published: float = 0.0,
) -> None:
    """Note how many are verified until there are enough, and all of those who are waited for, if any are."""
    while time.perf_counter() - began < GIVE_UP:
        now = time.perf_counter()
        samples.append((now - began, _proved(database)))
        if waits is not None and len(waits) < NEWCOMERS:
            for name, status in database.read(lambda s: s.all(_STATUS, account=_ACCOUNT)):
                if status == Status.SUCCESS.value:
                    waits.setdefault(name, now - published)
        if samples[-1][1] >= enough and (enough or waits is None or len(waits) >= NEWCOMERS):
            return
        time.sleep(_LOOK)


def _proved(database: Database) -> int:
    row = database.read(lambda s: s.one(_PROVED))
    assert row is not None
    return int(row[0])


def _slope(samples: Sequence[tuple[float, int]]) -> float:
    """Return how many were verified a second, but for the first and the last twentieth."""
    middle = [each for each in samples if COUNT // 20 <= each[1] <= COUNT * 19 // 20] or [*samples]
    (began, low), (ended, high) = middle[0], middle[-1]
    return (high - low) / max(ended - began, _LOOK)


def _section(crowds: Sequence[Crowd]) -> Section:
    return Section(
        f"{COUNT:,} domains created and published at once, from a fresh start, all roles in one process",
        (
            "",
            "keys/s",
            "verified/s",
            "of keys",
            "took s",
            "created/s",
            "meanwhile",
            "of quiet",
            "others wait s",
        ),
        [
            (
                each.title,
                f"{each.keys:,.0f}",
                f"{each.verified:,.0f}",
                f"{each.of_keys:.2f}",
                f"{each.took:.0f}",
                f"{each.created:,.0f}",
                f"{each.created_meanwhile:,.0f}",
                f"{each.of_quiet:.2f}",
                f"{max(each.waits.values(), default=GIVE_UP):.1f}",
            )
            for each in crowds
        ],
        (
            "keys/s: all cores, and nothing else; others: of another account, from their publication",
            *(f"{each.title}: {each.refused} creations were refused" for each in crowds if each.refused),
        ),
        [asdict(each) for each in crowds],
    )


def _aims(crowds: Sequence[Crowd]) -> list[Aim]:
    aims = []
    for each in crowds:
        slowest = max(each.waits.values(), default=GIVE_UP)
        aims += [
            Aim(each.title, f">= {_OF_KEYS} of keys/s", f"{each.of_keys:.2f}", each.of_keys >= _OF_KEYS),
            Aim(each.title, f"creates >= {_OF_QUIET}", f"{each.of_quiet:.2f}", each.of_quiet >= _OF_QUIET),
            Aim(each.title, f"others < {WITHIN:.0f} s", f"{slowest:.1f} s", slowest < WITHIN),
        ]
    for bits in _BITS:
        sqlite, postgres = (each for each in crowds if each.bits == bits)
        part = postgres.created / sqlite.created
        aims.append(
            Aim(f"PostgreSQL, {bits} bits", "creates >= a third of SQLite", f"{part:.2f}", part >= _OF_SQLITE)
        )
    return aims
