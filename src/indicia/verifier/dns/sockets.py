"""UDP sockets towards one resolver: many, connected, on random ports, and none of them for long.

The id of a question and the port it left from are what a forger has to guess (RFC 5452 §9). A connected
socket takes datagrams from its resolver only, and hears of its ICMP errors.
"""

import asyncio
import socket
from typing import Protocol

from indicia.verifier.dns.codec import Chance
from indicia.verifier.dns.resolver import Tally

_LONGEST = 4096
"""Octets read of a datagram: well past what we accept by EDNS, so that longer means cut."""

_AT_ONCE = 64
"""Datagrams read in one turn, so that one resolver does not hold the loop."""

_FOREIGN = 64
"""Datagrams that answer nothing we ever asked from a socket, before no answer on it is believed any more."""

_BUFFER = 1 << 20


class Exchange(Protocol):
    """A question that is under way, as its socket sees it."""

    deadline: float

    def arrived(self, source: tuple[str, int], wire: bytes) -> bool:
        """Take a datagram with our id from there. False when it is not the answer: the wait goes on."""

    def flooded(self) -> None:
        """Hear that somebody guesses answers on this socket: nothing that comes over it is believed."""

    def unreachable(self) -> None:
        """Hear that nobody listens there."""

    def expired(self) -> None:
        """Hear that the time is up."""


class Port:
    """One connected socket and the questions that wait on it, by id."""

    __slots__ = (
        "_address",
        "_foreign",
        "_loop",
        "_ours",
        "_socket",
        "_tally",
        "born",
        "given_up",
        "pending",
        "used",
    )

    def __init__(self, address: tuple[str, int], tally: Tally, loop: asyncio.AbstractEventLoop) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            self._socket.connect(address)  # the system picks a random port
        except OSError:
            self._socket.close()
            raise
        self._address = address
        self._loop = loop
        self._tally = tally
        self.pending: dict[int, Exchange] = {}
        self.used = 0
        self.given_up = False
        self._ours = bytearray(1 << 13)  # a bit for each id that was ever used here
        self._foreign = 0
        self.born = loop.time()
        loop.add_reader(self._socket, self._readable)

    def reserve(self, exchange: Exchange, ident: int, chance: Chance) -> int:
        """An id that no other question on this socket has, now that of the exchange: this one, if free."""
        pending = self.pending
        while ident in pending:
            ident = chance.take(2)
        pending[ident] = exchange
        self._ours[ident >> 3] |= 1 << (ident & 7)
        self.used += 1
        return ident

    def send(self, wire: bytes) -> bool:
        """Send, or say that the socket is full just now. Raises `OSError` when it cannot be sent at all."""
        try:
            self._socket.send(wire)
        except BlockingIOError:
            return False
        except ConnectionRefusedError:
            self._socket.send(wire)  # the error was that of an earlier datagram
        self._tally.sent += 1
        return True

    def _listen_again(self) -> None:
        """Undo what uvloop does after an error on a socket: it tells it once, and then nothing any more."""
        self._loop.remove_reader(self._socket)
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Hear nothing any more."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        receive, pending, tally = self._socket.recv, self.pending, self._tally
        source = self._address  # a connected socket takes datagrams from there alone
        for _ in range(_AT_ONCE):
            try:
                wire = receive(_LONGEST + 1)
            except BlockingIOError:
                return
            except OSError:
                self._refused()
                return
            ident = wire[0] << 8 | wire[1] if len(wire) >= 12 else -1
            found = pending.get(ident)
            if found is None or not found.arrived(source, wire):
                tally.strays += 1
                if found is not None or not self._was_ours(ident):
                    self._count_foreign()
            if not pending:
                return

    def _was_ours(self, ident: int) -> bool:
        """Say whether a question from here had this id: its answer may come late, or twice."""
        return ident >= 0 and bool(self._ours[ident >> 3] >> (ident & 7) & 1)

    def _count_foreign(self) -> None:
        """Give the socket up when too much arrives that nobody asked for.

        (RFC 5452 §9.3: where an answer is being guessed, the question goes over TCP.)
        """
        self._foreign += 1
        if self._foreign < _FOREIGN or self.given_up:
            return
        self.given_up = True
        self._tally.floods += 1
        for exchange in list(self.pending.values()):
            exchange.flooded()

    def _refused(self) -> None:
        """Hear from ICMP that nobody listens there: so for every question on this socket."""
        self._listen_again()
        self._tally.unreachable += 1
        pending = self.pending
        for exchange in [pending.pop(ident) for ident in list(pending)]:
            exchange.unreachable()


class Ports:
    """The sockets towards one resolver."""

    __slots__ = ("_address", "_all", "_count", "_lifetime", "_retired", "_uses", "made", "tally")

    def __init__(
        self,
        address: tuple[str, int],
        tally: Tally,
        *,
        count: int,
        uses: int,
        lifetime: float,
    ) -> None:
        self._address = address
        self._count = count
        self._uses = uses
        self._lifetime = lifetime
        self._all: list[Port | None] = [None] * count
        self._retired: list[Port] = []
        self.made = 0
        self.tally = tally

    def pick(self, lot: int, loop: asyncio.AbstractEventLoop, now: float) -> Port:
        """The socket the lot fell on; one that was used up is replaced by a new one. Raises `OSError`."""
        slot = lot % self._count
        port = self._all[slot]
        young = port is not None and port.used < self._uses and now - port.born < self._lifetime
        if port is not None and young and not port.given_up:
            return port
        fresh = Port(self._address, self.tally, loop)
        self.made += 1
        self._all[slot] = fresh
        if port is not None:
            self._retired.append(port)
        return fresh

    @property
    def open(self) -> list[Port]:
        """The sockets there are."""
        return [port for port in [*self._all, *self._retired] if port is not None]

    def sweep(self, now: float) -> None:
        """Expire what has waited too long, and close the sockets that nobody waits on any more."""
        for port in self.open:
            pending = port.pending
            for ident in [ident for ident, each in pending.items() if each.deadline <= now]:
                exchange = pending.pop(ident, None)
                if exchange is not None:
                    self.tally.expired += 1
                    exchange.expired()
        for port in [port for port in self._retired if not port.pending]:
            self._retired.remove(port)
            port.close()

    def close(self) -> None:
        """Close every socket."""
        for port in self.open:
            port.close()
        self._all = [None] * self._count
        self._retired.clear()


async def over_tcp(address: tuple[str, int], wire: bytes, seconds: float) -> bytes | None:
    """The answer over TCP (RFC 7766), on a connection of its own; None when none came whole and in time."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(len(wire).to_bytes(2) + wire)
                return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.transport.abort()  # there is nothing to say any more, and nothing to wait for
    except (OSError, asyncio.IncompleteReadError):  # a timeout is an OSError
        return None
