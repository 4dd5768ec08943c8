"""Answers that are kept: never another one than would be made now, whoever has written what, and wherever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import ErrorType, Facet, Status
from indicia.domain.rates import Allowance
from indicia.domain.time import DAY, SECOND
from indicia.operations import paging
from indicia.operations.kept_answers import KeptAnswers
from indicia.operations.rate_limiting import Meter
from indicia.store.engine import meta, schema
from indicia.store.engine.opening import open_database
from indicia.wire.aws import rest
from indicia.wire.shapes import operations, sesv2

if TYPE_CHECKING:
    from collections.abc import Callable

    from indicia.store.engine.database import Database

NAMES = ("a.example", "mail.a.example", "user@a.example", "b.example")
QUESTIONS = (
    *(("GetEmailIdentity", {"EmailIdentity": name}) for name in NAMES),
    ("ListEmailIdentities", {}),
    ("ListEmailIdentities", {"PageSize": 2}),
    ("ListEmailIdentities", {"Filter": {"IDENTITY_TYPE": "DOMAIN"}}),
)


class Asking:
    """Asks questions of one desk, and has what is rendered kept."""

    def __init__(self, desk: Desk, meter: Meter | None = None, **limits: int) -> None:
        self.desk = desk
        self.rendered = 0
        self.kept = KeptAnswers(desk.database, desk.dispatch, meter or Meter(), **limits)

    async def render(self, desk: Desk, name: str, members: dict[str, Any], dispatch: Any = None) -> bytes:
        """Return the answer as it is made now."""
        self.rendered += 1
        operation = operations("sesv2")[name]
        answered = (dispatch or desk.dispatch)(desk.call("sesv2", name), operation.request(**members))
        return rest.encode(operation, await answered)

    async def answer(self, desk: Desk, name: str, members: dict[str, Any]) -> bytes:
        """Return the answer, which may be a kept one."""
        asked = (name.encode(), b"", json.dumps(members).encode())
        return await self.kept.answer(
            desk.call("sesv2", name), asked, lambda dispatch: self.render(desk, name, members, dispatch)
        )

    def told(self, how: Callable[..., Any], desk: Desk, name: str, members: dict[str, Any]) -> Any:
        """Return an answer, or the refusal: tokens as the places that they name, as no two are the same."""
        try:
            answer = json.loads(asyncio.run(how(desk, name, members)))
        except Fault as fault:
            return fault.kind, str(fault)
        if "NextToken" in answer:
            call = desk.call("sesv2", name)
            answer["NextToken"] = paging.place_of(
                answer["NextToken"], paging.IDENTITIES, call, self.desk.keyring
            )
        return answer


def change(desk: Desk, chance: random.Random) -> None:
    """Something changes, or is refused: what people set, or what the verifier finds."""
    name = chance.choice(NAMES)
    arn = f"arn:aws:ses:{desk.region}:{desk.account}:identity/{name}"
    facet, status = chance.choice(list(Facet)), chance.choice(list(Status))
    policy = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": "*", "Action": "ses:SendEmail", "Resource": arn},
    }
    with contextlib.suppress(Fault, AssertionError):  # there is no such identity, or there is one
        chance.choice(
            [
                lambda: desk.ask("CreateEmailIdentity", EmailIdentity=name),
                lambda: desk.ask("CreateEmailIdentity", EmailIdentity=name),
                lambda: desk.ask("DeleteEmailIdentity", EmailIdentity=name),
                lambda: desk.ask(
                    "PutEmailIdentityFeedbackAttributes",
                    EmailIdentity=name,
                    EmailForwardingEnabled=chance.random() < 0.5,
                ),
                lambda: desk.ask(
                    "PutEmailIdentityMailFromAttributes", EmailIdentity=name, MailFromDomain=f"m.{name}"
                ),
                lambda: desk.ask(
                    "PutEmailIdentityDkimAttributes", EmailIdentity=name, SigningEnabled=chance.random() < 0.5
                ),
                lambda: desk.ask(
                    "TagResource", ResourceArn=arn, Tags=[sesv2.Tag(Key="k", Value=str(chance.random()))]
                ),
                lambda: desk.ask(
                    "CreateEmailIdentityPolicy",
                    EmailIdentity=name,
                    PolicyName=f"p{chance.randrange(9)}",
                    Policy=json.dumps(policy),
                ),
                lambda: desk.find(name, facet, status, chance.choice([None, ErrorType.HOST_NOT_FOUND])),
                lambda: desk.find(name, facet, status),
            ]
        )()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_would_be_made_now(database: Database, seed: int) -> None:
    """After any change, by whatever account, connection or hour, both are the same, the second time too."""
    chance = random.Random(seed)
    desk = Desk(database)
    asking = Asking(desk)
    elsewhere = desk.beside(account="444455556666")
    abroad = desk.beside(region="us-east-1")
    for _ in range(40 if database.dialect == "sqlite" else 5):  # where nothing is kept, that is all
        change(chance.choice([desk, desk, elsewhere, abroad]), chance)
        desk.now += chance.choice([0, SECOND, DAY])
        for each in (desk, elsewhere, abroad):
            for name, members in QUESTIONS:
                now = asking.told(asking.render, each, name, members)
                assert asking.told(asking.answer, each, name, members) == now
                assert asking.told(asking.answer, each, name, members) == now


def test_what_nobody_has_changed_is_rendered_once(desk: Desk) -> None:
    """On SQLite; elsewhere asking whether something has changed costs what reading does."""
    desk.ask("CreateEmailIdentity", EmailIdentity="a.example")
    asking = Asking(desk)

    async def often() -> None:
        for _ in range(5):
            await asking.answer(desk, "GetEmailIdentity", {"EmailIdentity": "a.example"})

    asyncio.run(often())
    asyncio.run(often())

    assert asking.rendered == (1 if desk.database.dialect == "sqlite" else 10)


def test_what_says_the_same_is_not_rendered_again(sqlite_desk: Desk) -> None:
    """Something else was changed: what is read for the answer is what was read before."""
    desk = sqlite_desk
    asking = Asking(desk)
    for name in ("a.example", "b.example"):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
        asking.told(asking.answer, desk, "GetEmailIdentity", {"EmailIdentity": "a.example"})
    assert asking.rendered == 1

    desk.ask("PutEmailIdentityFeedbackAttributes", EmailIdentity="a.example", EmailForwardingEnabled=False)
    told = asking.told(asking.answer, desk, "GetEmailIdentity", {"EmailIdentity": "a.example"})

    assert asking.rendered == 2
    assert told["FeedbackForwardingStatus"] is False


WRITES = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=10) as database:
    database.execute("UPDATE identity SET feedback_forwarding = 0")
"""


def test_what_another_process_writes_counts(tmp_path: Path) -> None:
    """Nothing that was made before is given any more where it says something else now."""
    url = f"sqlite:///{tmp_path / 'one.db'}"
    schema.migrate(url)
    database = open_database(url)
    desk = Desk(database)
    desk.ask("CreateEmailIdentity", EmailIdentity="a.example")
    asking = Asking(desk)
    members = {"EmailIdentity": "a.example"}
    asking.told(asking.answer, desk, "GetEmailIdentity", members)
    asking.told(asking.answer, desk, "GetEmailIdentity", members)
    assert asking.rendered == 1

    subprocess.run([sys.executable, "-c", WRITES, tmp_path / "one.db"], check=True)
    told = asking.told(asking.answer, desk, "GetEmailIdentity", members)

    assert told["FeedbackForwardingStatus"] is False
    database.close()


def test_what_was_read_before_a_write_is_not_kept_behind_it(sqlite_desk: Desk) -> None:
    """An answer whose reading was overtaken is given to who has asked, and to nobody else."""
    desk = sqlite_desk
    asking = Asking(desk)
    asked = (b"/", b"", b"")
    call = desk.call("sesv2", "ListEmailIdentities")

    async def overtaken(_dispatch: Any) -> bytes:
        await desk.database.writing(lambda s: meta.put(s, "a", "b"))
        return b"before"

    async def made(_dispatch: Any) -> bytes:
        return b"after"

    async def both() -> tuple[bytes, bytes]:
        return await asking.kept.answer(call, asked, overtaken), await asking.kept.answer(call, asked, made)

    assert asyncio.run(both()) == (b"before", b"after")


def test_a_kept_answer_counts_against_the_rates(sqlite_desk: Desk) -> None:
    """Who asks for it too often is refused as anybody who asks too often."""
    sqlite_desk.ask("CreateEmailIdentity", EmailIdentity="a.example")
    meter = Meter(account=Allowance(1, DAY, 2), now=lambda: 0)
    asking = Asking(sqlite_desk, meter)
    members = {"EmailIdentity": "a.example"}

    told = [asking.told(asking.answer, sqlite_desk, "GetEmailIdentity", members) for _ in range(4)]

    assert [isinstance(each, dict) for each in told] == [True, True, True, False]  # the first was rendered
    assert told[3][0] is FaultKind.THROTTLED


def test_a_key_with_a_policy_gets_nothing_that_is_kept(sqlite_desk: Desk) -> None:
    """What it may read is decided for each of its calls."""
    sqlite_desk.ask("CreateEmailIdentity", EmailIdentity="a.example")
    asking = Asking(sqlite_desk)
    members = {"EmailIdentity": "a.example"}
    asking.told(asking.answer, sqlite_desk, "GetEmailIdentity", members)
    sqlite_desk.policy = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
    )

    kind, _ = asking.told(asking.answer, sqlite_desk, "GetEmailIdentity", members)

    assert kind is FaultKind.ACCESS_DENIED


def test_an_operation_that_depends_on_more_is_made_each_time(sqlite_desk: Desk) -> None:
    """Only what says so in its table is kept."""
    asking = Asking(sqlite_desk)

    for _ in range(2):
        asking.told(asking.answer, sqlite_desk, "GetAccount", {})

    assert asking.rendered == 2


def test_no_more_is_kept_than_there_is_room_for(sqlite_desk: Desk) -> None:
    """What was kept first makes room, and what is too large for all of it is not kept."""
    asking = Asking(sqlite_desk, most_octets=2 * 1200)
    call = sqlite_desk.call("sesv2", "ListEmailIdentities")
    rendered: list[bytes] = []

    async def asked(name: bytes, size: int) -> None:
        async def render(_dispatch: Any) -> bytes:
            rendered.append(name)
            return name * size

        assert await asking.kept.answer(call, (name, b"", b""), render) == name * size

    async def all_asked() -> None:
        for name, size in ((b"a", 300), (b"a", 300), (b"b", 300), (b"a", 300), (b"c", 300), (b"b", 300)):
            await asked(name, size)
        for name, size in ((b"a", 300), (b"d", 3000), (b"d", 3000)):
            await asked(name, size)

    asyncio.run(all_asked())

    assert b"".join(rendered) == b"abcadd"


def kept_of(asking: Asking, calls: list[tuple[str, bytes]]) -> str:
    """Ask in the names of these accounts, and return whose answers were rendered, not kept."""
    call = asking.desk.call("sesv2", "ListEmailIdentities")
    rendered = ""

    async def render(_dispatch: Any, account: str) -> bytes:
        nonlocal rendered
        rendered += account
        return b"x" * 300

    async def all_asked() -> None:
        for account, question in calls:
            of_account = call._replace(account=account)
            await asking.kept.answer(of_account, (b"", question, b""), partial(render, account=account))

    asyncio.run(all_asked())
    return rendered


def test_an_account_that_asks_for_much_takes_no_room_of_another(sqlite_desk: Desk) -> None:
    """Who has more than its share loses its own; what another asked for before is there all the time."""
    asking = Asking(sqlite_desk, most_octets=8 * 1200)
    crowd = [("h", b"%d" % number) for number in range(100)]

    assert kept_of(asking, [("t", b"1"), ("t", b"2"), *crowd, ("t", b"1"), ("t", b"2")]) == "tt" + "h" * 100


def test_a_question_takes_room_as_an_answer_does(sqlite_desk: Desk) -> None:
    """Of long questions fewer answers are kept: they are kept as well."""
    asking = Asking(sqlite_desk, most_octets=4 * 1200)
    first, *others = [("a", b"%d" % number + b"q" * 2000) for number in range(3)]

    assert kept_of(asking, [first, *others, first]) == "aaaa"
