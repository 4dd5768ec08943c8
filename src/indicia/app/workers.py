"""`indicia serve --workers N`: processes that answer HTTP, and one beside them for every other role.

The process that was started binds the addresses, forks, and from then on only watches: it has no threads, no
event loop and no connection to the database, so that it can fork again at any time. It holds every listening
socket: when a worker dies, who was about to connect waits for the next one instead of being refused. All
processes end when it does, however it ends.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NoReturn

import structlog
import uvloop

from indicia import ready as ready_file
from indicia.app.running import Told, run, say_what_is_unsafe
from indicia.app.service import Service, Variant, local_url
from indicia.app.siblings import MAIN, Siblings
from indicia.clock import Clock
from indicia.domain.faults import Fault
from indicia.installation import Installation, InstallationError
from indicia.ready import Ready
from indicia.settings import Address, Role, Settings
from indicia.wire.server import CannotListenError, addresses_of, bind

log = structlog.get_logger("indicia")

HTTP_ROLES: Final = frozenset({Role.API, Role.LINKS})
# How long children may take to end before they are made to; each gives itself less.
_END_WITHIN: Final = 9.0
# A child that keeps dying is started again later and later, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_LIVED_LONG: Final = 30.0
_WATCHED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(slots=True)
class _Child:
    """A place among the processes, and who holds it at the moment."""

    name: str
    roles: frozenset[Role]
    sockets: Sequence[socket.socket]
    pid: int = 0
    news: int = -1  # the end of a pipe on which the child says that it is ready
    is_ready: bool = False
    began: float = 0.0
    pause: float = 0.0
    start_at: float = 0.0


@dataclass(slots=True)
class _Family:
    """The children of this process and what they share."""

    settings: Settings
    siblings: Siblings
    children: list[_Child]
    lifeline: tuple[int, int] = field(default_factory=os.pipe)


def serve(settings: Settings, roles: frozenset[Role], workers: int, told: Told) -> int:
    """Run the roles in `workers` processes and one more until SIGTERM or SIGINT; return the exit status.

    Raises: `InstallationError`, `CannotListenError`.
    """
    # Made, or found to be unusable, once and here. The children open it for themselves.
    installation = Installation(settings, Clock())
    installation.close()
    wanted = [(address.host, address.port) for address in settings.listen.http]
    sockets = [bind(wanted, shared=True)]
    bound = [(address.host, address.port) for address in addresses_of(sockets[0])]
    sockets += [bind(bound, shared=True) for _ in range(workers - 1)]
    names = tuple(f"worker-{number}" for number in range(1, workers + 1))
    with tempfile.TemporaryDirectory(prefix="indicia-workers-") as folder:
        children = [_Child(MAIN, roles - HTTP_ROLES, [])]
        children += [
            _Child(name, roles & HTTP_ROLES, each) for name, each in zip(names, sockets, strict=True)
        ]
        family = _Family(settings, Siblings(Path(folder), names), children)
        supervisor = _Supervisor(family, lambda: told.ready(_ready(family), installation))
        try:
            return supervisor.run()
        finally:
            told.gone()


def _ready(family: _Family) -> Ready:
    """Return where the whole of it is reached."""
    settings = family.settings
    main = ready_file.read(family.siblings.file(MAIN))
    assert main is not None, "it wrote its file before it said that it is ready"
    addresses = addresses_of(family.children[1].sockets)
    return replace(
        main,
        pid=os.getpid(),
        url=local_url(settings.listen.http, addresses, tls=settings.tls is not None),
        http=tuple(map(str, addresses)),
    )


class _Supervisor:
    """Starts the children, starts those again that die, and ends them."""

    def __init__(self, family: _Family, ready: Callable[[], None]) -> None:
        self._family = family
        self._ready = ready
        self._is_ready = False
        self._stopping = False
        self._status = 0

    def run(self) -> int:
        """Return the exit status once every child has ended."""
        with _signals() as wakeup:
            for child in self._family.children:
                self._start(child)
            end_by = float("inf")
            while any(child.pid for child in self._family.children) or not self._stopping:
                self._wait(wakeup)
                for number in _arrived(wakeup):
                    self._signalled(number)
                self._reap()
                if self._stopping and end_by == float("inf"):
                    end_by = time.monotonic() + _END_WITHIN
                    self._let_go()
                if time.monotonic() > end_by:
                    self._tell_all(signal.SIGKILL)
                self._start_again()
        return self._status

    def _start(self, child: _Child) -> None:
        news, told = os.pipe()
        # No signal may fall between the fork and the moment at which the child has its own manners.
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            pid = os.fork()
            if pid == 0:
                _be(self._family, child, told)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.close(told)
        child.pid, child.news, child.is_ready, child.began = pid, news, False, time.monotonic()

    def _wait(self, wakeup: socket.socket) -> None:
        """Return when a signal or a child's news has come, or when it is time to start or to end one."""
        children = self._family.children
        news = {child.news: child for child in children if child.news >= 0}
        later = [child.start_at for child in children if not child.pid] if not self._stopping else []
        timeout = max(0.0, min(later) - time.monotonic()) if later else 1.0 if self._stopping else None
        for descriptor in select.select([wakeup.fileno(), *news], [], [], timeout)[0]:
            if descriptor in news:
                self._heard(news[descriptor])

    def _heard(self, child: _Child) -> None:
        child.is_ready = os.read(child.news, 1) != b""
        os.close(child.news)
        child.news = -1
        if not self._is_ready and all(each.is_ready for each in self._family.children):
            self._is_ready = True
            self._ready()

    def _signalled(self, number: int) -> None:
        if number in {signal.SIGTERM, signal.SIGINT} and not self._stopping:
            self._stopping = True
            self._tell_all(signal.SIGTERM)
        elif number == signal.SIGHUP:
            self._tell_all(signal.SIGHUP)

    def _tell_all(self, number: signal.Signals) -> None:
        for child in self._family.children:
            if child.pid:
                os.kill(child.pid, number)

    def _let_go(self) -> None:
        """Nothing is accepted any more: the children have closed their copies of the sockets, or will."""
        for child in self._family.children:
            for held in child.sockets:
                held.close()

    def _reap(self) -> None:
        """Take note of the children that have ended."""
        for child in self._family.children:
            if not child.pid:
                continue
            ended, status = os.waitpid(child.pid, os.WNOHANG)
            if not ended:
                continue
            child.pid = 0
            if child.news >= 0:
                os.close(child.news)
                child.news = -1
            if not self._stopping:
                self._died(child, os.waitstatus_to_exitcode(status))

    def _died(self, child: _Child, status: int) -> None:
        """Start the child again in a moment; end everything when not even the first start went well."""
        if not self._is_ready:  # it has said why
            self._stopping, self._status = True, status if status > 0 else 1
            self._tell_all(signal.SIGTERM)
            return
        now = time.monotonic()
        child.pause = 0.0 if now - child.began > _LIVED_LONG else child.pause
        child.pause = min(_LONGEST_PAUSE, 2 * child.pause or _FIRST_PAUSE)
        child.start_at = now + child.pause
        log.error("process.ended", process=child.name, status=status, again_in=child.pause)

    def _start_again(self) -> None:
        for child in self._family.children:
            if not child.pid and not self._stopping and child.start_at <= time.monotonic():
                self._start(child)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Have the signals that are watched arrive as octets on the socket."""
    arriving, sent = socket.socketpair()
    with arriving, sent:
        arriving.setblocking(False)
        sent.setblocking(False)
        before = {number: signal.signal(number, lambda *_: None) for number in _WATCHED}
        other = signal.set_wakeup_fd(sent.fileno(), warn_on_full_buffer=False)
        try:
            yield arriving
        finally:
            signal.set_wakeup_fd(other)
            for number, handler in before.items():
                signal.signal(number, handler)


def _arrived(wakeup: socket.socket) -> bytes:
    """Return the numbers of the signals that have come."""
    try:
        return wakeup.recv(256)
    except BlockingIOError:
        return b""


# ---- in the child


def _be(family: _Family, child: _Child, told: int) -> NoReturn:
    """Be that child until it ends; nothing of what the parent was about to do is done here."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in _WATCHED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.close(family.lifeline[1])
        for other in family.children:
            if other is not child:
                for held in other.sockets:
                    held.close()
        status = _live(family, child, told)
    except (InstallationError, CannotListenError, Fault) as error:
        print(f"indicia: {error}", file=sys.stderr)  # noqa: T201 - what the command line would say
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001 - nothing may unwind into the parent's half of the program
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _live(family: _Family, child: _Child, told: int) -> int:
    is_main = child.name == MAIN
    installation = Installation(family.settings, Clock())
    variant = Variant(
        Clock(),
        sockets=child.sockets,
        admin=None if is_main else (Address("127.0.0.1", 0),),
        siblings=family.siblings if is_main else None,
    )
    service = Service(installation, child.roles, variant)
    if is_main:
        say_what_is_unsafe(service, frozenset().union(*(each.roles for each in family.children)))

    def ready(ready: Ready) -> None:
        ready.write(family.siblings.file(child.name))
        os.write(told, b"!")
        os.close(told)

    def until(ended: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(family.lifeline[0])
            ended.set()

        # Nobody writes there: it can be read when the parent's end is closed, which is when it is gone.
        loop.add_reader(family.lifeline[0], orphaned)

    try:
        return uvloop.run(run(service, ready, until=until))
    finally:
        installation.close()
