"""Requests as an unmodified boto3 sends them: made by it, signed by it, taken from it before they leave."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

REGION = "us-east-1"
# Signed, so the same for every server: whom a request is for is not what is measured.
_ENDPOINT = "http://localhost:8465"


class Key(NamedTuple):
    """An access key."""

    id: str
    secret: str


class _TakenError(Exception):
    """Ends a call of boto3 at the moment at which its request would be sent."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


def _take(request: Any, **_: object) -> None:
    raise _TakenError(request)


class Signer:
    """Makes the requests of one client library, service and key."""

    def __init__(self, service: str, key: Key) -> None:
        self._client = boto3.client(
            service,
            region_name=REGION,
            endpoint_url=_ENDPOINT,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        self._client.meta.events.register_first("before-send", _take)

    def request(self, operation: str, arguments: dict[str, object]) -> bytes:
        """Return the request as it goes over the connection. It is good for 15 minutes."""
        try:
            getattr(self._client, operation)(**arguments)
        except _TakenError as taken:
            return _octets(taken.request)
        raise AssertionError("boto3 sends without asking")


def _octets(request: Any) -> bytes:
    url = urlsplit(request.url)
    target = f"{url.path}?{url.query}" if url.query else url.path
    # What urllib3 adds on the way.
    headers = {"Host": url.netloc, "Accept-Encoding": "identity"}
    for name, value in request.headers.items():
        headers[name] = value.decode() if isinstance(value, bytes) else value
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sign_alone(key: Key) -> Callable[[], None]:
    """Return a call of botocore's signer on a small request, which is signed anew each time."""
    signer = SigV4Auth(Credentials(key.id, key.secret), "ses", REGION)

    def sign() -> None:
        signer.add_auth(AWSRequest("GET", f"{_ENDPOINT}/v2/email/identities/example.com"))

    return sign


def write(path: Path, requests: Iterable[bytes]) -> None:
    """Put requests where replay.lua finds them."""
    path.write_bytes(b"".join(b"%d\n%s" % (len(request), request) for request in requests))


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    content_type: str
    body: bytes


def ask(port: int, request: bytes) -> Reply:
    """Send one request and return the answer to it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        with http.client.HTTPResponse(connection) as response:
            response.begin()
            return Reply(response.status, response.headers.get("content-type", ""), response.read())
