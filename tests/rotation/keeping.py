"""A verifier and a keeper in a process of their own, with a clock that is moved by whoever started them.

Started and killed by `test_kill.py`. A line `advance N` on standard input moves the clock by N milliseconds;
a line on standard output says the offset at which everything has settled. With a stage and `before` or
`after`, the process kills itself at the commit of the first step to that stage.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from indicia.domain.dkim.rotation import KeyPace, Stage
from indicia.domain.proofs.transitions import Windows
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.check import Rules
from indicia.domain.verification.schedule import Pace
from indicia.runtime.clock import Clock
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.verification import checks
from indicia.vault.key_rotator import KeyRotator
from indicia.vault.rotation import Advanced
from indicia.verifier.dns.perspectives import Perspective, Perspectives
from indicia.verifier.engine.engine import Engine, EngineLimits

T = TypeVar("T")
RULES = Rules(
    "mail.example.org", 1, Windows(72 * HOUR, DAY, 15 * MINUTE), Pace(10 * SECOND, 15 * MINUTE, DAY)
)
PACE = KeyPace()


class Mortal:
    """A database whose process dies at the commit of one kind of step."""

    def __init__(self, inner: Database, stage: Stage | None, when: str) -> None:
        self._inner = inner
        self._stage = stage
        self._when = when

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def writing(self, work: Callable[[Session], T]) -> T:
        """Run the work, and die before or after its commit when it takes the step."""

        def dying(s: Session) -> T:
            result = work(s)
            if self._when == "before" and self._takes(work, result):
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        result = await self._inner.writing(dying)
        if self._when == "after" and self._takes(work, result):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def _takes(self, work: object, result: object) -> bool:
        if self._stage is Stage.SEEN:
            batch = getattr(work, "keywords", {}).get("batch", ())
            return any(found.result.sightings for found in batch)
        # Of the keeper: what was done, and whether it waits to be told.
        taken = result[0] if isinstance(result, tuple) and result and isinstance(result[0], list) else []
        done = [each for each in taken if isinstance(each, Advanced)]
        if self._stage is Stage.PUBLISHED:
            return any(each.published for each in done)
        return any(step.to is self._stage for each in done for step in each.steps)


async def main(url: str, port: int, offset: int, stage: str = "", when: str = "") -> None:
    """Keep until killed."""
    database = Mortal(open_database(url), Stage(stage) if stage else None, when)
    clock = Clock(offset)
    # As the only verifier there is: whoever held a lease is dead.
    await database.writing(lambda s: checks.void_leases(s, clock.now()))
    eyes = Perspectives([Perspective("one", (("127.0.0.1", port),))], clock=clock.now)

    engine = Engine(
        database,  # type: ignore[arg-type]  # a database in all but its class
        eyes,
        RULES,
        clock,
        owner=f"keeping-{os.getpid()}",
        random=lambda: 0.0,
        limits=EngineLimits(poll=50),
    )
    keeper = KeyRotator(
        database,  # type: ignore[arg-type]
        clock,
        PACE,
        published=lambda _: None,
        taken=lambda: None,
    )
    parts = [asyncio.create_task(engine.run()), asyncio.create_task(keeper.run())]
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while True:
        for part in (keeper, engine, keeper):
            part.wake()
            await part.settled()
        os.write(1, f"{clock.offset}\n".encode())
        line = await lines.readline()
        if not line:
            break
        clock.advance(int(line.split()[1]))
    for part_task in parts:
        part_task.cancel()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
