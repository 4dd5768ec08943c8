"""Transcripts: requests and answers to the octet, as files that a person can read.

A transcript is lines. `> ` is a request (method and target, then the body), `< ` the answer that must come
(status, content type and, for an error of v2, its shape; then the body), `! ` a change behind the scenes, `#`
a comment. `{{name}}` in an answer stands for whatever is there, and for the same from then on. The id of each
request is `REQUEST-ID`.

With INDICIA_GOLDEN=write the answers in the files become what is answered now: read the difference before
keeping it.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from desk import Desk

from indicia.domain.diagnosis.recommendations import Code, Progress, Recommendation
from indicia.domain.identities.identity import Facet, Status
from indicia.store.accounts import access
from indicia.store.diagnosis import recommendations
from indicia.store.engine.session import Session
from indicia.wire.authentication import Authenticator
from indicia.wire.gateway import Gateway

_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass
class Exchange:
    """One step: what happens behind the scenes, or a request and the answer that must come."""

    line: int
    scene: str = ""
    request: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)


def exchanges(text: str) -> Iterator[Exchange]:
    """Yield the steps of a transcript."""
    step = Exchange(0)
    for number, line in enumerate([*text.splitlines(), ""], 1):
        mark, rest = line[:2], line[2:]
        if mark == "! ":
            yield Exchange(number, scene=rest)
        elif mark == "> ":
            step = step if step.request else Exchange(number)
            step.request.append(rest)
        elif mark == "< ":
            step.answer.append(rest)
        elif not line and step.request:
            yield step
            step = Exchange(0)
        else:
            assert not line or line.startswith("#"), f"line {number} is no line of a transcript: {line}"


class Stage:
    """Plays transcripts through the edge, as one account in one region."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.slots: dict[str, str] = {}
        self.gateway = Gateway(
            authenticator=Authenticator(lambda _: None, ("eu-west-1", "us-east-1"), strict=False),
            dispatch=desk.dispatch,
            now=lambda: desk.now,
        )

    def play(self, step: Exchange) -> list[str]:
        """Do the step and return the lines of the answer, with what stood for slots put back into them."""
        if step.scene:
            self._set(step.scene)
            return []
        target, *body = (self._filled(line, at) for at, line in enumerate(step.request))
        status, headers, answer = asyncio.run(self._ask(target, "\n".join(body).encode()))
        answer = answer.replace(headers["x-amzn-requestid"], "REQUEST-ID")
        shape = headers.get("x-amzn-errortype", "")
        head = f"{status} {headers['content-type']} {shape}".strip()
        return [head, *([answer] if answer else [])]

    def fits(self, expected: list[str], given: list[str]) -> bool:
        """Say whether an answer is the expected one, and learn what stands in its slots."""
        if len(expected) != len(given):
            return False
        for pattern, line in zip(expected, given, strict=True):
            found = re.fullmatch(self._pattern(pattern), line, re.DOTALL)
            if found is None:
                return False
            self.slots |= found.groupdict()
        return True

    def _pattern(self, line: str) -> str:
        parts = _SLOT.split(line)
        known = [
            re.escape(part)
            if at % 2 == 0
            else re.escape(self.slots[part])
            if part in self.slots
            else f'(?P<{part}>[^"<]+)'
            for at, part in enumerate(parts)
        ]
        return "".join(known)

    def _filled(self, line: str, at: int) -> str:
        """Put in what stands for slots: encoded in a target and in a form, as it is in JSON."""
        plain = at > 0 and line.startswith("{")
        return _SLOT.sub(
            lambda found: self.slots[found[1]] if plain else quote(self.slots[found[1]], safe=""), line
        )

    def _set(self, scene: str) -> None:
        verb, *words = scene.split()
        change: dict[str, Callable[..., Any]] = {
            "proved": lambda name: self.desk.find(
                name, Facet.LINK if "@" in name else Facet.DKIM, Status.SUCCESS
            ),
            "ask": self.desk.ask,
            "sandboxed": self._sandbox,
            "region": lambda name: setattr(self.desk, "region", name),
            "advised": self._advise,
            "key": self._make_key,
            "later": lambda milliseconds: setattr(self.desk, "now", self.desk.now + int(milliseconds)),
        }
        plain = [word for word in words if "=" not in word]
        named = dict(word.split("=", 1) for word in words if "=" in word)
        change[verb](*plain, **named)

    def _advise(self, name: str, *codes: str) -> None:
        view = self.desk.view(name)
        assert view is not None
        after = [Recommendation(Code(code), Progress.OPEN, self.desk.now, self.desk.now) for code in codes]

        def note(s: Session) -> None:
            before = recommendations.of(s, view.identity.id)
            fixed = [
                replace(each, progress=Progress.FIXED, updated_at=self.desk.now)
                for each in before
                if each.code.value not in codes
            ]
            recommendations.replace(s, view.identity, before, [*after, *fixed])

        self.desk.database.write(note)

    def _make_key(self, slot: str) -> None:
        """Let the slot stand for a private key of 1024 bits, as BYODKIM takes it."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.slots[slot] = base64.b64encode(der).decode()

    def _sandbox(self) -> None:
        account = access.Account(self.desk.account, "", self.desk.now, False, True)
        self.desk.database.write(lambda s: access.put_account(s, account))

    async def _ask(self, head: str, body: bytes) -> tuple[int, dict[str, str], str]:
        method, _, target = head.partition(" ")
        path, _, query = target.partition("?")
        credential = f"{self.desk.account}/20260922/{self.desk.region}/ses/aws4_request"
        headers = {
            "host": "localhost",
            "x-amz-date": "20260922T000000Z",
            "content-length": str(len(body)),
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00",
        }
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
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
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], told, b"".join(part["body"] for part in sent[1:]).decode()


def rewritten(path: Path, stage: Stage) -> str:
    """Return the transcript with what is answered now in place of its answers."""
    lines = path.read_text("utf-8").splitlines()
    answers: dict[int, list[str]] = {}
    for step in exchanges("\n".join(lines)):
        given = stage.play(step)
        if step.scene:
            continue
        if not stage.fits(step.answer, given):
            answers[step.line] = given
    kept: list[str] = []
    replaced: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if number in answers:
            replaced = answers[number]
        if replaced is not None and line.startswith("< "):
            continue
        if replaced is not None and not line.startswith("> "):
            kept += [f"< {each}" for each in replaced]
            replaced = None
        kept.append(line)
    if replaced is not None:
        kept += [f"< {each}" for each in replaced]
    return "\n".join(kept) + "\n"
