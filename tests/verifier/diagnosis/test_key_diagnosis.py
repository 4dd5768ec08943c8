"""What a diagnosis says beyond the records: the keys at the end of the CNAMEs, and what was left over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lookout import ACCOUNT, NEGATIVE_TTL, REGION, Lookout, easy_dkim, run
from nameserver import NameServer, Trick

from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.identities.identity import KeyLength, TokenSet
from indicia.domain.time import SECOND
from indicia.operations.dkim.token_sets import abandon
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.identities import identities
from indicia.vault import rsa
from indicia.verifier.diagnosis.diagnosis import DiagnosedRecord, Doctor

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
    doctor = Doctor(lookout.database, lookout.asking, lookout.rules, lookout.clock)
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


@pytest.mark.parametrize(
    ("trick", "finding", "says", "fix"),
    [
        (Trick.SERVFAIL, "SERVER_FAILURE", "failed to answer (SERVFAIL", "Ask the DNS provider;"),
        (Trick.REFUSED, "LAME", "refuse to answer for the zone", "Ask the DNS provider whether"),
        (Trick.SILENT, "UNREACHABLE", "No name server of", "Check the delegation"),
    ],
)
def test_a_key_that_the_owners_servers_hide_is_the_owners_trouble(
    database: Database, server: NameServer, trick: Trick, finding: str, says: str, fix: str
) -> None:
    """The CNAME is right and our zone has the key, but a question for it at the owner's name fails."""

    async def story(lookout: Lookout) -> None:
        token_set = keyed(lookout)
        name = f"{token_set.tokens[0]}._domainkey.{NAME}"
        server.put(name, "CNAME", f"{token_set.tokens[0]}.{token_set.zone}")
        server.put(f"{token_set.tokens[0]}.{token_set.zone}", "TXT", f"p={KEY}")
        server.misbehave(trick, name, "TXT")
        hidden = (await diagnosed(lookout))[3]

        assert hidden.finding == finding
        assert f"The CNAME at {name} is right and the key is published" in hidden.explanation
        assert says in hidden.explanation
        assert hidden.fix.startswith(fix)

    run(database, story, server)


def test_a_text_beside_the_cname_hides_the_key(database: Database, server: NameServer) -> None:
    """A server that has both answers with the text: that is to be removed, for a CNAME stands alone."""

    async def story(lookout: Lookout) -> None:
        token_set = keyed(lookout)
        name = f"{token_set.tokens[0]}._domainkey.{NAME}"
        server.put(name, "CNAME", f"{token_set.tokens[0]}.{token_set.zone}")
        server.put(f"{token_set.tokens[0]}.{token_set.zone}", "TXT", f"p={KEY}")
        server.lie(name, "TXT", "something else")
        hidden = (await diagnosed(lookout))[3]

        assert "as if the CNAME were not there" in hidden.explanation
        assert hidden.fix == f"Remove the TXT record at {name}: beside a CNAME no other record can stand."

    run(database, story, server)


def test_a_key_zone_that_fails_is_ours(database: Database, server: NameServer) -> None:
    """Nobody answers for the key at its own name either: the owner has nothing to do."""

    async def story(lookout: Lookout) -> None:
        token_set = keyed(lookout)
        target = f"{token_set.tokens[0]}.{token_set.zone}"
        server.put(f"{token_set.tokens[0]}._domainkey.{NAME}", "CNAME", target)
        server.misbehave(Trick.SERVFAIL, rtype="TXT", when=lambda asked: "_domainkey" in asked.name)
        server.misbehave(Trick.SERVFAIL, target, "TXT")
        hidden = (await diagnosed(lookout))[3]

        assert hidden.finding == "SERVER_FAILURE"
        assert f"The name servers of {target} failed" in hidden.explanation
        assert "Nothing to do for the owner" in hidden.fix

    run(database, story, server)


@pytest.mark.parametrize(
    ("published", "fix"),
    [
        (False, "Nothing to do: it harms nobody. {name} CNAME may be removed."),
        (True, "Leave it for some days: mail that was signed with its key may still be on its way."),
    ],
)
def test_what_an_earlier_identity_left_is_named(
    database: Database, server: NameServer, published: bool, fix: str
) -> None:
    """Its record still points here: the next identity of that name is told, and that it harms nobody."""

    async def story(lookout: Lookout) -> None:
        if published:
            before = keyed(lookout)
            gone = lookout.view(NAME).identity
        else:
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
        assert left.fix == fix.format(name=name)

    def _delete(s, identity_id, token_set, now):
        identity = identities.by_id(s, identity_id)
        assert identity is not None
        identities.delete(s, identity)
        abandon(s, token_set.id, now, KeyPace())

    run(database, story, server)
