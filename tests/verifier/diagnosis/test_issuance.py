"""What this service gave to others is told from any other wrong value, and never whose it is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from lookout import SERVICE_DOMAIN, Lookout, delete, run
from nameserver import NameServer

from indicia.domain.dkim.key_record import new_verification_token
from indicia.domain.identities.identity import Facet
from indicia.settings.places import public_only
from indicia.store.engine.database import Database
from indicia.verifier.diagnosis.diagnosis import DiagnosedRecord, Doctor
from indicia.verifier.diagnosis.investigation import Investigator
from indicia.verifier.diagnosis.issuance import issued_in

NAME = "example.com"


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME)
        yield running


async def diagnosed(lookout: Lookout, facet: str) -> DiagnosedRecord:
    """What a doctor says of the first record of a facet who knows what was issued."""
    investigator = Investigator(
        lookout.eyes,
        clock=lookout.clock.now,
        port=1,
        may_ask=public_only((), everything=False),
        issued_to_another=issued_in(lookout.database),
    )
    doctor = Doctor(lookout.database, lookout.asking, lookout.rules, lookout.clock, investigator)
    found = await doctor.diagnose("111122223333", "eu-west-1", NAME)
    return next(record for record in found.records if record.facet == facet)


def token(service_domain: str = SERVICE_DOMAIN) -> str:
    """A token as this service makes them, or another."""
    return new_verification_token(secrets.token_bytes, service_domain)


@pytest.mark.parametrize("form", ["{}", "amazonses:{}"])
def test_the_token_of_an_identity_that_is_gone(database: Database, server: NameServer, form: str) -> None:
    """The domain was verified before, deleted, and is verified anew: its old TXT is OTHER_IDENTITY."""

    async def story(lookout: Lookout) -> None:
        earlier = lookout.add(NAME, starts=(), legacy_token=token(), due=False)
        delete(lookout.database, earlier)
        lookout.add(NAME, starts=[Facet.OWNERSHIP], legacy_requested=True, legacy_token=token(), due=False)
        server.put(f"_amazonses.{NAME}", "TXT", ["v=spf1 -all", form.format(earlier.legacy_token)])
        told = await diagnosed(lookout, "ownership")

        assert told.finding == "OTHER_IDENTITY"
        assert "another account, another region, or an earlier identity" in told.explanation
        assert told.fix.startswith(f"Publish _amazonses.{NAME} TXT {told.expected}, beside the other")

    run(database, story, server)


def test_a_token_of_elsewhere_is_a_wrong_value(database: Database, server: NameServer) -> None:
    """What looks like a token and is none of this service's is WRONG_VALUE."""

    async def story(lookout: Lookout) -> None:
        lookout.add(NAME, starts=[Facet.OWNERSHIP], legacy_requested=True, legacy_token=token(), due=False)
        server.put(f"_amazonses.{NAME}", "TXT", token("mail.example.net"))

        assert (await diagnosed(lookout, "ownership")).finding == "WRONG_VALUE"

    run(database, story, server)


def test_the_target_of_an_identity_that_is_gone(database: Database, server: NameServer) -> None:
    """A CNAME to a token that was given out, be it long ago, is OTHER_IDENTITY; to no token, WRONG_TARGET."""

    async def story(lookout: Lookout) -> None:
        earlier = lookout.add(NAME, due=False)
        target = lookout.records(earlier)[Facet.DKIM][0].value
        delete(lookout.database, earlier)
        wanted = lookout.records(lookout.add(NAME, due=False))[Facet.DKIM][0]
        server.put(wanted.name, "CNAME", target)
        given_out = await diagnosed(lookout, "dkim")
        server.put(wanted.name, "CNAME", f"neverissued.dkim.{SERVICE_DOMAIN}")

        assert given_out.finding == "OTHER_IDENTITY"
        assert (await diagnosed(lookout, "dkim")).finding == "WRONG_TARGET"

    run(database, story, server)
