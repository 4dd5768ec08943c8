"""Two callers at once, and a caller beside our own checks: who hears of whom, and what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from desk import Desk

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.identities.notifications import NotificationType
from indicia.domain.time import MINUTE
from indicia.operations.registry import REGISTRY
from indicia.store.configuration_sets import configuration_sets
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.identities import notifications
from indicia.store.verification import checks
from indicia.wire.shapes import operations

NAME = "example.com"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:topic"
RACE = "The resource is being modified by another operation or thread."


def prepared(desk: Desk) -> None:
    """A verified domain and a configuration set."""
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME)
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    desk.database.write(
        lambda s: configuration_sets.create(s, desk.account, desk.region, "main", at=desk.now)
    )


class Interrupted(Session):
    """A session in which something else happens before its first write."""

    __slots__ = ("_meanwhile",)

    def __init__(self, session: Session, meanwhile: Callable[[], object]) -> None:
        super().__init__(session.dialect, session._cursor)
        self._meanwhile: Callable[[], object] | None = meanwhile

    def run(self, statement: Any, **given: Any) -> int:
        """As ever, after what happens meanwhile."""
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().run(statement, **given)


@pytest.fixture
def postgres_desk(postgres_url: str) -> Iterator[Desk]:
    """A desk where two can write at the same moment: SQLite has one writer, and so no race to lose."""
    opened = open_database(postgres_url)
    yield Desk(opened)
    opened.close()


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("PutEmailIdentityMailFromAttributes", {"EmailIdentity": NAME, "MailFromDomain": "b.example.com"}),
    ("PutEmailIdentityFeedbackAttributes", {"EmailIdentity": NAME, "EmailForwardingEnabled": False}),
    ("PutEmailIdentityConfigurationSetAttributes", {"EmailIdentity": NAME, "ConfigurationSetName": "main"}),
    ("PutEmailIdentityDkimAttributes", {"EmailIdentity": NAME, "SigningEnabled": False}),
    (
        "SetIdentityNotificationTopic",
        {"Identity": NAME, "NotificationType": "Bounce", "SnsTopic": TOPIC},
    ),
    (
        "SetIdentityHeadersInNotificationsEnabled",
        {"Identity": NAME, "NotificationType": "Bounce", "Enabled": True},
    ),
    ("SetIdentityMailFromDomain", {"Identity": NAME, "MailFromDomain": "b.example.com"}),
]


@pytest.mark.parametrize(("operation", "members"), CHANGES)
def test_who_comes_second_is_told_and_leaves_nothing(
    postgres_desk: Desk, operation: str, members: dict[str, Any]
) -> None:
    """A change based on what another caller has changed meanwhile writes nothing, and says so."""
    desk = postgres_desk
    prepared(desk)
    service = next(name for name in ("sesv2", "ses") if operation in operations(name))
    handler = REGISTRY[service, operation].handling.handler
    request = operations(service)[operation].request(**members)
    assert handler is not None

    def faster() -> None:
        desk.ask(
            "PutEmailIdentityMailFromAttributes", EmailIdentity=NAME, MailFromDomain="faster.example.com"
        )

    with pytest.raises(Fault) as caught:
        desk.database.write(
            lambda s: handler(desk.house, desk.call(service, operation), request, Interrupted(s, faster))
        )

    assert (caught.value.kind, caught.value.message) == (FaultKind.CONCURRENT_MODIFICATION, RACE)
    view = desk.view(NAME)
    assert (view.identity.version, view.identity.generation) == (2, 2)
    assert (view.identity.mail_from_domain, view.identity.configuration_set) == ("faster.example.com", "")
    assert (view.identity.feedback_forwarding, view.identity.signing_enabled) == (True, True)
    assert view.facets[Facet.MAIL_FROM].generation == 2
    assert desk.read(lambda s: notifications.of(s, view.identity.id)) == {}


def test_a_deleted_identity_is_not_written_to(postgres_desk: Desk) -> None:
    """Who changes what another caller deletes at that moment hears of it; nothing is left behind."""
    desk = postgres_desk
    prepared(desk)
    request = operations("ses")["SetIdentityNotificationTopic"].request(
        Identity=NAME, NotificationType="Bounce", SnsTopic=TOPIC
    )
    handler = REGISTRY["ses", "SetIdentityNotificationTopic"].handling.handler
    assert handler is not None

    with pytest.raises(Fault) as caught:
        desk.database.write(
            lambda s: handler(
                desk.house,
                desk.call("ses", "SetIdentityNotificationTopic"),
                request,
                Interrupted(s, lambda: desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)),
            )
        )

    assert caught.value.kind is FaultKind.CONCURRENT_MODIFICATION
    assert desk.ask("ListIdentities").Identities == []


def test_a_crowd_of_creations_is_a_few_transactions(postgres_desk: Desk) -> None:
    """Two hundred at once on PostgreSQL: each has its own answer; they are written some dozens at a time."""
    desk = postgres_desk
    names = [f"d{number}.example.com" for number in range(200)]

    async def crowd() -> list[Any]:
        asking = [desk.asking("CreateEmailIdentity", EmailIdentity=name) for name in [*names, names[0]]]
        return await asyncio.gather(*asking, return_exceptions=True)

    *created, again = asyncio.run(crowd())
    wrote = sa.select(sa.func.count(sa.distinct(sa.cast(sa.column("xmin"), sa.Text)))).select_from(
        sa.table("identity")
    )
    transactions = desk.read(lambda s: s.one(Prepared(wrote)))[0]

    assert len({tuple(each.DkimAttributes.Tokens) for each in created}) == 200
    assert isinstance(again, Fault)
    assert again.kind is FaultKind.ALREADY_EXISTS
    assert transactions < 20


def test_a_list_knows_what_a_check_found_beside_a_caller(postgres_desk: Desk) -> None:
    """A proof that lands between a caller's look and his write counts in lists as it does in Get."""
    desk = postgres_desk
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME)
    (claimed,) = desk.claims()
    found = checks.CheckResult(
        identity_id=claimed.identity.id,
        generation=claimed.identity.generation,
        owner="test",
        facets=(replace(claimed.facets[Facet.DKIM], status=Status.SUCCESS),),
        due_at=None,
        interval=0,
        checked_at=desk.now,
        succeeded_at=desk.now,
        error=None,
        soa=None,
    )
    request = operations("ses")["VerifyDomainIdentity"].request(Domain=NAME)
    handler = REGISTRY["ses", "VerifyDomainIdentity"].handling.handler
    assert handler is not None

    def land() -> None:
        desk.database.write(lambda s: checks.write_back(s, [found]))

    desk.database.write(
        lambda s: handler(desk.house, desk.call("ses", "VerifyDomainIdentity"), request, Interrupted(s, land))
    )

    facets = desk.view(NAME).facets
    assert (facets[Facet.DKIM].status, facets[Facet.OWNERSHIP].status) == (Status.SUCCESS, Status.PENDING)
    assert desk.ask("GetEmailIdentity", EmailIdentity=NAME).VerificationStatus == "SUCCESS"
    (item,) = desk.ask("ListEmailIdentities").EmailIdentities
    assert item.VerificationStatus == "SUCCESS"


def together(desk: Desk, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Make the calls at once and return what became of each."""

    async def race() -> list[Any]:
        return await asyncio.gather(
            *(desk.asking(operation, **members) for operation, members in calls), return_exceptions=True
        )

    return asyncio.run(race())


def test_callers_of_v2_are_told_of_races_only_where_that_is_documented() -> None:
    """Every other write is made again for its caller: it never answers what its operation does not list."""
    for (service, operation), entry in REGISTRY.items():
        if service == "sesv2":
            told = "ConcurrentModificationException" in operations(service)[operation].errors
            repeated = FaultKind.CONCURRENT_MODIFICATION in entry.repeats

            assert (told or repeated) is (entry.writes or told), operation
            assert not (told and repeated), operation


def test_of_many_changes_in_v2_each_is_whole(desk: Desk) -> None:
    """All succeed, one after the other; row, facet and generation are those of the last, all of them."""
    prepared(desk)
    outcomes = together(
        desk,
        [
            (
                "PutEmailIdentityMailFromAttributes",
                {"EmailIdentity": NAME, "MailFromDomain": f"b{number}.example.com"},
            )
            for number in range(8)
        ],
    )

    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    view = desk.view(NAME)
    assert view.identity.mail_from_domain in {f"b{number}.example.com" for number in range(8)}
    assert view.identity.version == view.identity.generation == 1 + len(outcomes)
    assert view.facets[Facet.MAIL_FROM].generation == view.identity.generation
    assert [line.outcome for line in desk.trail()].count("concurrent_modification") == 0


def test_of_many_deletions_one_wins(desk: Desk) -> None:
    """The others are told that somebody was faster, or that it is gone; one line of the record says so."""
    prepared(desk)
    outcomes = together(desk, [("DeleteEmailIdentity", {"EmailIdentity": NAME})] * 6)

    lost = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(lost) == len(outcomes) - 1
    assert {fault.kind for fault in lost if isinstance(fault, Fault)} <= {
        FaultKind.CONCURRENT_MODIFICATION,
        FaultKind.NOT_FOUND,
    }
    assert desk.ask("ListEmailIdentities").EmailIdentities == []


def test_callers_of_v1_all_succeed_side_by_side(desk: Desk) -> None:
    """Calls that may be repeated are repeated for their callers: each setting is there, none is lost."""
    prepared(desk)
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "SetIdentityNotificationTopic",
            {"Identity": NAME, "NotificationType": kind.value, "SnsTopic": TOPIC},
        )
        for kind in NotificationType
    ]
    calls += [
        (
            "SetIdentityHeadersInNotificationsEnabled",
            {"Identity": NAME, "NotificationType": kind.value, "Enabled": True},
        )
        for kind in NotificationType
    ]
    calls += [
        ("SetIdentityMailFromDomain", {"Identity": NAME, "MailFromDomain": "b.example.com"}),
        ("SetIdentityDkimEnabled", {"Identity": NAME, "DkimEnabled": False}),
    ]

    outcomes = together(desk, calls)

    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    view = desk.view(NAME)
    assert view.identity.version == 1 + len(calls)
    assert (view.identity.mail_from_domain, view.identity.signing_enabled) == ("b.example.com", False)
    found = desk.read(lambda s: notifications.of(s, view.identity.id))
    assert {kind: (each.topic, each.headers) for kind, each in found.items()} == dict.fromkeys(
        NotificationType, (TOPIC, True)
    )


def test_forwarding_is_not_disabled_on_the_word_of_a_topic_that_goes(desk: Desk) -> None:
    """The flag and the topics it rests on are judged together: the store never holds a broken promise."""
    prepared(desk)
    for kind in ("Bounce", "Complaint"):
        desk.ask("SetIdentityNotificationTopic", Identity=NAME, NotificationType=kind, SnsTopic=TOPIC)

    forwarding, clearing = together(
        desk,
        [
            ("SetIdentityFeedbackForwardingEnabled", {"Identity": NAME, "ForwardingEnabled": False}),
            ("SetIdentityNotificationTopic", {"Identity": NAME, "NotificationType": "Bounce"}),
        ],
    )

    assert not isinstance(clearing, Exception)
    if isinstance(forwarding, Exception):
        assert isinstance(forwarding, Fault)
        assert forwarding.kind is FaultKind.INVALID_PARAMETER
    assert desk.view(NAME).identity.feedback_forwarding is isinstance(forwarding, Exception)


def test_our_own_checks_are_no_callers(desk: Desk) -> None:
    """A verifier that claims and writes back all the time costs no caller a conflict."""
    prepared(desk)
    done = asyncio.Event()
    rounds = landed = 0

    def claim(s: Session, owner: str) -> list[checks.Claim]:
        return checks.claim(
            s, now=desk.now + 10 * MINUTE, owner=owner, lease_until=desk.now + 20 * MINUTE, limit=10
        )

    def found(each: checks.Claim, owner: str) -> checks.CheckResult:
        return checks.CheckResult(
            identity_id=each.identity.id,
            generation=each.identity.generation,
            owner=owner,
            facets=tuple(each.facets.values()),
            due_at=desk.now,
            interval=0,
            checked_at=desk.now,
            succeeded_at=None,
            error=None,
            soa=None,
        )

    async def verifier() -> None:
        nonlocal rounds, landed
        last = False
        while not last:
            last = done.is_set()  # one more look, with nobody beside it
            owner = f"lease{rounds}"
            claims = await desk.database.writing(partial(claim, owner=owner))
            results = [found(each, owner) for each in claims]
            landed += len(await desk.database.writing(partial(checks.write_back, results=results)))
            rounds += 1

    async def caller() -> None:
        try:
            for number in range(40):
                await desk.asking(
                    "PutEmailIdentityMailFromAttributes",
                    EmailIdentity=NAME,
                    MailFromDomain=f"b{number}.example.com",
                )
                await desk.asking(
                    "PutEmailIdentityFeedbackAttributes",
                    EmailIdentity=NAME,
                    EmailForwardingEnabled=bool(number % 2),
                )
        finally:
            done.set()

    async def side_by_side() -> None:
        await asyncio.gather(verifier(), caller())

    asyncio.run(side_by_side())

    view = desk.view(NAME)
    assert view.identity.mail_from_domain == "b39.example.com"
    assert view.facets[Facet.MAIL_FROM].generation == view.identity.generation == 41
    assert {line.outcome for line in desk.trail()} == {"success"}
    assert landed > 0
    assert rounds > 1
