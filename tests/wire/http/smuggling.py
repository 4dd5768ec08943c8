"""Octets that two readers may take for two things, and what becomes of each (RFC 9112).

Whoever gets a proxy and a server to see the end of a request in two places puts a request into somebody
else's mouth. Where it is clear what is meant the request is served; else it is refused, and nothing behind it
is read.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Fate(Enum):
    """What becomes of a request."""

    SERVED = "it is answered, and the next one too"
    LAST = "it is answered, and nothing behind it is read"
    REFUSED = "it is answered with 400, and nothing behind it is read"


class Row(NamedTuple):
    """A request, and the section that says what to do with it. `body` is what of it is served."""

    rule: str
    name: str
    sent: bytes
    fate: Fate
    body: bytes = b""


def get(*fields: bytes, line: bytes = b"GET /p HTTP/1.1") -> bytes:
    """Octets of a request without a body; each field is a line."""
    return b"".join(each + b"\r\n" for each in (line, b"Host: x", *fields, b""))


def post(*fields: bytes, body: bytes = b"") -> bytes:
    """Octets of a request with a body, however long the fields say that is."""
    return get(*fields, line=b"POST /p HTTP/1.1") + body


def chunked(body: bytes) -> bytes:
    """Octets of a request whose body is said to come in chunks."""
    return post(b"Transfer-Encoding: chunked", body=body)


S, L, R = Fate.SERVED, Fate.LAST, Fate.REFUSED
END = b"0\r\n\r\n"
OFFER = (b"Connection: upgrade", b"Upgrade: h2c")

ROWS = (
    # Lines. A recipient may take a lone line feed for the end of one, and may not take a lone CR for it.
    Row("§2.2", "lines end in LF alone", b"GET /p HTTP/1.1\nHost: x\n\n", R),
    Row("§2.2", "one field ends in LF alone", b"GET /p HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", R),
    Row("§2.2", "the head ends in LF alone", b"GET /p HTTP/1.1\r\nHost: x\r\n\n", R),
    Row("§2.2", "a CR within a value", get(b"X: a\rb"), R),
    Row("§2.2", "a CR hides a field", post(b"X: a\rTransfer-Encoding: chunked", body=END), R),
    Row("§2.2", "the request line ends in CR alone", b"GET /p HTTP/1.1\rHost: x\r\n\r\n", R),
    Row("§2.2", "two CRs before the LF", b"GET /p HTTP/1.1\r\nHost: x\r\r\n\r\n", R),
    Row("§2.2", "blank lines come first", b"\r\n\r\n" + get(), S),
    Row("§2.2", "a blank begins the first field", b"GET /p HTTP/1.1\r\n Host: x\r\n\r\n", R),
    # The request line
    Row("§2.3", "HTTP/0.9, which has no version", b"GET /p\r\n\r\n", R),
    Row("§2.3", "version 0.9", get(line=b"GET /p HTTP/0.9"), R),
    Row("§2.3", "version 1.2", get(line=b"GET /p HTTP/1.2"), R),
    Row("§2.3", "version 2.0", get(line=b"GET /p HTTP/2.0"), R),
    Row("§2.3", "a version with two digits", get(line=b"GET /p HTTP/01.1"), R),
    Row("§2.3", "a version in small letters", get(line=b"GET /p http/1.1"), R),
    Row("§3", "two blanks", get(line=b"GET  /p HTTP/1.1"), S),
    Row("§3", "a tab", get(line=b"GET\t/p HTTP/1.1"), R),
    Row("§3", "something behind the version", get(line=b"GET /p HTTP/1.1 x"), R),
    Row("§3", "a blank behind the version", get(line=b"GET /p HTTP/1.1 "), R),
    Row("§3", "a blank before the method", get(line=b" GET /p HTTP/1.1"), R),
    Row("§3.1", "a method in small letters", get(line=b"get /p HTTP/1.1"), R),
    Row("§3.1", "a method that nobody has", get(line=b"FOO /p HTTP/1.1"), R),
    Row("§3.2", "a NUL in the target", get(line=b"GET /p\0 HTTP/1.1"), R),
    Row("§3.2", "an octet beyond ASCII in the target", get(line=b"GET /\xff HTTP/1.1"), R),
    Row("§3.2", "no Host", b"GET /p HTTP/1.1\r\n\r\n", R),
    Row("§3.2", "two Hosts", get(b"Host: y"), R),
    Row("§3.2", "the same Host twice", get(b"Host: x"), R),
    Row("§3.2.2", "absolute form", get(line=b"GET http://x/p HTTP/1.1"), S),
    Row("§3.2.2", "absolute form, of another host", get(line=b"GET http://y/p HTTP/1.1"), R),
    Row("§3.2.2", "absolute form, with a user", get(line=b"GET http://x@x/p HTTP/1.1"), R),
    Row("§3.2.2", "absolute form, another scheme", get(line=b"GET ftp://x/p HTTP/1.1"), R),
    Row("§3.2.3", "authority form", get(line=b"GET x:80 HTTP/1.1"), R),
    Row("§3.2.3", "a tunnel", get(line=b"CONNECT x:443 HTTP/1.1"), R),
    Row("§3.2.4", "asterisk form", get(line=b"OPTIONS * HTTP/1.1"), S),
    # Fields
    Row("§5", "a line without a colon", get(b"X"), R),
    Row("§5", "a field without a name", get(b": y"), R),
    Row("§5", "a blank within a name", get(b"X Y: z"), R),
    Row("§5", "a bracket within a name", get(b"X(: z"), R),
    Row("§5", "an octet beyond ASCII in a name", get(b"X\xe9: z"), R),
    Row("§5", "an octet beyond ASCII in a value", get(b"X: \xe9"), S),
    Row("§5", "a NUL in a name", get(b"X\0: y"), R),
    Row("§5", "a NUL in a value", get(b"X: a\0b"), R),
    Row("§5", "a control character in a value", get(b"X: \x01"), R),
    Row("§5.1", "a blank before the colon", get(b"X : y"), R),
    Row("§5.1", "a tab before the colon", get(b"X\t: y"), R),
    Row("§5.1", "a blank before the colon of Host", b"GET /p HTTP/1.1\r\nHost : x\r\n\r\n", R),
    Row("§5.1", "a blank before that of the coding", post(b"Transfer-Encoding : chunked", body=END), R),
    Row("§5.2", "a folded value", get(b"X: a", b" b"), R),
    Row("§5.2", "a folded coding", post(b"Transfer-Encoding:", b" chunked", body=END), R),
    Row("§5.2", "a folded length", post(b"Content-Length:", b" 3", body=b"abc"), R),
    # Codings
    Row("§6.1", "chunked in other letters", post(b"Transfer-Encoding: ChuNked", body=END), S),
    Row("§6.1", "gzip alone", post(b"Transfer-Encoding: gzip", body=END), R),
    Row("§6.1", "gzip, then chunked", post(b"Transfer-Encoding: gzip, chunked", body=END), R),
    Row("§6.1", "chunked, then gzip", post(b"Transfer-Encoding: chunked, gzip", body=END), R),
    Row("§6.1", "chunked twice in a list", post(b"Transfer-Encoding: chunked, chunked", body=END), R),
    Row("§6.1", "chunked twice", post(*(b"Transfer-Encoding: chunked",) * 2, body=END), R),
    Row(
        "§6.1",
        "identity, then chunked",
        post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=END),
        R,
    ),
    Row("§6.1", "identity", post(b"Transfer-Encoding: identity"), R),
    Row("§6.1", "a coding that ends in chunked", post(b"Transfer-Encoding: xchunked", body=END), R),
    Row("§6.1", "chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1", body=END), R),
    Row("§6.1", "chunked in quotes", post(b'Transfer-Encoding: "chunked"', body=END), R),
    Row("§6.1", "a blank behind chunked", post(b"Transfer-Encoding: chunked ", body=END), R),
    Row("§6.1", "a vertical tab before chunked", post(b"Transfer-Encoding: \x0bchunked", body=END), R),
    Row("§6.1", "an empty coding", post(b"Transfer-Encoding:", body=END), R),
    Row("§6.1", "a comma before chunked", post(b"Transfer-Encoding: ,chunked", body=END), R),
    Row(
        "§6.1",
        "a coding in HTTP/1.0",
        b"POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" + END,
        L,
        b"x",
    ),
    # Lengths
    Row("§6.2", "a length with a sign", post(b"Content-Length: +3", body=b"abc"), R),
    Row("§6.2", "a length below nothing", post(b"Content-Length: -3", body=b"abc"), R),
    Row("§6.2", "a length in hexadecimal", post(b"Content-Length: 0x3", body=b"abc"), R),
    Row("§6.2", "an underscore in the length", post(b"Content-Length: 1_0", body=b"0123456789"), R),
    Row("§6.2", "a blank in the length", post(b"Content-Length: 1 0", body=b"0123456789"), R),
    Row("§6.2", "a blank behind the length", post(b"Content-Length: 3 ", body=b"abc"), S, b"abc"),
    Row("§6.2", "no length", post(b"Content-Length:"), R),
    Row("§6.2", "a length beyond 64 bits", post(b"Content-Length: 18446744073709551619", body=b"abc"), R),
    Row("§6.2", "a body of a GET", get(b"Content-Length: 3") + b"abc", S, b"abc"),
    Row(
        "§6.3",
        "a length, then a coding",
        post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=END),
        R,
    ),
    Row(
        "§6.3",
        "a coding, then a length",
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=END),
        R,
    ),
    Row("§6.3", "the same length twice", post(*(b"Content-Length: 3",) * 2, body=b"abc"), R),
    Row("§6.3", "two lengths", post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"), R),
    Row("§6.3", "a list of lengths", post(b"Content-Length: 3, 3", body=b"abc"), R),
    # Chunks
    Row("§7.1", "chunks", chunked(b"1\r\nx\r\n2\r\nyz\r\n" + END), S, b"xyz"),
    Row("§7.1", "zeros before the size", chunked(b"00000000000000000001\r\nx\r\n" + END), S, b"x"),
    Row("§7.1", "a size beyond 64 bits", chunked(b"10000000000000001\r\nx\r\n" + END), R),
    Row("§7.1", "a size beyond 64 bits, in F", chunked(b"FFFFFFFFFFFFFFFF1\r\nx\r\n" + END), R),
    Row("§7.1", "a size below nothing", chunked(b"-1\r\nx\r\n" + END), R),
    Row("§7.1", "a size with a sign", chunked(b"+1\r\nx\r\n" + END), R),
    Row("§7.1", "a size with 0x", chunked(b"0x1\r\nx\r\n" + END), R),
    Row("§7.1", "an underscore in the size", chunked(b"1_0\r\nx\r\n" + END), R),
    Row("§7.1", "no size", chunked(b"\r\nx\r\n" + END), R),
    Row("§7.1", "a blank before the size", chunked(b" 1\r\nx\r\n" + END), R),
    Row("§7.1", "a blank behind the size", chunked(b"1 \r\nx\r\n" + END), R),
    Row("§7.1", "a line that ends in LF alone", chunked(b"1\nx\r\n" + END), R),
    Row("§7.1", "a chunk longer than its size", chunked(b"1\r\nxy\r\n" + END), R),
    Row("§7.1", "no line end behind a chunk", chunked(b"1\r\nx" + END), R),
    Row("§7.1", "a LF alone behind a chunk", chunked(b"1\r\nx\n" + END), R),
    Row("§7.1", "the last line ends in LF alone", chunked(b"0\r\n\n"), R),
    Row("§7.1.1", "extensions", chunked(b"1;a=b\r\nx\r\n0;c\r\n\r\n"), S, b"x"),
    Row("§7.1.1", "an extension in quotes", chunked(b'1;a="b c"\r\nx\r\n' + END), S, b"x"),
    Row("§7.1.1", "quotes without an end", chunked(b'1;a="\r\nx\r\n' + END), R),
    Row("§7.1.1", "a LF in an extension", chunked(b"1;a\nx\r\n" + END), R),
    Row("§7.1.1", "a CR in an extension", chunked(b"1;a\rb\r\nx\r\n" + END), R),
    Row("§7.1.2", "a trailer", chunked(b"1\r\nx\r\n0\r\nX: y\r\n\r\n"), S, b"x"),
    Row("§7.1.2", "a length in a trailer", chunked(b"0\r\nContent-Length: 5\r\n\r\n"), R),
    Row("§7.1.2", "a coding in a trailer", chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), R),
    Row("§7.1.2", "a trailer that ends the connection", chunked(b"0\r\nConnection: close\r\n\r\n"), R),
    Row("§7.1.2", "a blank before the colon of a trailer", chunked(b"0\r\nX : y\r\n\r\n"), R),
    Row("§7.1.2", "a folded trailer", chunked(b"0\r\nX: y\r\n z\r\n\r\n"), R),
    # What becomes of the connection
    Row("§9.3", "HTTP/1.0", b"GET /p HTTP/1.0\r\n\r\n", L),
    Row("§9.3", "HTTP/1.0 that wants to go on", b"GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", L),
    Row("§9.6", "a last request", get(b"Connection: close"), L),
    Row("§9.6", "a last request among other options", get(b"Connection: x, Close"), L),
    Row("RFC 9110 §7.8", "an offer", get(*OFFER), S),
    Row("RFC 9110 §7.8", "an offer with a body", post(*OFFER, b"Content-Length: 3", body=b"abc"), S, b"abc"),
    Row(
        "RFC 9110 §7.8",
        "an offer with chunks",
        post(*OFFER, b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n" + END),
        S,
        b"x",
    ),
)
