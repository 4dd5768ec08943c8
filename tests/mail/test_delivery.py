"""The outbox is emptied: at least once, whatever stops in between, and nothing is kept that was delivered."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from correspondence import (
    ADDRESS,
    KEYRING,
    SERVICE,
    mails,
    mails_in,
    pending_address,
    read,
    send_link,
    token_in,
    written_to,
)
from smtpserver import SmtpServer, listening
from structlog.testing import capture_logs

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification_mail.caps import Scope, Sent
from indicia.domain.verification_mail.links import token_hash
from indicia.mail.message.compose import Letter
from indicia.mail.outbox import OF_LETTERS, Deliverer
from indicia.mail.transport.carrier import Carrier, PermanentDeliveryError, TemporaryDeliveryError
from indicia.mail.transport.maildir import Maildir
from indicia.mail.transport.relay import SmtpCarrier
from indicia.runtime.clock import Clock
from indicia.settings.urls import parse_relay
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.verification_mail import links, mailings, tables
from indicia.vault.keyring import Keyring

_OUTBOX = Prepared(
    tables.outbox.select().with_only_columns(
        tables.outbox.c.payload,
        tables.outbox.c.due_at,
        tables.outbox.c.delivered_at,
        tables.outbox.c.attempts,
        tables.outbox.c.last_error,
    )
)


@dataclass(frozen=True)
class Row:
    """What the outbox holds of a letter."""

    payload: bytes
    due_at: int | None
    delivered_at: int | None
    attempts: int
    last_error: str | None


def rows(database: Database) -> list[Row]:
    """Everything in the outbox."""
    return [Row(*row) for row in database.read(lambda s: s.all(_OUTBOX))]


@dataclass
class Postman:
    """A carrier that keeps what it is given, after failing in the ways it is told."""

    failures: list[Exception] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    gate: asyncio.Event | None = None
    closed: bool = False

    async def deliver(self, letter: Letter) -> None:
        """Take the letter, or fail once more."""
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.letters.append(letter)

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


@contextlib.asynccontextmanager
async def delivering(
    database: Database, carrier: Carrier, clock: Clock, keyring: Keyring = KEYRING
) -> AsyncIterator[Deliverer]:
    """Run a deliverer inside the block."""
    deliverer = Deliverer(database, keyring, carrier, clock)
    running = asyncio.create_task(deliverer.run())
    try:
        yield deliverer
    finally:
        deliverer.stop()
        await running


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_letter_is_delivered_and_erased(database: Database, tmp_path: Path) -> None:
    """What a committed request put into the outbox arrives with a link that works, and leaves no payload."""
    clock = Clock()
    database.write(lambda s: written_to(s, clock.now()))

    async def story() -> None:
        async with delivering(database, Maildir(tmp_path / "outbox"), clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    (mail,) = mails_in(tmp_path / "outbox")
    (row,) = rows(database)
    assert mail["To"] == ADDRESS
    assert database.read(lambda s: links.find(s, token_hash(token_in(mail)))) is not None
    assert row.payload == b""
    assert row.due_at is None
    assert row.delivered_at is not None


def test_a_request_that_fails_sends_nothing(database: Database, tmp_path: Path) -> None:
    """A mail is part of its transaction: when that is rolled back, there is neither a letter nor a link."""

    def fail(s: Any) -> None:
        written_to(s, 1000)
        raise Fault(FaultKind.CONFLICT, "no")

    with pytest.raises(Fault):
        database.write(fail)

    counted = database.read(
        lambda s: mailings.counts(s, mailbox="", domain="example.com", account="", since=0)
    )
    assert rows(database) == []
    assert counted[Scope.DOMAIN] == Sent(0, 0)


def test_a_stored_letter_is_sealed(database: Database) -> None:
    """Neither the link nor the address can be read from the database while the letter waits."""
    database.write(lambda s: written_to(s, 1000))
    (row,) = rows(database)
    letter = Letter.opened(KEYRING, row.payload)
    token = token_in(read(letter.message))

    assert token.encode() not in row.payload
    assert b"/verify/" not in row.payload
    assert ADDRESS.encode() not in row.payload


def test_a_wake_from_another_thread_is_heard(database: Database) -> None:
    """A letter added while the loop rests is delivered when it is woken, not when it next looks."""
    clock, postman = Clock(), Postman()

    async def story() -> float:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()
            added = asyncio.Event()
            loop = asyncio.get_running_loop()

            def request() -> None:
                database.write(lambda s: written_to(s, clock.now()))
                deliverer.wake()
                loop.call_soon_threadsafe(added.set)

            thread = threading.Thread(target=request)
            thread.start()
            await added.wait()
            started = loop.time()
            await until(lambda: bool(postman.letters))
            thread.join()
            return loop.time() - started

    assert asyncio.run(story()) < 2  # it looks by itself every five seconds


def test_another_process_is_noticed_without_a_wake(database: Database) -> None:
    """A letter that nobody announced is found by looking: the clock that is moved past the pause shows it."""
    clock, postman = Clock(), Postman()

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()
            await database.writing(lambda s: written_to(s, clock.now()))
            clock.advance(5 * SECOND)
            await until(lambda: bool(postman.letters))

    asyncio.run(story())


def test_a_temporary_failure_is_tried_again_later(database: Database) -> None:
    """A failed letter keeps its payload, is not due before the pause is over, and then is delivered."""
    clock = Clock(real=lambda: 1_795_000_000_000)
    postman = Postman([TemporaryDeliveryError("450 greylisted"), TemporaryDeliveryError("450 greylisted")])
    database.write(lambda s: written_to(s, clock.now()))

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()
            (row,) = rows(database)
            assert (row.attempts, row.due_at) == (1, clock.now() + OF_LETTERS.first)
            assert row.last_error == "450 greylisted"
            assert row.payload != b""
            clock.advance(OF_LETTERS.first - 1)
            await deliverer.settled()
            assert rows(database)[0].attempts == 1
            clock.advance(1)
            await deliverer.settled()
            assert rows(database)[0].attempts == 2
            assert postman.letters == []
            clock.advance(2 * OF_LETTERS.first)
            await deliverer.settled()

    asyncio.run(story())
    (row,) = rows(database)
    assert len(postman.letters) == 1
    assert row.payload == b""
    assert row.last_error is None


def test_a_permanent_failure_is_the_end(database: Database) -> None:
    """A letter refused for good is not tried again; why is kept, what it said is not."""
    clock, postman = Clock(), Postman([PermanentDeliveryError("550 5.1.1 no such user")])
    database.write(lambda s: written_to(s, clock.now()))

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()
            clock.advance(DAY)
            await deliverer.settled()

    asyncio.run(story())
    (row,) = rows(database)
    assert postman.letters == []
    assert (row.payload, row.due_at, row.delivered_at) == (b"", None, None)
    assert row.last_error == "550 5.1.1 no such user"


def test_a_letter_whose_link_has_expired_is_not_sent(database: Database) -> None:
    """After the window a mail would only confuse: it is given up, and its payload erased."""
    clock, postman = Clock(), Postman([TemporaryDeliveryError("down")])
    database.write(lambda s: written_to(s, clock.now()))

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()
            clock.advance(DAY)
            await deliverer.settled()

    asyncio.run(story())
    (row,) = rows(database)
    assert postman.letters == []
    assert (row.payload, row.due_at) == (b"", None)


def test_one_bad_letter_does_not_stop_the_others(database: Database) -> None:
    """A letter sealed under another keyring waits with its trouble noted, and the next one is delivered."""
    clock, postman = Clock(), Postman()
    other = Keyring((bytes(32),))

    def request(s: Any) -> None:
        send_link(s, pending_address(s, clock.now(), "a@example.com"), clock.now(), mails(keyring=other))
        written_to(s, clock.now(), "b@example.com")

    database.write(request)

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    assert [letter.recipient for letter in postman.letters] == ["b@example.com"]
    assert sorted(row.attempts for row in rows(database)) == [0, 1]
    assert {row.payload == b"" for row in rows(database)} == {True, False}


def test_many_letters_go_out_side_by_side(database: Database) -> None:
    """More letters than fit at once are all delivered, each once."""
    clock, postman = Clock(), Postman()

    def request(s: Any) -> None:
        for number in range(30):
            written_to(s, clock.now(), f"reader{number}@example.com")

    database.write(request)

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    assert sorted(letter.recipient for letter in postman.letters) == sorted(
        f"reader{number}@example.com" for number in range(30)
    )


def test_two_deliverers_do_not_deliver_twice(postgres_url: str) -> None:
    """On a shared database a letter that one process holds is left alone by another."""
    database, clock, postman = open_database(postgres_url), Clock(), Postman()

    def request(s: Any) -> None:
        for number in range(20):
            written_to(s, clock.now(), f"reader{number}@example.com")

    async def story() -> None:
        postman.gate = asyncio.Event()
        async with delivering(database, postman, clock) as one, delivering(database, postman, clock) as other:
            await database.writing(request)
            one.wake()
            other.wake()
            asyncio.get_running_loop().call_later(0.05, postman.gate.set)
            await asyncio.gather(one.settled(), other.settled())

    asyncio.run(story())
    database.close()
    assert len(postman.letters) == len({letter.recipient for letter in postman.letters}) == 20


def test_stopping_finishes_what_was_begun(database: Database) -> None:
    """A letter that is being handed over when the end comes is handed over and noted."""
    clock, postman = Clock(), Postman()
    database.write(lambda s: written_to(s, clock.now()))

    async def story() -> None:
        postman.gate = asyncio.Event()
        deliverer = Deliverer(database, KEYRING, postman, clock)
        running = asyncio.create_task(deliverer.run())
        await until(lambda: bool(deliverer._under_way))
        deliverer.stop()
        postman.gate.set()
        await running

    asyncio.run(story())
    assert len(postman.letters) == 1
    assert rows(database)[0].delivered_at is not None
    assert postman.closed


def test_no_link_is_in_a_log(database: Database) -> None:
    """Whatever happens to a letter, the log names it by its number and holds neither token nor address."""
    clock = Clock()
    identity = database.write(lambda s: written_to(s, clock.now()))
    letter = Letter.opened(KEYRING, rows(database)[0].payload)
    token = token_in(read(letter.message))
    server = SmtpServer({".": f"451 your mail has https://{SERVICE}/verify/{token}?stop in it"})

    async def story() -> None:
        async with listening(server):
            carrier = SmtpCarrier(parse_relay(f"smtp://127.0.0.1:{server.port}"), helo=SERVICE)
            async with delivering(database, carrier, clock) as deliverer:
                await deliverer.settled()
                server.replies = {".": "550 5.6.0 no"}
                clock.advance(OF_LETTERS.first)
                await deliverer.settled()

    with capture_logs() as log:
        asyncio.run(story())

    assert [entry["event"] for entry in log] == ["mail.postponed", "mail.given_up"]
    assert all(entry["subject"] == f"identity/{identity.id}" for entry in log)
    assert token not in repr(log)
    assert ADDRESS not in repr(log)
    assert token not in repr([row.last_error for row in rows(database)])


def test_the_pause_grows_to_half_an_hour() -> None:
    """Fifteen seconds, then twice as long each time, never more than half an hour."""
    assert [OF_LETTERS.after(failures) for failures in (1, 2, 3, 7)] == [15_000, 30_000, 60_000, 16 * MINUTE]
    assert OF_LETTERS.after(8) == OF_LETTERS.after(10_000) == HOUR // 2


_DIES_BEFORE_NOTING = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from correspondence import KEYRING
from indicia.runtime.clock import Clock
from indicia.mail.outbox import Deliverer
from indicia.mail.transport.relay import SmtpCarrier
from indicia.settings.urls import parse_relay
from indicia.store.engine.opening import open_database

class Dying(SmtpCarrier):
    async def deliver(self, letter):
        await super().deliver(letter)
        os.kill(os.getpid(), signal.SIGKILL)

carrier = Dying(parse_relay({relay!r}), helo="x")
asyncio.run(Deliverer(open_database({url!r}), KEYRING, carrier, Clock()).run())
"""


def test_a_kill_between_taking_and_noting_loses_nothing(sqlite_url: str) -> None:
    """After kill -9 at the worst moment the letter goes out again, as the same mail; it is never lost."""
    database, clock, server = open_database(sqlite_url), Clock(), SmtpServer()
    database.write(lambda s: written_to(s, clock.now()))

    async def story() -> None:
        async with listening(server):
            relay = f"smtp://127.0.0.1:{server.port}"
            script = _DIES_BEFORE_NOTING.format(
                tests=str(Path(__file__).parent.parent), relay=relay, url=sqlite_url
            )
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
            assert await process.wait() == -signal.SIGKILL
            assert len(server.letters) == 1
            assert rows(database)[0].delivered_at is None
            async with delivering(database, SmtpCarrier(parse_relay(relay), helo="x"), clock) as deliverer:
                await deliverer.settled()

    asyncio.run(story())
    one, other = server.letters
    assert one == other
    assert rows(database)[0].delivered_at is not None
    database.close()


def test_an_address_that_no_mail_reaches_is_refused(database: Database) -> None:
    """A name that cannot stand in a mail's header is refused with the vendor's words."""
    with pytest.raises(Fault, match=r"Invalid email address<<script>@example\.com>\.") as caught:
        database.write(lambda s: written_to(s, 1000, "<script>@example.com"))

    assert caught.value.kind is FaultKind.INVALID_PARAMETER
