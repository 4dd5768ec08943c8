"""Whatever answers in place of a service, no more of it is read than a service of ours says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from indicia.cli import api
from indicia.cli.errors import CommandError
from indicia.testing import Sandbox, kit

MOST = 1 << 20
HEADS = {
    "to its end": b"HTTP/1.1 200 OK\r\n\r\n",
    "in one piece": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.fixture(params=HEADS)
def endless(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of what answers without end."""
    listening = socket.create_server(("127.0.0.1", 0))
    piece = b" " * 65_536
    sent = b"10000\r\n" + piece + b"\r\n" if request.param == "in chunks" else piece

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(HEADS[request.param])
                    while True:
                        connection.sendall(sent)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(20)


def test_a_command_ends(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says in a sentence what answers there, and where."""
    monkeypatch.setattr(api, "MOST_ANSWERED", MOST)

    with pytest.raises(CommandError, match=f"{endless} answers with more than 1 MiB: it is no Indicia"):
        api.ServiceAccess(endless, "us-east-1", "AKIATEST", "secret").json("GET", "/indicia/v1/webhooks")


def test_a_test_in_a_sandbox_ends(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever took the sandbox's place."""
    monkeypatch.setattr(kit, "MOST_ANSWERED", MOST)

    with pytest.raises(kit.SandboxError, match=f"{endless} answers with more than 1 MiB: is it the sandbox"):
        Sandbox(endless, "127.0.0.1:53").publish("example.com")
