"""What comes with a request besides its head and its content: trailers, lines of chunks, offers, the next."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import socket
import subprocess
import threading
import time
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import edge
import msgspec
import pytest
from edge import Desk, signed
from listening import Running, answer, everything, raw, running

from indicia.wire.http.connection import PIPELINE_DEPTH
from indicia.wire.http.cycle import Cycle
from indicia.wire.http.framing import TRAILER_OCTETS, Trailers

if TYPE_CHECKING:
    from collections.abc import Callable

SENDING = "/v2/email/account/sending"
OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQC\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n",
    "several": b"Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
}


def head(asking: edge.Asking, fields: bytes = b"") -> bytes:
    """The head of a request with further fields, which its signature does not cover."""
    return raw(asking.but(body=b""))[:-2] + fields + b"\r\n"


def chunked(body: bytes, size: int = 7, line: bytes = b"", trailers: bytes = b"") -> bytes:
    """The body in chunks, with something behind each size and behind the last chunk."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), line, p) for p in parts) + b"0\r\n" + trailers + b"\r\n"


def in_chunks(asking: edge.Asking, fields: bytes = b"", **given: Any) -> bytes:
    """The whole request, its body in chunks."""
    announced = fields + b"Transfer-Encoding: chunked\r\n"
    return head(asking.without("content-length"), announced) + chunked(asking.body, **given)


def sending(enabled: bool = True) -> edge.Asking:
    """A request that switches sending on or off: without its body it means off."""
    return signed("PUT", SENDING, msgspec.json.encode({"SendingEnabled": enabled}))


@pytest.mark.parametrize("size", [1, 40, 100_000])
@pytest.mark.parametrize("form", ["announced", "chunked"])
@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_of_another_protocol_takes_nothing_from_a_request(offer: str, form: str, size: int) -> None:
    """It is served as if the offer were not there, with its body, and the connection goes on."""
    desk = Desk()
    asking = sending()
    whole = head(asking, OFFERS[offer]) + asking.body
    if form == "chunked":
        whole = in_chunks(asking, OFFERS[offer], trailers=b"X-Note: a\r\n")
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(whole), size):
            connection.sendall(whole[at : at + size])
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(raw(edge.v2()))
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
    (_, asked), _ = desk.calls
    assert asked.SendingEnabled is True


def test_requests_follow_an_offer_at_once() -> None:
    """What is pipelined behind it is a request too, whether or not it had a body."""
    desk = Desk()
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        offered = head(edge.v2(), OFFERS["h2c"])
        last = raw(edge.v2().with_header("Connection", "close"))
        connection.sendall(offered + head(sending(), OFFERS["h2c"]) + sending().body + offered + last)
        assert everything(connection).count(b"HTTP/1.1 200 ") == 4
    assert [call.operation for call, _ in desk.calls].count("PutAccountSendingAttributes") == 1


def test_many_offers_one_behind_the_other_lose_nothing() -> None:
    """More than may wait, each with a body, in one go: all of them are answered."""
    desk = Desk()
    many = 3 * PIPELINE_DEPTH
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.sendall((head(sending(), OFFERS["h2c"]) + sending().body) * many)
        connection.sendall(raw(edge.v2().with_header("Connection", "close")))
        assert everything(connection).count(b"HTTP/1.1 200 ") == many + 1
    assert all(asked.SendingEnabled for _, asked in desk.calls[:-1])


def test_an_offer_does_not_keep_a_connection_that_is_to_end() -> None:
    """`Connection: close` counts beside it."""
    closing = OFFERS["h2c"].replace(b"Connection: ", b"Connection: close, ")
    asking = sending()
    with running() as server, server.connect() as connection:
        connection.sendall(head(asking, closing) + asking.body)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_curl_offers_http_2_and_is_served() -> None:
    """`curl --http2` offers h2c with every request over plain HTTP."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    desk = Desk()
    asking = sending()
    with running(edge.gateway(desk)) as server:
        fields = [f for name, value in asking.headers for f in ("-H", f"{name}: {value}")]
        url = f"http://127.0.0.1:{server.port}{SENDING}"
        given = [
            "--http2",
            "-s",
            "-w",
            "%{http_code} %{http_version}",
            "-X",
            "PUT",
            "-d",
            asking.body.decode(),
        ]
        done = subprocess.run(
            ["curl", *given, *fields, url], capture_output=True, text=True, timeout=30, check=True
        )
    assert done.stdout == "{}200 1.1"
    assert desk.calls[0][1].SendingEnabled is True


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v2/email/account HTTP/2.0\r\nHost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v2/email/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"PUT /v2/email/x HTTP/1.1\r\nHost: x\r\n" + 2 * b"Transfer-Encoding: chunked\r\n" + b"\r\n0\r\n\r\n",
        b"PUT /v2/email/x HTTP/1.1\r\nHost: x\r\n" + OFFERS["h2c"] + b"Transfer-Encoding: x\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_spoken_here_is_400(sent: bytes) -> None:
    """HTTP/2 without asking, a tunnel, and codings other than `chunked` end the connection."""
    desk = Desk()
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.sendall(sent)
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert not desk.calls


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://x:1/v2/email/account", b"X:1", b"403"),
        (b"HTTP://X/v2/email/account?a", b"x", b"403"),
        (b"http://x", b"x", b"403"),
        (b"ftp://x/v2/email/account", b"x", b"400"),
        (b"http://evil.example/v2/email/account", b"x", b"400"),
        (b"http://x:2/v2/email/account", b"x:1", b"400"),
        (b"http://x@evil.example/v2/email/account", b"x", b"400"),
        (b"http://y@x/v2/email/account", b"x", b"400"),
        (b"//evil.example/v2/email/account", b"x", b"404"),
    ],
)
def test_a_request_names_one_host(target: bytes, host: bytes, status: bytes) -> None:
    """A target in absolute form names the host that the Host header names (RFC 9112 §3.2.2)."""
    with running() as server, server.connect() as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, host))
        assert answer(connection).startswith(b"HTTP/1.1 " + status)


def test_an_old_client_is_told_no_go_ahead() -> None:
    """HTTP/1.0 has no answers before the answer (RFC 9110 §10.1.1)."""
    asking = sending().with_header("Expect", "100-continue")
    whole = raw(asking).replace(b" HTTP/1.1", b" HTTP/1.0", 1)
    with running() as server, server.connect() as connection:
        connection.sendall(whole[: -len(asking.body)])
        connection.sendall(asking.body)
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


FORGED = b"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\nHost: y\r\nX-Amz-Date: z\r\n"


@pytest.mark.parametrize("size", [1, 100_000])
def test_trailers_are_no_headers(size: int) -> None:
    """A field behind the body is counted and dropped: nobody comes from where it says."""
    desk = Desk()
    trailers = Trailers()
    app = edge.gateway(desk, trusted_proxies=[ip_network("127.0.0.0/8")])
    whole = in_chunks(sending(), trailers=FORGED)
    with running(app, trailers=trailers) as server, server.connect() as connection:
        for at in range(0, len(whole), size):
            connection.sendall(whole[at : at + size])
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(raw(edge.v2()))
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
    assert [(call.address, call.secure) for call, _ in desk.calls] == [("127.0.0.1", False)] * 2
    assert trailers.dropped == 4


@pytest.mark.parametrize(
    "trailer", [b"Connection: close", b"proxy-connection: x", b"Upgrade: h2c", b"Content-Length: 5"]
)
def test_no_trailer_decides_about_the_connection(trailer: bytes) -> None:
    """What would is refused, instead of losing the requests behind it without a word (RFC 9110 §6.5.1)."""
    desk = Desk()
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.sendall(in_chunks(sending(), trailers=trailer + b"\r\n") + raw(edge.v2()))
        assert everything(connection).startswith(b"HTTP/1.1 400 ")
    assert not desk.calls


@pytest.mark.parametrize(
    ("trailers", "status"),
    [
        (b"X: " + b"a" * (TRAILER_OCTETS - 5) + b"\r\n", b"200"),
        (b"X: " + b"a" * (TRAILER_OCTETS - 4) + b"\r\n", b"431"),
        (b"X-A: b\r\n" * (TRAILER_OCTETS // 8), b"200"),
        (b"X-A: b\r\n" * (TRAILER_OCTETS // 8 + 1), b"431"),
    ],
)
def test_trailers_have_a_size(trailers: bytes, status: bytes) -> None:
    """1 KiB of them is taken, and not an octet more, in one or in many."""
    desk = Desk()
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.sendall(in_chunks(sending(), trailers=trailers))
        assert answer(connection).startswith(b"HTTP/1.1 " + status)
    assert bool(desk.calls) is (status == b"200")


@pytest.mark.parametrize(
    "beginning",
    [
        b"5\r\n12345\r\n0\r\nX: ",
        b"5\r\n12345\r\n0\r\n",
        b"5;",
        b"5;a=",
        b"0",
        b"1\r\nx\r\n" * 20_000 + b"0\r\nX: ",
        b"1;abcdefghijklmnopqrstuvwxyz=0123456789\r\nx\r\n" * 100,
    ],
)
def test_what_does_not_end_is_not_kept(beginning: bytes) -> None:
    """A trailer, an extension, a size that goes on and on is refused, whatever was before."""
    endless = b"0" * 4096 if beginning == b"0" else b"a" * 4096
    if beginning.startswith(b"1;"):
        endless = beginning
    desk = Desk()
    sent = 0
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.settimeout(30)
        asking = signed("POST", "/v2/email/identities", b"").without("content-length")
        connection.sendall(head(asking, b"Transfer-Encoding: chunked\r\n") + beginning)
        with contextlib.suppress(ConnectionError):
            while sent < 200:  # the connection lingers for what is still under way
                connection.sendall(endless)
                sent += 1
            connection.shutdown(socket.SHUT_WR)
        said = everything(connection)
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert said.count(b"HTTP/1.1 ") == 1
    assert not desk.calls


@pytest.mark.parametrize("segment", [700, 4096, 65_536, 1_000_000])
@pytest.mark.parametrize(
    ("size", "line"), [(1, b""), (11, b";a=b"), (8192, b";x=" + b"y" * 20), (65_536, b"")]
)
def test_chunks_of_any_size_are_taken(size: int, line: bytes, segment: int) -> None:
    """Small chunks, and extensions of usual length, have nothing to do with the bounds."""
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        octets, more = 0, True
        while more:
            message = await receive()
            octets, more = octets + len(message["body"]), message["more_body"]
        seen.append(octets)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    body = b"x" * (600_000 if size > 100 else 30_000)
    with running(app) as server, server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        whole = chunked(body, size, line)
        for at in range(0, len(whole), segment):
            connection.sendall(whole[at : at + segment])
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
    assert seen == [len(body)]


def until(server: Running, condition: Callable[[], bool]) -> None:
    """Wait until the condition holds in the server's loop."""

    async def asked() -> bool:
        return condition()

    deadline = time.monotonic() + 20
    while not server.run(asked()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_few_requests_wait_for_the_one_before() -> None:
    """What is pipelined is parsed when there is room for it, and all of it is answered in order."""
    opened = threading.Event()
    answered: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if not answered:
            await asyncio.get_running_loop().run_in_executor(None, opened.wait, 20)
        answered.append(scope["raw_path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    many = 3000
    with running(app) as server, server.connect() as connection:
        sent = b"".join(
            b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx" % n for n in range(many)
        )
        connection.settimeout(30)
        sending_it = threading.Thread(target=connection.sendall, args=(sent,))
        sending_it.start()
        until(server, lambda: _waiting(server) >= PIPELINE_DEPTH)
        waiting = [each for each in gc.get_objects() if isinstance(each, Cycle)]
        opened.set()
        read = b""
        while read.count(b"HTTP/1.1 200 ") < many:
            read += connection.recv(65536)
        sending_it.join()
    assert len(waiting) < PIPELINE_DEPTH + 120  # those of one piece besides
    assert answered == [b"/%d" % n for n in range(many)]


def _waiting(server: Running) -> int:
    return max((each.waiting for each in server.server.connections), default=0)


@pytest.mark.parametrize("requests", [1, 3])
def test_who_does_not_read_is_waited_for_no_longer(requests: int) -> None:
    """An answer that nobody reads keeps no connection, neither one that goes on nor one that was to end."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b"x" * 20_000_000
        length = b"%d" % len(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    with running(app, unread_seconds=0.2, keep_alive_seconds=1) as server, server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        last = b"Connection: close\r\n" if requests == 1 else b""
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n%s\r\n" % last * requests)
        until(server, lambda: bool(server.server.connections))
        until(server, lambda: not server.server.connections)
