"""The diagnosis and the records call know the policy of an organisation, and say what aligns with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lookout import ACCOUNT, REGION, Lookout, run
from nameserver import NameServer, Trick

from indicia.publicsuffix import PublicSuffixes
from indicia.store.engine.database import Database
from indicia.verifier.diagnosis.diagnosis import DiagnosedRecord, Doctor
from indicia.verifier.diagnosis.forecast import Forecaster

NAME = "shop.example.com"
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
REGISTRABLE = PublicSuffixes().registrable


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with the organisation's zone."""
    with NameServer() as running:
        running.zone("example.com")
        yield running


async def diagnosed(lookout: Lookout) -> DiagnosedRecord:
    """The row about DMARC."""
    doctor = Doctor(lookout.database, lookout.asking, lookout.rules, lookout.clock, registrable=REGISTRABLE)
    found = await doctor.diagnose(ACCOUNT, REGION, NAME)
    (row,) = [record for record in found.records if record.facet == "dmarc"]
    return row


async def foreseen(lookout: Lookout) -> str:
    """What the records call has for it."""
    forecaster = Forecaster(lookout.database, lookout.asking, lookout.rules, kept=0, registrable=REGISTRABLE)
    forecast = await forecaster(ACCOUNT, REGION, NAME)
    (found,) = [each.finding for key, each in forecast.records.items() if key[0] == f"_dmarc.{NAME}"]
    return found


def test_the_policy_of_the_organisation_counts(database: Database, server: NameServer) -> None:
    """Nothing is missing below a domain whose policy receivers find; without one it is MISSING."""

    async def story(lookout: Lookout) -> None:
        lookout.add_verified(NAME)
        await lookout.settled()
        nowhere = await diagnosed(lookout), await foreseen(lookout)
        server.put("_dmarc.example.com", "TXT", "v=DMARC1; p=quarantine; sp=reject; adkim=s")
        row = await diagnosed(lookout)

        assert (nowhere[0].finding, nowhere[1]) == ("MISSING", "MISSING")
        assert (row.finding, await foreseen(lookout), row.fix) == ("OK", "OK", "")
        assert f"_dmarc.example.com, which counts for {NAME} too, asks receivers to reject" in row.explanation
        assert "(adkim=s) passes by DKIM" in row.explanation

    run(database, story, server)


def test_a_policy_that_nothing_passes_is_told_what_to_do(database: Database, server: NameServer) -> None:
    """Its own policy comes first; DKIM that does not stand yet is what is missing."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, due=False)
        server.put("_dmarc.example.com", "TXT", "v=DMARC1; p=none")
        server.put(f"_dmarc.{NAME}", "TXT", "v=DMARC1; p=reject")
        row = await diagnosed(lookout)

        assert (row.finding, row.required) == ("OK", False)
        assert f"The policy at _dmarc.{NAME} asks receivers to reject" in row.explanation
        assert row.fix.startswith(f"Let DKIM of {NAME} be verified")

    run(database, story, server)


def test_what_is_unknown_is_not_called_missing(database: Database, server: NameServer) -> None:
    """A zone that fails says nothing of its policy."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, due=False)
        server.misbehave(Trick.SERVFAIL, f"_dmarc.{NAME}")
        server.put("_dmarc.example.com", "TXT", "v=DMARC1; p=none")

        assert (await diagnosed(lookout)).finding == "SERVER_FAILURE"

    run(database, story, server)
