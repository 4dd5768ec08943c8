"""The mail that a sandbox has sent: what is in its Maildir, as people and tests want to read it."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import msgspec

_LINK = re.compile(r"https?://[^\s<>\"]+")


class Mail(msgspec.Struct, frozen=True):
    """One mail. `links` are the URLs in its text, in order."""

    id: str
    at: int
    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    links: tuple[str, ...]
    raw: str


class MaildirReader:
    """Reads and empties a Maildir."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mails(self) -> list[Mail]:
        """Return every mail, the oldest first."""
        return [_read(path) for path in sorted(self._files(), key=lambda path: path.stat().st_mtime_ns)]

    def clear(self, mail_id: str | None = None) -> int:
        """Remove one mail, or all; return how many there were."""
        removed = 0
        for path in list(self._files()):
            if mail_id in (None, path.stem):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _files(self) -> Iterator[Path]:
        for folder in ("new", "cur"):
            yield from (self._path / folder).glob("*")


def _read(path: Path) -> Mail:
    raw = path.read_bytes()
    message = BytesParser(EmailMessage, policy=email.policy.default).parsebytes(raw)
    text, html = _body(message, "plain"), _body(message, "html")
    return Mail(
        id=path.stem,
        at=path.stat().st_mtime_ns // 1_000_000,
        sender=str(message["From"] or ""),
        to=tuple(address.addr_spec for address in message["To"].addresses) if message["To"] else (),
        subject=str(message["Subject"] or ""),
        text=text,
        html=html,
        links=tuple(_LINK.findall(text)),
        raw=raw.decode("utf-8", "replace"),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if isinstance(part, EmailMessage) else ""
