"""What a keeper does and what is told of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from desk import Desk
from key_steps import NAME, PACE

from indicia.announcements.event_recorder import EventRecorder
from indicia.runtime.clock import Clock
from indicia.store.events import events
from indicia.vault.key_rotator import KeyRotator


def keep(desk: Desk) -> list[str]:
    """Let a keeper do what is due, and return what it made known beside the events."""
    heard: list[str] = []
    keeper = KeyRotator(
        desk.database,
        Clock(real=lambda: desk.now),
        PACE,
        published=lambda _: heard.append("published"),
        taken=lambda: heard.append("taken"),
        announce=EventRecorder().announce,
        news=lambda: heard.append("news"),
    )

    async def story() -> None:
        running = asyncio.create_task(keeper.run())
        await asyncio.wait_for(keeper.settled(), 20)
        keeper.stop()
        await running

    asyncio.run(story())
    return heard


def told(desk: Desk, name: str = NAME) -> list[tuple[str, str, str, str]]:
    """The events about keys of an identity, the oldest first: type, before, after, cause."""
    return [
        (each["type"], *(each["data"][part] for part in ("before", "after", "cause")))
        for each in _of(desk, name)
    ]


def _of(desk: Desk, name: str) -> list[dict[str, Any]]:
    identity_id = desk.view(name).identity.id
    stored = desk.read(lambda s: events.of_identity(s, identity_id, limit=99))
    bodies = [json.loads(each.body) for each in reversed(stored)]
    return [body for body in bodies if body["type"].startswith("key.")]
