"""Which alias is asked for next, over several perspectives."""

from __future__ import annotations

import pytest
from looks import IDENTITY, NOW, TOKEN_SET, ZONE, rules_of

from indicia.domain.identities.identity import Facet
from indicia.domain.proofs.transitions import start
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.verification.chains import MOST_LINKS, links, next_links, target_of
from indicia.domain.verification.check import records_to_check

RECORDS = records_to_check(IDENTITY, TOKEN_SET, {Facet.DKIM: start(Facet.DKIM, 1, NOW, NOW)}, rules_of(1))[
    Facet.DKIM
]
FIRST = RECORDS[0].questions[0]


def _alias(name: str, *values: str, reply: Reply = Reply.ANSWER) -> Observation:
    return Observation(Question(name, RecordType.CNAME), "p0", reply, NOW, values=values)


def test_each_perspective_is_followed_to_its_own_end() -> None:
    """What one was led to and another not is asked for; what leads where it should is not."""
    views = [
        _alias(FIRST.name, f"aaaa.{ZONE}"),
        _alias(FIRST.name, "one.example"),
        _alias(FIRST.name, "two.example"),
    ]
    asked = next_links(RECORDS, {FIRST: views})

    assert asked == (Question("one.example", RecordType.CNAME), Question("two.example", RecordType.CNAME))
    known = [_alias("one.example", "three.example")] * 3
    assert next_links(RECORDS, {FIRST: views[:2], known[0].question: known}) == (
        Question("three.example", RecordType.CNAME),
    )
    assert next_links(RECORDS, {FIRST: views[:1]}) == ()
    assert next_links(RECORDS, {FIRST: [_alias(FIRST.name, reply=Reply.NXDOMAIN)]}) == ()


@pytest.mark.parametrize(
    ("observation", "target"),
    [
        (_alias("a.example", "B.Example."), "b.example"),
        (_alias("a.example", "b.example", "c.example"), None),
        (_alias("a.example"), None),
        (_alias("a.example", "b.example", reply=Reply.SERVFAIL), None),
    ],
)
def test_where_an_alias_leads(observation: Observation, target: str | None) -> None:
    """To the one name of an answer, in lower case and without its dot."""
    assert target_of(observation) == target


def test_a_chain_ends_after_so_many_links() -> None:
    """The first one counts; a chain into itself ends where it came from, one into our zone at its door."""
    chain = {
        f"n{number}.example": _alias(f"n{number}.example", f"n{number + 1}.example") for number in range(20)
    }
    first = chain["n0.example"]

    found, onward = links(first, f"aaaa.{ZONE}", chain.get)
    assert ([each.question.name for each in found], onward) == (
        [f"n{number}.example" for number in range(1, MOST_LINKS)],
        None,
    )
    circle = {"n1.example": _alias("n1.example", "n0.example")}
    assert links(first, f"aaaa.{ZONE}", circle.get) == ([circle["n1.example"]], None)
    home = {"n1.example": _alias("n1.example", f"bbbb.{ZONE}")}
    assert links(first, f"aaaa.{ZONE}", home.get) == ([home["n1.example"]], None)
