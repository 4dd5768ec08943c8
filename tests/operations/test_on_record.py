"""Whatever an operation or a button behind a link changes is in the audit log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
import pytest
from correspondence import mails, pending_address
from desk import OWN_REQUESTS, T0, Desk

from indicia.domain.faults import Fault
from indicia.links.link_service import LinkService
from indicia.links.visits import Act
from indicia.operations.registry import REGISTRY, AnyEntry
from indicia.operations.verification_mail.verification_mail import issue_link, write_mail
from indicia.runtime.clock import Clock
from indicia.store.accounts import access, audit
from indicia.store.accounts.audit import AuditSelection
from indicia.wire.shapes import operations

EVERYTHING = partial(audit.page, wanted=AuditSelection(), after=0, limit=100_000)

WRITING = sorted(
    {(entry.service, entry.operation): entry for entry in REGISTRY.values() if entry.writes}.items()
)


@pytest.mark.parametrize(("key", "entry"), WRITING, ids=[f"{key[0]}:{key[1]}" for key, _ in WRITING])
def test_every_operation_that_writes_is_on_record(
    sqlite_desk: Desk, key: tuple[str, str], entry: AnyEntry
) -> None:
    """Done or refused, each call has an entry with its name: there is no way past the dispatch."""
    service, operation = key
    request = OWN_REQUESTS[operation] if service == "indicia" else operations(service)[operation].request

    async def called() -> None:
        call = sqlite_desk.call(service, operation)
        await sqlite_desk.dispatch(call, msgspec.convert(_least(request), request))

    with suppress(Fault):
        asyncio.run(called())

    (line,) = sqlite_desk.trail()
    assert line.operation == f"{service}:{operation}"
    assert (line.principal, line.address, line.calls) == (sqlite_desk.principal, "192.0.2.7", 1)


def _least(request: Any) -> Any:
    """Return the least that a request may have, as JSON would."""
    if isinstance(request, type) and issubclass(request, msgspec.Struct):
        return {
            field.encode_name: _least(field.type)
            for field in msgspec.structs.fields(request)
            if field.required
        }
    inner = msgspec.inspect.type_info(request)
    if isinstance(inner, msgspec.inspect.StructType):
        return _least(inner.cls)
    if isinstance(inner, msgspec.inspect.EnumType):
        return inner.cls.__members__[next(iter(inner.cls.__members__))].value
    if isinstance(inner, msgspec.inspect.LiteralType):
        return inner.values[0]
    if isinstance(inner, msgspec.inspect.UnionType):
        return None
    plain = {
        msgspec.inspect.BoolType: False,
        msgspec.inspect.IntType: 1,
        msgspec.inspect.ListType: [],
        msgspec.inspect.DictType: {},
    }
    return plain.get(type(inner), "x")


def test_what_is_said_to_read_cannot_write(desk: Desk) -> None:
    """Reads have a connection that cannot: an operation that writes and does not say so fails at once."""
    with pytest.raises(Exception, match=r"readonly|read-only"):
        desk.read(lambda s: access.revoke(s, "AKIA", 0))


@pytest.mark.parametrize("act", list(Act))
def test_every_button_behind_a_link_is_on_record(sqlite_desk: Desk, act: Act) -> None:
    """Who used it has no key: the entry has the address that it was used from, and the identity."""
    identity = sqlite_desk.database.write(lambda s: pending_address(s, sqlite_desk.now))
    mail = write_mail(
        mails(), identity.name, account=identity.account, region=identity.region, now=sqlite_desk.now
    )
    sqlite_desk.database.write(lambda s: issue_link(s, identity, mail, ()))
    ledger = LinkService(sqlite_desk.database, Clock(real=lambda: T0))
    if act is Act.ALLOW:
        asyncio.run(ledger.act(mail.token_hash, Act.STOP, "192.0.2.1"))

    changed = asyncio.run(ledger.act(mail.token_hash, act, "192.0.2.9")).changed
    again = asyncio.run(ledger.act(mail.token_hash, act, "192.0.2.9")).changed

    entries = [entry for _, entry in sqlite_desk.read(EVERYTHING)]
    mine = [entry for entry in entries if entry.address == "192.0.2.9"]
    assert (changed, again, len(mine)) == (True, False, 1)
    assert mine[0].operation.startswith("links:")
    assert (mine[0].principal, mine[0].account) == ("link", identity.account)
    assert mine[0].resource.endswith(f":identity/{identity.name}")
