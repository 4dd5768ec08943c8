"""What a zone makes up for names that nobody published in it."""

from __future__ import annotations

import pytest

from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.verification.synthesis import (
    KnownAnswers,
    Surroundings,
    alike,
    positive,
    redirection,
    wildcard,
)

AROUND = Surroundings("mail.shop.example", "shop.example", "x7")
NAME = "a._domainkey.mail.shop.example"
SIBLING = "x7._domainkey.mail.shop.example"
MADE_UP = "made-up.host.example"


def _seen(
    name: str, reply: Reply, *values: str, rtype: RecordType = RecordType.CNAME, **more: object
) -> Observation:
    return Observation(Question(name, rtype), "p0", reply, 0, values=values, **more)  # type: ignore[arg-type]


def _asked(*observations: Observation) -> KnownAnswers:
    return KnownAnswers({each.question: [each] for each in observations})


@pytest.mark.parametrize(
    ("observation", "answers"),
    [
        (_seen(NAME, Reply.ANSWER, MADE_UP), True),
        (_seen(NAME, Reply.NODATA, chain=(MADE_UP,)), True),
        (_seen(NAME, Reply.NODATA), False),
    ],
)
def test_a_record_or_an_alias_answers(observation: Observation, answers: bool) -> None:
    """An alias that leads to nothing is there all the same."""
    assert positive(observation) is answers


def test_two_names_are_alike_by_what_one_perspective_saw() -> None:
    """Nothing is like nothing however it is said; other values, other perspectives and silence are not."""
    nothing, denied = _seen(NAME, Reply.NODATA), _seen(SIBLING, Reply.NXDOMAIN)
    value, other = _seen(NAME, Reply.ANSWER, "a"), _seen(SIBLING, Reply.ANSWER, "b")

    assert alike([nothing], [denied])
    assert not alike([value], [other])
    assert not alike([value], [value._replace(perspective="p1")])
    assert not alike([_seen(NAME, Reply.TIMEOUT)], [_seen(SIBLING, Reply.TIMEOUT)])
    assert not alike([value], [value._replace(chain=("c.example",))])
    assert alike(
        [_seen(NAME, Reply.TIMEOUT), value._replace(perspective="p1")], [value._replace(perspective="p1")]
    )


def _everything_made_up(*below: str) -> list[Observation]:
    return [_seen(name, Reply.ANSWER, MADE_UP) for name in (NAME, SIBLING, *below)]


@pytest.mark.parametrize(
    ("existing", "where"),
    [
        ((), "*.shop.example"),
        (("mail.shop.example",), "*.mail.shop.example"),
        (("_domainkey.mail.shop.example", "mail.shop.example"), "*._domainkey.mail.shop.example"),
    ],
)
def test_a_wildcard_stands_below_the_nearest_name_that_exists(existing: tuple[str, ...], where: str) -> None:
    """What is there answers for itself; the apex is there always."""
    ancestors = ("_domainkey.mail.shop.example", "mail.shop.example")
    made_up = [each for each in ancestors if each not in existing]
    there = [_seen(each, Reply.NODATA) for each in existing]

    asked = _asked(*_everything_made_up(*made_up), *there)
    assert wildcard(NAME, RecordType.CNAME, AROUND, asked, ()) == where
    assert asked.missing == {}


def test_what_is_published_is_no_wildcard() -> None:
    """A name with a value that its sibling lacks, or has otherwise, or that is denied, is its own."""
    for sibling in (_seen(SIBLING, Reply.NXDOMAIN), _seen(SIBLING, Reply.ANSWER, "other.example")):
        asked = _asked(_seen(NAME, Reply.ANSWER, MADE_UP), sibling)
        assert wildcard(NAME, RecordType.CNAME, AROUND, asked, ()) == ""
    denied = _asked(_seen(NAME, Reply.NXDOMAIN))
    assert wildcard(NAME, RecordType.CNAME, AROUND, denied, ()) == ""
    assert denied.missing == {}


def test_a_wildcard_of_another_type_is_told_by_that_type() -> None:
    """Where the wanted type has nothing, the others show that something answers for the name."""
    texts = [
        _seen(name, Reply.ANSWER, "made up", rtype=RecordType.TXT)
        for name in (NAME, SIBLING, "_domainkey.mail.shop.example", "mail.shop.example")
    ]
    nothing = [_seen(name, Reply.NODATA) for name in (NAME, SIBLING)]
    asked = _asked(*nothing, *texts)
    assert wildcard(NAME, RecordType.CNAME, AROUND, asked, (RecordType.TXT,)) == "*.shop.example"
    assert wildcard(NAME, RecordType.CNAME, AROUND, _asked(*nothing), ()) == ""


def test_what_was_not_asked_yet_is_noted() -> None:
    """The sibling is asked for once something answers for the name."""
    asked = _asked(_seen(NAME, Reply.ANSWER, MADE_UP))

    assert wildcard(NAME, RecordType.CNAME, AROUND, asked, ()) == ""
    assert list(asked.missing) == [Question(SIBLING, RecordType.CNAME)]


def test_a_redirection_leads_each_name_to_its_own() -> None:
    """A DNAME leads the name and its sibling below one target; a wildcard leads both to the same."""
    name, nobody = (
        _seen(NAME, Reply.ANSWER, "a.keys.example"),
        _seen(SIBLING, Reply.ANSWER, "x7.keys.example"),
    )

    assert redirection(NAME, RecordType.CNAME, AROUND, _asked(name, nobody)) == "keys.example"
    same = _seen(SIBLING, Reply.ANSWER, "a.keys.example")
    assert redirection(NAME, RecordType.CNAME, AROUND, _asked(name, same)) == ""
    assert redirection(NAME, RecordType.CNAME, AROUND, _asked(_seen(NAME, Reply.NODATA), nobody)) == ""


def test_a_redirection_of_another_type_is_told_by_the_chain() -> None:
    """A question of another type is answered through the alias that the DNAME makes."""
    texts = [
        _seen(each, Reply.NODATA, rtype=RecordType.TXT, chain=(f"{label}.keys.example", "far.example"))
        for each, label in ((NAME, "a"), (SIBLING, "x7"))
    ]

    assert redirection(NAME, RecordType.TXT, AROUND, _asked(*texts)) == "keys.example"
    bare = [each._replace(chain=()) for each in texts]
    assert redirection(NAME, RecordType.TXT, AROUND, _asked(*bare)) == ""
