"""Whatever stands in a zone: advice has nothing removed that is right or harmless, and taken it mends."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dns.message
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.diagnosis.probing import Refined
from indicia.domain.identities.identity import (
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose, expected_records
from indicia.domain.records.observation import Observation, Question, RecordType, Soa
from indicia.domain.verification.check import RecordVerdict, judge_record
from indicia.domain.verification.findings import Finding
from indicia.sandbox.playground import Playground
from indicia.vault import rsa
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.dns import chains, codec

ZONE, DOMAIN, BOUNCE, SERVICE = "example.com", "news.example.com", "bounce.news.example.com", "mail.example"
TOKENS = ("aaaa", "bbbb", "cccc")
LEGACY = "bm90IGEgcmVhbCB0b2tlbiwgYnV0IDQ0IGxldHRlcnM="
KEY, OTHER_KEY = rsa.generate(1024).public_key, rsa.generate(1024).public_key
IDENTITY = Identity(
    id=1,
    account="000000000000",
    region="us-east-1",
    kind=IdentityKind.DOMAIN,
    name=DOMAIN,
    created_at=0,
    version=1,
    generation=1,
    origin="AWS_SES",
    signing_enabled=True,
    next_key_length=KeyLength.RSA_2048_BIT,
    token_set_id=1,
    legacy_token=LEGACY,
    legacy_requested=True,
    mail_from_domain=BOUNCE,
    mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
    feedback_forwarding=True,
    configuration_set="",
)
EASY = TokenSet(1, TokenSetKind.EASY, TOKENS, f"dkim.{SERVICE}", KeyLength.RSA_2048_BIT, 0, has_key=True)
OWN = TokenSet(1, TokenSetKind.EXTERNAL, ("sel",), "", None, 0, has_key=True, public_key=KEY)
RECORDS = {kind: expected_records(IDENTITY, kind, SERVICE) for kind in (EASY, OWN)}
SPF = f"v=spf1 include:{SERVICE} ~all"

Published = tuple[str, str, tuple[str, ...]]


@dataclass
class Sky:
    """A DNS that is published in memory, seen through the decoder of the client."""

    playground: Playground = field(
        default_factory=lambda: Playground(lambda name: ".".join(name.split(".")[-2:]), lambda _: None)
    )
    _held: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _said: dict[Question, Observation] = field(default_factory=dict)

    def one(self, question: Question) -> Observation:
        """What a resolver says, the same until something else is published."""
        held = self.sets()
        if held != self._held:
            self._held, self._said = held, {}
        if question not in self._said:
            self._said[question] = self._ask(question)
        return self._said[question]

    def _ask(self, question: Question) -> Observation:
        query = dns.message.make_query(question.name, question.rtype.name)
        form = codec.form(question)
        answer = codec.decode(self.playground.answer(query).to_wire(), form)
        return Observation(
            question, "local", answer.reply, 0, answer.values, answer.chain, answer.ttl, answer.negative_ttl
        )

    async def observe(
        self,
        questions: Sequence[Question],
        within: float | None = None,  # noqa: ARG002 - nothing here takes any time
    ) -> dict[Question, tuple[Observation, ...]]:
        """What it says to each."""
        return {question: (self.one(question),) for question in questions}

    async def enclosing_zone(self, _name: str) -> tuple[Soa | None, ...]:
        """The zone of every name here."""
        return (Soa(ZONE, "ns1", "hostmaster", 1, 5),)

    def sets(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """What is published."""
        return {(name, kind): tuple(values) for name, kind, _, values in self.playground.records()}


@dataclass(frozen=True)
class Told:
    """One record of a diagnosis."""

    verdict: RecordVerdict
    finding: Finding
    explanation: str
    fix: str

    @property
    def record(self) -> ExpectedRecord:
        """What should be published."""
        return self.verdict.record


def diagnose(sky: Sky, records: Sequence[ExpectedRecord]) -> list[Told]:
    """What the doctor says of the records, the zone's own servers aside."""

    async def issued_to_another(_name: str, _rtype: RecordType, _values: Sequence[str]) -> bool:
        return False

    async def look() -> list[Told]:
        questions = [question for record in records for question in record.questions]
        seen = await chains.observe(sky, records, questions)
        siblings = [record.value.lower() for record in records]
        verdicts = [judge_record(record, seen, 1, siblings) for record in records]
        investigator = Investigator(
            sky, clock=lambda: 0, port=1, may_ask=lambda _: False, issued_to_another=issued_to_another
        )
        refined = await investigator.investigate(DOMAIN, verdicts, siblings)
        return [_told(verdict, refined.get(verdict)) for verdict in verdicts]

    return asyncio.run(look())


def _told(verdict: RecordVerdict, refined: Refined | None) -> Told:
    found = refined or Refined(verdict.finding)
    words = explain(verdict.record, found.finding, verdict.observations, found.detail)
    return Told(verdict, found.finding, words.explanation, words.fix)


WEB, MAIL = "192.0.2.7", "10 mx.example.net"
AT_TOKEN: list[Published] = [
    ("@", "CNAME", ("{right}",)),
    ("@", "CNAME", ("elsewhere.example.net",)),
    ("@", "CNAME", ("hop.example.net",)),
    ("@", "CNAME", (f"bbbb.dkim.{SERVICE}",)),
    ("@", "CNAME", (f"aaaa.dkim.{SERVICE}.{ZONE}",)),
    ("@", "A", (WEB,)),
    ("@", "TXT", ("something",)),
    ("@", "TXT", (f"p={OTHER_KEY}",)),
    ("@", "MX", (MAIL,)),
]
AT_BOUNCE: list[Published] = [
    (BOUNCE, "MX", (f"10 feedback-smtp.us-east-1.{SERVICE}",)),
    (BOUNCE, "MX", (MAIL,)),
    (BOUNCE, "MX", (f"10 feedback-smtp.us-east-1.{SERVICE}", MAIL)),
    (BOUNCE, "TXT", (SPF,)),
    (BOUNCE, "TXT", ("v=spf1 mx -all",)),
    (BOUNCE, "TXT", ("verification=1", SPF)),
    (BOUNCE, "TXT", ("verification=1",)),
    (BOUNCE, "TXT", ("v=spf1 a -all", "verification=1", SPF)),
    (BOUNCE, "TXT", ("v=spf1 ip4 -all",)),
    (BOUNCE, "TXT", (f"10 feedback-smtp.us-east-1.{SERVICE}",)),
    (BOUNCE, "A", (WEB,)),
    (BOUNCE, "CNAME", ("www.example.net",)),
]
AT_SELECTOR: list[Published] = [
    (f"sel._domainkey.{DOMAIN}", "TXT", (f"p={KEY}",)),
    (f"sel._domainkey.{DOMAIN}", "TXT", (f"v=DKIM1; p={OTHER_KEY}",)),
    (f"sel._domainkey.{DOMAIN}", "TXT", (f"p={KEY}", f"p={OTHER_KEY}")),
    (f"sel._domainkey.{DOMAIN}", "TXT", (f'"p={KEY}"',)),
    (f"sel._domainkey.{DOMAIN}", "TXT", (f"p={KEY}\\;",)),
    (f"sel._domainkey.{DOMAIN}", "A", (WEB,)),
    (f"sel._domainkey.{DOMAIN}", "CNAME", ("sel.keys.example.net",)),
]
ELSEWHERE: list[Published] = [
    (f"_amazonses.{DOMAIN}", "TXT", (LEGACY,)),
    (f"_amazonses.{DOMAIN}", "TXT", ("dG9rZW4gb2YgYW5vdGhlciBzZXJ2aWNlLCBhcyBsb25nPQ==",)),
    (f"_amazonses.{DOMAIN}", "TXT", ("another text", f"{LEGACY[:9]} {LEGACY[9:]}")),
    (f"_amazonses.{DOMAIN}", "TXT", (f'""{LEGACY}""', "zzz")),
    (f"_amazonses.{DOMAIN}", "MX", (MAIL,)),
    (f"_amazonses.{DOMAIN}", "CNAME", ("www.example.net",)),
    (DOMAIN, "TXT", ("v=spf1 -all", LEGACY)),
    (DOMAIN, "TXT", ("v=spf1 -all",)),
    (DOMAIN, "MX", (MAIL,)),
    (f"_dmarc.{DOMAIN}", "TXT", ("v=DMARC1; p=reject",)),
    (f"_dmarc.{DOMAIN}", "TXT", ("v=DMARC1; p=reject", "v=DMARC1; p=none")),
    (f"_dmarc.{DOMAIN}", "TXT", ("note",)),
    (f"_dmarc.{DOMAIN}", "CNAME", ("dmarc.example.net",)),
    (f"_dmarc.{ZONE}", "TXT", ("v=DMARC1; p=reject",)),
    ("dmarc.example.net", "TXT", ("v=DMARC1; p=reject",)),
    ("www.example.net", "A", (WEB,)),
    ("sel.keys.example.net", "TXT", (f"p={OTHER_KEY}",)),
]
WILD: list[Published] = [
    (f"*.{at}", rtype, (value,))
    for at in (ZONE, DOMAIN, f"_domainkey.{DOMAIN}")
    for rtype, value in (
        ("A", WEB),
        ("TXT", "v=spf1 -all"),
        ("TXT", f"p={KEY}"),
        ("MX", MAIL),
        ("MX", f"10 feedback-smtp.us-east-1.{SERVICE}"),
        ("CNAME", "www.example.net"),
        ("CNAME", f"aaaa.dkim.{SERVICE}"),
    )
]
REDIRECTED: list[Published] = [
    (f"_domainkey.{DOMAIN}", "DNAME", ("keys.example.net",)),
    (DOMAIN, "DNAME", ("other.example.net",)),
]


def _at_tokens(published: Published, token: str) -> Published:
    _, rtype, values = published
    right = f"{token}.dkim.{SERVICE}"
    return f"{token}._domainkey.{DOMAIN}", rtype, tuple(each.format(right=right) for each in values)


def _misplaced(token: str, place: int) -> Published:
    places = (
        f"{token}._domainkey.{DOMAIN}.{ZONE}",
        f"{token}.domainkey.{DOMAIN}",
        f"{token}._domainkey.{ZONE}",
        f"{token}._domainkey.news.{DOMAIN}",
    )
    return places[place], "CNAME", (f"{token}.dkim.{SERVICE}",)


_token_records = st.builds(_at_tokens, st.sampled_from(AT_TOKEN), st.sampled_from(TOKENS))
_records = st.one_of(
    _token_records,
    st.builds(_misplaced, st.sampled_from(TOKENS), st.integers(0, 3)),
    st.sampled_from(AT_BOUNCE),
    st.sampled_from(AT_SELECTOR),
    st.sampled_from(ELSEWHERE),
    st.sampled_from(WILD),
    st.sampled_from([("hop.example.net", "CNAME", (f"aaaa.dkim.{SERVICE}",))]),
)
_zones = st.lists(_records, max_size=10)
_redirections = st.lists(st.sampled_from(REDIRECTED), max_size=1)


def world(zone: Sequence[Published], redirected: Sequence[Published]) -> Sky:
    """A DNS in which this is published, the later where two cannot stand side by side.

    Nothing stands below a DNAME (RFC 6672 §2.3), and nothing that a wildcard has too: nobody could tell them.
    """
    sky = Sky()
    made_up = {(rtype, values) for name, rtype, values in zone if name.startswith("*.")}
    hidden = tuple(f".{name}" for name, _, _ in redirected)
    for name, rtype, values in (*zone, *redirected):
        wild = name.startswith("*.")
        if not (name.endswith(hidden) or (not wild and (rtype, values) in made_up)):
            sky.playground.put(name, rtype, list(values))
    return sky


def _set(sky: Sky, record: ExpectedRecord, values: Sequence[str]) -> None:
    sky.playground.put(record.name, record.rtype.name, list(values))


def _held(sky: Sky, record: ExpectedRecord) -> tuple[str, ...]:
    return sky.sets().get((record.name, record.rtype.name), ())


def _publish(sky: Sky, record: ExpectedRecord) -> None:
    """Put it beside what is there, as a form for a new record does; refuse what the DNS cannot hold."""
    others = {kind for name, kind in sky.sets() if name == record.name} - {record.rtype.name}
    assert "CNAME" not in others, "nothing can be published beside a CNAME"
    assert record.rtype is not RecordType.CNAME or not others, "a CNAME stands alone"
    _set(sky, record, dict.fromkeys((*_held(sky, record), record.value)))


def _replace_all(sky: Sky, record: ExpectedRecord) -> None:
    single = record.rtype is not RecordType.TXT or record.purpose is Purpose.DKIM
    assert single, "others may stand beside it"
    _set(sky, record, [record.value])


def _replace_that(sky: Sky, record: ExpectedRecord) -> None:
    """Replace the one value that has the letters of the right one, whatever else is in it."""
    right = re.sub(r"\W", "", record.value).lower()
    values = _held(sky, record)
    damaged = [each for each in values if re.sub(r"\W", "", each).lower() in (right, f"v=DKIM1{right}")]
    assert len(damaged) == 1, "the damaged value is told by itself"
    _set(sky, record, [record.value if each in damaged else each for each in values])


def _clear_and_publish(sky: Sky, record: ExpectedRecord) -> None:
    assert record.rtype is RecordType.CNAME, "only a CNAME excludes other types"
    sky.playground.remove(record.name)
    _publish(sky, record)


def _unalias(sky: Sky, record: ExpectedRecord) -> None:
    for name, kind in sky.sets():
        if (kind == "CNAME" and name == record.name) or (
            kind == "DNAME" and record.name.endswith(f".{name}")
        ):
            sky.playground.remove(name, kind)
    _publish(sky, record)


def _make_one(sky: Sky, record: ExpectedRecord, text: str) -> None:
    """Put one SPF record in the place of those that are there."""
    others = [each for each in _held(sky, record) if not each.lower().startswith("v=spf1")]
    assert len(others) < len(_held(sky, record)), "there is one to change"
    _set(sky, record, [*others, text])


def _mend_term(sky: Sky, record: ExpectedRecord) -> None:
    _make_one(sky, record, record.value)


def _keep_a_policy(sky: Sky, record: ExpectedRecord) -> None:
    policies = [each for each in _held(sky, record) if each.lower().startswith("v=dmarc1")]
    others = [each for each in _held(sky, record) if each not in policies]
    _set(sky, record, [*others, policies[0]])


_ACTIONS: dict[str, Callable[..., None]] = {
    action.__name__: action
    for action in (
        _unalias,
        _clear_and_publish,
        _replace_all,
        _replace_that,
        _make_one,
        _mend_term,
        _keep_a_policy,
        _publish,
    )
}
# Every form that advice has, and what somebody does who takes it, the more special forms first. A new form
# needs a line here. `{record}` is a record as advice names it, `{no_mail}` and `{selector}` whose may stay.
FORMS = """
_unalias           .+, or remove the (CNAME|DNAME), if nothing else needs it, and publish {record}
_clear_and_publish Remove what stands there, then publish {record}
_clear_and_publish Switch the proxy off for this record .*, remove what stands there, then publish {record}
_replace_all       Replace the value of {record}, ending it with a dot if .*
_replace_all       Replace the value of {record}
_replace_all       {selector} this one, take another selector; else replace the value of {record}
_replace_all       If another service needs another of them, take another selector; else keep one alone: .+
_replace_all       If mail is received by it, {no_mail}; else replace the value of {record}
_replace_all       If mail is received by another of them, {no_mail}; else keep one alone: .+
_replace_all       Give each name the target that begins with the same token: .+
_replace_that      Replace that value of {record}, (without|in full|with capital) .*
_replace_that      Enter the value without quotes; .*
_make_one          A second SPF record would make both void .* Change it to (?P<text>v=spf1 .*)
_make_one          Make them one (?P<text>v=spf1 .*)
_mend_term         Mend that term, or take it out; include:.+ has to be in the record.
_keep_a_policy     Keep exactly one, the policy that is meant.
_publish           Publish it at .+, with the underscore; .*
_publish           Enter the name relative to the zone, .*
_publish           Publish {record}, beside what is there.
_publish           Publish {record}. The wildcard is not in the way: .*
_publish           Publish {record}. If a record of another type stands at this very name, .*
_publish           Publish {record}. A panel that appends the zone .+ wants the name as .+
_publish           Publish {record}
"""
_PARTS = {
    "record": r"\S+ [A-Z]+ .+?",
    "no_mail": "set another MAIL FROM domain, one that receives none",
    "selector": r"A selector has exactly one TXT record \(RFC 6376 §3.6.2.2\): if another service needs",
}
ADVICE = [
    (re.compile(form.strip().format_map(_PARTS)), action)
    for action, _, form in (line.partition(" ") for line in FORMS.strip().splitlines())
]


def take(sky: Sky, told: Told) -> None:
    """Do what the advice says."""
    for form, action in ADVICE:
        if taken := form.fullmatch(told.fix):
            _ACTIONS[action](sky, told.record, **taken.groupdict())
            return
    raise AssertionError(f"nobody knows what to do: {told.fix}")


def harmless(records: Sequence[ExpectedRecord], published: Published) -> list[Published]:
    """What of a record set is in nobody's way, value by value: it has to be there in the end."""
    name, kind, values = published
    own = [each for each in records if each.name == name or name in each.also]
    if kind in ("CNAME", "DNAME") and (own or any(each.name.endswith(f".{name}") for each in records)):
        return []
    if any(each.rtype is RecordType.CNAME for each in own):
        return []
    kept = []
    for value in values:
        single = any(each.rtype.name == kind and _is_single(each) for each in own)
        ours = any(each.rtype.name == kind and _replaces(each, value) for each in own)
        if not single and not ours:
            kept.append((name, kind, (value,)))
    return kept


def _is_single(record: ExpectedRecord) -> bool:
    return record.rtype is RecordType.MX or (record.rtype, record.purpose) == (RecordType.TXT, Purpose.DKIM)


def _replaces(record: ExpectedRecord, value: str) -> bool:
    """Whether the value is of the sort of which there is one at a name, or ours with a damage."""
    sort = record.value.partition(" ")[0].rstrip(";").lower()
    letters = re.sub(r"\W", "", value).lower()
    return value.lower().startswith(sort) or letters == re.sub(r"\W", "", record.value).lower()


@pytest.mark.parametrize("kind", [EASY, OWN], ids=["easy", "own key"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(zone=_zones, redirected=_redirections)
@example(zone=[(BOUNCE, "TXT", (SPF,))], redirected=[])
@example(zone=[(BOUNCE, "A", (WEB,)), (BOUNCE, "TXT", ("verification=1",))], redirected=[])
@example(zone=[(f"*.{ZONE}", "A", (WEB,))], redirected=[])
@example(zone=[(f"*.{DOMAIN}", "CNAME", ("www.example.net",))], redirected=[])
def test_advice_mends_and_costs_nothing(
    kind: TokenSet, zone: Sequence[Published], redirected: Sequence[Published]
) -> None:
    """Taken to the letter, advice makes every record right, and whatever could stay is still there."""
    records = RECORDS[kind]
    sky = world(zone, redirected)
    begun = [(name, rtype, values) for (name, rtype), values in sky.sets().items()]
    right_before = {told.record for told in diagnose(sky, records) if told.verdict.sight is Sight.PRESENT}

    for _ in range(3 * len(records)):  # one after the other: what is done for one may change another
        wrong = next((told for told in diagnose(sky, records) if told.finding is not Finding.OK), None)
        if wrong is None:
            break
        take(sky, wrong)
    ended = diagnose(sky, records)

    assert {told.finding for told in ended} == {Finding.OK}, [(told.record, told.finding) for told in ended]
    assert right_before <= {told.record for told in ended}
    held = sky.sets()
    for name, rtype, values in itertools.chain.from_iterable(harmless(records, each) for each in begun):
        assert set(values) <= set(held.get((name, rtype), ())), (name, rtype, values)
