"""Is this process alive, is it ready, what has it counted: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from indicia.domain.faults import Fault

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# A thing that readiness speaks of: None when it is well, else what is wrong.
Check: TypeAlias = Callable[[], Awaitable[str | None]]

_JSON = b"application/json"
_GET_ONLY = ((b"allow", b"GET, HEAD"),)
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"
# Who asks gives up after a few seconds (Kubernetes: one): an answer that comes later says nothing.
WITHIN = 3.0


@dataclass(frozen=True, slots=True)
class Health:
    """An ASGI application with the three paths.

    `gating` are what readiness depends on: the roles of this process and the database. `reported` are shown
    with `?verbose` and decide nothing: resolvers and delegation are other people's machines. `metrics` is the
    page of them, None where it is not for everybody.
    """

    gating: Mapping[str, Check]
    reported: Mapping[str, Check]
    metrics: Callable[[], Awaitable[bytes]] | None

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, _JSON, b'{"message":"Only GET is answered here."}', _GET_ONLY)
        elif path == "/healthz":
            await _answer(send, 200, _JSON, b'{"status":"alive"}')
        elif path == "/readyz":
            await self._readiness(scope, send)
        elif path == "/metrics" and self.metrics is not None:
            await _answer(send, 200, _METRICS, await self.metrics())
        else:
            await _answer(send, 404, _JSON, b'{"message":"There is nothing here."}')

    async def _readiness(self, scope: Scope, send: Send) -> None:
        trouble = await _asked(self.gating)
        ready = not any(trouble.values())
        body: dict[str, Any] = {"status": "ready" if ready else "not ready"}
        if not ready or b"verbose" in scope["query_string"]:
            body["parts"] = {name: wrong or "ok" for name, wrong in trouble.items()}
        if b"verbose" in scope["query_string"]:
            body["reported"] = {name: wrong or "ok" for name, wrong in (await _asked(self.reported)).items()}
        await _answer(send, 200 if ready else 503, _JSON, msgspec.json.encode(body))


async def _asked(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Return what each check says, all of them asked side by side."""
    said = await asyncio.gather(*map(_said, checks.values()))
    return dict(zip(checks, said, strict=True))


async def _said(check: Check) -> str | None:
    try:
        async with asyncio.timeout(WITHIN):
            return await check()
    except TimeoutError:
        return f"no answer within {WITHIN:.0f} s"
    except Fault as fault:
        return fault.message


async def _answer(
    send: Send, status: int, kind: bytes, body: bytes, further: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *further,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
