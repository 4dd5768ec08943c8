"""`docs/explain/states.md`: the state diagrams, drawn from the tables that the code runs on."""

from __future__ import annotations

from indicia.domain.dkim.rotation import LIFE, Stage
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.proofs.transitions import (
    CARRIED,
    CHECKED,
    COUPLED,
    LINK,
    MAY_SEND,
    TABLES,
    Table,
    TransitionCondition,
)
from indicia.domain.verification_mail.links import LIFE as LINK_LIFE
from indicia.domain.verification_mail.links import LinkState
from pages.markdown import Blocks, code, table

PATH = "docs/explain/states.md"


def blocks() -> Blocks:
    """Return the diagrams, and the transitions as a table."""
    return {
        PATH: {
            **{facet.value: _diagram(_facet_arrows(facet, ways)) for facet, ways in TABLES.items()},
            "transitions": _transitions(),
            "coupled": _coupled(),
            "keys": _diagram(_key_arrows()),
            "sets": f"Looked at: {_statuses(CHECKED)}.\nMay send: {_statuses(MAY_SEND)}.",
            "address": _diagram(_address_arrows()),
            "link": _diagram(_link_arrows()),
        }
    }


def _transitions() -> str:
    return table(
        ("facet", "from", "seen", "to", "on condition", "shown in the history as"),
        [
            (
                ", ".join(code(facet.value) for facet in facets),
                code(start.value),
                sight.value,
                code(way.to.value),
                way.condition.value,
                code(way.cause.value),
            )
            for facets, ways in _grouped()
            for (start, sight), way in ways.items()
        ],
    )


def _grouped() -> list[tuple[list[Facet], Table]]:
    """Return every table once, with the facets that have it."""
    found: list[tuple[list[Facet], Table]] = []
    for facet, ways in TABLES.items():
        for facets, known in found:
            if known == ways:
                facets.append(facet)
                break
        else:
            found.append(([facet], ways))
    return found


def _coupled() -> str:
    return "\n".join(
        f"When {code(facet.value)} is {code(status.value)}, {code(other.value)} goes from"
        f" {code(start.value)} to {code(way.to.value)}."
        for (facet, status), (other, start, way) in COUPLED.items()
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


def _facet_arrows(facet: Facet, ways: Table) -> list[str]:
    arrows = [f"[*] --> {Status.PENDING.value}: asked for"] if facet is not Facet.CARRIED_DKIM else []
    for (start, sight), way in ways.items():
        condition = "" if way.condition is TransitionCondition.ALWAYS else f", {way.condition.value}"
        arrows.append(f"{start.value} --> {way.to.value}: {sight.value}{condition}")
    return arrows + _starts(facet, {way.to for way in ways.values()})


def _starts(facet: Facet, entered: set[Status]) -> list[str]:
    """Return the arrows of what a person begins anew."""
    if facet is Facet.CARRIED_DKIM:
        return []  # nobody begins it: it is what DKIM was
    carried = CARRIED if facet is Facet.DKIM else frozenset()
    return [
        f"{status.value} --> {Status.PENDING.value}: begun anew"
        + (", and counts on" if status in carried else "")
        for status in Status
        if status in entered
    ]


def _address_arrows() -> list[str]:
    arrows = [f"[*] --> {Status.PENDING.value}: a mail was sent"]
    arrows += [f"{start.value} --> {way.to.value}: {way.cause.value}" for (start, _), way in LINK.items()]
    return [*arrows, f"{Status.FAILED.value} --> {Status.PENDING.value}: another mail was sent"]


def _link_arrows() -> list[str]:
    return [
        f"[*] --> {LinkState.ISSUED.value}",
        *(f"{start.value} --> {to.value}: {event.value}" for (start, event), to in LINK_LIFE.items()),
    ]
