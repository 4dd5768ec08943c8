"""What a diagnosis says beyond the records: the keys at the end of the CNAMEs, and what was left over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lookout import ACCOUNT, NEGATIVE_TTL, REGION, Lookout, easy_dkim, run
from nameserver import NameServer

from indicia.domain.identity import KeyLength, TokenSet
from indicia.domain.rotation import KeyPace
from indicia.domain.time import SECOND
from indicia.operations.token_sets import abandon
from indicia.store import identities, keys
from indicia.store.database import Database
from indicia.store.ids import new_id
from indicia.vault import rsa
from indicia.verifier.diagnosis import DiagnosedRecord, Doctor

NAME = "example.com"
KEY = rsa.generate(1024).public_key


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server with one zone."""
    with NameServer() as running:
        running.zone(NAME, minimum=NEGATIVE_TTL // SECOND)
        yield running


def keyed(lookout: Lookout) -> TokenSet:
    """An identity with a key under its first token."""
    token_set = easy_dkim(lookout.clock.now(), has_key=False, wanted_length=KeyLength.RSA_2048_BIT)
    lookout.add(NAME, dkim=token_set)
    key, now = keys.PooledKey(new_id(), 2048, KEY, b"sealed", 0), lookout.clock.now()
    lookout.database.write(
        lambda s: keys.publish(s, token_set.id, token_set.zone, token_set.tokens[0], key, now)
    )
    return token_set


async def diagnosed(lookout: Lookout) -> list[DiagnosedRecord]:
    """The records of a diagnosis, DMARC left out."""
    doctor = Doctor(lookout.database, lookout.eyes, lookout.rules, lookout.clock, lookout.eyes.names)
    diagnosis = await doctor.diagnose(ACCOUNT, REGION, NAME)
    return [record for record in diagnosis.records if record.facet == "dkim"]


def test_the_key_behind_a_right_record_is_shown(database: Database, server: NameServer) -> None:
    """Visible or not, in words that blame nobody who has done everything right; the status needs it not."""

    async def story(lookout: Lookout) -> None:
        token_set = keyed(lookout)
        assert len(await diagnosed(lookout)) == 3  # no record leads to the key yet
        target = f"{token_set.tokens[0]}.{token_set.zone}"
        server.put(f"{token_set.tokens[0]}._domainkey.{NAME}", "CNAME", target)
        hidden = (await diagnosed(lookout))[3]
        assert (hidden.type, hidden.expected, hidden.required) == ("TXT", f"p={KEY}", False)
        assert hidden.finding == "MISSING"
        assert "no mail is signed with it" in hidden.explanation
        assert "Nothing to do for the owner" in hidden.fix

        server.put(target, "TXT", "p=")
        assert (await diagnosed(lookout))[3].finding == "KEY_REVOKED"
        server.put(target, "TXT", f"p={KEY}")
        assert (await diagnosed(lookout))[3].finding == "OK"

    run(database, story, server)


def test_what_an_earlier_identity_left_is_named(database: Database, server: NameServer) -> None:
    """Its record still points here: the next identity of that name is told, and what to remove."""

    async def story(lookout: Lookout) -> None:
        before = easy_dkim(lookout.clock.now(), wanted_length=KeyLength.RSA_2048_BIT)
        gone = lookout.add(NAME, dkim=before)
        lookout.publish(gone)
        lookout.database.write(lambda s: _delete(s, gone.id, before, lookout.clock.now()))
        lookout.add(NAME)
        server.remove(f"{before.tokens[2]}._domainkey.{NAME}", "CNAME")
        records = await diagnosed(lookout)

        assert [record.finding for record in records] == ["MISSING"] * 3 + ["OTHER_IDENTITY"] * 2
        left = records[3]
        name = f"{before.tokens[0]}._domainkey.{NAME}"
        assert (left.name, left.expected, left.required) == (name, "", False)
        assert left.found == (f"{before.tokens[0]}.{before.zone}",)
        assert "earlier identity" in left.explanation
        assert left.fix.startswith(f"Remove {name} CNAME")

    def _delete(s, identity_id, token_set, now):
        identity = identities.by_id(s, identity_id)
        assert identity is not None
        identities.delete(s, identity)
        abandon(s, token_set.id, now, KeyPace())

    run(database, story, server)
