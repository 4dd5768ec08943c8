"""The one writer of the embedded database: what waits runs one after the other, and is committed once.

It has a thread. Short work of an event loop runs in that loop, all that comes together, and only the commit
is left to the thread: two threads that need the interpreter take it from each other at every statement, of
which a unit of work has many, and a group of them one commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

from indicia.domain.faults import Fault, FaultKind
from indicia.store.engine.checkpoint import Checkpointer
from indicia.store.engine.errors import told
from indicia.store.engine.file_lock import FileLock
from indicia.store.engine.jobs import Group, GroupOutcome, Job, Transactions, tell, tell_all

_GROUP: Final = 512  # units of work in one commit
_SHORT_GROUP: Final = 32  # the most that run in an event loop before it sees to other things
# Turns of a loop that bring no more before what is there runs. Whoever has just been answered asks again
# within these few: otherwise one straggler has a commit to itself, and all others wait, time after time.
_QUIET_TURNS: Final = 8

_WAKE: Final = object()  # something is to be committed
_END: Final = object()


class _Gathering:
    """The short work that waits in one event loop.

    Where there is some, it is to be looked at, or waits for whoever is at work.
    """

    __slots__ = ("context", "jobs", "looks", "loop", "quiet", "seen", "waited", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.context = contextvars.Context()  # of none of those whose work it is
        self.jobs: list[Job[Any]] = []
        self.looks = False  # whether it is to be looked at
        self.seen = 0  # how many there were when last looked at
        self.quiet = 0  # for how many turns there have been no more
        self.waits = False  # for whoever is at work
        self.waited = False  # once before


class Writer:
    """Runs jobs and tells who waits for them."""

    def __init__(self, transactions: Transactions, turns: FileLock, checkpointer: Checkpointer) -> None:
        self._transactions = transactions
        self._turns = turns
        self._checkpointer = checkpointer
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        # Whoever holds it runs work. What has run in a loop is for the thread alone to commit.
        self._held = threading.Lock()
        self._ran: Group = ()
        self._ended = False
        self._running: threading.Thread | None = None  # whose loop runs a group at this moment
        self._of_thread = threading.local()
        self._waiting: list[_Gathering] = []  # for whoever is at work to be done
        self._thread = threading.Thread(target=self._serve, name="indicia-writer", daemon=True)
        self._thread.start()

    def is_running_here(self) -> bool:
        """Whether a unit of work runs in this thread now, which cannot wait for another."""
        return threading.current_thread() in {self._thread, self._running}

    def put(self, job: Job[Any]) -> None:
        """Let the thread run it. Raises: `Fault` UNAVAILABLE after `close`."""
        with self._lock:  # nothing is queued behind the end
            if self._closed:
                raise _closed()
            self._queue.put(job)

    def put_short(self, job: Job[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Let the running `loop` run it, with others that come now. Raises: `Fault` as `put` does."""
        if self._closed:
            raise _closed()
        gathering: _Gathering | None = getattr(self._of_thread, "gathering", None)
        if gathering is None or gathering.loop is not loop:
            gathering = self._of_thread.gathering = _Gathering(loop)
        gathering.jobs.append(job)
        if not gathering.waits:
            self._look_soon(gathering)

    def close(self) -> None:
        """Finish what has begun, and end the thread. What is still gathered in a loop is refused soon."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(_END)
        self._thread.join()

    def _look_soon(self, gathering: _Gathering) -> None:
        if not gathering.looks:
            gathering.looks = True
            gathering.loop.call_soon(self._look, gathering, context=gathering.context)

    def _look(self, gathering: _Gathering) -> None:
        """Run what has gathered once some turns of the loop have brought no more."""
        gathering.looks = False
        there = len(gathering.jobs)
        if there == 0:
            return
        gathering.quiet = gathering.quiet + 1 if there == gathering.seen else 0
        gathering.seen = there
        if gathering.quiet < _QUIET_TURNS and there < _SHORT_GROUP:
            self._look_soon(gathering)
        elif not self._run_gathered(gathering):
            self._wait(gathering)

    def _wait(self, gathering: _Gathering) -> None:
        """Look again when whoever is at work is done, but only once: the thread may have much to do."""
        if gathering.waited:
            self._leave(self._taken(gathering, len(gathering.jobs)))
            return
        gathering.waits = gathering.waited = True
        with self._lock:
            self._waiting.append(gathering)
        # They may have been done before they could see that somebody waits.
        if self._held.acquire(blocking=False):
            self._release()

    def _release(self) -> None:
        """Let others work, and wake those who wait, unless the thread does that when it has committed."""
        committing = bool(self._ran)
        self._held.release()
        if not committing:
            self._wake_waiting()

    def _wake_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for gathering in waiting:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                gathering.loop.call_soon_threadsafe(self._wake, gathering, context=gathering.context)

    def _wake(self, gathering: _Gathering) -> None:
        gathering.waits = False
        self._look_soon(gathering)

    def _run_gathered(self, gathering: _Gathering) -> bool:
        """Run what has gathered, as much as a loop may at once; False where others are at work."""
        if not self._held.acquire(blocking=False):
            return False
        if self._ran:
            self._held.release()
            return False
        try:
            group = [job for job in self._taken(gathering, _SHORT_GROUP) if job.wanted()]
            if self._ended:
                _refuse(group, _closed())
                tell_all(group)
            elif group:
                self._run_here(group)
        finally:
            self._release()
            if gathering.jobs:
                self._look_soon(gathering)
        return True

    @staticmethod
    def _taken(gathering: _Gathering, most: int) -> list[Job[Any]]:
        """Take the first of them away, to be looked at no more."""
        taken, gathering.jobs = gathering.jobs[:most], gathering.jobs[most:]
        gathering.seen = gathering.quiet = 0
        gathering.waited = False
        return taken

    def _leave(self, group: Group) -> None:
        """Leave it to the thread."""
        with self._lock:
            if not self._closed:
                for job in group:
                    self._queue.put(job)
                return
        _refuse(group, _closed())
        tell_all(group)

    def _run_here(self, group: Group) -> None:
        """Run it in a transaction that the thread commits. What cannot begin at once the thread runs."""
        outcome = GroupOutcome.MIXED
        taken = False
        try:
            taken = self._turns.take(wait=False)
            if taken and self._transactions.begin(wait=False):
                self._running = threading.current_thread()
                outcome = self._transactions.together(group)
        except Exception:  # noqa: BLE001 - the thread meets it again, and says so
            self._transactions.undo()
        except BaseException:
            self._transactions.undo()
            _refuse(group, Fault(FaultKind.UNAVAILABLE, "The work was broken off; nothing was written."))
            tell_all(group)
            raise
        finally:
            self._running = None
            if outcome is GroupOutcome.WRITTEN:
                self._ran = group
                self._queue.put(_WAKE)
            elif taken:
                self._turns.give()
        if outcome is GroupOutcome.REFUSED:
            tell_all(group)
        elif outcome is GroupOutcome.MIXED:
            self._leave(group)

    def _serve(self) -> None:
        """Run what comes through the queue, as many in a commit as wait, until the end comes."""
        going = True
        while going:
            group, going = self._next()
            with self._held:
                ran, self._ran = self._ran, ()
                if ran:
                    self._finish(ran)
                group = [job for job in group if job.wanted()]
                if group:
                    self._commit(group)
                changes = self._transactions.changes
                if not going:
                    self._ended = True
                    self._transactions.close()
                    self._turns.close()
            self._wake_waiting()
            if going:
                self._checkpointer.written(changes)
        self._checkpointer.close()

    def _next(self) -> tuple[list[Job[Any]], bool]:
        """Return the jobs that wait, once something does, and whether more may come."""
        group: list[Job[Any]] = []
        each = self._queue.get()
        while True:
            if each is _END:
                return group, False
            if each is not _WAKE:
                group.append(each)
            if len(group) == _GROUP:
                return group, True
            try:
                each = self._queue.get_nowait()
            except Empty:
                return group, True

    def _commit(self, group: Group) -> None:
        """Run a group in one transaction and answer everybody in it."""
        transactions = self._transactions

        def run() -> None:
            self._turns.take()
            transactions.begin()
            outcome = transactions.together(group)
            if outcome is GroupOutcome.MIXED:
                transactions.begin()
                transactions.apart(group)
            if outcome is not GroupOutcome.REFUSED:
                transactions.commit()

        self._answer(group, run)

    def _finish(self, group: Group) -> None:
        """Commit what has run in a loop and answer everybody in it."""
        self._answer(group, self._transactions.commit)

    def _answer(self, group: Group, run: Callable[[], None]) -> None:
        """Do it, leave no transaction behind, and say to everybody how it ended."""
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - the writer outlives every failure and passes it on
            self._transactions.undo()
            _refuse(group, error)
        finally:
            self._turns.give()
        tell(group)


def _refuse(group: Group, error: BaseException) -> None:
    refusal = told(error)
    for job in group:
        job.result, job.error = None, refusal


def _closed() -> Fault:
    return Fault(FaultKind.UNAVAILABLE, "The database is closed.")
