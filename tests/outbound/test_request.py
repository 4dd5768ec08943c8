"""One request, bounded in octets and in time, whatever is at the other end."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from indicia.outbound.request import AnswerTooLongError, HttpRequest

HEAD = b"HTTP/1.1 200 OK\r\nX-One: a\r\nx-one: b\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that hears one request head and then does as it is told; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heard = b""
                while b"\r\n\r\n" not in heard:
                    heard += connection.recv(4096)
                try:
                    answer(connection)
                except OSError:  # hung up on, as it shall be
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def drip(beginning: bytes) -> Callable[[socket.socket], None]:
    """Send a beginning, and then an octet at a time for as long as somebody listens."""

    def send(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while not threading.Event().wait(0.01):
            connection.sendall(b"x")

    return send


def test_an_answer_is_read_whole() -> None:
    """Status, headers in lower case with the last of a name, and a body that ends with the connection."""
    with answering(lambda connection: connection.sendall(HEAD + b"\r\nbody")) as url:
        response = HttpRequest(url, within=30, most=4).send("GET", "/")

    assert (response.status, response.headers["x-one"], response.body) == (200, "b", b"body")


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 ", HEAD, HEAD + b"\r\n", HEAD + b"Content-Length: 9999999\r\n\r\n"]
)
def test_who_answers_an_octet_at_a_time_is_hung_up_on(beginning: bytes) -> None:
    """Wherever in the answer it is, the time is for all of it."""
    with answering(drip(beginning)) as url, pytest.raises(TimeoutError, match=r"no whole answer in 0\.2 s"):
        HttpRequest(url, within=0.2, most=1 << 30).send("GET", "/")


@pytest.mark.parametrize("length", ["", "Content-Length: 5\r\n"])
def test_no_more_is_read_than_is_asked_for(length: str) -> None:
    """An answer with an octet too many is none; its status is told."""
    head = HEAD.replace(b"200 OK", b"207 Much") + length.encode() + b"\r\n"
    with (
        answering(lambda connection: connection.sendall(head + b"12345")) as url,
        pytest.raises(AnswerTooLongError) as raised,
    ):
        HttpRequest(url, within=30, most=4).send("GET", "/")

    assert raised.value.status == 207


def test_a_waiting_request_is_hung_up_on_from_another_thread() -> None:
    """Whoever waits for the other end waits no longer, and hears that it was from here."""
    heard = threading.Event()

    def silent(connection: socket.socket) -> None:
        heard.set()
        connection.recv(1)

    with answering(silent) as url:
        request = HttpRequest(url, within=60, most=1)
        hanging_up = threading.Thread(target=lambda: (heard.wait(), request.hang_up()))
        hanging_up.start()
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            request.send("GET", "/")
        hanging_up.join()


def test_a_request_that_was_hung_up_on_before_is_not_made() -> None:
    """It is too late for it, so nothing is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        request = HttpRequest(f"http://127.0.0.1:{listener.getsockname()[1]}", within=60, most=1)
        request.hang_up()
        with pytest.raises(ConnectionAbortedError):
            request.send("GET", "/")
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""
