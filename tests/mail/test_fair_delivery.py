"""No account's letters keep another's waiting, and a relay that takes none is not run against."""

from __future__ import annotations

import asyncio
from typing import Any

from correspondence import KEYRING, SERVICE, written_to
from smtpserver import SmtpServer, listening
from test_delivery import delivering, rows, until

from indicia.domain.retry import OPENS_AFTER
from indicia.domain.time import HOUR
from indicia.mail.outbox import OF_THE_RELAY, Deliverer
from indicia.mail.transport.relay import SmtpCarrier
from indicia.runtime.clock import Clock
from indicia.settings.urls import parse_relay
from indicia.store.engine.database import Database

AT_ONCE = 16


def relay(server: SmtpServer) -> SmtpCarrier:
    """What hands letters to the server."""
    return SmtpCarrier(parse_relay(f"smtp://127.0.0.1:{server.port}"), helo=SERVICE)


def queue(database: Database, clock: Clock, account: str, *names: str) -> None:
    """Let mails of an account wait."""

    def work(s: Any) -> None:
        for name in names:
            written_to(s, clock.now(), name, account=account)

    database.write(work)


def test_an_account_whose_letters_are_held_keeps_no_other_waiting(database: Database) -> None:
    """Two hundred that the relay takes its time for have a quarter of the slots; who comes later goes out."""
    clock = Clock()

    async def story() -> None:
        async with listening(SmtpServer(tarpit="@tarpit.example")) as server:
            queue(database, clock, "1", *(f"r{number}@tarpit.example" for number in range(200)))
            deliverer = Deliverer(database, KEYRING, relay(server), clock, at_once=AT_ONCE)
            running = asyncio.create_task(deliverer.run())
            await until(lambda: server.held == AT_ONCE // 4)
            for account in "234567":
                queue(database, clock, account, f"reader{account}@example.com")
                deliverer.wake()
                await until(
                    lambda of=account: f"reader{of}@example.com" in [to for _, to, _ in server.letters]
                )
            assert server.held == AT_ONCE // 4
            server.released.set()
            await deliverer.settled()
            deliverer.stop()
            await running
            assert len(server.letters) == 206

    asyncio.run(story())


def test_a_relay_that_is_away_is_tried_with_one_letter(database: Database) -> None:
    """Of sixty letters a few find out; then it is left alone, and asked with one now and then.

    When it is back they all go, within a minute, and none has lost its place to a long wait of its own.
    """
    clock = Clock()

    async def story() -> None:
        async with listening(SmtpServer({"CONNECT": "421 4.3.2 not now"})) as server:
            for account in "123":
                queue(database, clock, account, *(f"r{number}@example.com" for number in range(20)))
            async with delivering(database, relay(server), clock) as deliverer:
                await deliverer.settled()
                assert OPENS_AFTER <= server.connections <= 32
                first = server.connections
                for turn in range(1, 8):
                    clock.advance(OF_THE_RELAY.longest)
                    await deliverer.settled()
                    assert server.connections == first + turn
                assert server.letters == []
                assert all(row.due_at is not None for row in rows(database))
                server.replies = {}
                clock.advance(OF_THE_RELAY.longest)
                await deliverer.settled()
                assert len(server.letters) == 60

    asyncio.run(story())


def test_a_letter_that_is_refused_says_nothing_of_the_relay(database: Database) -> None:
    """A tenant whose every letter fails at its recipient does not have the relay left alone."""
    clock = Clock()

    async def story() -> None:
        async with listening(SmtpServer({"RCPT": "451 4.2.1 later"})) as server:
            queue(database, clock, "1", *(f"r{number}@example.com" for number in range(30)))
            async with delivering(database, relay(server), clock) as deliverer:
                await deliverer.settled()
                assert server.connections == 30
                server.replies = {}
                queue(database, clock, "2", "other@example.com")
                deliverer.wake()
                await until(lambda: len(server.letters) == 1)
                clock.advance(HOUR)
                await deliverer.settled()
                assert len(server.letters) == 31

    asyncio.run(story())
