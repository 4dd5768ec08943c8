"""Which SOA an observation shows of the zone around a name."""

from __future__ import annotations

import pytest

from indicia.domain.records.observation import Observation, Question, RecordType, Reply, Soa, soa_around

NAME = "mail.shop.example"


@pytest.mark.parametrize(
    ("zone", "reply", "chain", "counts"),
    [
        ("shop.example", Reply.NODATA, (), True),
        ("shop.example", Reply.NXDOMAIN, (), True),
        (NAME, Reply.ANSWER, (), True),
        (".", Reply.NXDOMAIN, (), True),
        ("shop.example", Reply.NODATA, ("www.shop.example",), False),
        ("shop.example", Reply.SERVFAIL, (), False),
        ("op.example", Reply.NODATA, (), False),
        ("other.example", Reply.NODATA, (), False),
    ],
)
def test_the_zone_around_a_name(zone: str, reply: Reply, chain: tuple[str, ...], counts: bool) -> None:
    """It holds the name, by whole labels; behind an alias, or from trouble, it is another's or nobody's."""
    soa = Soa(zone, "ns1.example", "hostmaster.example", 7, 300)
    seen = Observation(Question(NAME, RecordType.TXT), "p0", reply, 0, chain=chain, soa=soa)

    assert soa_around(NAME, seen) == (soa if counts else None)
    assert soa_around(NAME, seen._replace(soa=None)) is None
