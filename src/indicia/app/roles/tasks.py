"""The background tasks of a role: begun under their names, missed when they end, waited for in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, Final

import structlog

log = structlog.get_logger("indicia")

# How long stopping waits for checks and for mails that are being handed over. Neither is lost.
_GRACE: Final = 2.0


class RoleTasks:
    """The tasks of one role, from the first `begin` to `end`."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        """Let a part run, for as long as the role does."""
        task = asyncio.create_task(part, name=name)
        task.add_done_callback(_ended)
        self._tasks.append(task)

    def cancel(self, names: Collection[str]) -> None:
        """Cut off parts that have nothing to finish."""
        for task in self._tasks:
            if task.get_name() in names:
                task.cancel()

    async def end(self) -> None:
        """Wait for parts that were told to stop to finish what they have begun; cut off what takes long."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=_GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def trouble(self) -> str | None:
        """Return which part has ended, None while all of them work."""
        ended = [task.get_name() for task in self._tasks if task.done()]
        return f"{' and '.join(ended)} ended; start this process again" if ended else None


def _ended(task: asyncio.Task[None]) -> None:
    """Say so when a part ends by a mistake of ours. Its text is not logged, as it may quote a secret."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("part.ended", part=task.get_name(), error=type(error).__qualname__)
