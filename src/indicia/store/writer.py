"""The one writer of the embedded database: what waits runs one after the other, and is committed once.

It has a thread. Short work of an event loop runs in that loop, all that comes together, and only the commit
is left to the thread: two threads that need the interpreter take it from each other at every statement, of
which a unit of work has many, and a group of them one commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from queue import Empty, SimpleQueue
from typing import Any, Final

from indicia.domain.faults import Fault, FaultKind
from indicia.store.checkpoint import Checkpointer
from indicia.store.jobs import Group, Job, Outcome, Transactions, tell, tell_all
from indicia.store.trouble import told
from indicia.store.turns import Turns

_GROUP: Final = 512  # units of work in one commit
_SHORT_GROUP: Final = 32  # the most that run in an event loop before it sees to other things
# Turns of a loop that bring no more before what is there runs. Whoever has just been answered asks again
# within these few: otherwise one straggler has a commit to itself, and all others wait, time after time.
_QUIET_TURNS: Final = 8

_WAKE: Final = object()  # something is to be committed
_END: Final = object()


class _Gathering:
    """The short work that waits in one event loop."""

    __slots__ = ("jobs", "loop", "quiet", "seen", "waited")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.jobs: list[Job[Any]] = []
        self.seen = 0  # how many there were when last looked at
        self.quiet = 0  # for how many turns there have been no more
        self.waited = False  # for the thread, once


class Writer:
    """Runs jobs and tells who waits for them."""

    def __init__(self, transactions: Transactions, turns: Turns, checkpointer: Checkpointer) -> None:
        self._transactions = transactions
        self._turns = turns
        self._checkpointer = checkpointer
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        # Whoever holds it uses the transactions. Those that have run in a loop are the thread's alone.
        self._held = threading.Lock()
        self._ran: Group = ()
        self._ended = False
        self._running: threading.Thread | None = None  # whose loop runs a group at this moment
        self._of_thread = threading.local()
        self._waiting: list[_Gathering] = []  # for the thread to be done
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
        if len(gathering.jobs) == 1:
            loop.call_soon(self._look, gathering)

    def close(self) -> None:
        """Finish what the thread has, and end it. What is still gathered in a loop is refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(_END)
        self._thread.join()

    # -- in an event loop --------------------------------------------------------------------------------

    def _look(self, gathering: _Gathering) -> None:
        """Run what has gathered once some turns of the loop have brought no more."""
        there = len(gathering.jobs)
        gathering.quiet = gathering.quiet + 1 if there == gathering.seen else 0
        gathering.seen = there
        if gathering.quiet < _QUIET_TURNS and there < _SHORT_GROUP:
            gathering.loop.call_soon(self._look, gathering)
        elif not self._run_gathered(gathering):
            self._wait_for_thread(gathering)

    def _wait_for_thread(self, gathering: _Gathering) -> None:
        """Look again when the thread is done, but only once: it may have much to do."""
        if gathering.waited:
            self._leave(self._taken(gathering, len(gathering.jobs)))
            return
        gathering.waited = True
        with self._lock:
            self._waiting.append(gathering)
        # The thread may have been done before it could see that somebody waits.
        if self._run_gathered(gathering):
            with self._lock, contextlib.suppress(ValueError):
                self._waiting.remove(gathering)

    def _run_gathered(self, gathering: _Gathering) -> bool:
        """Run what has gathered, as much as a loop may at once; False where the thread is at work."""
        if not self._held.acquire(blocking=False):
            return False
        try:
            if self._ran:
                return False
            group = [job for job in self._taken(gathering, _SHORT_GROUP) if job.wanted()]
            if self._ended:
                _refuse(group, _closed())
                tell_all(group)
            elif group:
                self._run_here(group)
        finally:
            self._held.release()
        if gathering.jobs:
            gathering.loop.call_soon(self._look, gathering)
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
        outcome = Outcome.MIXED
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
            raise
        finally:
            self._running = None
            if outcome is Outcome.WRITTEN:
                self._ran = group
                self._queue.put(_WAKE)
            elif taken:
                self._turns.give()
        if outcome is Outcome.REFUSED:
            tell_all(group)
        elif outcome is Outcome.MIXED:
            self._leave(group)

    # -- in the thread -----------------------------------------------------------------------------------

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
                if not going:
                    self._ended = True
                    self._transactions.close()
                    self._turns.close()
            self._wake_waiting()
            if going:
                self._checkpointer.written(self._transactions.changes)
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
        try:
            self._turns.take()
            try:
                transactions.begin()
                outcome = transactions.together(group)
                if outcome is Outcome.MIXED:
                    transactions.begin()
                    transactions.apart(group)
                if outcome is not Outcome.REFUSED:
                    transactions.commit()
            finally:
                self._turns.give()
        except BaseException as error:  # noqa: BLE001 - the writer outlives every failure and passes it on
            transactions.undo()
            _refuse(group, error)
        tell(group)

    def _finish(self, group: Group) -> None:
        """Commit what has run in a loop and answer everybody in it."""
        try:
            try:
                self._transactions.commit()
            finally:
                self._turns.give()
        except BaseException as error:  # noqa: BLE001 - as in `_commit`
            self._transactions.undo()
            _refuse(group, error)
        tell(group)

    def _wake_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for gathering in waiting:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                gathering.loop.call_soon_threadsafe(self._look, gathering)


def _refuse(group: Group, error: BaseException) -> None:
    refusal = told(error)
    for job in group:
        job.result, job.error = None, refusal


def _closed() -> Fault:
    return Fault(FaultKind.UNAVAILABLE, "The database is closed.")
