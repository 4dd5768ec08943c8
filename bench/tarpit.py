"""A resolver that swallows questions about some names and passes the others on: `RESOLVER_PORT MARK PORT`."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
from typing import TypeAlias

from bench.nameserver import HOST

_Peer: TypeAlias = tuple[str, int]
_LONGEST = 4096


def serve(resolver: _Peer, mark: bytes, here: _Peer) -> None:
    """Pass questions on and answers back, for ever. Whoever asks is known by the port it asks from."""
    waiting = selectors.DefaultSelector()
    front = _socket()
    front.bind(here)
    waiting.register(front, selectors.EVENT_READ)
    behind: dict[_Peer, socket.socket] = {}
    while True:
        for key, _ in waiting.select():
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                if key.fileobj is not front:
                    back: socket.socket = key.fileobj  # type: ignore[assignment]
                    front.sendto(back.recv(_LONGEST), key.data)
                    continue
                wire, peer = front.recvfrom(_LONGEST)
                if mark in wire.lower():
                    continue
                if peer not in behind:
                    behind[peer] = _socket()
                    behind[peer].connect(resolver)
                    waiting.register(behind[peer], selectors.EVENT_READ, peer)
                behind[peer].send(wire)


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return made


if __name__ == "__main__":
    _, given_resolver, given_mark, given_port = sys.argv
    serve((HOST, int(given_resolver)), given_mark.encode(), (HOST, int(given_port)))
