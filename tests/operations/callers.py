"""Whoever calls over the wire: requests written member by member, signed, and asked of the real edge.

Members are plain values, right or wrong for the shape: what cannot be written in a protocol is left to its
habits (a list where text belongs is a list in JSON, and further parameters in a form).
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from desk import Desk

from indicia.operations.dispatch import admit
from indicia.operations.own.api import routes
from indicia.wire import shapes
from indicia.wire.authentication import AccessKeyRecord, Authenticator
from indicia.wire.aws.signer import signed_headers
from indicia.wire.gateway import Gateway
from indicia.wire.shapes.operation import Operation

SECRET = "opens/nothing/at/all"
HOST = "indicia.test"

# What any operation may answer, whatever it documents (spec 7.6): nothing stands at such a path, such a value
# is no value of its type. v1 calls every refused value by one of two names (spec 7.3).
COMMON = {
    "sesv2": frozenset({"SerializationException", "UnknownOperationException", "MethodNotAllowedException"}),
    "ses": frozenset({"InvalidParameterValue", "ValidationError", "MalformedInput"}),
    "sts": frozenset(),
}


@dataclass(frozen=True)
class Heard:
    """An answer. `code` is what the refusal is called, empty where it is none."""

    status: int
    code: str
    message: str
    body: bytes


def documented(operation: Operation) -> frozenset[str]:
    """Return the codes of the errors that the operation may answer with."""
    modelled = shapes.errors(operation.service)
    return COMMON[operation.service] | {modelled[name].code for name in operation.errors}


class Caller:
    """Signs for one account and asks an edge of its own, with what stands behind `desk` at its back."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.loop = asyncio.new_event_loop()
        self.gateway = Gateway(
            authenticator=Authenticator(self._key, (desk.region,)),
            dispatch=desk.dispatch,
            admit=admit,
            now=lambda: desk.now,
            routes=routes(desk.dispatch),
            record=lambda _: None,
        )

    def call(self, service: str, name: str, members: Mapping[str, Any]) -> Heard:
        """Return what is answered to an operation with these members."""
        operation = shapes.operations(service)[name]
        if service == "sesv2":
            return self.ask(operation.method, *written(operation, members), service="ses")
        version = {"ses": "2010-12-01", "sts": "2011-06-15"}[service]
        form = [("Action", name), ("Version", version), *_parameters("", dict(members))]
        return self.ask("POST", "/", "", urlencode(form, errors="replace").encode(), service=service)

    def ask(self, method: str, path: str, query: str, body: bytes, *, service: str) -> Heard:
        """Return what is answered to a request."""
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope, key = f"{self.desk.region}/{service}", (f"AKIA{self.desk.account}", SECRET)
        headers = signed_headers(method, HOST, path, query, body, at=at, scope=scope, key=key)
        headers["content-length"] = str(len(body))
        return self.loop.run_until_complete(self._asked(method, path, query, body, headers))

    def close(self) -> None:
        """Let go of the loop."""
        self.loop.close()

    def _key(self, key: str) -> AccessKeyRecord:
        account = key.removeprefix("AKIA")
        return AccessKeyRecord(SECRET, account, f"arn:aws:iam::{account}:root")

    async def _asked(
        self, method: str, path: str, query: str, body: bytes, headers: Mapping[str, str]
    ) -> Heard:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.7", 1),
            "scheme": "http",
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.gateway(scope, receive, send)
        answer = b"".join(part["body"] for part in sent[1:])
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        if told["content-type"] == "text/xml":
            code, message = (_between(answer, tag) for tag in ("Code", "Message"))
            return Heard(sent[0]["status"], code if b"<Error>" in answer else "", message, answer)
        if sent[0]["status"] < 400:
            return Heard(sent[0]["status"], "", "", answer)
        refusal = json.loads(answer)
        code = told.get("x-amzn-errortype") or refusal["code"]
        return Heard(sent[0]["status"], code, refusal["message"], answer)


class Watched(Caller):
    """A caller who can say whether anything but the record of calls was written."""

    def __init__(self, desk: Desk, path: Path) -> None:
        super().__init__(desk)
        self._look = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def stored(self) -> list[str]:
        """Return everything that is stored, but for the audit log."""
        return [line for line in self._look.iterdump() if not line.startswith('INSERT INTO "audit')]

    def close(self) -> None:
        """Let go of loop and database."""
        self._look.close()
        super().close()


def written(operation: Operation, members: Mapping[str, Any]) -> tuple[str, str, bytes]:
    """Return path, query string and body of a call of API v2."""
    left = dict(members)
    path = operation.path
    for label, member in operation.labels:
        path = path.replace(f"{{{label}}}", segment(_label(left.pop(member, ""))))
    pairs = [
        f"{parameter}={quote(_label(each), safe='~', errors='replace')}"
        for parameter, member in operation.query
        for each in _listed(left.pop(member, None))
        if each is not None
    ]
    query = "&".join(sorted(pairs))
    body = json.dumps(left).encode() if left or operation.method in {"POST", "PUT"} else b""
    return path, query, body


def segment(text: str) -> str:
    """Return a segment of a path. One that is empty or of dots leads elsewhere: SDKs do not send such."""
    return "%20" if text.strip(".") == "" else quote(text, safe="", errors="replace")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parameters(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a form, as the Query protocol writes structures and lists."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _parameters(f"{prefix}.{name}" if prefix else name, part)
    elif isinstance(value, list):
        if not value:
            yield prefix, ""
        for number, part in enumerate(value, 1):
            yield from _parameters(f"{prefix}.member.{number}", part)
    elif value is not None:
        yield prefix, _label(value)


def _between(text: bytes, tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>".encode(), text, re.DOTALL)
    return "" if found is None else found[1].decode()
