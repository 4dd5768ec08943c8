"""What `/readyz?verbose` reports of other people's machines: resolvers, and the key zone's delegation.

Nothing here decides whether a process is ready.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.runtime.health import Check
from indicia.verifier.dns.perspectives import Perspectives
from indicia.verifier.engine.controls import Controls

T = TypeVar("T")

# Whoever can reach the port may ask: the DNS hears of one question in so many seconds.
_KEPT: Final = 5.0


def checks(
    observer: Perspectives, controls: Controls, zone: str, nameservers: Sequence[str]
) -> dict[str, Check]:
    """Return one check a perspective, named `resolvers NAME`, and the check `delegation`."""
    wrong = _kept(controls.look)
    found = _kept(lambda: _look(observer, Question(zone, RecordType.NS)))

    def resolvers(name: str) -> Check:
        async def check() -> str | None:
            return (await wrong())[name] or None

        return check

    async def delegation() -> str | None:
        return _delegated(await found(), zone, nameservers)

    return {
        **{f"resolvers {name}": resolvers(name) for name in observer.names},
        "delegation": delegation,
    }


def _delegated(seen: Sequence[Observation], zone: str, nameservers: Sequence[str]) -> str | None:
    """Return what is wrong with the name servers of the zone, None when they are the configured ones."""
    told = next((each for each in seen if each.reply.authoritative), seen[0])
    if not told.reply.authoritative:
        return f"{zone} NS: {told.reply.value}"
    if told.reply is not Reply.ANSWER:
        return f"{zone} has no NS records: delegate it to {', '.join(nameservers)}"
    if {value.lower() for value in told.values} != set(nameservers):
        return f"{zone} is delegated to {', '.join(sorted(told.values))}, not to {', '.join(nameservers)}"
    return None


async def _look(observer: Perspectives, question: Question) -> Sequence[Observation]:
    return (await observer.observe([question]))[question]


def _kept(look: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """Return a look whose result serves everyone who asks within a few seconds."""
    lock = asyncio.Lock()
    last: tuple[float, T] | None = None

    async def looking() -> T:
        nonlocal last
        async with lock:
            if last is None or last[0] + _KEPT < time.monotonic():
                last = (time.monotonic(), await look())
            return last[1]

    return looking
