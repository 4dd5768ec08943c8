"""Making HTML of strangers harmless: in child processes, which may die of it.

A child is started when there is a document and no idle child, which takes some 50 ms; it is used again, and
ends by itself when nothing comes. Children are made by fork and exec, which a process with threads may do at
any time. Which document killed a child, and which was met by one that was dying anyway, is told apart: only
the first is the document's fault.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Final

import msgspec
import structlog

from indicia.domain.faults import Fault, FaultKind
from indicia.mail.html.harmless import (
    HEADER,
    MOST_OCTETS,
    TOO_MUCH,
    Document,
    HarmlessHtml,
    Sanitized,
    UnsuitableHtmlError,
    frame_length,
    framed,
)

log = structlog.get_logger(__name__)

# Seconds, for a machine that is busy: a document's own limit is one of processor time. SDKs wait for sixty.
WITHIN: Final = 30.0

_ANSWER_AT_MOST: Final = MOST_OCTETS + 4096
_TRIES: Final = 3
_READ: Final = 65_536
# By these ends who takes too much: of time, of memory (an allocation that fails aborts), of the stack.
# Nobody else sends them, and whoever ends processes to have their memory (the kernel too) sends SIGKILL.
_BY_ITS_DOCUMENT: Final = frozenset({signal.SIGXCPU, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS})


class Sanitizer:
    """Makes HTML harmless. Safe to use from several threads, each of which has a child for that time.

    `within` is how long, in seconds, an answer is waited for.
    """

    def __init__(self, *, within: float = WITHIN) -> None:
        self._within = within
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._at_work: set[_Child] = set()
        self._closed = False

    def __call__(self, html: str, domain: str) -> HarmlessHtml:
        """Return what is left of the HTML. `domain` is the right side of its images' content ids.

        Blocks for as long as that takes: call it from a thread, and not inside a transaction.

        Raises: `UnsuitableHtmlError`; `Fault` UNAVAILABLE where it is not the document's fault.
        """
        question = framed(Document(html, domain))
        until = time.monotonic() + self._within
        for _ in range(_TRIES):
            child = self._taken()
            try:
                answer = child.ask(question, until)
            except _EndedError as ended:
                self._gone(child)
                if ended.by_its_document:
                    raise UnsuitableHtmlError(TOO_MUCH) from None
                log.warning("html_child.ended", status=ended.status)
                continue
            except BaseException:
                self._gone(child)
                raise
            self._put_back(child)
            if answer.reason:
                raise UnsuitableHtmlError(answer.reason)
            return HarmlessHtml.unpacked(answer.packed)
        raise _unavailable()

    def close(self) -> None:
        """End every child. Whoever waits for one is told that there is no answer."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for child in self._at_work:
                child.kill()  # whoever reads from it closes its pipes
        for child in idle:
            child.end()

    def _taken(self) -> _Child:
        """Return a child that lives, for whoever calls alone."""
        while True:
            with self._lock:
                if self._closed:
                    raise _unavailable()
                child = self._idle.pop() if self._idle else _started()
                self._at_work.add(child)
            if child.lives:
                return child
            self._gone(child)

    def _put_back(self, child: _Child) -> None:
        with self._lock:
            self._at_work.discard(child)
            if not self._closed:
                self._idle.append(child)
                return
        child.end()

    def _gone(self, child: _Child) -> None:
        with self._lock:
            self._at_work.discard(child)
        child.end()


def _unavailable() -> Fault:
    message = "The HTML could not be looked at in time: this service is busy or stopping. Try again."
    return Fault(FaultKind.UNAVAILABLE, message)


class _EndedError(Exception):
    """A child ended in place of an answer. `status` is that of its process, negative for a signal."""

    def __init__(self, status: int, *, ready: bool) -> None:
        super().__init__(f"the child ended with {status}")
        self.status = status
        self.by_its_document = ready and -status in _BY_ITS_DOCUMENT


def _started() -> _Child:
    try:
        return _Child()
    except OSError as error:
        log.warning("html_child.not_started", reason=error.strerror)
        raise _unavailable() from error


class _Child:
    """One child process, and the pipes to and from it. Used by one thread at a time."""

    def __init__(self) -> None:
        """Start it. Raises OSError where it cannot be."""
        # Nothing is inherited: neither open files, nor what is in the environment, such as secrets.
        self._process = subprocess.Popen(
            (sys.executable, "-P", "-m", "indicia.mail.html.child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env={name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._ready = False
        # However it ends, and whether or not anybody asks for it again, it does not stay as a zombie.
        self._reaper = threading.Thread(target=self._process.wait, name="html-child", daemon=True)
        self._reaper.start()

    @property
    def lives(self) -> bool:
        """Whether it has not ended yet."""
        return self._reaper.is_alive()

    def ask(self, question: bytes, until: float) -> Sanitized:
        """Return the answer. `until` is an instant of the monotonic clock.

        Raises: `_EndedError`; `Fault` UNAVAILABLE when there is none in time.
        """
        if not self._ready:
            self._receive(until)
            self._ready = True
        view = memoryview(question)
        while view:
            self._wait(self._to, select.POLLOUT, until)
            try:
                view = view[os.write(self._to, view) :]
            except BrokenPipeError:
                raise self._ended(until) from None
        return self._receive(until)

    def kill(self) -> None:
        """Let it end at once. May be called from any thread."""
        self._process.kill()

    def end(self) -> None:
        """Let it end at once, and close the pipes."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _receive(self, until: float) -> Sanitized:
        length = frame_length(self._read(HEADER, until))
        if length > _ANSWER_AT_MOST:
            raise _unavailable()
        try:
            return msgspec.msgpack.decode(self._read(length, until), type=Sanitized)
        except msgspec.MsgspecError:
            raise _unavailable() from None

    def _read(self, count: int, until: float) -> bytes:
        octets = bytearray()
        while len(octets) < count:
            self._wait(self._from, select.POLLIN, until)
            more = os.read(self._from, min(_READ, count - len(octets)))
            if not more:
                raise self._ended(until)
            octets += more
        return bytes(octets)

    @staticmethod
    def _wait(descriptor: int, event: int, until: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise _unavailable()

    def _ended(self, until: float) -> _EndedError:
        self._reaper.join(max(0.0, until - time.monotonic()))
        status = self._process.returncode
        return _EndedError(0 if status is None else status, ready=self._ready)
