"""Several processes behind the same addresses: forked, watched, replaced when they end, ended together.

Every worker has listening sockets of its own on the shared addresses (SO_REUSEPORT), among which the kernel
spreads connections evenly; a single queue for all gives most of them to whoever wakes first. The supervisor
keeps each of these sockets open, so that connections which wait for a worker that died are met by the next.
It has no threads and no event loop, and so may fork at any time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from socket import socket
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from indicia.domain.retry import Backoff
from indicia.domain.time import SECOND
from indicia.wire.http.server import addresses_of, bind

if TYPE_CHECKING:
    from types import FrameType

# What a worker does with its sockets; what it returns is its exit status. SIGTERM asks it to drain and
# return, SIGHUP to read certificates again.
Work: TypeAlias = Callable[[list[socket]], int]

# What a work returns when it cannot be done, and doing it again would not help: all end, with status 1.
UNABLE = 78  # EX_CONFIG of <sysexits.h>

_HEEDED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_LONG_ENOUGH = 5.0  # seconds that a worker lived when its end is news, and not one more of a row
_MOST_IN_A_ROW = 5
_BACKOFF = Backoff(SECOND // 10, SECOND)  # of a row, but for the first, which is started again at once
_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def shared_sockets(addresses: Sequence[tuple[str, int]], workers: int) -> list[list[socket]]:
    """Sockets for each worker, all on the same addresses; port 0 is the same port for all of them.

    Raises CannotListenError.
    """
    first = bind(addresses, shared=True)
    return [first, *(bind(addresses_of(first), shared=True) for _ in range(workers - 1))]


class Supervisor:
    """Runs one process for each of `works`, with the sockets at the same place in `sockets`."""

    def __init__(self, works: Sequence[Work], sockets: Sequence[list[socket]], log: Any = None) -> None:
        self._works = works
        self._sockets = sockets
        self._log = log if log is not None else structlog.get_logger("indicia.workers")
        self._running: dict[int, tuple[int, float]] = {}  # process id to place and start
        self._waiting: dict[int, float] = {}  # place to the time at which it is started again
        self._in_a_row = 0
        self._ending = False
        self._status = 0

    def run(self) -> int:
        """The exit status, when all have ended: 0 after SIGTERM or SIGINT, 1 when workers keep failing."""
        former = signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        # A signal whose action is to be ignored is never delivered, not even to sigtimedwait.
        handler = signal.signal(signal.SIGCHLD, _nothing)
        try:
            for place in range(len(self._works)):
                self._start(place, former)
            while self._running or (self._waiting and not self._ending):
                self._heed(signal.sigtimedwait(_HEEDED, self._patience()))
                self._reap()
                self._start_again(former)
            return self._status
        finally:
            signal.signal(signal.SIGCHLD, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, former)

    def _start(self, place: int, mask: set[int | signal.Signals]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            self._be_worker(place, parent, mask)
        self._running[process] = (place, time.monotonic())
        self._log.info("worker.started", worker=place, pid=process)

    def _be_worker(self, place: int, parent: int, mask: set[int | signal.Signals]) -> None:
        """Never returns: the forked process leaves without unwinding what belongs to the supervisor."""
        status = 1
        try:
            _end_with(parent)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for other, sockets in enumerate(self._sockets):
                if other != place:
                    _close(sockets)
            status = self._works[place](self._sockets[place])
        except BaseException as error:  # noqa: BLE001 - whatever it is, this process ends with it
            self._log.error("worker.failed", worker=place, pid=os.getpid(), error=type(error).__qualname__)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _patience(self) -> float:
        """How long to wait for a signal: until the next start that is due."""
        if not self._waiting or self._ending:
            return 3600.0
        return max(0.0, min(self._waiting.values()) - time.monotonic())

    def _heed(self, told: signal.struct_siginfo | None) -> None:
        if told is None or told.si_signo == signal.SIGCHLD:
            return
        if told.si_signo == signal.SIGHUP:
            self._tell(signal.SIGHUP)
        else:
            self._end(0)

    def _end(self, status: int) -> None:
        """Tell every worker to drain, and stop holding their addresses."""
        if not self._ending:
            self._ending = True
            self._status = status
            for sockets in self._sockets:
                _close(sockets)
        self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _reap(self) -> None:
        """Note which workers have ended, and when to start them again."""
        for process in list(self._running):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended:
                continue
            place, since = self._running.pop(process)
            code = os.waitstatus_to_exitcode(status)
            self._log.log(20 if self._ending else 40, "worker.ended", worker=place, pid=process, status=code)
            if self._ending:
                self._status = self._status or (1 if code else 0)
                continue
            if code == UNABLE:  # it has said why
                self._end(1)
                continue
            now = time.monotonic()
            self._in_a_row = self._in_a_row + 1 if now - since < _LONG_ENOUGH else 1
            if self._in_a_row > _MOST_IN_A_ROW:
                self._log.error("workers.keep_failing")
                self._end(1)
            else:
                pause = _BACKOFF.after(self._in_a_row - 1) / SECOND if self._in_a_row > 1 else 0.0
                self._waiting[place] = now + pause

    def _start_again(self, mask: set[int | signal.Signals]) -> None:
        if self._ending:
            return
        now = time.monotonic()
        for place in [place for place, due in self._waiting.items() if due <= now]:
            del self._waiting[place]
            self._start(place, mask)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the signal be waited for."""


def _close(sockets: list[socket]) -> None:
    for each in sockets:
        each.close()


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its supervisor is killed (Linux; elsewhere it would live on)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before the call
            os._exit(1)
