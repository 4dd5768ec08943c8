"""One HTTP request to a place that an operator or a user of ours named, in the thread of who asks.

Bounded in octets and in time, all of it together: whoever answers an octet at a time holds nobody longer.
Redirects are not followed: a request is for the one place that was named. What tenants name is asked by
`outbound.client`, which looks at the address as well.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit


class AnswerTooLongError(http.client.HTTPException):
    """There is more of the answer than the asker reads; `status` is its status."""

    def __init__(self, status: int, most: int) -> None:
        super().__init__(f"the answer is longer than {most} octets")
        self.status = status


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The answer. Names of headers are in lower case; of several of one name the last counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpRequest:
    """A connection to `http://` or `https://` for one request: `send`, and from any thread `hang_up`.

    `within` is how many seconds connecting may take, and how many everything may take after that; `most` how
    many octets of a body are read. `tls` is what an `https://` is verified with, the machine's authorities by
    default.
    """

    def __init__(self, url: str, *, within: float, most: int, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self._most = most
        self._within = within
        self._hung_up = False
        self._late = False
        self._socket: socket.socket | None = None
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = tls or ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, parts.port, timeout=within, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, parts.port, timeout=within)

    def send(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> HttpResponse:
        """Return the answer. `target` is path and query.

        Raises: `OSError`, of which `TimeoutError` when it is not whole in time and `ssl.SSLError`;
        `http.client.HTTPException` when it is none, of which `AnswerTooLongError`.
        """
        timer = threading.Timer(self._within, self._end)
        timer.daemon = True
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            timer.start()
            if self._hung_up:
                self._give_up()
            self._connection.request(method, target, body=body or None, headers=dict(headers or {}))
            with self._connection.getresponse() as response:
                text = response.read(self._most + 1)
            # A body without a length ends with the connection, also where it is ended from here.
            if self._hung_up:
                self._give_up()
        except (OSError, http.client.HTTPException):
            if self._late:
                self._give_up()
            raise
        finally:
            timer.cancel()
            self._connection.close()
        if len(text) > self._most:
            raise AnswerTooLongError(response.status, self._most)
        return HttpResponse(response.status, {k.lower(): v for k, v in response.getheaders()}, text)

    def hang_up(self) -> None:
        """Let a thread that still waits for the other end wait no longer: its `send` raises."""
        self._hung_up = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # That of the socket below TLS: what is being read there may go on to its end.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _end(self) -> None:
        self._late = True
        self.hang_up()

    def _give_up(self) -> NoReturn:
        if self._late:
            raise TimeoutError(f"no whole answer in {self._within:g} s")
        raise ConnectionAbortedError("hung up on from here")
