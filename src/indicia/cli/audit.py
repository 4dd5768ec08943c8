"""`indicia audit`: the log of who did what, for keeping elsewhere and for looking into."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from indicia import operator_entries
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.opened import opened_database
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.domain.time import SECOND, Instant, rfc3339
from indicia.runtime.clock import real_now
from indicia.settings.parsers import parse_account, parse_span, quoted
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry, AuditSelection
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session

app = App(name="audit", help="Export who did what.")

_PAGE: Final = 1000  # entries read at once: half a megabyte


@app.command
def export(
    *,
    account: Annotated[str | None, Parameter(help="12 digits; of every account when not given.")] = None,
    since: Annotated[
        str | None, Parameter(help="From then on: 2026-11-22T05:06:00Z, 2026-11-22, or 30d for so long ago.")
    ] = None,
    until: Annotated[str | None, Parameter(help="Before then, in the same forms.")] = None,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Print the audit log, the oldest entry first: one JSON object a line, with or without --json.

    However long it is, no more than a thousand entries are in memory. That it was exported is an entry too,
    the first that this export does not have.
    """
    try:
        number = None if account is None else parse_account(account)
    except ValueError as refused:
        raise CommandError(f"--account: {refused}", status=USAGE) from refused
    now = real_now()
    wanted = AuditSelection(number, _moment("--since", since, now), _moment("--until", until, now))
    with opened_database(settings_of(config, place)) as database:
        told = [f"{name} {text}" for name, text in (("since", since), ("until", until)) if text is not None]
        entry = operator_entries.entry(
            "ExportAuditLog", now, account=number or "", detail=", ".join(told) or "all of it"
        )
        last = database.write(partial(_last_before, entry=entry))
        for document in _documents(database, wanted, last):
            sys.stdout.write(json_text.dumps(document, separators=(",", ":")) + "\n")
        sys.stdout.flush()


def _last_before(s: Session, *, entry: AuditEntry) -> int:
    """Put the export on record; return the id of the last entry before that."""
    last = audit.last(s)
    audit.append(s, entry)
    return last


def _documents(database: Database, wanted: AuditSelection, last: int) -> Iterator[dict[str, Any]]:
    """Yield the entries up to the last. Each page is read by itself, so that nobody waits for the reader."""
    after = 0
    while True:
        page = database.read(partial(audit.page, wanted=wanted, after=after, limit=_PAGE))
        for number, entry in page:
            if number > last:
                return
            yield _document(number, entry)
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _document(number: int, entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": f"{number:016x}",
        "at": rfc3339(entry.at),
        "account": entry.account,
        "principal": entry.principal,
        "access_key": entry.access_key,
        "address": entry.address,
        "operation": entry.operation,
        "resource": entry.resource,
        "outcome": entry.outcome,
        "calls": entry.calls,
        "detail": entry.detail,
        "request_id": entry.request_id,
    }


def _moment(flag: str, text: str | None, now: Instant) -> Instant | None:
    """Return the instant that a person wrote: a date, a time with its offset, or how long ago."""
    if text is None:
        return None
    try:
        return now - parse_span(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None and len(text) == len("2026-11-22"):
        moment = moment.replace(tzinfo=UTC)
    if moment is None or moment.tzinfo is None:
        raise CommandError(
            f"{flag}: {quoted(text)} is none of 2026-11-22T05:06:00Z, 2026-11-22 (UTC) and 30d", status=USAGE
        )
    return int(moment.timestamp() * SECOND)
