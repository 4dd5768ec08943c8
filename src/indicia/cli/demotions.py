"""`indicia demotions`: the brake on mass demotion, and the word of a person that pulls or releases it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from indicia import operator_entries
from indicia.announcements.event_recorder import EventRecorder
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.opened import opened_database
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.cli.output import print_json
from indicia.domain.events.identity_events import DEMOTIONS_PAUSED, DEMOTIONS_RESUMED, About, Event
from indicia.domain.time import Instant, rfc3339
from indicia.domain.verification.brake import WITHIN
from indicia.installation import ROOT_ACCOUNT
from indicia.runtime.clock import real_now
from indicia.settings.parsers import parse_span
from indicia.store.accounts import audit
from indicia.store.engine import meta
from indicia.store.engine.session import Session
from indicia.store.events import events
from indicia.store.verification import brakes

app = App(
    name="demotions", help="See whether demotions are paused or wait, pause them, and let them through."
)


@app.command
def status(*, config: Config = None, json: Json = False, place: PlaceFlags = NO_PLACE) -> None:
    """Say whether demotions are paused, which accounts' wait, and how many there were within the last hour.

    They pause by themselves when more than fifty, and more than one in a hundred, verified zones would be
    demoted within an hour, no account counted for more than ten: that is trouble of the installation's own
    until a person says otherwise. When it is more than fifty, and more than one in ten, of one account's,
    those wait one more window, and nobody else's.
    """
    now = real_now()
    with opened_database(settings_of(config, place)) as database:
        brake, waiting = database.read(lambda s: (brakes.read(s), brakes.waiting(s, now)))
        demoted = database.read(lambda s: events.demoted_after(s, now - WITHIN))
    paused = None if brake.paused_at is None else rfc3339(brake.paused_at)
    released = rfc3339(brake.released_until or 0) if brake.released(now) else None
    if json:
        accounts = [
            {"account": each.account, "since": rfc3339(each.since), "until": rfc3339(each.until)}
            for each in waiting
        ]
        print_json(
            {
                "paused_since": paused,
                "released_until": released,
                "accounts_waiting": accounts,
                "demoted_within_an_hour": demoted,
            }
        )
        return
    if paused:
        print(f"Demotions are paused since {paused}. `indicia demotions resume` lets them through.")
    elif released:
        print(f"Demotions are let through, uncounted, until {released}.")
    else:
        print("Demotions are not paused.")
    for each in waiting:
        print(
            f"Those of account {each.account} wait since {rfc3339(each.since)}, the first of them until"
            f" {rfc3339(each.until)}."
        )
    print(f"Identities demoted within the last hour: {demoted}")


@app.command
def pause(*, config: Config = None, json: Json = False, place: PlaceFlags = NO_PLACE) -> None:
    """Let nothing be demoted until you resume: the resolvers are about to be worked on, or are in doubt."""
    tree, now = settings_of(config, place), real_now()
    with opened_database(tree) as database:
        database.write(lambda s: _pause(s, now, tree.default_region))
    if json:
        print_json({"paused_since": rfc3339(now)})
    else:
        print(f"Demotions are paused since {rfc3339(now)}. `indicia demotions resume` lets them through.")


@app.command
def resume(
    *,
    span: Annotated[str, Parameter(name="--for", help="How long none is counted, such as 1h or 2d.")] = "1d",
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Let demotions through: what was seen is right, and the resolvers are. No account waits any longer.

    A day by default, in which every verified identity is looked at once. After that they are counted again.
    """
    try:
        length = parse_span(span)
    except ValueError as refused:
        raise CommandError(str(refused), status=USAGE) from refused
    tree, now = settings_of(config, place), real_now()
    with opened_database(tree) as database:
        database.write(lambda s: _resume(s, now, now + length, tree.default_region))
    if json:
        print_json({"released_until": rfc3339(now + length)})
    else:
        print(f"Demotions are let through until {rfc3339(now + length)}.")


def _pause(s: Session, now: Instant, region: str) -> None:
    brakes.hold(s)
    brakes.pause(s, now)
    audit.append(s, operator_entries.entry("PauseDemotions", now))
    _tell(
        s,
        DEMOTIONS_PAUSED,
        now,
        region,
        seen="The operator paused them.",
        effect="Every status stays as it is until `indicia demotions resume`.",
    )


def _resume(s: Session, now: Instant, until: Instant, region: str) -> None:
    brakes.hold(s)
    brakes.resume(s, until)
    audit.append(s, operator_entries.entry("ResumeDemotions", now, detail=f"until {rfc3339(until)}"))
    _tell(
        s,
        DEMOTIONS_RESUMED,
        now,
        region,
        seen="The operator let them through.",
        effect=f"What is absent is demoted, uncounted, until {rfc3339(until)}.",
    )


def _tell(s: Session, event_type: str, now: Instant, region: str, *, seen: str, effect: str) -> None:
    about = About(meta.get(s, ROOT_ACCOUNT) or "", region)
    EventRecorder().announce(s, [Event(event_type, now, about, cause="asked", seen=seen, effect=effect)])
