"""The server on real sockets, driven by raw bytes and boto3: limits, certificates, draining."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import edge
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError
from edge import Desk, signed
from listening import Running, answer, everything, raw, running

from indicia.domain.faults import FaultKind
from indicia.wire.gateway import RequestLimits
from indicia.wire.http.cycle import Cycle
from indicia.wire.http.requests import ANSWER
from indicia.wire.http.server import CannotListenError, Certificate, ListeningAddress, addresses_of, bind
from indicia.wire.http.unheard import UnheardRefusal


def client(service: str, url: str, **more: Any) -> Any:
    """A client of boto3's with the key of the house."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=edge.KEY,
        aws_secret_access_key=more.pop("secret", edge.SECRET),
        config=Config(retries={"total_max_attempts": 1}),
        **more,
    )


def test_boto3_is_understood() -> None:
    """Unmodified clients of all three services prove who they are, over IPv4 and IPv6."""
    desk = Desk()
    with running(edge.gateway(desk), hosts=("127.0.0.1", "::1")) as server:
        for address in server.addresses:
            url = f"http://{address}"
            for name in ("a+b/c@example.com", "x%2Fy..", "ü@exämple.com", "a b;c=d&e"):
                client("sesv2", url).get_email_identity(EmailIdentity=name)
                assert desk.calls[-1][1].EmailIdentity == name
            client("ses", url).verify_email_identity(EmailAddress="a+b@example.com")
            assert desk.calls[-1][1].EmailAddress == "a+b@example.com"
            client("sts", url).get_caller_identity()
            client("sesv2", url).create_email_identity(EmailIdentity="é.example")
            with pytest.raises(ClientError) as refused:
                client("sesv2", url, secret="x").get_account()
            assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
            with pytest.raises(ClientError) as refused:
                client("ses", url, secret="x").list_identities()
            assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_a_presigned_url_of_boto3_works() -> None:
    """What generate_presigned_url makes can be fetched by anybody, as it is."""
    desk = Desk()
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        url = client("ses", f"http://127.0.0.1:{server.port}").generate_presigned_url(
            "verify_email_identity", {"EmailAddress": "a b@example.com"}, HttpMethod="GET"
        )
        target = url.partition(f":{server.port}")[2]
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
    assert desk.calls[0][1].EmailAddress == "a b@example.com"


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\n", b"408 ", b"<Code>RequestTimeout</Code>"),
        (b"GET /v2/email/x HTTP/1.1\r\nHo", b"408 ", b"x-amzn-errortype: RequestTimeoutException"),
        (b"GET", b"408 ", b'"code":"RequestTimeoutException"'),
        (b"", b"", b""),
        (b"\r\n", b"", b""),
    ],
)
def test_a_head_that_does_not_come_is_cut(sent: bytes, status: bytes, told: bytes) -> None:
    """A head begun and not ended in time is 408 in the protocol of its path; silence is just closed."""
    with running(head_seconds=0.1) as server, server.connect() as connection:
        connection.sendall(sent)
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 " + status if status else b"")
        assert told in said
        assert bool(said) is bool(status)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GET /v2/email/x HTTP/1.1\r\nHo", ("ses_v2", 408, FaultKind.TOO_SLOW)),
        (b"POST /?X=" + b"a" * 20_000, ("ses_v1", 431, FaultKind.HEADERS_TOO_LARGE)),
        (b"this is no HTTP\r\n\r\n", ("indicia", 400, FaultKind.MALFORMED_INPUT)),
        (b"", None),
    ],
)
def test_what_no_application_sees_is_told_of(
    sent: bytes, expected: tuple[str, int, FaultKind] | None
) -> None:
    """Whatever is answered leaves a line in the log, whoever has answered it; silence leaves none."""
    told: list[UnheardRefusal] = []
    counted: list[tuple[str, str, int]] = []
    written: list[Any] = []
    gateway = edge.gateway(observe=lambda *of: counted.append(of[:3]), record=written.append)

    def refused(refusal: UnheardRefusal) -> None:
        told.append(refusal)
        gateway.refused(refusal)

    with running(gateway, head_seconds=0.1, refused=refused) as server, server.connect() as connection:
        connection.sendall(sent)
        said = everything(connection)

    if expected is None:
        assert told == written == counted == []
        return
    (refusal,), (line,) = told, written
    assert (refusal.protocol.name.lower(), refusal.status, refusal.kind) == expected
    assert refusal.address == "127.0.0.1"
    assert refusal.request_id.encode() in said
    assert said.endswith(b"\r\n\r\n" + said[-refusal.size :])
    assert (line.path, line.status, line.fault) == ("(unread)", refusal.status, refusal.kind.value)
    assert counted == [(refusal.protocol.value, "", refusal.status)]


def test_a_second_head_that_does_not_come_is_cut() -> None:
    """The time limit holds for every head of a connection."""
    with running(head_seconds=0.1) as server, server.connect() as connection:
        connection.sendall(raw(edge.v2()))
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /v2/email/account HTTP/1.1\r\n")
        assert b" 408 " in everything(connection)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (
            b"GET /v2/email/x HTTP/1.1\r\nX: " + b"a" * 3000 + b"\r\n\r\n",
            b"RequestHeaderFieldsTooLargeException",
        ),
        (b"POST / HTTP/1.1\r\nX: " + b"a" * 3000, b"<Code>RequestHeaderFieldsTooLarge</Code>"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 500, b"<Code>RequestHeaderFieldsTooLarge</Code>"),
        (b"GET /?" + b"a" * 3000, b"RequestHeaderFieldsTooLarge"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_head_over_the_limit_is_431(head: bytes, told: bytes, at_once: bool) -> None:
    """One large field, many small ones or a long target: refused when the limit is passed, in any pieces."""
    with running(head_octets=2000) as server, server.connect() as connection:
        size = len(head) if at_once else 100
        with contextlib.suppress(ConnectionError):  # refused before all is sent
            for start in range(0, len(head), size):
                connection.sendall(head[start : start + size])
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 431 ")
        assert told in said
        assert b"x-amzn-requestid: " in said
        assert b"connection: close" in said


def test_a_head_within_the_limit_is_served() -> None:
    """Sixteen KiB of head are taken by default, and no more."""
    with running() as server:
        for size, status in ((15_000, b"403"), (17_000, b"431")):
            with server.connect() as connection:
                head = b"GET /v2/email/account HTTP/1.1\r\nHost: x\r\nX: " + b"a" * size + b"\r\n\r\n"
                connection.sendall(head)
                assert answer(connection).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xff\x01",
        b"GET /v2/email/account HTTP/1.1\r\n\r\n",
        b"GET /v2/email/account HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET /v2/email/account HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(sent: bytes) -> None:
    """Anything else than HTTP is refused with an answer, and the connection closed."""
    with running() as server, server.connect() as connection:
        connection.sendall(sent)
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"x-amzn-requestid: " in said
        assert b"\r\ndate: " in said  # RFC 9110 §6.6.1


def test_a_host_is_not_asked_of_old_clients() -> None:
    """HTTP/1.0 has no Host: such a request, a load balancer's perhaps, is served without one."""
    with running() as server, server.connect() as connection:
        connection.sendall(b"GET /v2/email/account HTTP/1.0\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 403 ")


def test_pipelined_requests_are_answered_in_order() -> None:
    """Two requests in one segment get two answers."""
    desk = Desk()
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        one, two = (signed("GET", f"/v2/email/identities/{name}") for name in ("one", "two"))
        connection.sendall(raw(one) + raw(two.with_header("Connection", "close")))
        assert everything(connection).count(b"HTTP/1.1 200 ") == 2
    assert [request.EmailIdentity for _, request in desk.calls] == ["one", "two"]


def test_a_slow_body_is_408() -> None:
    """A body that does not come in time is refused in the protocol of the request."""
    app = edge.gateway(limits=RequestLimits(body_seconds=0.1))
    with running(app) as server, server.connect() as connection:
        asking = signed("POST", "/v2/email/identities", b'{"EmailIdentity": "x"}')
        connection.sendall(raw(asking)[:-1])
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"x-amzn-errortype: RequestTimeoutException" in said


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"chunked", b"zz\r\n12345\r\n0\r\n\r\n"),
        (b"chunked", b"5\n12345\n0\n\n"),
        (b"xchunked", b"5\r\n12345\r\n0\r\n\r\n"),
    ],
)
def test_a_body_that_is_no_http_is_400(framing: bytes, body: bytes, at_once: bool) -> None:
    """A framing that cannot be followed is refused, once, in the protocol of the request."""
    desk = Desk()
    asking = signed("POST", "/v2/email/identities", b"").without("content-length")
    head = raw(asking)[:-2] + b"Transfer-Encoding: " + framing + b"\r\n\r\n"
    with running(edge.gateway(desk)) as server, server.connect() as connection:
        connection.sendall(head + body if at_once else head)
        with contextlib.suppress(ConnectionError):  # refused with the head
            connection.sendall(b"" if at_once else body)
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"x-amzn-errortype: SerializationException" in said
    assert not desk.calls


@pytest.mark.parametrize("framing", [b"Content-Length: 3000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_over_the_limit_is_refused_while_it_comes(framing: bytes) -> None:
    """The client reads 413 though it is still sending: the connection is not reset under it."""
    asking = signed("POST", "/v2/email/identities", b"x").without("content-length").but(body=b"")
    head = raw(asking)[:-2] + framing + b"\r\n"
    piece = b"x" * 60_000
    if b"chunked" in framing:
        piece = b"%x\r\n%s\r\n" % (len(piece), piece)
    with running() as server, server.connect() as connection:
        connection.sendall(head)
        for _ in range(50):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 413 ")
        assert b"x-amzn-errortype: RequestEntityTooLargeException" in said


def test_no_go_ahead_is_given_for_a_body_that_will_not_be_read() -> None:
    """Expect: 100-continue is answered by the refusal, and by 100 only when the body is wanted."""
    head = (
        b"POST /v2/email/identities HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
    with running() as server, server.connect() as connection:
        connection.sendall(head)
        assert answer(connection).startswith(b"HTTP/1.1 403 ")
    asking = signed("POST", "/v2/email/identities", b'{"EmailIdentity": "x.example"}')
    asking = asking.with_header("Expect", "100-continue")
    with running() as server, server.connect() as connection:
        connection.sendall(raw(asking.but(body=b"")))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(asking.body)
        assert answer(connection).startswith(b"HTTP/1.1 200 ")


def test_the_rest_of_a_refused_body_keeps_no_connection() -> None:
    """A small body that was refused unread and then does not come is waited for no longer than a head."""
    with running(head_seconds=0.1) as server, server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n")
        connection.recv(10)
        connection.sendall(b"A")
        assert everything(connection)


def test_a_connection_is_used_again() -> None:
    """Requests follow each other on one connection, refused ones too when their bodies are small."""
    bad = signed("POST", "/v2/email/identities", b"{}", secret="x")
    with running() as server, server.connect() as connection:
        for asking, status in ((edge.v2(), b"200"), (bad, b"403"), (edge.v2(), b"200")):
            connection.sendall(raw(asking))
            assert answer(connection).startswith(b"HTTP/1.1 " + status)


def test_nothing_of_a_request_waits_for_the_collector() -> None:
    """What was made for it is free as soon as it is answered, refused or not: no pauses for garbage."""
    bad = signed("POST", "/v2/email/identities", b"{}", secret="x")
    with running() as server, server.connect() as connection:
        gc.collect()
        gc.disable()
        try:
            for asking in (edge.v2(), bad) * 10:
                connection.sendall(raw(asking))
                assert answer(connection)
            made = [each for each in gc.get_objects() if isinstance(each, Cycle)]
        finally:
            gc.enable()

    assert len(made) <= 2


def test_an_idle_connection_is_closed_in_time() -> None:
    """A connection is closed when nothing came for as long as is set, counted from its last answer."""
    with running(keep_alive_seconds=0.4) as server, server.connect() as connection:
        connection.sendall(raw(signed("GET", "/v2/email/identities")))
        answer(connection)
        connection.settimeout(0.25)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(raw(signed("GET", "/v2/email/identities")))
        answer(connection)
        answered = time.monotonic()
        assert everything(connection) == b""
    assert time.monotonic() - answered > 0.35


def test_a_header_holds_no_other_header() -> None:
    """An application that puts a line end into a header gets no answer out: the connection is cut."""

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        await scope[ANSWER](200, [(b"content-length", b"0"), (b"x-name", b"a\r\nset-cookie: b")], b"")

    with running(app) as server, server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"set-cookie" not in everything(connection)


def test_an_address_that_is_taken_is_named() -> None:
    """The error says which address could not be bound, and why; what was bound is let go again."""
    with contextlib.closing(bind([("127.0.0.1", 0)])[0]) as taken:
        taken.listen()
        (address,) = addresses_of([taken])
        with pytest.raises(CannotListenError, match=rf"cannot listen on {address}: Address already in use"):
            bind([("127.0.0.1", 0), address])


def test_addresses_read_as_they_are_written() -> None:
    """An IPv6 address stands in brackets."""
    assert [str(ListeningAddress("::1", 1)), str(ListeningAddress("127.0.0.1", 2))] == [
        "[::1]:1",
        "127.0.0.1:2",
    ]


def test_an_address_that_is_not_here_is_named() -> None:
    """An address of another machine, or a name without one, cannot be listened on."""
    with pytest.raises(CannotListenError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        bind([("192.0.2.1", 0)])
    with pytest.raises(CannotListenError, match=r"cannot listen on nowhere\.invalid:0: "):
        bind([("nowhere.invalid", 0)])


def test_shared_sockets_share_an_address() -> None:
    """Several processes may bind one address when each says so."""
    first = bind([("127.0.0.1", 0)], shared=True)
    second = bind(addresses_of(first), shared=True)
    with contextlib.closing(first[0]), contextlib.closing(second[0]):
        assert addresses_of(second) == addresses_of(first)


def certificate(folder: Path, authority: trustme.CA, name: str) -> Certificate:
    """A certificate for `name`, in the same two files for every name."""
    issued = authority.issue_cert(name, "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return Certificate(folder / "chain.pem", folder / "key.pem")


def names(server: Running, authority: trustme.CA) -> set[str]:
    """The names in the certificate that the server shows."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with server.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        asking = edge.v2().with_header("Connection", "close")
        connection.sendall(raw(asking))
        assert everything(connection).startswith(b"HTTP/1.1 200 ")
        shown = connection.getpeercert()
        assert shown is not None
        return {value for kind, value in shown["subjectAltName"] if kind == "DNS"}


def test_certificates_are_read_again(tmp_path: Path) -> None:
    """New connections get the files' new certificate; files that are no good change nothing and raise."""
    authority = trustme.CA()
    with running(certificate=certificate(tmp_path, authority, "one.test")) as server:
        assert names(server, authority) == {"one.test"}
        certificate(tmp_path, authority, "two.test")
        server.server.reload_certificate()
        assert names(server, authority) == {"two.test"}
        (tmp_path / "key.pem").write_text("nonsense")
        with pytest.raises(OSError):
            server.server.reload_certificate()
        assert names(server, authority) == {"two.test"}


class Gate:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Answer when the gate is open."""
        self.entered.set()
        await asyncio.get_running_loop().run_in_executor(None, self.open.wait, 10)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def test_stopping_waits_for_answers_and_for_nothing_else() -> None:
    """An answer under way is finished, an idle connection is closed, a new one is refused."""
    gate = Gate()
    with running(gate) as server, server.connect() as idle, server.connect() as busy:
        busy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert gate.entered.wait(10)
        stopping = asyncio.run_coroutine_threadsafe(server.server.stop(10), server._loop)
        assert everything(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        assert not stopping.done()
        gate.open.set()
        assert everything(busy).endswith(b"\r\n\r\nok")
        assert stopping.result(10) is True


def test_stopping_ends_after_its_grace() -> None:
    """An answer that does not come is cut off."""

    async def never(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    entered = threading.Event()
    with running(never) as server, server.connect() as busy:
        busy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert entered.wait(10)
        assert server.run(server.server.stop(0.05)) is False
        with contextlib.suppress(ConnectionResetError):
            assert everything(busy) == b""


def test_a_head_goes_out_before_a_body_that_is_long_in_coming() -> None:
    """Head and body leave together when they come together; a head alone does not wait for its body."""
    more = threading.Event()

    async def streaming(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await asyncio.get_running_loop().run_in_executor(None, more.wait, 10)
        await send({"type": "http.response.body", "body": b"ok"})

    with running(streaming) as server, server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).endswith(b"\r\n\r\n")
        more.set()
        assert connection.recv(1000) == b"ok"
