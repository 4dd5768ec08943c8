"""Mails about changes: noted with the change, written when handed over, summed up where they are many."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from correspondence import KEYRING, SERVICE, mails_in, read, text_of
from places import TESTS
from smtpserver import SmtpServer, listening
from test_delivery import Postman, delivering, rows, until

from indicia.announcements.event_recorder import EventRecorder, NoticeMails
from indicia.domain.events.identity_events import EFFECTS, WEBHOOK_DISABLED, About, Event, What
from indicia.domain.identities.identity import Status
from indicia.domain.time import DAY, HOUR, MINUTE
from indicia.mail.notices import notice as notice_module
from indicia.mail.notices.notice import MOST_APART, MOST_LISTED, Notice, letter, notices
from indicia.mail.transport.maildir import Maildir
from indicia.mail.transport.relay import SmtpCarrier
from indicia.runtime.clock import Clock
from indicia.settings.urls import parse_relay
from indicia.store.accounts import access
from indicia.store.accounts.access import Account
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database

ACCOUNT = "111122223333"
OTHER = "444455556666"
REGION = "eu-west-1"
CONTACT = "team@example.net"
AT = 1_795_323_960_000
LOST = """\
Mail still leaves; it is not signed with a key that is not visible.

No CNAME record was found at
abcdefghijklmnopqrstuvwxyzabcdef._domainkey.shop.example.com. And 2 more.

If the records are not back by 25 November 2026, 05:06 UTC, this is revoked.

`indicia doctor shop.example.com` shows each record and how to mend it.

Identity: shop.example.com
Account:  111122223333
Region:   eu-west-1
Service:  mail.example.org
Status:   TEMPORARY_FAILURE
Since:    22 November 2026, 05:06 UTC
"""
SUM = """\
Mail from each of these identities leaves with its custom MAIL FROM domain.

`indicia doctor` with the name of one shows each of its records and how to
mend it, its history what was seen.

"""


def lost(name: str = "shop.example.com", number: int = 7, at: int = AT, account: str = ACCOUNT) -> Event:
    """That the DKIM records of a domain are gone."""
    return Event(
        "dkim.lost",
        at,
        About(account, REGION, number, name),
        "absent",
        f"No CNAME record was found at abcdefghijklmnopqrstuvwxyzabcdef._domainkey.{name}. And 2 more.",
        EFFECTS["dkim", What.LOST],
        Status.SUCCESS,
        Status.TEMPORARY_FAILURE,
        Status.FAILED,
        at + 72 * HOUR,
        demotes=True,
    )


def verified(number: int, at: int = AT, region: str = REGION, account: str = ACCOUNT) -> Event:
    """That a MAIL FROM domain was found."""
    name = f"d{number}.example.com"
    effect = EFFECTS["mail_from", What.VERIFIED].format(name=name)
    about = About(account, region, number, name)
    return Event("mail_from.verified", at, about, "seen", "As expected.", effect, after=Status.SUCCESS)


def noted(told: Iterable[Event], contact: str = CONTACT) -> list[Notice]:
    """The notices of what happened at one time."""
    names = iter(f"{number:04x}" for number in range(9_999))
    return notices(
        told,
        {ACCOUNT: contact, OTHER: contact},
        sender=f"Indicia <no-reply@{SERVICE}>",
        service=SERVICE,
        name=lambda: next(names),
    )


def tell(database: Database, told: Sequence[Event]) -> None:
    """Let the events be told, to two accounts that have a contact."""
    mails = NoticeMails(
        f"no-reply@{SERVICE}", SERVICE, KEYRING, random=lambda octets: bytes(octets - 1) + b"7"
    )

    def work(s: Any) -> None:
        for account in (ACCOUNT, OTHER):
            access.create_account(s, Account(account, CONTACT, 1, True, True))
        assert EventRecorder(mails).announce(s, told)

    database.write(work)


def test_a_mail_about_one_change_says_what_it_always_said() -> None:
    """The mail about a domain whose records are gone, to the letter."""
    (only,) = noted([lost()])
    made = letter(only)
    mail = read(made.message)

    assert text_of(mail) == LOST
    assert dict(mail.items()) == {
        "From": f"Indicia <no-reply@{SERVICE}>",
        "To": CONTACT,
        "Subject": "DKIM REVOCATION WARNING for shop.example.com (eu-west-1)",
        "Date": "Sun, 22 Nov 2026 05:06:00 +0000",
        "Message-ID": f"<0000@{SERVICE}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Content-Type": 'text/plain; charset="utf-8"; boundary="=_indicia_0000"',
        "Content-Transfer-Encoding": "7bit",
        "MIME-Version": "1.0",
        "Content-Language": "en",
    }
    assert (made.identity, made.sender, made.recipient, made.until) == (
        f"0000@{SERVICE}",
        f"no-reply@{SERVICE}",
        CONTACT,
        AT + 5 * DAY,
    )


def test_what_was_found_may_be_anything() -> None:
    """A text out of somebody's DNS that is no ASCII is written out; a mail of ours has no other octets."""
    (only,) = noted([replace(lost(), seen="Found \u201cb\u00fccher\u201d \x00.")])

    assert "Found \\u201cb\\xfccher\\u201d" in text_of(read(letter(only).message))


@pytest.mark.parametrize("contact", ["", "nobody", "<script>@example.com"])
def test_who_cannot_be_written_to_is_not(contact: str) -> None:
    """Without a contact, or with one that no mail can be addressed to, nothing is noted."""
    assert noted([lost()], contact) == []


def test_what_ends_without_having_been_there_is_not_told() -> None:
    """A search for DKIM records that ends is no revocation."""
    assert (
        noted([replace(lost(), type="dkim.failed", demotes=False), replace(lost(), type="key.signing")]) == []
    )


def test_few_are_told_apart_and_many_are_summed_up() -> None:
    """Up to eight events of an account are a mail each; of more there is one for each type and region."""
    few = [verified(number) for number in range(MOST_APART)]
    assert [each.count for each in noted(few)] == [1] * MOST_APART

    other = replace(verified(99), about=About(OTHER, REGION, 99, "other.example.com"))
    many = [*few, verified(50, region="us-east-1"), lost(), other]
    found = [(each.account, each.type, each.region, each.count) for each in noted(many)]
    assert found == [
        (ACCOUNT, "mail_from.verified", REGION, MOST_APART),
        (ACCOUNT, "mail_from.verified", "us-east-1", 1),
        (ACCOUNT, "dkim.lost", REGION, 1),
        (OTHER, "mail_from.verified", REGION, 1),
    ]


def test_a_sum_names_the_identities_and_their_deadlines() -> None:
    """It has the subject that filters know, each name, and until when the records may come back."""
    (only,) = noted([verified(number) for number in range(MOST_APART + 1)])
    mail = read(letter(only).message)
    names = "\n\n".join(f"d{number}.example.com" for number in range(MOST_APART + 1))
    assert mail["Subject"] == "MAIL FROM Domain Setup SUCCESSFUL for 9 identities (eu-west-1)"
    assert text_of(mail).startswith(SUM + names)
    assert text_of(mail).endswith(
        "\n\nAccount:  111122223333\nRegion:   eu-west-1\nService:  mail.example.org\n"
        "Since:    22 November 2026, 05:06 UTC\n"
    )

    (only,) = noted([lost(f"d{number}.example") for number in range(MOST_APART + 1)])
    assert (
        "d3.example: If the records are not back by 25 November 2026, 05:06 UTC, this\nis revoked."
        in text_of(read(letter(only).message))
    )


def test_a_sum_is_bounded() -> None:
    """Of thousands it lists a hundred, and has the number of the others."""
    (only,) = noted([verified(number) for number in range(3_000)])
    text = text_of(read(letter(only).message))

    assert len(only.items) == MOST_LISTED
    assert f"d{MOST_LISTED - 1}.example.com\n\nAnd 2900 more." in text
    assert len(only.sealed(KEYRING)) < 10_000


def test_events_about_no_identity_are_summed_up_by_what_was_seen() -> None:
    """The subject has how many there are, the text each of them."""
    event = Event(WEBHOOK_DISABLED, AT, About(ACCOUNT, REGION), "failing", "", "Nothing is sent.")
    (only,) = noted([replace(event, seen=f"The webhook {number}.") for number in range(12)])
    mail = read(letter(only).message)

    assert mail["Subject"] == "Webhook DISABLED, 12 times (eu-west-1)"
    assert text_of(mail).startswith("Nothing is sent.\n\nThe webhook 0.\n\nThe webhook 1.\n\n")


def test_nothing_is_written_in_the_transaction(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing mails may fail as it will: the change and its notice are stored. Once it works, it is sent."""
    clock = Clock()

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("hostile")

    with monkeypatch.context() as broken:
        for name in ("addressed", "finished"):
            broken.setattr(notice_module, name, fail)
        tell(database, [lost(at=clock.now())])

        async def in_vain() -> None:
            async with delivering(database, Maildir(tmp_path / "outbox"), clock) as deliverer:
                await deliverer.settled()

        asyncio.run(in_vain())
    (row,) = rows(database)
    assert mails_in(tmp_path / "outbox") == []
    assert (row.attempts, row.last_error) == (1, "cannot be handed over: RuntimeError")
    clock.advance(MINUTE)

    async def story() -> None:
        async with delivering(database, Maildir(tmp_path / "outbox"), clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    (mail,) = mails_in(tmp_path / "outbox")
    (row,) = rows(database)
    assert mail["Subject"] == "DKIM REVOCATION WARNING for shop.example.com (eu-west-1)"
    assert row.payload == b""


def test_a_waiting_notice_is_sealed(database: Database) -> None:
    """What it tells of and whom cannot be read from the database."""
    tell(database, [lost()])
    (row,) = rows(database)

    assert Notice.opened(KEYRING, row.payload).items[0].name == "shop.example.com"
    for secret in (b"shop.example.com", CONTACT.encode()):
        assert secret not in row.payload


def test_a_notice_that_is_of_no_use_any_more_is_given_up(database: Database) -> None:
    """After five days it would only confuse, even where it could never be written."""
    clock, postman = Clock(), Postman()
    tell(database, [lost(at=clock.now())])
    clock.advance(5 * DAY)

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    (row,) = rows(database)
    assert postman.letters == []
    assert (row.payload, row.due_at, row.last_error) == (b"", None, "not delivered while it was of use")


def test_an_account_with_much_to_tell_keeps_no_other_waiting(database: Database) -> None:
    """Hundreds of changes of one account are a mail; that of another, told after them, goes out beside it."""
    clock, postman = Clock(), Postman()
    tell(
        database,
        [
            *(verified(number, clock.now()) for number in range(300)),
            lost("other.example", 999, clock.now(), OTHER),
        ],
    )

    async def story() -> None:
        async with delivering(database, postman, clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    assert sorted(str(read(each.message)["Subject"]) for each in postman.letters) == [
        "DKIM REVOCATION WARNING for other.example (eu-west-1)",
        "MAIL FROM Domain Setup SUCCESSFUL for 300 identities (eu-west-1)",
    ]


_DIES_BEFORE_NOTING = """
import asyncio, os, signal, sys
sys.path.insert(0, {tests!r})
from correspondence import KEYRING
from indicia.runtime.clock import Clock
from indicia.mail.outbox import Deliverer
from indicia.mail.transport.{where} import {carrier}
from indicia.settings.urls import parse_relay
from indicia.store.engine.opening import open_database

class Dying({carrier}):
    async def deliver(self, letter):
        await super().deliver(letter)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(Deliverer(open_database({url!r}), KEYRING, Dying({made}), Clock()).run())
"""


async def died(**given: str) -> None:
    """A deliverer was killed when it had handed a mail over, before it had noted that."""
    script = _DIES_BEFORE_NOTING.format(tests=str(TESTS), **given)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await process.wait() == -signal.SIGKILL


def test_a_mail_that_is_written_again_is_the_same_mail(sqlite_url: str, tmp_path: Path) -> None:
    """Killed between handing over and noting, it is written anew: in the Maildir it is there once."""
    database, clock, folder = open_database(sqlite_url), Clock(), tmp_path / "outbox"
    tell(database, [lost(at=clock.now())])

    async def story() -> None:
        made = f"__import__('pathlib').Path({str(folder)!r})"
        await died(where="maildir", carrier="Maildir", made=made, url=sqlite_url)
        assert rows(database)[0].delivered_at is None
        async with delivering(database, Maildir(folder), clock) as deliverer:
            await deliverer.settled()

    asyncio.run(story())
    assert rows(database)[0].delivered_at is not None
    assert len(mails_in(folder)) == 1
    database.close()


def test_a_relay_gets_it_again_to_the_letter(sqlite_url: str) -> None:
    """The relay is handed the same octets under the same Message-ID, by which receivers tell."""
    database, clock, server = open_database(sqlite_url), Clock(), SmtpServer()
    tell(database, [lost(at=clock.now())])

    async def story() -> None:
        async with listening(server):
            relay = f"smtp://127.0.0.1:{server.port}"
            made = f"parse_relay({relay!r}), helo='x'"
            await died(where="relay", carrier="SmtpCarrier", made=made, url=sqlite_url)
            async with delivering(database, SmtpCarrier(parse_relay(relay), helo="x"), clock) as deliverer:
                await deliverer.settled()
            await until(lambda: len(server.letters) == 2)

    asyncio.run(story())
    one, other = server.letters
    assert one == other
    database.close()
