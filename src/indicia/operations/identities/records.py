"""GET /indicia/v1/identities/{name}/records: what to publish, and how it stands (contract, HTTP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec.structs import replace

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Facet
from indicia.domain.names import IdentityName, fold, fold_domain, is_domain, registrable, shown, under
from indicia.domain.proofs.transitions import Sight
from indicia.domain.records.expected import ExpectedRecord, expected_records, records_to_leave
from indicia.domain.records.forms import FORMS
from indicia.store.identities import identities
from indicia.store.verification import evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.identities.identities import IdentityView

JSON: Final = "json"


class RecordsRequest(msgspec.Struct, kw_only=True, frozen=True):
    """Whose records are asked for, in which form, and for which zone: where none is named, that last seen."""

    name: str
    format: str = JSON
    zone: str = ""


class Record(msgspec.Struct, kw_only=True, frozen=True):
    """One record to publish. `state` is what the last verdict saw of it, `finding` what that meant.

    Of a record that no verdict is about yet both say what is seen now, and so they do of one with a
    `conflict`: the sentence tells what at its name would stand in its way. Names and values have no trailing
    dot, an MX value has its preference, a TXT value is unquoted.
    """

    facet: str
    name: str
    type: str
    value: str
    ttl: int
    required: bool
    state: str
    finding: str | None
    conflict: str | None = None


class DomainConnect(msgspec.Struct, kw_only=True, frozen=True):
    """Who runs the DNS of the domain, and where its owner lets them publish the records (Domain Connect)."""

    provider: str
    url: str


class RecordsResponse(msgspec.Struct, kw_only=True, frozen=True):
    """Every record to publish for the identity, the required ones first.

    `leave` are the records that proved it before its DKIM was changed: they prove it until the new ones are
    seen, and are to stay as long. `domain_connect` is null where the provider of the zone's DNS offers none,
    or does not know our template.
    """

    identity: str
    records: list[Record]
    leave: list[Record] = []
    domain_connect: DomainConnect | None = None


class Seen(Protocol):
    """One record as it is now."""

    @property
    def sight(self) -> str:
        """Present, absent or unknown."""

    @property
    def finding(self) -> str:
        """What that means."""

    @property
    def conflict(self) -> str | None:
        """What is in its way."""


def completed(
    answer: RecordsResponse, seen: Mapping[tuple[str, str, str], Seen], connection: DomainConnect | None
) -> RecordsResponse:
    """Return the answer with what is to be seen now, by name, type and value of each record."""
    records = [
        _as_seen(record, seen.get((record.name, record.type, record.value))) for record in answer.records
    ]
    return replace(answer, records=records, domain_connect=connection)


def _as_seen(record: Record, now: Seen | None) -> Record:
    if now is None or (now.conflict is None and record.finding is not None):
        return record
    return replace(record, state=now.sight, finding=now.finding, conflict=now.conflict)


def get_records(
    context: OperationContext, call: Call, request: RecordsRequest, s: Session
) -> RecordsResponse | str:
    """Return the records to publish, as text where one of the text forms is asked for.

    Raises: `Fault` NOT_FOUND, INVALID_PARAMETER for a form nobody knows or a zone that cannot hold them.
    """
    if request.format != JSON and request.format not in FORMS:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Unknown form {shown(request.format)}. Forms are {', '.join(sorted({JSON, *FORMS}))}.",
        )
    view = identities.view(s, call.account, call.region, fold(request.name))
    if view is None:
        refuse(FaultKind.NOT_FOUND, f"Email identity <{shown(request.name)}> does not exist.")
    expected = expected_records(view.identity, view.token_set, context.rules.service_domain)
    zone = _zone_of(view, request.zone, context.ports.is_public_suffix)
    if request.format != JSON:
        return FORMS[request.format](expected, zone)
    seen = _last_seen(s, view)
    kept = records_to_leave(view.identity, view.carried.token_set if view.carried else None, expected)
    return RecordsResponse(
        identity=view.identity.name,
        records=[_record(record, seen) for record in expected],
        leave=[replace(_record(record, seen), facet=Facet.CARRIED_DKIM.value) for record in kept],
    )


def _zone_of(view: IdentityView, named: str, is_public: Callable[[str], bool]) -> str:
    """Return the zone that the records are to be put into: the named one, else the last that was seen.

    While none was seen, the registered domain counts for one: few owners give a name below it a zone.
    """
    domain = IdentityName(view.identity.kind, view.identity.name).domain
    if not named:
        return registrable(domain, is_public) if view.soa is None else view.soa.zone
    zone = fold_domain(named).rstrip(".")
    if not is_domain(zone):
        refuse(FaultKind.INVALID_PARAMETER, f"zone {shown(named)} is no domain name.")
    if not under(domain, zone):
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"The zone {shown(zone)} cannot hold the records of {shown(domain)}, which is not at or below"
            " it.",
        )
    return zone


class _SeenRecord(msgspec.Struct, frozen=True):
    """What is read of a record in stored evidence."""

    name: str
    type: str
    expected: str
    sight: str
    finding: str


class _Body(msgspec.Struct, frozen=True):
    """What is read of stored evidence."""

    records: tuple[_SeenRecord, ...] = ()


_decoder: Final = msgspec.json.Decoder(_Body)


def _last_seen(s: Session, view: IdentityView) -> Mapping[tuple[str, str, str], _SeenRecord]:
    """Return what the newest verdict on each facet saw, by name, type and value of the record.

    A verdict on an expectation of before has other values, and so says nothing here.
    """
    newest: dict[Facet, str] = {}
    for verdict in evidence.history(s, view.identity.id, limit=len(Facet) * evidence.KEPT):
        newest.setdefault(verdict.facet, verdict.body)
    return {
        (record.name, record.type, record.expected): record
        for body in newest.values()
        for record in _decoder.decode(body).records
    }


def _record(record: ExpectedRecord, seen: Mapping[tuple[str, str, str], _SeenRecord]) -> Record:
    sight = seen.get((record.name, record.rtype.name, record.value))
    return Record(
        facet=record.purpose.value,
        name=record.name,
        type=record.rtype.name,
        value=record.value,
        ttl=record.ttl,
        required=record.required,
        state=Sight.UNKNOWN.value if sight is None else sight.sight,
        finding=None if sight is None else sight.finding,
    )
