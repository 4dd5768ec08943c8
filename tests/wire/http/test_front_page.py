"""Who comes to the wrong door is told where it is: a browser at the API, plain HTTP where TLS is spoken."""

from __future__ import annotations

import contextlib
import html.parser
import ssl
import threading
from pathlib import Path
from typing import Any

import edge
import pytest
import trustme
from botocore.exceptions import ClientError
from edge import Asking, ask
from listening import Running, everything, raw, running

from indicia.connections.admission import ConnectionAdmission
from indicia.connections.limits import Room
from indicia.domain.faults import FaultKind
from indicia.wire.http.server import Certificate
from indicia.wire.http.unheard import UnheardRefusal

BROWSER = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
LOOKING = Asking("GET", "/", (("Host", "ses.example.com:8465"), BROWSER))


class Page(html.parser.HTMLParser):
    """The text of a page, its links, and whether everything that was opened was closed."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.said, self.links, self.open = "", [], []
        self.tags: set[str] = set()
        self.feed(page.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what begins."""
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Note what ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note what is said."""
        self.said += data


def test_a_browser_at_the_api_is_told_where_it_is() -> None:
    """It gets a page that says what this is and what programs are told; nothing of it is loaded or run."""
    answered = ask(edge.gateway(), LOOKING)
    assert (answered.status, answered.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(answered.body)
    assert "This is the address of Indicia, which speaks the Amazon SES API." in page.said.replace("\n", " ")
    assert "AWS_ENDPOINT_URL_SESV2" in page.said
    assert "http://ses.example.com:8465" in page.said
    assert page.links == ["/readyz?verbose", "/indicia/v1/openapi.json"]
    assert page.tags >= {"html", "title", "main", "h1"}
    assert page.tags.isdisjoint({"script", "img", "link", "style", "form"})
    assert answered.headers["content-security-policy"].startswith("default-src 'none'")
    assert answered.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ['x"><script>', "a b", "", "x@y", "<b>", "a/b"])
def test_a_page_repeats_no_host_that_is_none(host: str) -> None:
    """What could be anything but the name of a host is left out."""
    page = Page(ask(edge.gateway(), LOOKING.with_header("Host", host)).body)
    assert "http://" not in page.said
    assert page.tags.isdisjoint({"script", "b"})


@pytest.mark.parametrize(
    "asking",
    [
        LOOKING.without("accept"),
        LOOKING.with_header("Accept", "*/*"),
        LOOKING.but(target="/?Action=ListIdentities"),
        LOOKING.but(method="POST"),
    ],
)
def test_programs_get_no_page(asking: Asking) -> None:
    """Who asks for something, or wants no HTML, is refused in its protocol."""
    answered = ask(edge.gateway(), asking)
    assert (answered.status, answered.code) == (403, "MissingAuthenticationToken")


def test_where_there_is_no_api_the_page_says_so() -> None:
    """A process with pages only does not send people looking for keys."""
    page = Page(ask(edge.gateway(serves_api=False), LOOKING).body)
    assert "The API has another address." in page.said
    assert "AWS_ENDPOINT_URL" not in page.said


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who has signed the server's certificate."""
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The server's certificate."""
    folder: Path = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return Certificate(folder / "chain.pem", folder / "key.pem")


def speaks_tls(server: Running, authority: trustme.CA) -> bool:
    """Whether a client that speaks TLS is served."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with server.connect() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(raw(edge.v2().with_header("Connection", "close")))
        return everything(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("asking", "kind", "told"),
    [
        (edge.v1(), b"text/xml", b"<Code>MalformedInput</Code>"),
        (edge.v2(), b"application/json", b"x-amzn-errortype: SerializationException"),
        (Asking("GET", "/healthz", (("Host", edge.HOST),)), b"application/json", b'"code":"BadRequest'),
    ],
)
def test_plain_http_is_told_where_tls_is_spoken(
    asking: Asking, kind: bytes, told: bytes, certificate: Certificate, authority: trustme.CA
) -> None:
    """In the protocol of its path, with the URL to use; it is written down, and TLS goes on."""
    noted: list[UnheardRefusal] = []
    with running(certificate=certificate, refused=noted.append) as server:
        with server.connect() as connection:
            connection.sendall(raw(asking))
            said = everything(connection)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"\r\ncontent-type: " + kind in said
        assert told in said
        assert b"connection: close" in said
        sentence = f"Port {server.port} speaks HTTPS, and was asked over HTTP. Use https://{edge.HOST}."
        assert sentence.encode() in said
        ((protocol, fault, status, *_),) = noted
        assert (fault, status) == (FaultKind.MALFORMED_INPUT, 400)
        assert protocol is not None
        assert speaks_tls(server, authority)


def test_a_browser_that_speaks_plain_http_gets_a_link(certificate: Certificate) -> None:
    """To the same host over HTTPS."""
    with running(certificate=certificate) as server, server.connect() as connection:
        connection.sendall(raw(LOOKING))
        said = everything(connection)
    assert b"\r\ncontent-type: text/html" in said
    page = Page(said.partition(b"\r\n\r\n")[2])
    assert page.links == ["https://ses.example.com:8465"]
    assert "This port speaks HTTPS, and was asked over HTTP." in page.said


def test_an_sdk_says_what_is_wrong_with_its_endpoint(certificate: Certificate) -> None:
    """The sentence reaches whoever has configured `http://`."""
    from test_server import client

    with running(certificate=certificate) as server:
        url = f"http://127.0.0.1:{server.port}"
        for service, call in (("sesv2", "get_account"), ("ses", "list_identities")):
            with pytest.raises(ClientError, match=f"Use https://127.0.0.1:{server.port}"):
                getattr(client(service, url), call)()


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", False),
        (b"G", False),
        (b"hello\r\n", False),
        (b"\x80\x2e\x01\x03", False),
        (b"\x16\x03\x01\x00\x05hello", False),
        (b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 100_000, True),
    ],
)
def test_whatever_else_is_said_to_it_ends(
    sent: bytes, answered: bool, certificate: Certificate, authority: trustme.CA
) -> None:
    """Silence, noise and a request of any size: the connection ends soon, and others are served."""
    with running(certificate=certificate, head_seconds=0.3) as server:
        with server.connect() as connection:
            connection.sendall(sent)
            said = b""
            with contextlib.suppress(ConnectionResetError):
                said = everything(connection)
        assert bool(said) is answered
        assert b"<script>" not in said
        assert speaks_tls(server, authority)


def test_who_says_nothing_makes_room_over_tls_too(certificate: Certificate, authority: trustme.CA) -> None:
    """Before there is TLS and after: idle connections keep nobody out."""
    admission = ConnectionAdmission(Room(4, 4))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running(certificate=certificate, connections=admission) as server:
        silent = [server.connect() for _ in range(12)]
        assert speaks_tls(server, authority)
        greeted: list[Any] = []
        for _ in range(6):
            greeted.append(context.wrap_socket(server.connect(), server_hostname="127.0.0.1"))
            greeted[-1].sendall(raw(edge.v2()))
            assert greeted[-1].recv(12).startswith(b"HTTP/1.1 200")
        assert speaks_tls(server, authority)
        for each in (*silent, *greeted):
            each.close()
        assert len(admission) <= 4


def test_stopping_waits_for_nobody_who_has_not_spoken(certificate: Certificate) -> None:
    """A client that is still silent, or in the middle of its handshake, keeps no server from ending."""
    with running(certificate=certificate) as server:
        silent, half = server.connect(), server.connect()
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        with silent, half:
            stopping = threading.Thread(target=server.run, args=(server.server.stop(5),))
            stopping.start()
            stopping.join(4)
            assert not stopping.is_alive()
