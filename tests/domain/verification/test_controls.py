"""Questions whose answers are known: who fails them, and how it is said."""

from __future__ import annotations

import pytest

from indicia.domain.records.observation import Observation, Question, RecordType, Reply, Soa
from indicia.domain.verification.controls import (
    CONTROL_TEXT,
    LEARNED,
    Control,
    ControlQuestion,
    control_questions,
    fails,
    passes,
    what_is_wrong,
)

ZONE = "dkim.mail.example"
ASKED = {control: ControlQuestion(control, Question(ZONE, RecordType.SOA)) for control in Control}
OURS = Soa(ZONE, "ns1.mail.example", "hostmaster.mail.example", 7, 300)
ABOVE = Soa("mail.example", "ns1.mail.example", "hostmaster.mail.example", 7, 300)


def _seen(reply: Reply, *values: str, soa: Soa | None = None) -> Observation:
    return Observation(Question(ZONE, RecordType.SOA), "p0", reply, 0, values=values, soa=soa)


def test_what_is_asked() -> None:
    """What is there, what is made up in three types inside and outside of our zone, and what is above."""
    asked = [
        (each.control, each.question.name, each.question.rtype)
        for each in control_questions(ZONE, "x7", ["com", "org"])
    ]

    assert asked == [
        (Control.ROOT, ".", RecordType.NS),
        (Control.KEY_ZONE, ZONE, RecordType.SOA),
        (Control.KEY_NAME, f"x7.control._domainkey.{ZONE}", RecordType.TXT),
        (Control.NOBODY, "x7", RecordType.A),
        (Control.NOBODY, "x7", RecordType.TXT),
        (Control.NOBODY, "x7", RecordType.MX),
        (Control.NOBODY_OURS, f"x7.{ZONE}", RecordType.A),
        (Control.NOBODY_OURS, f"x7.{ZONE}", RecordType.TXT),
        (Control.NOBODY_OURS, f"x7.{ZONE}", RecordType.MX),
        (Control.TOP, "com", RecordType.SOA),
        (Control.TOP, "org", RecordType.SOA),
    ]


@pytest.mark.parametrize(
    ("control", "seen", "right"),
    [
        (Control.ROOT, _seen(Reply.ANSWER, "a.root-servers.net"), True),
        (Control.ROOT, _seen(Reply.NODATA), False),
        (Control.KEY_NAME, _seen(Reply.ANSWER, CONTROL_TEXT), True),
        (Control.KEY_NAME, _seen(Reply.ANSWER, CONTROL_TEXT, "and more"), False),
        (Control.KEY_NAME, _seen(Reply.ANSWER, "something else"), False),
        (Control.KEY_ZONE, _seen(Reply.ANSWER, soa=OURS), True),
        (Control.KEY_ZONE, _seen(Reply.NODATA, soa=OURS), False),
        (Control.KEY_ZONE, _seen(Reply.ANSWER), False),
        (Control.KEY_ZONE, _seen(Reply.ANSWER, soa=ABOVE), False),
        (Control.NOBODY, _seen(Reply.NXDOMAIN), True),
        (Control.TOP, _seen(Reply.SERVFAIL), False),
    ],
)  # fmt: skip
def test_what_the_right_answer_is(control: Control, seen: Observation, right: bool) -> None:
    """Our name has our text and nothing else, our zone is its own, the root answers, others say something."""
    assert passes(ASKED[control], seen) is right


@pytest.mark.parametrize(
    ("control", "seen", "known", "untrue"),
    [
        (Control.ROOT, _seen(Reply.ANSWER, "a.root-servers.net"), LEARNED, False),
        (Control.ROOT, _seen(Reply.TIMEOUT), frozenset(), True),
        (Control.TOP, _seen(Reply.NXDOMAIN), frozenset(), True),
        (Control.TOP, _seen(Reply.NODATA), frozenset(), False),
        (Control.TOP, _seen(Reply.SERVFAIL), frozenset(), False),
        (Control.NOBODY, _seen(Reply.ANSWER, "192.0.2.1"), frozenset(), True),
        (Control.NOBODY, _seen(Reply.NODATA), frozenset(), False),
        # A wildcard of whoever holds the zone until it is delegated to us is no lie.
        (Control.NOBODY_OURS, _seen(Reply.ANSWER, "192.0.2.1"), frozenset(), False),
        (Control.NOBODY_OURS, _seen(Reply.ANSWER, "192.0.2.1"), {Control.KEY_NAME}, False),
        (Control.NOBODY_OURS, _seen(Reply.ANSWER, "192.0.2.1"), {Control.KEY_ZONE}, True),
        (Control.NOBODY_OURS, _seen(Reply.NXDOMAIN), LEARNED, False),
        (Control.KEY_ZONE, _seen(Reply.NXDOMAIN), frozenset(), False),
        (Control.KEY_ZONE, _seen(Reply.NXDOMAIN), LEARNED, True),
        (Control.KEY_ZONE, _seen(Reply.SERVFAIL), LEARNED, False),
        (Control.KEY_ZONE, _seen(Reply.ANSWER, soa=OURS), LEARNED, False),
        (Control.KEY_NAME, _seen(Reply.ANSWER, "something else"), {Control.KEY_NAME}, True),
        (Control.KEY_NAME, _seen(Reply.ANSWER, "something else"), {Control.KEY_ZONE}, False),
        (Control.KEY_NAME, _seen(Reply.ANSWER, CONTROL_TEXT), LEARNED, False),
    ],
)
def test_who_cannot_be_believed(
    control: Control, seen: Observation, known: frozenset[Control], untrue: bool
) -> None:
    """Who denies what is there, or knows what is not; what is ours counts once it was seen here."""
    assert fails(ASKED[control], seen, known) is untrue


@pytest.mark.parametrize(
    ("control", "seen", "said"),
    [
        (Control.ROOT, _seen(Reply.NXDOMAIN), "it denies the name servers of the root ({}: nxdomain)"),
        (Control.ROOT, _seen(Reply.TIMEOUT), "it cannot say the name servers of the root ({}: timeout)"),
        (Control.KEY_NAME, _seen(Reply.ANSWER, "a", "b"),
         "it answers wrongly for a name in the key zone of this service ({}: a, b)"),
        (Control.NOBODY, _seen(Reply.ANSWER, "192.0.2.1"),
         "it answers for a name that nobody has ({}: 192.0.2.1)"),
        (Control.NOBODY, _seen(Reply.ANSWER, "v" * 200),
         f"it answers for a name that nobody has ({{}}: {'v' * 100})"),
    ],
)  # fmt: skip
def test_how_it_is_said(control: Control, seen: Observation, said: str) -> None:
    """A sentence says what was asked and what came of it, with a hundred characters of the answer at most."""
    assert what_is_wrong(ASKED[control], seen) == said.format(f"{ZONE} SOA")
