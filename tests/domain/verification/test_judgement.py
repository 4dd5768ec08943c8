"""One record, one perspective: what each answer means (spec 4.4, verification.md ErrorType and Findings)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import pytest

from indicia.domain.identities.identity import ErrorType
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.verification.findings import Finding
from indicia.domain.verification.judgement import Judgement, judge

TOKEN = "bm90IGEgcmVhbCB0b2tlbiwgYnV0IDQ0IGxldHRlcnM="
TARGET = "tok1.dkim.mail.example"
SIBLINGS = [TARGET, "tok2.dkim.mail.example", "tok3.dkim.mail.example"]


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 128 else b"\x82" + len(body).to_bytes(2)
    return bytes([tag]) + length + body


def _key(modulus: int) -> str:
    """Return a SubjectPublicKeyInfo with this modulus, which is all that a comparison looks at."""
    number = _der(0x02, b"\x00" + modulus.to_bytes((modulus.bit_length() + 7) // 8))
    subject = _der(0x03, b"\x00" + _der(0x30, number, _der(0x02, b"\x01\x00\x01")))
    algorithm = _der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    return base64.b64encode(_der(0x30, algorithm, subject)).decode()


KEY = _key(1 << 2047 | 3)
OTHER_KEY = _key(1 << 2047 | 5)
SHORT_KEY = _key(1 << 511 | 3)

CNAME = ExpectedRecord(Purpose.DKIM, "tok1._domainkey.example.com", RecordType.CNAME, TARGET, required=True)
BYODKIM = ExpectedRecord(
    Purpose.DKIM, "sel._domainkey.example.com", RecordType.TXT, f"p={KEY}", required=True
)
TXT = ExpectedRecord(Purpose.OWNERSHIP, "_amazonses.example.com", RecordType.TXT, TOKEN, required=True)
MX = ExpectedRecord(
    Purpose.MAIL_FROM,
    "bounce.example.com",
    RecordType.MX,
    "10 feedback-smtp.eu-west-1.mail.example",
    required=True,
    hosts=("feedback-smtp.us-east-1.mail.example", "feedback-smtp.eu-west-1.mail.example"),
)


def _look(record: ExpectedRecord, reply: Reply, *values: str, negative_ttl: int | None = None) -> Judgement:
    question = record.questions[0]
    observation = Observation(question, "local", reply, 0, values=values, negative_ttl=negative_ttl)
    return replace(judge(record, [observation], SIBLINGS, _no_alias), links=())


def _alias(name: str, reply: Reply, *values: str) -> Observation:
    return Observation(Question(name, RecordType.CNAME), "local", reply, 0, values=values)


def _no_alias(name: str) -> Observation:
    return _alias(name, Reply.NODATA)


@pytest.mark.parametrize(
    ("record", "values"),
    [
        (CNAME, (TARGET,)),
        (CNAME, (TARGET.upper() + ".",)),
        (TXT, (TOKEN,)),
        (TXT, (f'"{TOKEN}"',)),
        (TXT, (f"amazonses:{TOKEN}",)),
        (TXT, ("v=spf1 -all", "another account's token", TOKEN)),
        (BYODKIM, (f"p={KEY}",)),
        (BYODKIM, (f"v=DKIM1; k=rsa; p={KEY[:100]} {KEY[100:]};",)),
        (MX, ("10 feedback-smtp.eu-west-1.mail.example",)),
        (MX, ("0 FEEDBACK-SMTP.us-east-1.mail.example.",)),
    ],
)
def test_what_is_accepted(record: ExpectedRecord, values: tuple[str, ...]) -> None:
    """The right value, and the variants that receivers read in the same way."""
    assert Judgement(Sight.PRESENT, None, Finding.OK) == _look(record, Reply.ANSWER, *values)


@pytest.mark.parametrize(
    ("record", "values", "finding"),
    [
        (CNAME, ("elsewhere.example",), Finding.WRONG_TARGET),
        (CNAME, ("tok2.dkim.mail.example",), Finding.TOKENS_SWAPPED),
        (CNAME, (f"{TARGET}.example.com",), Finding.DOUBLED_ZONE),
        (TXT, ("v=spf1 -all",), Finding.WRONG_VALUE),
        (TXT, (TOKEN.lower(),), Finding.CASE_CHANGED),
        (TXT, (TOKEN[:30],), Finding.TRUNCATED),
        (TXT, (f"{TOKEN[:20]} {TOKEN[20:]}",), Finding.WHITESPACE),
        (TXT, (f'" {TOKEN} "',), Finding.WHITESPACE),
        (TXT, (f"{TOKEN[:20]}\u00c2\u00a0{TOKEN[20:]}",), Finding.WHITESPACE),
        (TXT, (f'""{TOKEN}""',), Finding.QUOTED),
        (TXT, (f'"{TOKEN[:20]}" "{TOKEN[20:]}"',), Finding.QUOTED),
        (TXT, (f'amazonses:"{TOKEN}"',), Finding.QUOTED),
        (TXT, (f"\u00e2\u0080\u009c{TOKEN}\u00e2\u0080\u009d",), Finding.QUOTED),
        (TXT, (f"'{TOKEN}'",), Finding.QUOTED),
        (BYODKIM, (f"'p={KEY}'",), Finding.QUOTED),
        (BYODKIM, (f"v=DKIM1; h=rsa-sha256; p={KEY}",), Finding.KEY_UNREADABLE),
        (BYODKIM, (f"p={KEY}\\;",), Finding.KEY_UNREADABLE),
        (BYODKIM, (f"p={OTHER_KEY}",), Finding.KEY_MISMATCH),
        (BYODKIM, ("p=",), Finding.KEY_REVOKED),
        (BYODKIM, ("v=DKIM1; k=rsa",), Finding.KEY_UNREADABLE),
        (BYODKIM, ("hello",), Finding.KEY_UNREADABLE),
        (BYODKIM, (f"p={SHORT_KEY}",), Finding.KEY_TOO_SHORT),
        (BYODKIM, (f'p={KEY[:200]}" "{KEY[200:]}',), Finding.QUOTED),
        (BYODKIM, (f'"p={KEY}"',), Finding.QUOTED),
        (BYODKIM, (f"p={KEY[:200]}",), Finding.TRUNCATED),
        (BYODKIM, (f"p={KEY.lower()}",), Finding.CASE_CHANGED),
        (BYODKIM, (f"p={KEY}", f"p={KEY}"), Finding.MULTIPLE),
        (MX, ("10 mx.elsewhere.example",), Finding.WRONG_VALUE),
        (MX, ("10 feedback-smtp.eu-west-1.mail.example", "20 mx.example.com"), Finding.MULTIPLE),
        (MX, ("10 feedback-smtp.notmail.example",), Finding.WRONG_VALUE),
        (MX, ("10 feedback-smtp.us-east1.mail.example",), Finding.WRONG_VALUE),
        (MX, ("10 feedback-smtp.ap-south-1.mail.example",), Finding.WRONG_VALUE),
        (MX, ("10 feedback-smtp.x.us-east-1.mail.example",), Finding.WRONG_VALUE),
        (MX, ("10 feedback-smtp.mail.example",), Finding.WRONG_VALUE),
    ],
)
def test_what_is_wrong_and_how(record: ExpectedRecord, values: tuple[str, ...], finding: Finding) -> None:
    """Another value of the right type is INVALID_VALUE, an absence, and is told apart by its damage."""
    expected = Judgement(Sight.ABSENT, ErrorType.INVALID_VALUE, finding)

    assert expected == _look(record, Reply.ANSWER, *values)


@pytest.mark.parametrize(
    ("reply", "sight", "error", "finding"),
    [
        (Reply.NXDOMAIN, Sight.ABSENT, ErrorType.HOST_NOT_FOUND, Finding.MISSING),
        (Reply.NODATA, Sight.ABSENT, ErrorType.TYPE_NOT_FOUND, Finding.MISSING),
        (Reply.SERVFAIL, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
        (Reply.REFUSED, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.LAME),
        (Reply.FORMERR, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
        (Reply.NOTIMP, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
        (Reply.BOGUS, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.BOGUS),
        (Reply.NO_AUTHORITY, Sight.UNKNOWN, ErrorType.HOST_NOT_FOUND, Finding.UNREACHABLE),
        (Reply.TIMEOUT, Sight.UNKNOWN, ErrorType.SERVICE_ERROR, Finding.UNREACHABLE),
        (Reply.TRUNCATED, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
        (Reply.GARBAGE, Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR, Finding.SERVER_FAILURE),
        (Reply.OUR_RESOLVER, Sight.UNKNOWN, ErrorType.SERVICE_ERROR, Finding.OUR_RESOLVER),
    ],
)
@pytest.mark.parametrize("record", [CNAME, TXT, BYODKIM, MX])
def test_what_no_value_means(
    record: ExpectedRecord, reply: Reply, sight: Sight, error: ErrorType, finding: Finding
) -> None:
    """Only NXDOMAIN and NODATA are absences; all other replies are evidence of nothing."""
    assert Judgement(sight, error, finding, None) == _look(record, reply)


def test_every_reply_has_a_meaning() -> None:
    """No reply is left without a judgement, and only the authoritative ones are evidence."""
    for reply in Reply:
        judged = _look(CNAME, reply, *([TARGET] if reply is Reply.ANSWER else []))
        assert reply.authoritative == (judged.sight is not Sight.UNKNOWN)


def test_the_second_name_of_a_record_counts_too() -> None:
    """The legacy TXT is accepted at the bare domain, and is absent only when neither name has it."""
    record = ExpectedRecord(
        Purpose.OWNERSHIP, TXT.name, RecordType.TXT, TOKEN, required=True, also=("example.com",)
    )
    first, second = record.questions
    nothing = Observation(first, "local", Reply.NXDOMAIN, 0)

    def at_the_domain(reply: Reply, *values: str) -> Sight:
        return judge(record, [nothing, Observation(second, "local", reply, 0, values=values)]).sight

    assert Sight.PRESENT is at_the_domain(Reply.ANSWER, TOKEN)
    assert Sight.ABSENT is at_the_domain(Reply.NODATA)
    assert Sight.UNKNOWN is at_the_domain(Reply.SERVFAIL)


def _chained(targets: Sequence[str | Reply]) -> Judgement:
    """Return what the CNAME means where its target has the next CNAME, and so on; a reply ends the chain."""
    names = [CNAME.name, *(target for target in targets if isinstance(target, str))]
    seen = {
        name: _alias(name, target) if isinstance(target, Reply) else _alias(name, Reply.ANSWER, target)
        for name, target in zip(names, targets, strict=False)
    }
    return judge(CNAME, [seen[CNAME.name]], SIBLINGS, seen.get)


HOPS = [f"hop{number}.example.net" for number in range(9)]


@pytest.mark.parametrize(
    ("targets", "sight", "error", "finding"),
    [
        (["hop.example.net", TARGET], Sight.PRESENT, None, Finding.OK),
        (["hop.example.net", TARGET.upper() + "."], Sight.PRESENT, None, Finding.OK),
        ([*HOPS[:7], TARGET], Sight.PRESENT, None, Finding.OK),
        ([*HOPS[:8], TARGET], Sight.ABSENT, ErrorType.INVALID_VALUE, Finding.WRONG_TARGET),
        (["hop.example.net", Reply.NODATA], Sight.ABSENT, ErrorType.INVALID_VALUE, Finding.WRONG_TARGET),
        (["hop.example.net", Reply.NXDOMAIN], Sight.ABSENT, ErrorType.INVALID_VALUE, Finding.WRONG_TARGET),
        (["a.example.net", CNAME.name], Sight.ABSENT, ErrorType.INVALID_VALUE, Finding.WRONG_TARGET),
        (["a.example.net", "b.example.net", "a.example.net"], Sight.ABSENT, ErrorType.INVALID_VALUE,
         Finding.WRONG_TARGET),
        (["hop.example.net", SIBLINGS[1]], Sight.ABSENT, ErrorType.INVALID_VALUE, Finding.TOKENS_SWAPPED),
        (["hop.example.net", f"{TARGET}.example.com", Reply.NXDOMAIN], Sight.ABSENT, ErrorType.INVALID_VALUE,
         Finding.DOUBLED_ZONE),
        (["hop.example.net", Reply.SERVFAIL], Sight.UNKNOWN, ErrorType.DNS_SERVER_ERROR,
         Finding.SERVER_FAILURE),
        (["hop.example.net", Reply.TIMEOUT], Sight.UNKNOWN, ErrorType.SERVICE_ERROR, Finding.UNREACHABLE),
        (["hop.example.net"], Sight.UNKNOWN, ErrorType.SERVICE_ERROR, Finding.OUR_RESOLVER),
    ],
)  # fmt: skip
def test_a_chain_counts_for_its_end(
    targets: Sequence[str | Reply], sight: Sight, error: ErrorType | None, finding: Finding
) -> None:
    """Eight links that end at ours are ours; an end elsewhere is wrong; one that nobody saw is unknown."""
    judged = _chained(targets)

    assert (sight, error, finding) == (judged.sight, judged.error, judged.finding)
    assert [each.question.name for each in judged.links] == [*targets][: min(7, len(targets) - 1)]


def test_our_own_zone_has_no_aliases() -> None:
    """A target in the key zone ends the chain: nobody is asked about it."""
    asked: list[str] = []
    first = _alias(CNAME.name, Reply.ANSWER, "other.dkim.mail.example")

    def follow(name: str) -> Observation | None:
        asked.append(name)
        return None

    assert Finding.WRONG_TARGET is judge(CNAME, [first], SIBLINGS, follow).finding
    assert [] == asked


def test_a_finding_is_called_the_same_everywhere() -> None:
    """What the API, the pages and the store call it is its name."""
    assert [each.value for each in Finding] == [each.name for each in Finding]
