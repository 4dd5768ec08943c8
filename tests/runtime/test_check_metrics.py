"""What is counted of checks: how each perspective stands to the quorum."""

from __future__ import annotations

from indicia.domain.identities.identity import Facet, FacetState, Status
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import RecordType
from indicia.domain.verification.check import Conclusion, FacetVerdict, RecordVerdict
from indicia.domain.verification.findings import Finding
from indicia.runtime.metrics import Metrics

RECORD = ExpectedRecord(
    Purpose.DKIM, "a._domainkey.example.com", RecordType.CNAME, "a.dkim.example.org", required=True
)
STATE = FacetState(Facet.DKIM, Status.PENDING, 1, since=0)


def concluded(*records: tuple[Sight, tuple[Sight, ...]]) -> Conclusion:
    """A check of records: what the quorum says of each, and what each perspective does."""
    verdicts = tuple(
        RecordVerdict(RECORD, together, None, Finding.OK, None, (), sights) for together, sights in records
    )
    facet = FacetVerdict(Facet.DKIM, STATE, STATE, None, Sight.UNKNOWN, Finding.MISSING, verdicts)
    return Conclusion(1, 1, 0, (facet,), succeeded=False, error=None, soa=None, due_at=None, interval=0)


def test_each_perspective_is_held_against_the_quorum() -> None:
    """It agrees, differs (also where there is no quorum), or learnt nothing; the unasked do not count."""
    metrics = Metrics()
    metrics.watch_engine(lambda: 0, ("one", "two", "three"))
    present, absent, unknown = Sight.PRESENT, Sight.ABSENT, Sight.UNKNOWN

    metrics.checked(
        concluded(
            (present, (present, present, absent)),
            (absent, (absent, unknown, absent)),
            (unknown, (present, absent, unknown)),
            (unknown, ()),
        ),
        0.1,
    )

    def of(perspective: str) -> list[float | None]:
        return [
            metrics.registry.get_sample_value(
                "indicia_perspective_records_total", {"perspective": perspective, "stance": stance}
            )
            for stance in ("agrees", "differs", "blind")
        ]

    assert [of("one"), of("two"), of("three")] == [[2, 1, 0], [1, 1, 1], [1, 1, 1]]
