"""Which roles of the service are run by some process, told from the heartbeats of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from indicia.domain.installation.soundness import Check, State
from indicia.domain.time import MINUTE, SECOND, Instant, Span

BEAT_EVERY: Final[Span] = 10 * SECOND
# A process that was silent for so long runs no more: three beats may be late, on a machine that is busy.
SILENT_AFTER: Final[Span] = 40 * SECOND


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """That a process had a role and was alive, in real time. `process` tells machines and restarts apart."""

    process: str
    role: str
    seen_at: Instant


@dataclass(frozen=True, slots=True)
class Presence:
    """How many processes run a role, and when the last one was seen; None when none is remembered."""

    role: str
    processes: int
    last: Heartbeat | None

    @property
    def missing(self) -> bool:
        """Whether nobody runs it."""
        return self.processes == 0


def presences(roles: Iterable[str], beats: Sequence[Heartbeat], now: Instant) -> tuple[Presence, ...]:
    """Return for each role who runs it now. What runs and is none of `roles` is left out."""
    found = []
    for role in roles:
        known = [beat for beat in beats if beat.role == role]
        alive = sum(beat.seen_at >= now - SILENT_AFTER for beat in known)
        found.append(Presence(role, alive, max(known, key=lambda beat: beat.seen_at, default=None)))
    return tuple(found)


def absence(presence: Presence, now: Instant, *, who: str = "one") -> str | None:
    """Return the sentence that says that nobody runs a role, None when somebody does.

    `who` is what the process is called that was seen last: its own name is for the operator alone.
    """
    if not presence.missing:
        return None
    if presence.last is None:
        return f"no process runs the role {presence.role}"
    ago = now - presence.last.seen_at
    how_long = f"{ago // MINUTE} min" if ago >= 2 * MINUTE else f"{ago // SECOND} s"
    return f"no process runs the role {presence.role}: {who} was last seen {how_long} ago"


def of_roles(found: Sequence[Presence], now: Instant) -> tuple[Check, ...]:
    """Return one check that says whether every role is run. Where none is, nothing of the service runs."""
    named = ((each, each.last.process if each.last else "") for each in found)
    missing = [sentence for each, who in named if (sentence := absence(each, now, who=who)) is not None]
    if not missing:
        counts = ", ".join(f"{each.role} {each.processes}" for each in found)
        return (Check("roles", State.OK, f"processes that run each: {counts}"),)
    if len(missing) == len(found):
        return (Check("roles", State.WARN, "no process runs any of them", "Start one: `indicia serve`."),)
    fix = "Start it again, or give its role to another process with --roles."
    return tuple(Check("roles", State.FAIL, sentence, fix) for sentence in missing)
