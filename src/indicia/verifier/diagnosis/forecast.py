"""What the records of an identity would meet if they were published now. A look that changes nothing.

It is part of an answer that somebody waits for, so it is bounded on every side: in time, in how many there
are at once, and in what one zone is asked. Where a bound is met the last forecast serves once more, or there
is none, and the answer says what the last verdict saw.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from indicia.domain.diagnosis.conflicts import conflict
from indicia.domain.diagnosis.probing import can_be_explained
from indicia.domain.fairness import Shares
from indicia.domain.names import IdentityName, fold
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.domain_connect import ProviderOffer, apply_url
from indicia.domain.records.expected import ExpectedRecord, Purpose, expected_records
from indicia.domain.records.observation import RecordType
from indicia.domain.verification.check import RecordVerdict, Rules, judge_record
from indicia.domain.verification.findings import Finding
from indicia.store.identities import identities
from indicia.verifier.diagnosis import dmarc
from indicia.verifier.diagnosis.asking import AskedEnoughError
from indicia.verifier.diagnosis.investigation import explained, surroundings
from indicia.verifier.dns import chains

if TYPE_CHECKING:
    from indicia.store.engine.database import Database
    from indicia.store.identities.identities import IdentityView
    from indicia.verifier.diagnosis.asking import Asking, ZoneLook

T = TypeVar("T")

_WITHIN: Final = 3.0  # seconds, for everything together
_AT_ONCE: Final = 32
_PARTS: Final = (4,)  # of these, one part in so many is the most of one account
_MOST_KEPT: Final = 4096


class Connection(msgspec.Struct, frozen=True):
    """The provider of a zone's DNS, and the link under which its user lets it publish the records."""

    provider: str
    url: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One record as it is now: what was seen, what that means, and what is in its way."""

    sight: str
    finding: str
    conflict: str | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was seen, by name, type and value of the record; and how the records can be published."""

    records: dict[tuple[str, str, str], Standing]
    connection: Connection | None = None


_NO_POLICY: Final = frozenset({Finding.MISSING, Finding.ALIASED})
NO_FORECAST: Final = Forecast({})

Foresees = Callable[[str, str, str], Awaitable[Forecast]]
Connects = Callable[["IdentityView", "ZoneLook"], Awaitable["ProviderOffer | None"]]


async def nothing_foreseen(_account: str, _region: str, _name: str) -> Forecast:
    """Look at nothing: what the last verdict saw has to do."""
    return NO_FORECAST


async def _unconnected(_view: IdentityView, _observer: ZoneLook) -> ProviderOffer | None:
    return None


def _may_be_needed(record: ExpectedRecord) -> bool:
    """Say whether what the record conflicts with may be of use to somebody.

    At the name of a token of ours nobody else has anything, and an SPF record is merged with ours.
    """
    spf = (record.purpose, record.rtype) == (Purpose.MAIL_FROM, RecordType.TXT)
    return record.rtype is not RecordType.CNAME and not spf


async def _within(look: Awaitable[T], otherwise: T) -> T:
    """Return what is found in time."""
    try:
        async with asyncio.timeout(_WITHIN):
            return await look
    except TimeoutError:
        return otherwise


class Forecaster:
    """Looks ahead.

    `asking` is how fast zones may be asked for it; `kept` for how many seconds what was seen answers
    everybody. `connects` returns who would publish the records in the domain's zone, None where nobody would;
    `registrable` the domain of the organisation that a domain belongs to.
    """

    def __init__(
        self,
        database: Database,
        asking: Asking,
        rules: Rules,
        *,
        kept: float,
        connects: Connects = _unconnected,
        registrable: Callable[[str], str] = str,
    ) -> None:
        self._database = database
        self._asking = asking
        self._rules = rules
        self._keep_for = kept
        self._connects = connects
        self._registrable = registrable
        self._kept: OrderedDict[tuple[int, int], tuple[float, Forecast]] = OrderedDict()
        self._shares = Shares(_AT_ONCE, _PARTS)

    async def __call__(self, account: str, region: str, name: str) -> Forecast:
        """Return what the records of the identity would meet. Never raises for what the DNS does."""
        view = await self._database.reading(lambda s: identities.view(s, account, region, fold(name)))
        if view is None:
            return NO_FORECAST
        key = view.identity.id, view.identity.generation
        now = time.monotonic()
        until, kept = self._kept.get(key, (now, NO_FORECAST))
        if until > now:
            return kept
        rules = self._rules
        records = expected_records(view.identity, view.token_set, rules.service_domain, rules.regions)
        if not records or not self._shares.take((account,)):
            return kept
        try:
            domain = IdentityName(view.identity.kind, view.identity.name).domain
            observer = await self._asking.begin(account, domain, view.soa)
            seen, offer = await asyncio.gather(
                _within(self._look(observer, view, records), {}),
                _within(self._connects(view, observer), None),
            )
        except AskedEnoughError:
            return kept
        finally:
            self._shares.give((account,))
        forecast = Forecast(seen, None if offer is None else self._connection(view, offer, records, seen))
        self._keep(key, forecast)
        return forecast

    async def _look(
        self, observer: ZoneLook, view: IdentityView, records: tuple[ExpectedRecord, ...]
    ) -> dict[tuple[str, str, str], Standing]:
        questions = list(dict.fromkeys(question for record in records for question in record.questions))
        observations = await chains.observe(observer, records, questions)
        siblings = [record.value.lower() for record in records if record.rtype is RecordType.CNAME]
        verdicts = [judge_record(record, observations, self._rules.quorum, siblings) for record in records]
        domain = IdentityName(view.identity.kind, view.identity.name).domain
        around = surroundings(domain, view.soa.zone if view.soa is not None else domain)
        wrong = [verdict for verdict in verdicts if can_be_explained(verdict)]
        refined = await explained(observer, wrong, around, places=False)
        standings = {}
        for verdict in verdicts:
            record = verdict.record
            inherited = await self._has_policy(observer, view, verdict)
            found = None if inherited else conflict(verdict, refined.get(verdict))
            standings[record.name, record.rtype.name, record.value] = Standing(
                (Sight.PRESENT if inherited else verdict.sight).value,
                (Finding.OK if inherited else verdict.finding if found is None else found.finding).value,
                None if found is None else found.sentence,
            )
        return standings

    def _connection(
        self,
        view: IdentityView,
        offer: ProviderOffer,
        records: tuple[ExpectedRecord, ...],
        seen: dict[tuple[str, str, str], Standing],
    ) -> Connection | None:
        """Return the link for the records that take nobody's away who may need it."""
        in_use = {
            record.purpose
            for record in records
            if (standing := seen.get((record.name, record.rtype.name, record.value))) is not None
            and standing.conflict is not None
            and _may_be_needed(record)
        }
        url = apply_url(offer, view.identity, view.token_set, self._rules.service_domain, in_use)
        return None if url is None else Connection(offer.provider.name, url)

    async def _has_policy(self, observer: ZoneLook, view: IdentityView, verdict: RecordVerdict) -> bool:
        """Say whether this is a DMARC record that is not there because that of the organisation counts."""
        # An alias that leads to no policy is passed over as a name without one is (RFC 7489 §6.6.3).
        if verdict.record.purpose is not Purpose.DMARC or verdict.finding not in _NO_POLICY:
            return False
        found = await dmarc.judged(observer, self._rules, view, self._registrable)
        return found is not None and found[0] is Finding.OK

    def _keep(self, key: tuple[int, int], forecast: Forecast) -> None:
        if self._keep_for <= 0:
            return
        self._kept[key] = time.monotonic() + self._keep_for, forecast
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
