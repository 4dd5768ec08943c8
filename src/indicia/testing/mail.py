"""A mail that the sandbox has sent, as tests read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `links` are the URLs in its text, in order; `raw` is all of it, as it was sent."""

    sender: str
    to: tuple[str, ...]
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    links: tuple[str, ...] = field(repr=False)
    raw: str = field(repr=False)

    @classmethod
    def listed(cls, entry: Mapping[str, Any]) -> Mail:
        """Return the mail of an entry of the sandbox's outbox."""
        return cls(
            sender=entry["sender"],
            to=tuple(entry["to"]),
            subject=entry["subject"],
            text=entry["text"],
            html=entry["html"],
            links=tuple(entry["links"]),
            raw=entry["raw"],
        )
