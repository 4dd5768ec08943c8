"""`docs/findings/`: the index of the findings, and in each page the sentences that Indicia says.

The pages are written by hand. Generated in them is what the code says: whether this version tells the finding
at all, and in which words.
"""

from __future__ import annotations

import re
from dataclasses import replace

from indicia.domain.diagnosis.explanation import explain
from indicia.domain.diagnosis.probing import NOTHING_MORE, Detail
from indicia.domain.records.expected import ExpectedRecord, Purpose
from indicia.domain.records.observation import Observation, Question, RecordType, Reply
from indicia.domain.verification.findings import Finding
from pages.markdown import ROOT, SOURCES, Blocks, table

FOLDER = "docs/findings"
SECTIONS = ("## What it means", "## What was seen", "## How to fix it", "## See it in a sandbox")

_DOMAIN = "example.com"
_TOKEN, _OTHER = "mfrggzdfmztwq2lknnwg23tpobyxe43u", "nbswy3dpeb3w64tmmqqgc3tebuqho33s"
_ZONE = "dkim.mail.example"
_KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtXk9vVn7mG0pQp1p"

_CNAME = ExpectedRecord(
    Purpose.DKIM, f"{_TOKEN}._domainkey.{_DOMAIN}", RecordType.CNAME, f"{_TOKEN}.{_ZONE}", required=True
)
_BELOW = replace(_CNAME, name=f"{_TOKEN}._domainkey.news.{_DOMAIN}")
_TXT = ExpectedRecord(Purpose.DKIM, f"mail._domainkey.{_DOMAIN}", RecordType.TXT, f"p={_KEY}", required=True)
_OWNERSHIP = ExpectedRecord(
    Purpose.OWNERSHIP,
    f"_amazonses.{_DOMAIN}",
    RecordType.TXT,
    "pDOQn5kEc0pmC2YyyTIaZX6oQB1nsPVi",
    required=True,
)
_MX = ExpectedRecord(
    Purpose.MAIL_FROM,
    f"bounce.{_DOMAIN}",
    RecordType.MX,
    "10 feedback-smtp.us-east-1.mail.example",
    required=True,
)
_SPF = ExpectedRecord(
    Purpose.MAIL_FROM, f"bounce.{_DOMAIN}", RecordType.TXT, "v=spf1 include:mail.example ~all", required=False
)

# For each finding, a record that it may be about and what was seen of it.
_CASES: dict[Finding, tuple[ExpectedRecord, Reply, tuple[str, ...]]] = {
    Finding.OK: (_CNAME, Reply.ANSWER, (f"{_TOKEN}.{_ZONE}",)),
    Finding.MISSING: (_CNAME, Reply.NXDOMAIN, ()),
    Finding.DOUBLED_ZONE: (_CNAME, Reply.ANSWER, (f"{_TOKEN}.{_ZONE}.{_DOMAIN}",)),
    Finding.WRONG_TYPE: (_CNAME, Reply.NODATA, (f"{_TOKEN}.{_ZONE}",)),
    Finding.FLATTENED: (_CNAME, Reply.NODATA, ("192.0.2.7",)),
    Finding.WRONG_TARGET: (_CNAME, Reply.ANSWER, ("elsewhere.example.net",)),
    Finding.WRONG_VALUE: (_OWNERSHIP, Reply.ANSWER, ("v=spf1 -all",)),
    Finding.OTHER_IDENTITY: (_CNAME, Reply.ANSWER, (f"{_OTHER}.{_ZONE}",)),
    Finding.TOKENS_SWAPPED: (_CNAME, Reply.ANSWER, (f"{_OTHER}.{_ZONE}",)),
    Finding.QUOTED: (_TXT, Reply.ANSWER, (f'"p={_KEY}"',)),
    Finding.WHITESPACE: (_OWNERSHIP, Reply.ANSWER, ("pDOQn5kEc0pmC2Yy yTIaZX6oQB1nsPVi",)),
    Finding.TRUNCATED: (_TXT, Reply.ANSWER, (f"p={_KEY[:40]}",)),
    Finding.CASE_CHANGED: (_OWNERSHIP, Reply.ANSWER, ("pdoqn5kec0pmc2yyytiazx6oqb1nspvi",)),
    Finding.UNDERSCORE_LOST: (_CNAME, Reply.NXDOMAIN, ()),
    Finding.KEY_MISMATCH: (_TXT, Reply.ANSWER, (f"p={_KEY[::-1]}",)),
    Finding.KEY_REVOKED: (_TXT, Reply.ANSWER, ("p=",)),
    Finding.KEY_UNREADABLE: (_TXT, Reply.ANSWER, (f"v=DKIM1; h=rsa-sha256; p={_KEY}",)),
    Finding.KEY_TOO_SHORT: (_TXT, Reply.ANSWER, ("p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK",)),
    Finding.MULTIPLE: (_MX, Reply.ANSWER, (_MX.value, "20 mail.example.com")),
    Finding.SPF_MISSING_INCLUDE: (_SPF, Reply.ANSWER, ("v=spf1 mx -all",)),
    Finding.SPF_TOO_MANY_LOOKUPS: (_SPF, Reply.ANSWER, ("v=spf1 include:a.example -all",)),
    Finding.SPF_INVALID: (_SPF, Reply.ANSWER, ("v=spf1 includes:mail.example",)),
    Finding.NOT_EVERYWHERE: (_CNAME, Reply.ANSWER, (f"{_TOKEN}.{_ZONE}",)),
    Finding.NOT_YET_VISIBLE: (_CNAME, Reply.NXDOMAIN, ()),
    Finding.WRONG_NAME_SERVERS: (_CNAME, Reply.NXDOMAIN, ()),
    Finding.WRONG_LEVEL: (_BELOW, Reply.NXDOMAIN, ()),
    Finding.ALIASED: (_MX, Reply.NODATA, ()),
    Finding.LAME: (_CNAME, Reply.REFUSED, ()),
    Finding.SERVER_FAILURE: (_CNAME, Reply.SERVFAIL, ()),
    Finding.UNREACHABLE: (_CNAME, Reply.NO_AUTHORITY, ()),
    Finding.BOGUS: (_CNAME, Reply.BOGUS, ()),
    Finding.OUR_RESOLVER: (_CNAME, Reply.OUR_RESOLVER, ()),
}

_ALIASES = {Finding.ALIASED: ("www.example.com",)}
_SERVERS = ("ns1.example.net", "ns2.example.net")
# What a further look at the example adds.
_DETAILS = {
    Finding.WRONG_TYPE: Detail(place=f"TXT {_TOKEN}.{_ZONE}"),
    Finding.FLATTENED: Detail(place="A 192.0.2.7"),
    Finding.UNDERSCORE_LOST: Detail(place=f"{_TOKEN}.domainkey.{_DOMAIN}"),
    Finding.WRONG_LEVEL: Detail(place=_CNAME.name, zone=_DOMAIN),
    Finding.NOT_EVERYWHERE: Detail(having=_SERVERS[:1], lacking=_SERVERS[1:]),
    Finding.NOT_YET_VISIBLE: Detail(having=_SERVERS, seconds_left=240),
    Finding.WRONG_NAME_SERVERS: Detail(having=("ns1.old.example",), lacking=_SERVERS),
    Finding.LAME: Detail(lacking=_SERVERS),
    Finding.SERVER_FAILURE: Detail(lacking=_SERVERS),
    Finding.UNREACHABLE: Detail(lacking=_SERVERS),
}

_USE = re.compile(r"Finding\.([A-Z_]+)")


def path_of(finding: Finding) -> str:
    """Return where the page of a finding is."""
    return f"{FOLDER}/{finding.value}.md"


def told() -> frozenset[Finding]:
    """Return the findings that anything in the sources gives, and does not only name and explain."""
    passive = {"findings.py", "explanation.py"}
    files = [file for file in SOURCES.rglob("*.py") if file.name not in passive]
    used = {name for file in files for name in _USE.findall(file.read_text(encoding="utf-8"))}
    return frozenset(finding for finding in Finding if finding.name in used)


def blocks() -> Blocks:
    """Return the index, and for each page what the code says of its finding."""
    given = told()
    each = {
        path_of(finding): {"state": _state(finding, given), "words": _words(finding)} for finding in Finding
    }
    return {f"{FOLDER}/index.md": {"findings": _list(given)}, **each}


def summary(text: str) -> str:
    """Return the one line that a page begins with, below its title."""
    return next(line for line in text.splitlines()[1:] if line and not line.startswith("<"))


def _list(given: frozenset[Finding]) -> str:
    rows = [
        (f"[`{each.value}`]({each.value}.md)", summary(_read(each)), "" if each in given else "not told yet")
        for each in Finding
    ]
    return table(("finding", "what it is", ""), rows)


def _state(finding: Finding, given: frozenset[Finding]) -> str:
    if finding in given:
        return ""
    return (
        "This finding is reserved: it has a name and words, and this version does not tell it yet.\n"
        "Such a record is shown as what is seen at its own name, most often"
        " [`MISSING`](MISSING.md) or [`WRONG_TARGET`](WRONG_TARGET.md).\n"
    )


def _words(finding: Finding) -> str:
    if finding not in _CASES:
        raise ValueError(f"tools/pages/findings.py has no example for {finding.value}: add one to _CASES")
    record, reply, values = _CASES[finding]
    chain = _ALIASES.get(finding, ())
    observation = Observation(Question(record.name, record.rtype), "local", reply, 0, values, chain)
    try:
        words = explain(record, finding, [observation], _DETAILS.get(finding, NOTHING_MORE))
    except KeyError as missing:
        if missing.args != (finding,):
            raise
        place = "domain/diagnosis/explanation.py"
        raise ValueError(f"{place} has no words for {finding.value}: add them to _TEXTS") from None
    lines = ["Indicia says it like this:", "", f"> {words.explanation}"]
    if words.fix:
        lines += [">", f"> → {words.fix}"]
    return "\n".join(lines)


def _read(finding: Finding) -> str:
    try:
        return (ROOT / path_of(finding)).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"{path_of(finding)} is not there: write it") from None
