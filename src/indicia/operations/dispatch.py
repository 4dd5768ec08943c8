"""From an authenticated call to its answer: the right handler, in the right transaction, on the record.

Reads run in a read of the store, writes in one transaction that holds their effects and their line in the
audit log. A refused write leaves nothing but that line, or a count of such (`refused_calls`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from indicia.domain.faults import Fault, FaultKind
from indicia.mail.message.compose import load_templates, templates_are_loaded
from indicia.operations.authorization import authorize, needs_policy
from indicia.operations.deferred_request import DeferredRequest
from indicia.operations.entry import Handler, Handling, ManyAtOnce, Preparation, Together
from indicia.operations.hints import RememberedHints
from indicia.operations.rate_limiting import Meter
from indicia.operations.refused_calls import RefusedCalls, entry_of_call
from indicia.operations.registry import REGISTRY, AnyEntry
from indicia.operations.slow_work import SlowWork
from indicia.store.accounts import audit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.database import Database
    from indicia.store.engine.session import Read, Session
    from indicia.wire.shapes.operation import Operation

SUCCEEDED = "success"
# Each round has a winner: this many callers at once on one identity all get their answer.
_REPEATS = 10


class _Asked(NamedTuple):
    """A call that writes, as far as it is known before its transaction."""

    call: Call
    prepared: Any
    resource: str


class _Done(NamedTuple):
    """The answer of a call that writes, and whom to tell of it once it is durable."""

    answer: Any
    hints: RememberedHints


class Dispatch:
    """Answers calls. One a process, shared by every connection.

    `elsewhere` are the answers, by operation, that take more than the store. `meter` admits calls, all of
    them by default. `refused` puts those on record that were refused.
    """

    def __init__(
        self,
        database: Database,
        context: OperationContext,
        elsewhere: Mapping[str, Callable[[Call, Any], Awaitable[Any]]] | None = None,
        meter: Meter | None = None,
        refused: RefusedCalls | None = None,
    ) -> None:
        self._meter = meter or Meter()
        self._database = database
        self._context = context
        self._elsewhere = elsewhere or {}
        self._slow_work = SlowWork()
        self._loading: asyncio.Task[None] | None = None
        self._refused = refused or RefusedCalls(database)
        self._together: dict[tuple[str, str], Callable[[Session, Sequence[_Asked]], list[_Done | Fault]]] = {}

    async def __call__(self, call: Call, request: Any, reads: list[Read] | None = None) -> Any:
        """Return the typed answer, None where there is none. The request of a write may be `DeferredRequest`.

        What a call that only reads has read of the store is noted in `reads`, where they are given.

        Raises: `Fault`; whatever else leaves is a mistake of ours.
        """
        entry = entry_of(call)
        if not self._meter.idle or call.policy is not None or needs_policy(entry.permission):
            await self._let_in(entry, call, request)
        handling = entry.handling
        handler = handling.handler
        if handler is None:
            return await self._elsewhere[call.operation](call, request)
        if not entry.writes:
            found = await self._database.reading(
                lambda s: handler(self._context, call, request, s if reads is None else s.noting(reads))
            )
            return (
                found
                if handling.finish is None
                else await self._apart(handling, handling.finish, call, found)
            )
        return await self._write(entry, handler, call, request)

    async def _let_in(self, entry: AnyEntry, call: Call, request: Any) -> None:
        """The call is within its rates, and the policy of the access key allows it.

        Raises: `Fault` THROTTLED, ACCESS_DENIED.
        """
        try:
            await self._meter.admit(call, entry)
            if call.policy is not None or needs_policy(entry.permission):
                authorize(call, entry.permission, entry.resources(call, request), request)
        except Fault as refusal:
            if entry.writes:
                await self._record_refusal(call, entry.resource(call, request), refusal)
            raise

    async def _write(self, entry: AnyEntry, handler: Handler[Any, Any], call: Call, request: Any) -> Any:
        resource = entry.resource(call, request)
        try:
            prepared = await self._prepared(entry.handling, call, request)
            together = entry.handling.together
            if together is not None and together.fits(prepared):
                work = self._work_of(call, together)
                done = await self._database.writing_with(work, _Asked(call, prepared, resource))
            else:
                done = await self._run(
                    entry, partial(self._answered, handler, _Asked(call, prepared, resource))
                )
        except Exception as failure:
            await self._record_refusal(call, resource, failure)
            raise
        done.hints.pass_on(self._context.hints)
        return done.answer

    def _work_of(
        self, call: Call, together: Together
    ) -> Callable[[Session, Sequence[_Asked]], list[_Done | Fault]]:
        """Return the work of an operation, always the same: what waits for it is done in one go."""
        key = (call.service, call.operation)
        if key not in self._together:
            self._together[key] = partial(self._all_answered, together.handler)
        return self._together[key]

    def _answered(self, handler: Handler[Any, Any], asked: _Asked, s: Session) -> _Done:
        context, hints = self._remembering()
        answer = handler(context, asked.call, asked.prepared, s)
        audit.append(s, entry_of_call(asked.call, asked.resource, SUCCEEDED))
        return _Done(answer, hints)

    def _all_answered(self, handler: ManyAtOnce, s: Session, asked: Sequence[_Asked]) -> list[_Done | Fault]:
        context, hints = self._remembering()
        outcomes: list[_Done | Fault] = []
        answers = handler(context, [(each.call, each.prepared) for each in asked], s)
        for each, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Fault):
                outcomes.append(answer)
                continue
            audit.append(s, entry_of_call(each.call, each.resource, SUCCEEDED))
            outcomes.append(_Done(answer, hints))
        return outcomes

    def _remembering(self) -> tuple[OperationContext, RememberedHints]:
        """Return the context with hints that are passed on later, when what was written is durable."""
        hints = RememberedHints()
        return replace(self._context, hints=hints), hints

    async def _run(self, entry: AnyEntry, work: Callable[[Session], _Done]) -> _Done:
        """Run the work; where it lost a race without a word, run it again on what the winner left."""
        for _ in range(_REPEATS if entry.repeats else 0):
            try:
                return await self._database.writing(work)
            except Fault as fault:
                if fault.kind not in entry.repeats:
                    raise
        return await self._database.writing(work)

    async def _prepared(self, handling: Handling[Any, Any], call: Call, request: Any) -> Any:
        """Return what the handler takes, which is made outside of its transaction."""
        if isinstance(request, DeferredRequest):
            request = request.read()
        look, prepare = handling.look, handling.prepare
        if look is not None:
            asked = request
            request = await self._database.reading(lambda s: look(self._context, call, asked, s))
        return request if prepare is None else await self._apart(handling, prepare, call, request)

    async def _apart(
        self, handling: Handling[Any, Any], work: Preparation[Any, Any], call: Call, given: Any
    ) -> Any:
        """Do what belongs to no transaction, in a thread where it takes long."""
        if handling.mails is not None and not templates_are_loaded() and handling.mails(given):
            await self._load_templates()
        if handling.slow is not None and handling.slow(given):
            return await self._slow_work.run(call.account, partial(work, self._context, call, given))
        return work(self._context, call, given)

    async def _load_templates(self) -> None:
        """Mails can be written without holding up the event loop."""
        if self._context.rules.instant:  # nobody is written to
            return
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(asyncio.to_thread(load_templates))
        await asyncio.shield(self._loading)

    async def _record_refusal(self, call: Call, resource: str, failure: Exception) -> None:
        """Put a call that was refused on record: one by one, or summed up where there are many."""
        kind = failure.kind if isinstance(failure, Fault) else FaultKind.INTERNAL
        await self._refused.note(call, resource, kind.value)


def entry_of(call: Call) -> AnyEntry:
    """Return the entry of the operation that is called.

    Raises: `Fault` NOT_IMPLEMENTED naming an operation that the service models have and this service has not.
    """
    entry = REGISTRY.get((call.service, call.operation))
    if entry is None:
        raise _not_built(call.operation)
    return entry


def admit(operation: Operation) -> None:
    """Refuse an operation that is not built, whatever its members are (contract, HTTP).

    Raises: `Fault` NOT_IMPLEMENTED naming it.
    """
    if (operation.service, operation.name) not in REGISTRY:
        raise _not_built(operation.name)


def _not_built(name: str) -> Fault:
    return Fault(FaultKind.NOT_IMPLEMENTED, f"The operation {name} is not implemented by this service yet.")
