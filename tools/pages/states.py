"""`docs/explain/states.md`: the state diagrams, drawn from the tables that the code runs on."""

from __future__ import annotations

from indicia.domain.identity import Status
from indicia.domain.links import LIFE as LINK_LIFE
from indicia.domain.links import LinkState
from indicia.domain.rotation import LIFE, Stage
from indicia.domain.verification import (
    CHECKED,
    MAY_SEND,
    REPLICATION,
    TRANSITIONS,
    Cause,
    Condition,
    Sight,
    Transition,
)
from pages.markdown import Blocks, code, table

PATH = "docs/explain/states.md"


def blocks() -> Blocks:
    """Return the diagrams, and the transitions as a table."""
    return {
        PATH: {
            "facet": _diagram(_facet_arrows()),
            "transitions": _transitions(TRANSITIONS),
            "replication": _transitions(REPLICATION),
            "keys": _diagram(_key_arrows()),
            "sets": f"Looked at: {_statuses(CHECKED)}.\nMay send: {_statuses(MAY_SEND)}.",
            "address": _diagram(_link_facet_arrows()),
            "link": _diagram(_link_arrows()),
        }
    }


def _transitions(ways: dict[tuple[Status, Sight], Transition]) -> str:
    return table(
        ("from", "seen", "to", "on condition", "shown in the history as"),
        [
            (code(start.value), sight.value, code(way.to.value), way.condition.value, code(way.cause.value))
            for (start, sight), way in ways.items()
        ],
    )


def _key_arrows() -> list[str]:
    return [
        f"[*] --> {Stage.POOLED.value}",
        *(
            f"{stage.value} --> {passage.to.value}: {passage.condition.value}"
            for stage, passages in LIFE.items()
            for passage in passages
        ),
    ]


def _statuses(statuses: frozenset[Status]) -> str:
    return ", ".join(code(status.value) for status in Status if status in statuses)


def _diagram(arrows: list[str]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {arrow}" for arrow in arrows), "```"])


def _facet_arrows() -> list[str]:
    arrows = [f"[*] --> {Status.PENDING.value}: asked for"]
    for (start, sight), way in TRANSITIONS.items():
        condition = "" if way.condition is Condition.ALWAYS else f", {way.condition.value}"
        arrows.append(f"{start.value} --> {way.to.value}: {sight.value}{condition}")
    arrows += [f"{Status.FAILED.value} --> {Status.PENDING.value}: asked for again"]
    arrows += [f"{Status.SUCCESS.value} --> {Status.PENDING.value}: method or key changed by its owner"]
    return arrows


def _link_facet_arrows() -> list[str]:
    used, expired = Cause.LINK_USED.value, Cause.LINK_EXPIRED.value
    pending, success, failed = Status.PENDING.value, Status.SUCCESS.value, Status.FAILED.value
    return [
        f"[*] --> {pending}: a mail was sent",
        f"{pending} --> {success}: {used}",
        f"{pending} --> {failed}: {expired}",
        f"{failed} --> {pending}: another mail was sent",
    ]


def _link_arrows() -> list[str]:
    return [
        f"[*] --> {LinkState.ISSUED.value}",
        *(f"{start.value} --> {to.value}: {event.value}" for (start, event), to in LINK_LIFE.items()),
    ]
