"""What a call has to do before its transaction and what takes long: in a few threads, each account its share.

Checking an uploaded key takes tens of milliseconds, reading HTML up to seconds, and anybody may ask for
either as often as the rates allow. So there are few at once, no account has more than one of them, and those
that wait come by turns, one of each account.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from indicia.domain.fairness import Shares
from indicia.domain.faults import FaultKind, refuse

T = TypeVar("T")

AT_ONCE: Final = 2
WAITING: Final = 64  # of an account: each holds a request of up to a megabyte

_REFUSAL: Final = "Rate exceeded"  # spec 7.5, control plane


class SlowWork:
    """Runs work in threads: at most `at_once`, and `waiting` of one account behind what it has at work.

    Of `at_once` an account has one part in so many as `part` says; by default one.
    """

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING, part: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="slow-work")
        self._shares = Shares(at_once, (part or at_once,))
        self._most_waiting = waiting
        # In the order of their turns: who has just had one is last.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, account: str, work: Callable[[], T]) -> T:
        """Return what the work returns, when its turn has come.

        Raises: what the work raises; `Fault` THROTTLED where too much of the account's waits already.
        """
        await self._take(account)
        try:
            # The thread goes on where the caller has gone away: its turn ends when it does.
            running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        except BaseException:
            self._give(account)
            raise
        running.add_done_callback(lambda _: self._give(account))
        return await asyncio.shield(running)

    async def _take(self, account: str) -> None:
        if account not in self._waiting and self._shares.take((account,)):
            return
        queue = self._waiting.setdefault(account, deque())
        if len(queue) >= self._most_waiting:
            refuse(FaultKind.THROTTLED, _REFUSAL)
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._give(account)  # it was its turn at that moment
            elif turn in queue:
                queue.remove(turn)
                if not queue and self._waiting.get(account) is queue:
                    del self._waiting[account]
            raise

    def _give(self, account: str) -> None:
        self._shares.give((account,))
        while (turn := self._next()) is not None:
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        """Let in whose turn it is, of the accounts that may have one more at work; None where none may."""
        for account, queue in list(self._waiting.items()):
            while queue and queue[0].done():  # whoever waited for it has gone away
                queue.popleft()
            if queue and not self._shares.take((account,)):
                continue
            del self._waiting[account]
            if queue:
                turn = queue.popleft()
                if queue:
                    self._waiting[account] = queue
                return turn
        return None
