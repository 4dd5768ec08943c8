"""Octets in, requests out: where each begins and ends, and what of it is not taken.

`httptools` parses; the rules that it leaves to its user are here, each beside the section of RFC 9112 that it
obeys. What could be read in two ways is refused: an answer behind a wrong boundary would be that of a request
that somebody else has made. Nothing is sent from here, and nothing waits; `RequestParser` tells a
`RequestReceiver`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Protocol

import httptools

from indicia.domain.faults import FaultKind
from indicia.wire.http.framing import TRAILER_OCTETS, Framing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.wire.http.framing import Trailers

# What is parsed in one go: limits are looked at in between.
_PIECE_OCTETS: Final = 4096

_SCHEMES: Final = frozenset({b"http", b"https"})
_VERSIONS: Final = frozenset({"1.0", "1.1"})
# Fields of a head that say where it ends, for whom it is, or what is to come first.
_HEEDED: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
# What says where a message ends, or what becomes of the connection, is no trailer (RFC 9110 §6.5.1).
_NO_TRAILERS: Final = frozenset(
    {b"connection", b"proxy-connection", b"upgrade", b"transfer-encoding", b"content-length"}
)

_TRAILERS_TOO_LARGE: Final = f"The trailers of the request are larger than {TRAILER_OCTETS} bytes."
_TWO_HOSTS: Final = "The request target and the Host header name two hosts."
_LINES_TOO_LARGE: Final = "The lines between the chunks of the body are larger than this server takes."


class RequestHead(NamedTuple):
    """The head of a request. Names of `fields` are in lower case; `path` and `query` are as they were sent.

    `persists` is whether the connection goes on behind it, `expects` whether the client waits to be told to
    send the body.
    """

    method: str
    path: bytes
    query: bytes
    version: str
    fields: Sequence[tuple[bytes, bytes]]
    persists: bool
    expects: bool


class RequestReceiver(Protocol):
    """Who is told what has come."""

    def head_begun(self) -> None:
        """The first octet of a head has come."""

    def head_whole(self, head: RequestHead) -> None:
        """All of a head has come, and it is one that can be answered."""

    def body_piece(self, piece: bytes) -> None:
        """A piece of the body has come."""

    def request_whole(self) -> None:
        """All of a request has come."""


class NotTakenError(Exception):
    """What has come is no request, or none that is taken. Nothing behind it can be read."""

    def __init__(self, kind: FaultKind, sentence: str = "") -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


class RequestParser:
    """Reads the requests of one connection, one behind the other.

    `in_head` is whether a head has begun and is not whole, `in_body` whether the rest of a request is to
    come; `target` is that of the head which came last, as far as it has come. A head may have `head_octets`;
    fields behind bodies are counted in `trailers`.
    """

    def __init__(self, receiver: RequestReceiver, *, head_octets: int, trailers: Trailers) -> None:
        self._receiver = receiver
        self._most = head_octets
        self._trailers = trailers
        self._parser = _new_parser(self)
        self._refusal: NotTakenError | None = None
        self._framing = Framing()
        self.in_head = self.in_body = False
        self.target = b""
        # A head offered another protocol: the parser stops behind it, and is told anew what it said.
        self._stopping = self._resuming = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._length: int | None = None  # what the head says of its body
        self._chunked = self._expects = self._persists = False
        self._hosts = 0  # Host fields in the head, and what the last one says
        self._host = b""
        # Octets of the head that the parser was given: it names a field when it has all of it.
        self._least = 0
        self._fresh = 0  # octets in hand that begin with a head
        self._given = 0  # octets in hand and before, since the piece in which the head began

    def feed(self, data: bytes, start: int = 0) -> int:
        """Read a piece of `data` from `start` on, and return how much that was. Raises: `NotTakenError`."""
        size = _PIECE_OCTETS
        if not self.in_head and self._framing.length:
            size = max(size, self._framing.length)
        piece = data if not start and len(data) <= size else data[start : start + size]
        parsed = len(piece)
        if self.in_head:
            self._least += parsed
            self._given += parsed
        else:
            self._fresh = 0 if self.in_body else parsed
            self._given = parsed
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as stopped:
            parsed = stopped.args[0]
            self._begin_anew()
        except httptools.HttpParserError as error:
            raise self._reason(error) from None
        if self.in_head:
            if self._least > self._most:
                raise NotTakenError(FaultKind.HEADERS_TOO_LARGE)
        elif self.in_body and self._chunked and not self._framing.fed(parsed):
            raise NotTakenError(FaultKind.MALFORMED_INPUT, _LINES_TOO_LARGE)
        return parsed

    def _reason(self, error: httptools.HttpParserError) -> BaseException:
        """Return why the parser has stopped: what a callback raised, or that it is no HTTP."""
        refusal, self._refusal = self._refusal, None
        if refusal is None and isinstance(error, httptools.HttpParserCallbackError) and error.__context__:
            return error.__context__  # a mistake of ours
        return refusal or NotTakenError(FaultKind.MALFORMED_INPUT)

    def _refuse(self, kind: FaultKind = FaultKind.MALFORMED_INPUT, sentence: str = "") -> NoReturn:
        self._refusal = NotTakenError(kind, sentence)
        raise self._refusal  # the only way to stop the parser

    def _begin_anew(self) -> None:
        """Go on behind a head that offers another protocol: a new parser is told what that said of its body.

        The other protocol is not taken, and the request is served as any other (RFC 9110 §7.8). But llhttp
        takes everything behind such a head for that protocol's, and would lose the body.
        """
        self._parser = _new_parser(self)
        self._stopping = False
        lives = b"" if self._persists else b"Connection: close\r\n"
        if self._chunked:
            body = b"Transfer-Encoding: chunked\r\n"
        else:
            body = b"Content-Length: %d\r\n" % (self._length or 0)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\n" + lives + body + b"\r\n")
        self._resuming = False

    def on_message_begin(self) -> None:
        """The first octet of a head has come."""
        if self._resuming:
            return
        self.in_head = True
        self.target = b""
        self._fields = []
        self._length = None
        self._chunked = self._expects = False
        self._hosts = 0
        self._least, self._fresh = self._fresh, 0
        self._receiver.head_begun()

    def on_url(self, url: bytes) -> None:
        """A piece of the target has come."""
        if not self._resuming:
            self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field has come: one of the head, or one behind the body, which is dropped (RFC 9112 §7.1.2)."""
        if not self.in_head:
            if not self._resuming:
                self._drop(name, value)
            return
        name = name.lower()
        if name in _HEEDED:
            self._heed(name, value)
        self._fields.append((name, value))

    def _heed(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
            self._host = value
        elif name == b"content-length":
            self._length = int(value)  # llhttp has seen to it that it is one, and the only one
        elif name == b"transfer-encoding":
            if self._chunked or value.lower() != b"chunked":  # RFC 9112 §6.1: no other coding is understood
                self._refuse()
            self._chunked = True
        elif value.lower() == b"100-continue":
            self._expects = True

    def _drop(self, name: bytes, value: bytes) -> None:
        self._trailers.dropped += 1
        if name.lower() in _NO_TRAILERS:  # the parser would heed it: what follows would be lost
            self._refuse()
        if not self._framing.trailer(name, value):
            self._refuse(FaultKind.HEADERS_TOO_LARGE, _TRAILERS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._resuming:
            return
        self.in_head, self.in_body = False, True
        self._framing.begin(self._length, chunked=self._chunked)
        if self._given > self._most and self._named() > self._most:
            self._refuse(FaultKind.HEADERS_TOO_LARGE)
        parser = self._parser
        version = parser.get_http_version()
        # RFC 9112 §3.2: one Host, and none only from before HTTP/1.1.
        if version not in _VERSIONS or (self._hosts != 1 and (self._hosts or version == "1.1")):
            self._refuse()
        method = parser.get_method().decode("ascii")
        if self.target.startswith(b"/") and b"#" not in self.target:  # RFC 9112 §3.2.1
            path, _, query = self.target.partition(b"?")
        else:
            path, query = self._odd_target()
        self._resuming = self._stopping = parser.should_upgrade()
        current = version == "1.1"
        # RFC 9112 §9.3: an old client's connection ends with its answer. RFC 9110 §10.1.1: nor does it wait.
        self._persists = current and parser.should_keep_alive()
        expects = self._expects and current
        self._receiver.head_whole(
            RequestHead(method, path, query, version, self._fields, self._persists, expects)
        )

    def _named(self) -> int:
        """How large the head is: a field has a colon, a blank and the end of the line as well."""
        return len(self.target) + sum(len(name) + len(value) + 4 for name, value in self._fields)

    def _odd_target(self) -> tuple[bytes, bytes]:
        """Return path and query of a target in another form than most have (RFC 9112 §3.2.2 to §3.2.4)."""
        try:
            target = httptools.parse_url(self.target)
        except httptools.HttpParserInvalidURLError:
            self._refuse()
        if target.schema is not None:
            if target.schema.lower() not in _SCHEMES:  # that of a tunnel among them
                self._refuse()
            if _authority(self.target) != self._host.lower():
                self._refuse(FaultKind.MALFORMED_INPUT, _TWO_HOSTS)
        return target.path or b"/", target.query or b""

    def on_chunk_header(self) -> None:
        """The line before a chunk has come."""
        self._framing.chunk()

    def on_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        self._framing.content(len(body))
        self._receiver.body_piece(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._stopping:
            return  # only its head is, behind which the parser stops: what is told anew tells of its end
        self.in_body = False
        self._receiver.request_whole()

    def close(self) -> None:
        """Nothing more is read. The parser and this refer to each other until then."""
        del self._parser


def _new_parser(callbacks: RequestParser) -> httptools.HttpRequestParser:
    """Return a parser that does not look at what follows a last request (RFC 9112 §9.6)."""
    parser = httptools.HttpRequestParser(callbacks)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _authority(target: bytes) -> bytes:
    """What a target in absolute form names, in lower case (RFC 9112 §3.2.2)."""
    return re.split(rb"[/?#]", target.partition(b"//")[2], maxsplit=1)[0].lower()
