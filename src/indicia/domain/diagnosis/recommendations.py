"""What is to be improved about the records of a domain that mail is sent from (SES v2 `Recommendation`).

Advice only: no status depends on it. The vendor shows codes (`DKIM1`) and prints no list of what they stand
for; numbers and impacts here are those that its console has explanations for, one rule a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from indicia.domain.diagnosis import dmarc, spf
from indicia.domain.identities.identity import Facet, KeyLength, Status
from indicia.domain.proofs.inheritance import ProofStanding
from indicia.domain.proofs.transitions import MAY_SEND
from indicia.domain.records.observation import Observation
from indicia.domain.time import DAY, Instant, Span
from indicia.domain.verification.findings import Finding

FIXED_SHOWN: Final[Span] = 30 * DAY
"""How long a recommendation that was followed is still shown."""

DMARC_LABEL: Final = "_dmarc"
BIMI_LABEL: Final = "default._bimi"  # the selector that receivers ask for unless a mail names another


class Topic(Enum):
    """What a recommendation is about: those of SES v2 `RecommendationType` that are made here."""

    DKIM = "DKIM"
    DMARC = "DMARC"
    SPF = "SPF"
    BIMI = "BIMI"


class Impact(Enum):
    """SES v2 `RecommendationImpact`."""

    LOW = "LOW"
    HIGH = "HIGH"


class Progress(Enum):
    """SES v2 `RecommendationStatus`."""

    OPEN = "OPEN"
    FIXED = "FIXED"


class Code(Enum):
    """One thing to be improved. The value is what the API shows."""

    NO_DKIM = "DKIM1"  # DKIM is not set up, or signing is switched off
    SHORT_KEY = "DKIM2"  # signed with fewer than 2048 bits
    DKIM_FAILS = "DKIM3"  # the records of DKIM are not, or no longer, to be seen
    NO_DMARC = "DMARC1"
    BAD_DMARC = "DMARC2"  # receivers cannot read it, or find several
    NOTHING_ALIGNS = "DMARC3"  # neither DKIM nor a MAIL FROM domain stands, so no mail passes
    NO_SPF = "SPF1"  # at the custom MAIL FROM domain, as all of these
    SPF_WITHOUT_US = "SPF2"
    SPF_WITHOUT_ALL = "SPF3"
    BAD_SPF = "SPF4"  # receivers cannot read it, or find several, or too much to look up
    NO_BIMI = "BIMI1"
    BAD_BIMI = "BIMI2"

    @property
    def topic(self) -> Topic:
        """What it is about."""
        return Topic(self.value[:-1])

    @property
    def impact(self) -> Impact:
        """Whether mail is lost by it."""
        return Impact.LOW if self in _LOW else Impact.HIGH


_LOW = frozenset({Code.SHORT_KEY, Code.SPF_WITHOUT_ALL, Code.NO_BIMI, Code.BAD_BIMI})


@dataclass(frozen=True, slots=True)
class Published:
    """What is published for a domain, as the quorum sees it; None for what was not asked or is unknown.

    `dmarc` and `bimi` hold texts at the domain's name, or at its organisation's where that is where receivers
    look next (RFC 7489 §6.6.3). `spf` holds those of the MAIL FROM domain, and `spf_finding` says what they
    amount to.
    """

    dmarc: tuple[str, ...] | None = None
    bimi: tuple[str, ...] | None = None
    spf: tuple[str, ...] | None = None
    spf_finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One recommendation as it stands. `updated_at` is when it was last looked at, or found followed."""

    code: Code
    progress: Progress
    created_at: Instant
    updated_at: Instant


def agreed(observations: Sequence[Observation], quorum: int) -> tuple[str, ...] | None:
    """Return the values that a quorum of perspectives sees, None while they do not agree or cannot say."""
    seen = [tuple(sorted(each.values)) for each in observations if each.reply.authoritative]
    return next((values for values in seen if seen.count(values) >= quorum), None)


def advise(standing: ProofStanding, published: Published) -> dict[Topic, frozenset[Code]]:
    """Return what is to be improved, topic by topic. A topic that nothing is known about is not in it."""
    advice: dict[Topic, Iterable[Code]] = {Topic.DKIM: _dkim(standing)}
    if published.dmarc is not None:
        advice[Topic.DMARC] = _dmarc(standing, published.dmarc)
    if published.bimi is not None:
        advice[Topic.BIMI] = _bimi(published.bimi)
    if not standing.identity.mail_from_domain:
        advice[Topic.SPF] = ()
    elif published.spf is not None and published.spf_finding is not None:
        advice[Topic.SPF] = _spf(published.spf, published.spf_finding)
    return {topic: frozenset(codes) for topic, codes in advice.items()}


def merged(
    stored: Iterable[Recommendation], advice: Mapping[Topic, frozenset[Code]], now: Instant
) -> list[Recommendation]:
    """Return the recommendations after a look: opened, confirmed, fixed, or as they were.

    What was fixed `FIXED_SHOWN` ago is forgotten. What comes back is new.
    """
    by_code = {each.code: each for each in stored}
    wanted = {code for codes in advice.values() for code in codes}
    for code, each in list(by_code.items()):
        if code in wanted or code.topic not in advice:
            continue
        if each.progress is Progress.OPEN:
            by_code[code] = replace(each, progress=Progress.FIXED, updated_at=now)
        elif each.updated_at <= now - FIXED_SHOWN:
            del by_code[code]
    for code in wanted:
        before = by_code.get(code)
        still = before is not None and before.progress is Progress.OPEN
        created_at = before.created_at if before is not None and still else now
        by_code[code] = Recommendation(code, Progress.OPEN, created_at, now)
    return sorted(by_code.values(), key=_code)


def _code(recommendation: Recommendation) -> str:
    return recommendation.code.value


def _dkim(standing: ProofStanding) -> Iterable[Code]:
    state = standing.facets.get(Facet.DKIM)
    if standing.token_set is None or state is None:
        yield Code.NO_DKIM
        return
    if not standing.identity.signing_enabled:
        yield Code.NO_DKIM
    if standing.token_set.key_length is KeyLength.RSA_1024_BIT:
        yield Code.SHORT_KEY
    if state.status in (Status.FAILED, Status.TEMPORARY_FAILURE):
        yield Code.DKIM_FAILS


def _dmarc(standing: ProofStanding, texts: Sequence[str]) -> Iterable[Code]:
    policies = [text for text in texts if dmarc.is_policy(text)]
    if not policies:
        yield Code.NO_DMARC
        return
    if len(policies) > 1 or not dmarc.is_readable(policies[0]):
        yield Code.BAD_DMARC
    if not any(_stands(standing, facet) for facet in (Facet.DKIM, Facet.CARRIED_DKIM, Facet.MAIL_FROM)):
        yield Code.NOTHING_ALIGNS


def _stands(standing: ProofStanding, facet: Facet) -> bool:
    state = standing.facets.get(facet)
    return state is not None and state.status in MAY_SEND


# As of DMARC: the version comes first and is compared to the letter.
_BIMI = re.compile(r"v[ \t]*=[ \t]*BIMI1[ \t]*(;|\Z)")


def _bimi(texts: Sequence[str]) -> Iterable[Code]:
    assertions = [text for text in texts if _BIMI.match(text)]
    if not assertions:
        yield Code.NO_BIMI
    elif len(assertions) > 1 or not _readable_bimi(assertions[0]):
        yield Code.BAD_BIMI


def _readable_bimi(text: str) -> bool:
    """Say whether the assertion names an indicator, or declines to (draft-brand-indicators §4.3)."""
    tags = dmarc.tags(text)
    if tags is None or "l" not in tags:
        return False
    return all(not place or place.lower().startswith("https://") for place in (tags["l"], tags.get("a", "")))


_SPF: Final[dict[Finding, Code]] = {
    Finding.MISSING: Code.NO_SPF,
    Finding.SPF_MISSING_INCLUDE: Code.SPF_WITHOUT_US,
    Finding.MULTIPLE: Code.BAD_SPF,
    Finding.SPF_INVALID: Code.BAD_SPF,
    Finding.SPF_TOO_MANY_LOOKUPS: Code.BAD_SPF,
}


def _spf(texts: Sequence[str], finding: Finding) -> Iterable[Code]:
    if finding in _SPF:
        yield _SPF[finding]
    records = [text for text in texts if spf.is_spf(text)]
    terms = spf.parse(records[0]) if len(records) == 1 else None
    if terms is not None and not any(term.name == ("redirect" if term.modifier else "all") for term in terms):
        yield Code.SPF_WITHOUT_ALL
