"""Takes connections from a listening socket, as long as there is room for them and files to open.

The loop's own servers accept whatever comes; when the process has no files left, uvloop closes what it
accepts without a word. Here each connection has to be admitted before anything is made for it, whoever is not
is told so, and a process that runs out of files waits and says so once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    import ssl

    from indicia.connections.admission import AdmittedConnection, ConnectionAdmission

log = structlog.get_logger(__name__)

# Connections taken in one turn of the loop, so that others have theirs.
_AT_ONCE: Final = 64
_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSES: Final = (0.05, 0.1, 0.25, 0.5, 1.0)  # seconds, while there are no files
_SHED: Final = 8  # connections that go at once then
_SAY_AGAIN: Final = 60.0  # seconds after which what goes on is said again
# Who is turned away may read why: so many at a time, for so long.
_PARTING: Final = 16
_PARTING_SECONDS: Final = 1.0
# What a client has said before there is TLS is looked at so far.
_PEEKED: Final = 2048
_BEGINNING_SECONDS: Final = 1.0  # of TLS, which has time while nobody else wants to come
_TLS_HANDSHAKE: Final = 0x16  # RFC 8446 §5.1: the type of the first record


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """How a listener speaks TLS.

    `seconds` is how long a client may take until it does, `farewell` how long it is waited for at the end.
    `told_in_clear` returns what to answer to a client that speaks something else, given what it said.
    """

    context: ssl.SSLContext
    seconds: float
    farewell: float
    told_in_clear: Callable[[bytes, str], bytes]  # what came first, and the client's address


class Listener:
    """One listening socket.

    `serve` makes what speaks with a client that was let in. When it is connected it becomes the holder of the
    place; when it is not any more it leaves. `refusal` returns what is sent to whoever is not let in, where
    there is no TLS yet in which to send it. `exhausted` is called when there are no files: it may end
    connections elsewhere. `name` is for the log.
    """

    def __init__(
        self,
        name: str,
        listening: socket.socket,
        admission: ConnectionAdmission,
        serve: Callable[[AdmittedConnection], asyncio.Protocol],
        *,
        tls: ListenerTls | None = None,
        refusal: Callable[[], bytes] = lambda: b"",
        exhausted: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._socket = listening
        self._admission = admission
        self._serve = serve
        self._tls = tls
        self._refusal = refusal
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._parting = 0
        self._pauses = 0  # in a row
        self._paused: asyncio.TimerHandle | None = None
        self._said: dict[str, float] = {}

    def start(self, backlog: int) -> None:
        """Connections are taken from now on."""
        self._socket.setblocking(False)
        self._socket.listen(backlog)
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """None is taken any more. Those that are not served yet end."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Nothing of it is left, but connections that are served."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno in _NO_FILES:
                    self._pause(error)
                    return
                continue  # that client's trouble, which Linux tells here (accept(2))
            connection.setblocking(False)
            self._admit(connection, str(address[0]))
        self._pauses = 0

    def _admit(self, connection: socket.socket, address: str) -> None:
        place = self._admission.admit(address)
        if place is None:
            self._say("connections.full", limit=self._admission.room.most, of_one=self._admission.room.of_one)
            self._part(connection, self._refusal() if self._tls is None else b"")
            return
        place.connection = connection
        entering = _Entering(place, self._loop)
        entering.task = self._run(self._enter(connection, place, address, entering))
        entering.task.add_done_callback(partial(_entered, connection, place))

    def _pause(self, error: OSError) -> None:
        """There are no files: some connections go, and it is tried again in a moment."""
        self._admission.without_files += 1
        self._say("connections.no_files", reason=error.strerror)
        self._admission.shed(_SHED)
        self._exhausted()
        self._loop.remove_reader(self._socket)
        seconds = _PAUSES[min(self._pauses, len(_PAUSES) - 1)]
        self._pauses += 1
        self._paused = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        self._loop.add_reader(self._socket, self._accept)

    async def _enter(
        self, connection: socket.socket, place: AdmittedConnection, address: str, entering: _Entering
    ) -> None:
        """Hand the connection to what serves it. Raises: `OSError` when it does not come to that."""
        tls = self._tls
        if tls is not None:
            first = await _first_octets(connection, tls.seconds)
            if not first:
                raise ConnectionResetError
            if first[0] != _TLS_HANDSHAKE:
                place.leave()
                self._part(connection.dup(), tls.told_in_clear(first, address))
                raise ConnectionAbortedError
        entering.begun = True
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.connect_accepted_socket(
            lambda: self._serve(place),
            connection,
            ssl=tls.context if tls is not None else None,
            ssl_handshake_timeout=tls.seconds if tls is not None else None,
            ssl_shutdown_timeout=tls.farewell if tls is not None else None,
        )

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _part(self, connection: socket.socket, told: bytes) -> None:
        """Say why, if there is something to say, and end the connection, if possible without a reset."""
        with contextlib.suppress(OSError):
            if told:
                connection.send(told)
            connection.shutdown(socket.SHUT_WR)
        if not told or self._parting >= _PARTING:
            connection.close()
            return
        self._parting += 1
        self._run(self._see_off(connection))

    async def _see_off(self, connection: socket.socket) -> None:
        """What the client still says is not for us; closing at once would reset what it was told."""
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_PARTING_SECONDS):
                    while await self._loop.sock_recv(connection, 65_536):
                        pass
        finally:
            self._parting -= 1
            connection.close()

    def _say(self, event: str, **told: object) -> None:
        """Write a line of what goes on, and not another one for a minute."""
        now = self._loop.time()
        if now >= self._said.get(event, 0.0):
            self._said[event] = now + _SAY_AGAIN
            log.warning(event, listener=self._name, **told)


def _entered(connection: socket.socket, place: AdmittedConnection, task: asyncio.Task[None]) -> None:
    """Close what was not handed over: the client went away, was too slow, or had to go."""
    if task.cancelled() or task.exception() is not None:
        place.leave()
        connection.close()
        if not task.cancelled() and not isinstance(task.exception(), OSError):
            log.error("connections.failed", error=type(task.exception()).__name__)


class _Entering:
    """A connection that is not served yet. Who has said nothing can go, and who takes long to begin."""

    def __init__(self, place: AdmittedConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._since = loop.time()
        self.begun = False
        self.task: asyncio.Task[None] | None = None
        place.holder = self

    def is_expendable(self) -> bool:
        return not self.begun or self._loop.time() - self._since > _BEGINNING_SECONDS

    def abort(self) -> None:
        if self.task is not None:
            self.task.cancel()


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _first_octets(connection: socket.socket, seconds: float) -> bytes:
    """Return what a client says first, without taking it; nothing when it says nothing in time.

    Raises: `OSError` when it is gone.
    """
    loop = asyncio.get_running_loop()
    said: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _done, said)
    try:
        async with asyncio.timeout(seconds):
            await said
        return connection.recv(_PEEKED, socket.MSG_PEEK)
    finally:
        loop.remove_reader(connection)
