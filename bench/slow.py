"""A resolver that takes two to six seconds for each question about a crowd, and no time for anybody else.

What is measured is how long it takes until the crowd is verified, beside what the room for slow checks allows
(docs/explain/rate.md), and how long those of another account wait who come meanwhile.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench import cold, crowd_client
from bench.house import made
from bench.plan import Plan
from bench.report import Aim, Section
from bench.slow_resolver import SLOWEST
from indicia.domain.fairness import SLOW_PARTS
from indicia.store.engine.opening import open_database
from indicia.verifier.engine.engine import EngineLimits

_BITS: Final = 1024
_CHECK_MIN: Final = 10.0
_COME_AFTER: Final = 10.0  # seconds after the publication
# Of the slow room an account has one part in so many.
_AT_ONCE: Final = EngineLimits().slow // SLOW_PARTS[2]


def allowed(count: int) -> float:
    """Return in how many seconds a crowd of one account is looked at, if it has no more than its share.

    Each look lasts as long as its slowest question. Before it, an identity waits for its next look, is turned
    away once when slots become short, and comes back within twice the first interval.
    """
    return count * SLOWEST[1] / _AT_ONCE + 3 * _CHECK_MIN


@dataclass(slots=True)
class Slow:
    """What came of it, in seconds."""

    count: int
    took: float = 0.0  # until all but a fiftieth were verified
    waits: dict[str, float] = field(default_factory=dict)


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Let a slow crowd come, and some who are quick."""
    slow = Slow(cold.COUNT)
    plan.say(f"{slow.count:,} domains for which every question takes {SLOWEST[0]:.0f} to {SLOWEST[1]:.0f} s")
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        place = held.enter_context(cold.standing(made(folder / "house"), "", slow="crowd"))
        root, other = place.keys
        crowd = cold.creations(root, cold.names("crowd", slow.count), _BITS)
        late = cold.creations(other, cold.names("newcomer", cold.NEWCOMERS), _BITS)
        database = open_database(place.url)
        held.callback(database.close)
        crowd_client.send(place.port, crowd)
        cold.publish(place, database, "crowd-")
        began = time.perf_counter()
        samples = [(0.0, 0)]
        while time.perf_counter() - began < _COME_AFTER:
            cold.watch(database, samples, began, samples[-1][1])
            time.sleep(1.0)
        crowd_client.send(place.port, late)
        cold.publish(place, database, "newcomer-")
        published = time.perf_counter()
        cold.watch(database, samples, began, slow.count * 49 // 50, slow.waits, published)
        slow.took = samples[-1][0]
    return [_section(slow)], _aims(slow)


def _section(slow: Slow) -> Section:
    slowest = max(slow.waits.values(), default=cold.GIVE_UP)
    row = ("", f"{slow.count:,}", f"{slow.took:.0f}", f"{allowed(slow.count):.0f}", f"{slowest:.1f}")
    return Section(
        f"Domains published while each of their questions takes {SLOWEST[0]:.0f} to {SLOWEST[1]:.0f} s",
        ("", "domains", "verified within s", "allowed s", "others wait s"),
        [("SQLite, one process", *row[1:])],
        (f"allowed: {_AT_ONCE} looks at once, each as long as its slowest question",),
        asdict(slow),
    )


def _aims(slow: Slow) -> list[Aim]:
    most, slowest = allowed(slow.count), max(slow.waits.values(), default=cold.GIVE_UP)
    return [
        Aim("a slow resolver", f"all verified < {most:.0f} s", f"{slow.took:.0f} s", slow.took < most),
        Aim(
            "a slow resolver",
            f"others < {cold.WITHIN:.0f} s after publication",
            f"{slowest:.1f} s",
            slowest < cold.WITHIN,
        ),
    ]
