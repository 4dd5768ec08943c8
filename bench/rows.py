"""One server under one case: what came of it, stretch by stretch, and how that is written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench import load
from bench.cases import Case
from bench.report import Spread, spread
from bench.servers import Server
from bench.signing import Signer, ask

_OK: Final = 200
COLUMNS: Final = ("", "requests/s", "CPU µs", "p50 ms", "p99 ms", "RSS MiB")
# Two runs of the same thing differ by as much as this here.
AS_FAST: Final = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One server under one case: a stretch for each round."""

    server: Server
    identities: int
    stretches: list[load.Stretch]
    resident: float

    def of(self, figure: str) -> Spread:
        """Return a figure of the stretches, round by round."""
        return spread(getattr(each, figure) for each in self.stretches)

    def against(self, other: Row, figure: str = "rate") -> Spread:
        """Return the ratio of a figure, the rate by default, round by round."""
        return spread(
            getattr(mine, figure) / getattr(theirs, figure) if getattr(theirs, figure) else 0.0
            for mine, theirs in zip(self.stretches, other.stretches, strict=True)
        )

    def figures(self) -> dict[str, object]:
        """Return everything, unrounded."""
        return {
            "server": self.server.name,
            "identities": self.identities,
            "resident_mib": self.resident,
            "rounds": [asdict(each) for each in self.stretches],
        }


def with_memory(row: Row) -> Row:
    """Return the row with the memory that its server has now."""
    return Row(row.server, row.identities, row.stretches, row.server.resident_mib())


def check(case: Case, server: Server) -> None:
    """One request is answered as it should be: a row of refusals is no row."""
    reply = ask(server.port, Signer(case.service, server.key).request(case.operation, case.arguments(0)))
    if reply.status != _OK:
        raise RuntimeError(f"{server.name} answers {case.title} with {reply.status}: {reply.body[:300]!r}")


def folder_in(above: Path, name: str) -> Path:
    """Return a new folder."""
    place = above / name
    place.mkdir()
    return place


def cells(row: Row, *ratios: str) -> tuple[str, ...]:
    """Return the line of a table under `COLUMNS` and whatever comes behind them."""
    rate = row.of("rate")
    return (
        row.server.name,
        f"{rate.median:,.0f} [{rate.lowest:,.0f}-{rate.highest:,.0f}]",
        f"{row.of('cpu_us').median:,.0f}",
        f"{row.of('p50_ms').median:.1f}",
        f"{row.of('p99_ms').median:.1f}",
        f"{row.resident:.0f}",
        *ratios,
    )


def faster(ratio: Spread) -> str:
    """Return how many times one is the other."""
    return f"{ratio.median:.1f} [{ratio.lowest:.0f}-{ratio.highest:.0f}]"


def share(ratio: Spread) -> str:
    """Return what part of the other one is."""
    return f"{ratio.median:.0%} [{ratio.lowest:.0%}-{ratio.highest:.0%}]"


def unanswered(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return a note where requests were refused or lost: such a row is not what it says."""
    wrong = sum(each.refused + each.failed for row in rows for each in row.stretches)
    return (f"{wrong} requests were refused or not answered",) if wrong else ()
