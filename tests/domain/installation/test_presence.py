"""Which roles somebody runs, told from heartbeats."""

from __future__ import annotations

import pytest

from indicia.domain.installation.presence import SILENT_AFTER, Heartbeat, absence, of_roles, presences
from indicia.domain.installation.soundness import State
from indicia.domain.time import MINUTE, SECOND, Instant

NOW: Instant = 1_000_000_000


def beat(role: str, ago: int, process: str = "host-7-ab") -> Heartbeat:
    """A heartbeat of so long ago."""
    return Heartbeat(process, role, NOW - ago)


@pytest.mark.parametrize(
    ("beats", "processes", "said"),
    [
        ((), 0, "no process runs the role verifier"),
        ((beat("api", 0),), 0, "no process runs the role verifier"),
        ((beat("verifier", SILENT_AFTER),), 1, None),
        ((beat("verifier", 0), beat("verifier", 5 * SECOND, "host-8-cd")), 2, None),
        ((beat("verifier", 0), beat("verifier", SILENT_AFTER + 1, "host-8-cd")), 1, None),
        (
            (beat("verifier", SILENT_AFTER + 1), beat("verifier", 7 * MINUTE, "host-8-cd")),
            0,
            "no process runs the role verifier: one was last seen 40 s ago",
        ),
        (
            (beat("verifier", 7 * MINUTE),),
            0,
            "no process runs the role verifier: one was last seen 7 min ago",
        ),
    ],
)
def test_a_role_is_missed_when_all_who_had_it_are_silent(
    beats: tuple[Heartbeat, ...], processes: int, said: str | None
) -> None:
    """Silence is longer than a few beats; who was seen last is remembered."""
    (found,) = presences(["verifier"], beats, NOW)

    assert found.processes == processes
    assert absence(found, NOW) == said


def test_the_operator_hears_of_each_missing_role_by_the_name_of_its_process() -> None:
    """One role of two is a failure that names who had it; none at all is a service that does not run."""
    one = of_roles(presences(["api", "dns"], [beat("api", 0), beat("dns", 3 * MINUTE)], NOW), NOW)
    none = of_roles(presences(["api", "dns"], [], NOW), NOW)
    both = of_roles(presences(["api", "dns"], [beat("api", 0), beat("dns", 0)], NOW), NOW)

    assert [(check.state, check.seen) for check in one] == [
        (State.FAIL, "no process runs the role dns: host-7-ab was last seen 3 min ago")
    ]
    assert [(check.state, check.seen) for check in none] == [(State.WARN, "no process runs any of them")]
    assert [(check.state, check.seen) for check in both] == [
        (State.OK, "processes that run each: api 1, dns 1")
    ]
