"""What stands in the way of a record is told before it is published, from a real DNS, and moves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from lookout import ACCOUNT, REGION, SERVICE_DOMAIN, Lookout, own_dkim, run
from nameserver import NameServer, Trick

from indicia.domain.identities.identity import Status
from indicia.domain.records.expected import ExpectedRecord, expected_records
from indicia.store.engine.database import Database
from indicia.vault import rsa
from indicia.verifier.diagnosis.forecast import NO_FORECAST, Forecaster, Standing

NAME, BOUNCE = "example.com", "bounce.example.com"
INCLUDE = f"include:{SERVICE_DOMAIN}"
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME)
        yield running


def forecaster(lookout: Lookout, *, rate: float | None = None, kept: float = 0.0) -> Forecaster:
    """One with the eyes of the engine."""
    return Forecaster(lookout.database, lookout.asking_at(rate), lookout.rules, kept=kept)


def records(lookout: Lookout) -> dict[str, ExpectedRecord]:
    """The records to publish: the first of each purpose and type, as `dkim CNAME`."""
    view = lookout.view(NAME)
    expected = expected_records(view.identity, view.token_set, SERVICE_DOMAIN)
    return {f"{each.purpose.value} {each.rtype.name}": each for each in reversed(expected)}


async def standing(lookout: Lookout, record: ExpectedRecord) -> Standing:
    """How one record stands."""
    forecast = await forecaster(lookout)(ACCOUNT, REGION, NAME)
    return forecast.records[record.name, record.rtype.name, record.value]


def told(
    database: Database,
    server: NameServer,
    which: str,
    published: Sequence[tuple[str, str, str | Sequence[str]]],
) -> Standing:
    """How a record stands where this is published: a name ("@" for the record's own), a type, values."""
    found: list[Standing] = []

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, mail_from_domain=BOUNCE, due=False)
        record = records(lookout)[which]
        for name, rtype, values in published:
            server.put(record.name if name == "@" else name, rtype, values)
        found.append(await standing(lookout, record))
        assert lookout.status(NAME) is Status.PENDING

    run(database, story, server)
    return found[0]


@pytest.mark.parametrize("which", ["dkim CNAME", "mail_from MX", "mail_from TXT", "dmarc TXT"])
def test_nothing_there_is_no_conflict(database: Database, server: NameServer, which: str) -> None:
    """A name that is free is MISSING and in nobody's way."""
    assert told(database, server, which, []) == Standing("absent", "MISSING", None)


@pytest.mark.parametrize(
    ("rtype", "value", "finding", "says"),
    [
        ("A", "192.0.2.1", "FLATTENED", "A 192.0.2.1"),
        ("TXT", "something", "WRONG_TYPE", "TXT something"),
        ("MX", "10 mx.example.net", "WRONG_TYPE", "MX 10 mx.example.net"),
        ("CNAME", "tok.dkim.example.net", "WRONG_TARGET", 'points to "tok.dkim.example.net", not to'),
    ],
)
def test_a_cname_stands_alone(
    database: Database, server: NameServer, rtype: str, value: str, finding: str, says: str
) -> None:
    """Other data at its name, and another CNAME there, are each told with what they are."""
    found = told(database, server, "dkim CNAME", [("@", rtype, value)])

    assert (found.sight, found.finding) == ("absent", finding)
    assert found.conflict is not None
    assert says in found.conflict


def test_another_mx(database: Database, server: NameServer) -> None:
    """A MAIL FROM domain that already receives mail elsewhere cannot be one."""
    found = told(database, server, "mail_from MX", [("@", "MX", "10 mx.example.net")])

    assert (found.sight, found.finding) == ("absent", "WRONG_VALUE")
    assert found.conflict is not None
    assert f"{BOUNCE} has MX 10 mx.example.net already" in found.conflict


@pytest.mark.parametrize("which", ["mail_from MX", "mail_from TXT", "dmarc TXT"])
def test_an_alias_in_the_way(database: Database, server: NameServer, which: str) -> None:
    """Beside a CNAME nothing else can be published."""
    found = told(database, server, which, [("@", "CNAME", "elsewhere.example.com")])

    assert found.finding == "ALIASED"
    assert found.conflict is not None
    assert "is an alias of elsewhere.example.com" in found.conflict


def test_a_second_spf_record_is_not_advised(database: Database, server: NameServer) -> None:
    """Where there is one, the sentence has it with our include, before what always matches."""
    found = told(database, server, "mail_from TXT", [("@", "TXT", "v=spf1 mx include:x.example -all")])

    assert found.finding == "SPF_MISSING_INCLUDE"
    assert found.conflict is not None
    assert found.conflict.endswith(f"Change it to v=spf1 mx include:x.example {INCLUDE} -all")


def test_two_spf_records_are_told(database: Database, server: NameServer) -> None:
    """Two already: one of them has to go, ours or not."""
    texts = ["v=spf1 mx -all", f"v=spf1 {INCLUDE} ~all"]
    found = told(database, server, "mail_from TXT", [("@", "TXT", texts)])

    assert found.finding == "MULTIPLE"
    assert found.conflict is not None
    assert f"{BOUNCE} has 2 SPF records" in found.conflict


@pytest.mark.parametrize(
    ("which", "published"),
    [
        ("mail_from TXT", [("@", "TXT", ["other=1", f"v=spf1 mx {INCLUDE} -all"])]),
        ("mail_from TXT", [("@", "TXT", "other=1")]),
        ("dmarc TXT", [("@", "TXT", "v=DMARC1; p=reject; rua=mailto:d@example.com")]),
        (
            "dmarc TXT",
            [
                ("@", "CNAME", "dmarc.example.com"),
                ("dmarc.example.com", "TXT", "v=DMARC1; p=none"),
            ],
        ),
    ],
)
def test_what_is_right_or_beside_is_no_conflict(
    database: Database, server: NameServer, which: str, published: list[tuple[str, str, str]]
) -> None:
    """Other texts may stand beside ours; an SPF record with our include and any DMARC record will do."""
    assert told(database, server, which, published).conflict is None


def test_an_alias_without_a_policy_leaves_that_of_the_organisation(
    database: Database, server: NameServer
) -> None:
    """Receivers pass over it to the organisation's: no conflict, and nothing to publish."""

    async def story(lookout: Lookout) -> None:
        lookout.add(f"news.{NAME}", due=False)
        server.put(f"_dmarc.news.{NAME}", "CNAME", "www.example.com")
        server.put(f"_dmarc.{NAME}", "TXT", "v=DMARC1; p=reject")
        organised = Forecaster(
            lookout.database, lookout.asking_at(None), lookout.rules, kept=0.0, registrable=lambda _: NAME
        )
        forecast = await organised(ACCOUNT, REGION, f"news.{NAME}")
        (policy,) = (each for key, each in forecast.records.items() if key[0] == f"_dmarc.news.{NAME}")

        assert policy == Standing("present", "OK", None)

    run(database, story, server)


def test_a_selector_in_use(database: Database, server: NameServer) -> None:
    """BYODKIM at a selector that holds another key: a selector has one record."""
    ours, other = rsa.generate(1024).public_key, rsa.generate(1024).public_key

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, dkim=own_dkim("sel", ours), due=False)
        record = records(lookout)["dkim TXT"]
        server.put(record.name, "TXT", f"v=DKIM1; p={other}")
        found = await standing(lookout, record)

        assert found.finding == "KEY_MISMATCH"
        assert found.conflict is not None
        assert "A selector has exactly one" in found.conflict
        assert "take another selector" in found.conflict

    run(database, story, server)


def test_what_is_unknown_is_no_conflict(database: Database, server: NameServer) -> None:
    """A zone that fails is in nobody's way; and a look that lasts too long ends without a forecast."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, due=False)
        server.misbehave(Trick.SERVFAIL)
        forecast = await forecaster(lookout)(ACCOUNT, REGION, NAME)

        assert {each.sight for each in forecast.records.values()} == {"unknown"}
        assert {each.conflict for each in forecast.records.values()} == {None}

    run(database, story, server)


def test_a_zone_is_asked_no_faster_than_its_rate(database: Database, server: NameServer) -> None:
    """Who asks again and again gets what was seen, be it stale, or no forecast; the zone hears nothing."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, due=False)
        slow, keeping = forecaster(lookout, rate=0.01), forecaster(lookout, kept=60.0)
        stale = forecaster(lookout, rate=0.01, kept=1e-9)
        first = await slow(ACCOUNT, REGION, NAME)
        asked = len(server.questions)
        again = await slow(ACCOUNT, REGION, NAME)
        unasked = len(server.questions)
        kept = await keeping(ACCOUNT, REGION, NAME)
        old = await stale(ACCOUNT, REGION, NAME)
        before = len(server.questions)

        assert first.records
        assert again is NO_FORECAST
        assert unasked == asked
        assert await keeping(ACCOUNT, REGION, NAME) is kept
        assert await stale(ACCOUNT, REGION, NAME) is old
        assert len(server.questions) == before

    run(database, story, server)


def test_an_account_whose_servers_say_nothing_takes_no_other_its_forecast(
    database: Database, server: NameServer
) -> None:
    """Of forty looks into zones that are silent eight are made, a quarter; another account's is made too."""

    async def story(lookout: Lookout) -> None:
        for number in range(40):
            server.zone(f"tarpit{number}.test")
            lookout.add(f"tarpit{number}.test", due=False)
        lookout.add(NAME, account="444455556666", due=False)
        server.misbehave(Trick.SILENT, when=lambda asked: "tarpit" in asked.name)
        foresee = forecaster(lookout)
        held = [
            asyncio.ensure_future(foresee(ACCOUNT, REGION, f"tarpit{number}.test")) for number in range(40)
        ]
        theirs = await foresee("444455556666", REGION, NAME)

        assert theirs.records
        assert sum(not each.done() for each in held) == 8
        for each in held:
            each.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    run(database, story, server)
