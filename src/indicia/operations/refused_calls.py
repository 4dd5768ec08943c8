"""Calls that were refused, on record: one by one, and summed up where an account has many.

Whoever has a key can have calls refused as fast as the rates allow, and each would be a row for as long as
the log is kept. So an account has so many entries a minute; what is refused beyond that is counted by its
operation, and is one entry an operation when the minute is over. A process that is killed loses such counts
of the minute, and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from indicia.domain.faults import Fault
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.store.engine.database import Database

log = structlog.get_logger(__name__)

ENTRIES: Final = 60
"""How many refused calls of an account are put on record one by one, a minute and process."""
MINUTE: Final = 60.0  # seconds
REFUSED: Final = "refused"

# A sandbox takes any account. Beyond so many at a time all others count as one, which has no number.
_MOST_ACCOUNTS: Final = 4096
_ALL_OTHERS: Final = ""


@dataclass(slots=True)
class _Minute:
    """What was refused to one account since a moment. `beyond` is by operation and kind of refusal."""

    began: float
    entries: int = 0
    at: int = 0
    beyond: dict[str, Counter[str]] = field(default_factory=dict)


class RefusedCalls:
    """Puts refused calls on record. `monotonic` is in seconds."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._minutes: dict[str, _Minute] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def note(self, call: Call, resource: str, kind: str) -> None:
        """The call is on record, or counted to be. Its caller learns why it was refused whether or not."""
        account = call.account
        if account not in self._minutes and len(self._minutes) >= _MOST_ACCOUNTS:
            account = _ALL_OTHERS
        now = self._monotonic()
        minute = self._minutes.get(account)
        if minute is not None and now - minute.began >= MINUTE:
            await self._end(account, minute)
            minute = None
        if minute is None:
            minute = self._minutes[account] = _Minute(now)
            asyncio.get_running_loop().call_later(MINUTE, self._over, account, minute)
        operation = f"{call.service}:{call.operation}"
        if minute.entries < ENTRIES:
            minute.entries += 1
            await self._write([entry_of_call(call, resource, kind)], call.request_id)
            return
        minute.at = call.now
        minute.beyond.setdefault(operation, Counter())[kind] += 1

    async def close(self) -> None:
        """What was counted is on record."""
        for account, minute in list(self._minutes.items()):
            await self._end(account, minute)
        if self._writing:
            await asyncio.wait(self._writing)

    def _over(self, account: str, minute: _Minute) -> None:
        task = asyncio.ensure_future(self._end(account, minute))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _end(self, account: str, minute: _Minute) -> None:
        """Write down what was counted in a minute, once."""
        if self._minutes.get(account) is not minute:
            return
        del self._minutes[account]
        entries = [
            AuditEntry(
                at=minute.at,
                account=account,
                principal="",
                access_key="",
                address="",
                operation=operation,
                resource="*",
                outcome=REFUSED,
                request_id="",
                calls=kinds.total(),
                detail=", ".join(f"{kind} {count}" for kind, count in kinds.most_common()),
            )
            for operation, kinds in minute.beyond.items()
        ]
        if entries:
            await self._write(entries, "")

    async def _write(self, entries: list[AuditEntry], request_id: str) -> None:
        try:
            await self._database.writing(lambda s: audit.append_all(s, entries))
        except Fault as lost:
            # While a disk is full this is a line a request: it says why, and not where.
            log.error(  # noqa: TRY400
                "audit.lost",
                operation=entries[0].operation,
                calls=sum(entry.calls for entry in entries),
                request_id=request_id,
                reason=lost.message,
            )


def entry_of_call(call: Call, resource: str, outcome: str, detail: str = "") -> AuditEntry:
    """Return the entry of a call."""
    return AuditEntry(
        at=call.now,
        account=call.account,
        principal=call.principal,
        access_key=call.access_key,
        address=call.address,
        operation=f"{call.service}:{call.operation}",
        resource=resource,
        outcome=outcome,
        request_id=call.request_id,
        detail=detail,
    )
