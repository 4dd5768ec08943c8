"""Caps on verification mails, in the store: whose mails count, what is refused, what is left of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from correspondence import mails, pending_address, send_link
from test_delivery import rows

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import DAY, SECOND
from indicia.domain.verification_mail.caps import Cap, Scope, caps
from indicia.runtime.clock import Clock
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database

STANDARD = caps(mailbox=20, domain=4000, account=1000)


def asking(
    clock: Clock, name: str, account: str, limits: tuple[Cap, ...] = STANDARD
) -> Callable[[Any], object]:
    """A unit of work that makes an address and its mail."""

    def work(s: Any) -> None:
        identity = pending_address(s, clock.now(), name, account=account)
        send_link(s, identity, clock.now(), mails(limits))

    return work


def spelled(number: int) -> str:
    """One more spelling of the victim's address, each of which is an identity of its own."""
    return f"victim+{number}@example.com"


@pytest.mark.parametrize("scope", list(Scope))
def test_a_cap_refuses_the_mail_too_many(database: Database, scope: Scope) -> None:
    """The third mail is refused where two are allowed, whatever it takes to spell it, and leaves no trace."""
    clock = Clock()
    named = {
        Scope.MAILBOX: [("v+1@example.com", "1"), ("V@example.com", "2"), ('"v"@Example.com', "3")],
        Scope.DOMAIN: [("a@example.com", "1"), ("b@EXAMPLE.com", "2"), ("c@example.com", "3")],
        Scope.ACCOUNT: [("a@example.com", "1"), ("b@example.net", "1"), ("c@example.org", "1")],
    }[scope]
    requests = [asking(clock, name, account, (Cap(scope, 2),)) for name, account in named]
    for request in requests[:2]:
        database.write(request)
    with pytest.raises(Fault, match="at most 2 are sent") as caught:
        database.write(requests[2])
    assert caught.value.kind is FaultKind.LIMIT_EXCEEDED
    assert len(rows(database)) == 2
    clock.advance(DAY + SECOND)
    database.write(requests[2])
    assert len(rows(database)) == 3


def test_an_account_that_has_had_its_mails_keeps_no_other_from_the_mailbox(database: Database) -> None:
    """The sixth of one account is refused, naming the minute; the first of the next goes out.

    The reader gets no more than twenty a day of all accounts together.
    """
    clock = Clock(real=lambda: 1_795_000_000_000)
    for number in range(5):
        database.write(asking(clock, spelled(number), "1"))
    with pytest.raises(Fault, match="at most 5 are sent to this mailbox for one account") as caught:
        database.write(asking(clock, spelled(9), "1"))
    assert "The next one may be sent from 2026-11-19T11:07Z on." in caught.value.message
    database.write(asking(clock, spelled(0), "2"))

    refused = 0
    for account in "3456789":
        for number in range(5):
            try:
                database.write(asking(clock, spelled(number), account))
            except Fault:
                refused += 1
    assert len(rows(database)) == 20
    assert refused == 35 - 14
    clock.advance(DAY + SECOND)
    database.write(asking(clock, spelled(9), "1"))


def test_many_callers_at_once_have_the_share_of_one(postgres_url: str) -> None:
    """Callers of an account who all look before any has sent still send no more than its share."""
    database, clock = open_database(postgres_url), Clock()
    start, ends = threading.Barrier(8), []

    def call(caller: int) -> None:
        start.wait(30)
        for number in range(2):
            try:
                database.write(asking(clock, spelled(10 * caller + number), "1"))
            except Fault as fault:
                ends.append(fault.kind)
            else:
                ends.append(None)

    callers = [threading.Thread(target=call, args=(caller,)) for caller in range(8)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(60)

    assert (ends.count(None), ends.count(FaultKind.LIMIT_EXCEEDED)) == (5, 11)
    assert len(rows(database)) == 5
    database.close()
