"""A look that somebody asks for: every record, what is there instead, in words; and nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from lookout import ACCOUNT, NEGATIVE_TTL, PACE, PATIENT, REGION, WINDOW, Lookout, run
from nameserver import NameServer, Trick, Zone

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import DAY, SECOND, rfc3339
from indicia.store.engine.database import Database
from indicia.verifier.diagnosis.diagnosis import Diagnosis, Doctor

NAME = "example.com"
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        yield running


async def diagnose(lookout: Lookout, name: str = NAME, *, account: str = ACCOUNT) -> Diagnosis:
    """What a doctor says who has the same eyes as the engine."""
    return await doctor_of(lookout).diagnose(account, REGION, name)


def doctor_of(lookout: Lookout, rate: float | None = None) -> Doctor:
    """A doctor with the eyes of the engine, who may ask a zone so many questions a second."""
    return Doctor(
        lookout.database,
        lookout.asking_at(rate),
        lookout.rules,
        lookout.clock,
        unbelieved=lookout.controls.unbelieved,
    )


def findings(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """The facet of each record, and what was found."""
    return [(record.facet, record.finding) for record in diagnosis.records]


def test_nothing_published_is_told_record_by_record(database: Database, server: NameServer) -> None:
    """Three records missing: each is named, with what to publish; and when it is looked at next."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        diagnosis = await diagnose(lookout)
        view = lookout.view(NAME)

        assert diagnosis.identity == NAME
        assert diagnosis.verdict == "pending"
        assert view.due_at is not None
        assert diagnosis.next_check_at == rfc3339(view.due_at)
        deadline = view.facets[Facet.DKIM].deadline
        assert deadline is not None
        assert diagnosis.deadline == rfc3339(deadline)
        assert findings(diagnosis) == [("dkim", "MISSING")] * 3 + [("dmarc", "MISSING")]
        first, expected = diagnosis.records[0], lookout.records(identity)[Facet.DKIM][0]
        assert (first.name, first.type, first.expected) == (expected.name, "CNAME", expected.value)
        assert (first.required, first.found) == (True, ())
        assert first.explanation == f"{expected.name} does not exist in the DNS."
        assert first.fix == f"Publish {expected.name} CNAME {expected.value}"
        assert first.observations[0].reply == "nxdomain"

    run(database, story, server)


def test_nobody_is_told_to_publish_by_a_resolver_that_lies(database: Database, server: NameServer) -> None:
    """What it denies is our own trouble: the owner of the domain has nothing to do."""

    async def story(lookout: Lookout) -> None:
        lookout.add_verified(NAME)
        await lookout.settled()
        server.misbehave(Trick.DENIED)
        diagnosis = await diagnose(lookout)

        assert [each for each in findings(diagnosis) if each[0] == "dkim"] == [("dkim", "OUR_RESOLVER")] * 3
        assert diagnosis.records[0].fix.startswith("Nothing to do for the owner of the domain")

    run(database, story, server)


def test_a_diagnosis_keeps_to_the_rate_of_its_zone(database: Database, server: NameServer) -> None:
    """Who asks again and again is told to come back, and when; the name servers hear nothing of it."""

    async def story(lookout: Lookout) -> None:
        for name in (NAME, f"other.{NAME}"):
            lookout.add(name, due=False)
        doctor = doctor_of(lookout, rate=0.1)
        await doctor.diagnose(ACCOUNT, REGION, NAME)
        asked = server.asked()
        for name in (NAME, f"other.{NAME}", NAME):
            with pytest.raises(Fault) as refused:
                await doctor.diagnose(ACCOUNT, REGION, name)
            assert refused.value.kind is FaultKind.THROTTLED
            assert f"The name servers of {NAME} were asked as much as they may be" in refused.value.message
            assert "ask again in 200 s." in refused.value.message

        assert asked > 0
        assert server.asked() == asked

    run(database, story, server)


def test_an_account_has_a_share_of_the_diagnoses_of_a_moment(database: Database, server: NameServer) -> None:
    """Eight of one account are made side by side, the ninth is refused, and another account's is made."""

    async def story(lookout: Lookout) -> None:
        for number in range(10):
            server.zone(f"n{number}.test")
            lookout.add(f"n{number}.test", due=False)
        lookout.add("theirs.test", account="222222222222", due=False)
        server.misbehave(Trick.SLOW, rtype="CNAME", delay=0.3)
        doctor = doctor_of(lookout)
        made = await asyncio.gather(
            *(doctor.diagnose(ACCOUNT, REGION, f"n{number}.test") for number in range(10)),
            doctor.diagnose("222222222222", REGION, "theirs.test"),
            return_exceptions=True,
        )
        refused = [each for each in made if isinstance(each, Fault)]

        assert [each.kind for each in refused] == [FaultKind.THROTTLED] * 2
        assert isinstance(made[-1], Diagnosis)
        assert isinstance(await doctor.diagnose(ACCOUNT, REGION, "n9.test"), Diagnosis)

    run(database, story, server)


def test_looking_changes_nothing(database: Database, server: NameServer) -> None:
    """Everything is right, and the diagnosis says so; but only the engine's own look makes it SUCCESS."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add(NAME)
        await lookout.settled()
        lookout.publish(identity)
        before, trail = lookout.view(NAME), lookout.trail(identity)
        diagnosis = await diagnose(lookout)

        assert [finding for facet, finding in findings(diagnosis) if facet == "dkim"] == ["OK"] * 3
        assert all(record.fix == "" for record in diagnosis.records if record.finding == "OK")
        assert diagnosis.verdict == "pending"
        assert lookout.view(NAME) == before
        assert lookout.trail(identity) == trail

    run(database, story, server)


def test_the_verdict_is_where_the_identity_stands(database: Database, server: NameServer) -> None:
    """Verified; at risk on grace; failed in the end."""

    async def story(lookout: Lookout) -> None:
        identity = lookout.add_verified(NAME)
        await lookout.settled()
        seen = [(await diagnose(lookout)).verdict]
        lookout.withdraw(identity)
        await lookout.advance(DAY)
        await lookout.advance(PACE.first + NEGATIVE_TTL)
        seen.append((await diagnose(lookout)).verdict)
        await lookout.advance(WINDOW)
        failed = await diagnose(lookout)

        assert [*seen, failed.verdict] == ["verified", "at_risk", "failed"]
        assert lookout.status(NAME) is Status.FAILED
        assert (failed.next_check_at, failed.deadline) == (None, None)
        assert ("dkim", "MISSING") in findings(failed)

    run(database, story, server)


def test_advice_is_no_requirement(database: Database, server: NameServer) -> None:
    """SPF and DMARC are shown with the rest, marked as not required, and their absence proves nothing."""

    async def story(lookout: Lookout) -> None:
        both = [Facet.DKIM, Facet.MAIL_FROM]
        identity = lookout.add(NAME, starts=both, mail_from_domain="bounce.example.com")
        lookout.publish(identity)
        lookout.publish(identity, Facet.MAIL_FROM)
        await lookout.settled()
        diagnosis = await diagnose(lookout)

        required = {(record.facet, record.type): record.required for record in diagnosis.records}
        assert required == {
            ("dkim", "CNAME"): True,
            ("mail_from", "MX"): True,
            ("mail_from", "TXT"): False,
            ("dmarc", "TXT"): False,
        }
        assert {record.finding for record in diagnosis.records if record.required} == {"OK"}
        assert {record.finding for record in diagnosis.records if not record.required} == {"MISSING"}
        assert diagnosis.verdict == "verified"

    run(database, story, server)


@pytest.mark.parametrize(
    ("trick", "finding"),
    [
        (Trick.SERVFAIL, "SERVER_FAILURE"),
        (Trick.REFUSED, "LAME"),
        (Trick.SILENT, "UNREACHABLE"),
        (Trick.NO_AUTHORITY, "UNREACHABLE"),
        (Trick.BOGUS, "BOGUS"),
    ],
)
def test_trouble_is_told_apart(database: Database, server: NameServer, trick: Trick, finding: str) -> None:
    """What is unknown is not called missing, and says whose trouble it is."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, due=False)
        server.misbehave(trick, rtype="CNAME")
        diagnosis = await diagnose(lookout)

        told = [record for record in diagnosis.records if record.facet == "dkim"]
        assert [record.finding for record in told] == [finding] * 3
        assert all(record.explanation and record.fix for record in told)

    run(database, story, server)


def test_perspectives_that_disagree_are_shown_both(database: Database) -> None:
    """NOT_EVERYWHERE, with what each of the two saw, and that both are needed."""
    zone = Zone()
    zone.zone(NAME)
    with NameServer(zone) as honest, NameServer(zone) as other:

        async def story(lookout: Lookout) -> None:
            identity = lookout.add(NAME, due=False)
            lookout.publish(identity)
            record = lookout.records(identity)[Facet.DKIM][0]
            other.lie(record.name, "CNAME", None)
            diagnosis = await diagnose(lookout)

            assert (diagnosis.perspectives.names, diagnosis.perspectives.quorum) == (("p1", "p2"), 2)
            told = diagnosis.records[0]
            assert (told.finding, told.found) == ("NOT_EVERYWHERE", (record.value,))
            assert [(each.perspective, each.reply) for each in told.observations] == [
                ("p1", "answer"),
                ("p2", "nodata"),
            ]

        run(database, story, honest, other)


def test_an_address_has_no_records(database: Database, server: NameServer) -> None:
    """Nothing is asked for an address; its window and where it stands are told all the same."""

    async def story(lookout: Lookout) -> None:
        lookout.add("someone@example.com", starts=[Facet.LINK])
        diagnosis = await diagnose(lookout, "someone@example.com")

        assert (diagnosis.verdict, diagnosis.records) == ("pending", ())
        assert diagnosis.deadline is not None
        assert server.questions == []

    run(database, story, server)


@pytest.mark.parametrize(("account", "name"), [("999999999999", NAME), (ACCOUNT, "other.example.com")])
def test_what_is_not_ours_to_see_is_not_found(
    database: Database, server: NameServer, account: str, name: str
) -> None:
    """An identity of another account is as good as none, and the DNS is not asked for it."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, due=False)
        with pytest.raises(Fault) as refused:
            await diagnose(lookout, name, account=account)

        assert refused.value.kind is FaultKind.NOT_FOUND
        assert name in refused.value.message
        assert server.questions == []

    run(database, story, server)


def test_many_look_at_once(database: Database, server: NameServer) -> None:
    """The engine and fifty people look at the same identity at the same time, and all see the same."""

    async def story(lookout: Lookout) -> None:
        lookout.publish(lookout.add(NAME))
        seen = await asyncio.gather(*[diagnose(lookout) for _ in range(50)], lookout.settled())

        assert {tuple(findings(each)) for each in seen if isinstance(each, Diagnosis)} == {
            (("dkim", "OK"), ("dkim", "OK"), ("dkim", "OK"), ("dmarc", "MISSING"))
        }
        assert lookout.status(NAME) is Status.SUCCESS
        assert msgspec.json.encode(seen[0])

    run(database, story, server, budget=PATIENT)
