"""`indicia demotions`: how the brake stands, and the word that lets demotions through."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from invocation import Run

from indicia.domain.time import DAY, HOUR
from indicia.runtime.clock import real_now
from indicia.settings import load
from indicia.store.engine.opening import open_database
from indicia.store.engine.session import Session
from indicia.store.events import events
from indicia.store.verification import brakes

T = TypeVar("T")


def stored(work: Callable[[Session], T]) -> T:
    """Work on the database that the commands work on."""
    database = open_database(load().database_url.text)
    try:
        return database.write(work)
    finally:
        database.close()


def paused(indicia: Run) -> int:
    """Let demotions have been paused an hour ago; return when."""
    indicia("account", "create")  # the database is made
    at = real_now() - HOUR
    stored(brakes.hold)
    stored(lambda s: brakes.pause(s, at))
    return at


def test_it_says_that_demotions_are_paused(indicia: Run) -> None:
    """Since when, and what lets them through; in JSON too. Nothing is changed by asking."""
    paused(indicia)

    assert re.match(
        r"Demotions are paused since 20\S+Z\. `indicia demotions resume`", indicia("demotions", "status").out
    )
    told = indicia("demotions", "status", "--json").json
    assert told["paused_since"].endswith("Z")
    assert (told["released_until"], told["demoted_within_an_hour"]) == (None, 0)
    assert stored(brakes.read).paused_at is not None


def test_a_person_lets_them_through(indicia: Run) -> None:
    """Verifiers find the brake released for as long as was said; who did so, and until when, is an event."""
    paused(indicia)
    before = real_now()

    done = indicia("demotions", "resume", "--for", "2d")

    assert done.status == 0
    brake = stored(brakes.read)
    assert brake.paused_at is None
    assert brake.released(before + 2 * DAY - HOUR)
    assert not brake.released(real_now() + 2 * DAY)
    (event,) = stored(lambda s: events.of_type(s, "demotions.resumed"))
    assert '"cause":"asked"' in event.body
    assert "are let through, uncounted, until" in indicia("demotions", "status").out


def test_a_person_pauses_them(indicia: Run) -> None:
    """Also while they are let through; who did so is an event."""
    indicia("account", "create")
    indicia("demotions", "resume", "--for", "2d")

    done = indicia("demotions", "pause")

    assert done.status == 0
    assert "Demotions are paused since 20" in done.out
    brake = stored(brakes.read)
    assert brake.paused_at is not None
    assert not brake.released(real_now())
    (event,) = stored(lambda s: events.of_type(s, "demotions.paused"))
    assert "The operator paused them." in event.body


def test_accounts_that_wait_are_named(indicia: Run) -> None:
    """Since when, and until when; resuming lets theirs through too."""
    indicia("account", "create")
    now = real_now()
    stored(lambda s: brakes.wait(s, "111122223333", now - HOUR, now + DAY))

    told = indicia("demotions", "status")
    assert re.search(
        r"Those of account 111122223333 wait since 20\S+Z, the first .* until 20\S+Z\.", told.out
    )
    (waiting,) = indicia("demotions", "status", "--json").json["accounts_waiting"]
    assert (waiting["account"], waiting["until"] > waiting["since"]) == ("111122223333", True)

    indicia("demotions", "resume")
    assert indicia("demotions", "status", "--json").json["accounts_waiting"] == []


def test_a_span_that_is_none_is_refused(indicia: Run) -> None:
    """And nothing is let through."""
    paused(indicia)

    done = indicia("demotions", "resume", "--for", "soon")

    assert done.status == 2
    assert stored(brakes.read).paused_at is not None
