"""The HTTP server: bound sockets in, bounded connections served, drained at the end.

What is bound is known before anything is served, certificates can be read again while serving, and stopping
waits for answers and for nothing else. `connection` has what happens on a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from email.utils import formatdate
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from indicia.connections.admission import ConnectionAdmission
from indicia.connections.limits import open_files, plan
from indicia.connections.listener import Listener, ListenerTls
from indicia.wire.http.connection import (
    HEAD_OCTETS,
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    HttpConnection,
    Serving,
)
from indicia.wire.http.framing import Trailers
from indicia.wire.http.lingering import UNREAD_SECONDS
from indicia.wire.http.unheard import no_room, spoken_in_clear

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from indicia.wire.http.requests import App
    from indicia.wire.http.unheard import UnheardRefusal

BACKLOG = 2048
# A client that keeps an idle connection in its pool does not read, and never answers our close_notify.
TLS_FAREWELL_SECONDS = 1.0


class ListeningAddress(NamedTuple):
    """Where to listen. Port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class CannotListenError(Exception):
    """An address could not be bound. The text says which and why, `setting` what it was chosen by."""

    def __init__(self, text: str, *, setting: str = "") -> None:
        super().__init__(text)
        self.setting = setting


@contextlib.contextmanager
def listening_by(setting: str) -> Iterator[None]:
    """Name the setting in the `CannotListenError` of what is bound inside."""
    try:
        yield
    except CannotListenError as error:
        error.setting = setting
        raise


def bind(addresses: Sequence[tuple[str, int]], *, shared: bool = False) -> list[socket.socket]:
    """Sockets bound to `addresses`, in their order, each non-blocking and not yet listening.

    An IPv6 loopback address is left out on a machine without IPv6 when others are bound. `shared` sockets
    (SO_REUSEPORT) let several processes bind the same address. Raises CannotListenError.
    """
    bound: list[socket.socket] = []
    try:
        for host, port in addresses:
            for family, sockaddr in _resolved(host, port):
                made = _bound(family, sockaddr, shared=shared, optional=host == "::1" and len(addresses) > 1)
                bound += [made] if made is not None else []
    except BaseException:
        for made in bound:
            made.close()
        raise
    if not bound:
        raise CannotListenError("there is no address to listen on")
    return bound


def _resolved(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        version = ip_address(host).version
    except ValueError:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise CannotListenError(
                f"cannot listen on {ListeningAddress(host, port)}: {error.strerror}"
            ) from error
        return list({(family, (str(sockaddr[0]), port)): None for family, _, _, _, sockaddr in found})
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]


def _bound(
    family: socket.AddressFamily, sockaddr: tuple[str, int], *, shared: bool, optional: bool
) -> socket.socket | None:
    made: socket.socket | None = None
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        made.bind(sockaddr)
        made.setblocking(False)
    except OSError as error:
        if made is not None:
            made.close()
        if optional and error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return None
        raise CannotListenError(
            f"cannot listen on {ListeningAddress(*sockaddr)}: {error.strerror}"
        ) from error
    return made


def addresses_of(sockets: Sequence[socket.socket]) -> list[ListeningAddress]:
    """Where `sockets` are bound, with the ports they got."""
    return [ListeningAddress(*made.getsockname()[:2]) for made in sockets]


class Certificate:
    """A certificate chain and its key, in files that may be replaced while they are in use."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Read both. Raises OSError, which ssl.SSLError is, when they cannot be used."""
        self._chain = chain
        self._key = key
        self.context = self._read()

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._chain, self._key)
        return context

    def reload(self) -> None:
        """New connections get what the files hold now. Raises OSError and changes nothing if it is bad."""
        self._read()  # first into a context that nobody uses
        self.context.load_cert_chain(self._chain, self._key)


class Server:
    """Serves an ASGI application on bound sockets."""

    def __init__(
        self,
        app: App,
        *,
        certificate: Certificate | None = None,
        head_octets: int = HEAD_OCTETS,
        head_seconds: float = HEAD_SECONDS,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        unread_seconds: float = UNREAD_SECONDS,
        refused: Callable[[UnheardRefusal], None] = lambda _: None,
        trailers: Trailers | None = None,
        connections: ConnectionAdmission | None = None,
        exhausted: Callable[[], None] = lambda: None,
        name: str = "http",
    ) -> None:
        """`refused` is told of what was answered without the application, which never saw it.

        `trailers` counts what was dropped behind bodies. `connections` says who may connect, and `exhausted`
        is called when the process has no files for another one; `name` is that of the listener.
        """
        self._changed = asyncio.Event()
        self._serving = Serving(
            app=app,
            head_octets=head_octets,
            head_seconds=head_seconds,
            keep_alive_seconds=keep_alive_seconds,
            unread_seconds=unread_seconds,
            refused=refused,
            ended=self._changed.set,
            trailers=trailers if trailers is not None else Trailers(),
        )
        self._certificate = certificate
        self._admission = (
            connections if connections is not None else ConnectionAdmission(plan(open_files()).http)
        )
        self._exhausted = exhausted
        self._name = name
        self._listeners: list[Listener] = []
        self._clock: asyncio.TimerHandle | None = None
        self.addresses: list[ListeningAddress] = []

    @property
    def connections(self) -> Collection[HttpConnection]:
        """Those that are served now."""
        return self._serving.connections

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Every socket accepts connections; `addresses` says where."""
        self._tell_date()
        self.addresses = addresses_of(sockets)
        for made, address in zip(sockets, self.addresses, strict=True):
            listener = Listener(
                self._name,
                made,
                self._admission,
                partial(HttpConnection, self._serving),
                tls=self._tls(address),
                refusal=self._refusal,
                exhausted=self._exhausted,
            )
            listener.start(BACKLOG)
            self._listeners.append(listener)

    def _tls(self, address: ListeningAddress) -> ListenerTls | None:
        if self._certificate is None:
            return None
        in_clear = partial(self._told_in_clear, address)
        return ListenerTls(
            self._certificate.context, self._serving.head_seconds, TLS_FAREWELL_SECONDS, in_clear
        )

    def _told_in_clear(self, address: ListeningAddress, first: bytes, client: str) -> bytes:
        """What is answered to plain HTTP where TLS is spoken, and noted as refused."""
        told = spoken_in_clear(first, address.port, client, self._serving.usual)
        if told is None:
            return b""
        self._serving.refused(told.refusal)
        return told.octets

    def _refusal(self) -> bytes:
        """What is answered to whoever is not let in."""
        return no_room(self._serving.usual)

    def _tell_date(self) -> None:
        """Keep the Date header (RFC 9110 §6.6.1) right to the second."""
        self._serving.answers_have((b"date", formatdate(time.time(), usegmt=True).encode()))
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tell_date)

    def reload_certificate(self) -> None:
        """New connections get the certificate that the files hold now. Raises OSError when it is no good."""
        if self._certificate is not None:
            self._certificate.reload()

    async def stop(self, grace: float = 10.0) -> bool:
        """Nothing is accepted any more and every answer is out, or was cut off after `grace` seconds.

        Whether all of them were out in time. Idle connections close at once.
        """
        for listener in self._listeners:
            listener.close()
        for connection in list(self._serving.connections):
            connection.shutdown()
        drained = True
        try:
            async with asyncio.timeout(grace):
                while self._serving.connections or self._serving.tasks:
                    await self._next_change()
        except TimeoutError:
            drained = False
            for task in list(self._serving.tasks):
                task.cancel()
            for connection in list(self._serving.connections):
                connection.abort()
            await asyncio.gather(*self._serving.tasks, return_exceptions=True)
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()
        if self._clock is not None:
            self._clock.cancel()
        return drained

    async def _next_change(self) -> None:
        """A connection has ended, or a task."""
        self._changed.clear()
        ended = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({ended, *self._serving.tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
