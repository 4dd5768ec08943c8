"""The first mail has its templates loaded beside the event loop, and who writes none loads none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import jinja2
import pytest
from desk import Desk

from indicia.mail.message import compose


@pytest.fixture
def loaders(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
    """Nothing is loaded; who loads it is noted."""
    noted: list[threading.Thread] = []
    made = jinja2.Environment

    def noting(*given: Any, **more: Any) -> jinja2.Environment:
        noted.append(threading.current_thread())
        return made(*given, **more)

    monkeypatch.setattr(jinja2, "Environment", noting)
    compose._templates.cache_clear()
    yield noted
    compose._templates.cache_clear()


@pytest.mark.parametrize(
    ("operation", "member"),
    [
        ("CreateEmailIdentity", "EmailIdentity"),
        ("VerifyEmailIdentity", "EmailAddress"),
        ("VerifyEmailAddress", "EmailAddress"),
    ],
)
def test_the_first_mails_do_not_hold_up_the_event_loop(
    sqlite_desk: Desk, loaders: list[threading.Thread], operation: str, member: str
) -> None:
    """Of many addresses at once, more than an account may have slow work waiting, none is refused.

    The templates are loaded once, in a thread.
    """

    async def story() -> None:
        asked = [sqlite_desk.asking(operation, **{member: f"r{n}@example.com"}) for n in range(80)]
        await asyncio.gather(*asked)

    asyncio.run(story())
    (loader,) = loaders
    assert loader is not threading.main_thread()


def test_nobody_waits_for_templates_who_needs_none(
    sqlite_desk: Desk, loaders: list[threading.Thread]
) -> None:
    """A domain is not written to, nor is an address where everything counts as proved."""
    sqlite_desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    sqlite_desk.rule(instant=True)
    sqlite_desk.ask("CreateEmailIdentity", EmailIdentity="reader@example.com")
    sqlite_desk.ask("VerifyEmailIdentity", EmailAddress="other@example.com")

    assert loaders == []
