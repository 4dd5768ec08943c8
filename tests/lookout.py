"""A real engine on a real database, looking at real name servers through the real client.

    async def story(lookout: Lookout) -> None:
        identity = lookout.add("example.com")
        lookout.publish(identity)
        await lookout.settled()
        assert lookout.status("example.com") is Status.SUCCESS

    run(database, story, server)

Time is that of a clock which only the test moves; what has a deadline in real time has a short one.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import sqlalchemy as sa
from nameserver import NameServer

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.dkim.key_record import new_tokens
from indicia.domain.dkim.replication import ParentSeen
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import About
from indicia.domain.fairness import ZonePart, ZoneRates
from indicia.domain.identities.identity import (
    ErrorType,
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.proofs.transitions import Windows, start
from indicia.domain.records.expected import ExpectedRecord, required_records
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND, Span
from indicia.domain.verification.check import Conclusion, Rules
from indicia.domain.verification.quorum import default_quorum
from indicia.domain.verification.schedule import Pace
from indicia.operations.dkim.replicating import Replicator
from indicia.publicsuffix import PublicSuffixes
from indicia.runtime.clock import Clock
from indicia.store.dkim import key_requests, keys, zones
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.proofs import facets, tables
from indicia.store.verification import checks, evidence
from indicia.store.verification.checks import Claim
from indicia.vault.assigner import KeyAssigner
from indicia.verifier.diagnosis.asking import Asking
from indicia.verifier.dns.client import Budget
from indicia.verifier.dns.perspectives import Perspective, Perspectives
from indicia.verifier.engine import completion
from indicia.verifier.engine.commit import CheckCommit
from indicia.verifier.engine.controls import Controls, Passed
from indicia.verifier.engine.engine import Engine, EngineLimits

ACCOUNT = "111122223333"
REGION = "eu-west-1"
SERVICE_DOMAIN = "mail.example.org"
ZONE = f"dkim.{SERVICE_DOMAIN}"
WINDOW = 72 * HOUR
NEGATIVE_TTL = 5 * SECOND
PACE = Pace(first=10 * SECOND, largest=15 * MINUTE, verified=DAY)
# Silence is noticed soon; a loaded machine still answers in time.
QUICK = Budget(exchange=0.4, tries=2, question=2.0, control=0.5)
# For what is held up on purpose, and for crowds: nothing is asked twice.
PATIENT = Budget(exchange=20.0, tries=1, question=20.0)
LIMITS = EngineLimits(poll=50)
REGIONS = frozenset({REGION, "us-east-1"})

_numbers = itertools.count()
_PROVED = Prepared(
    sa.select(sa.func.count())
    .select_from(tables.facet_state)
    .where(tables.facet_state.c.status == Status.SUCCESS.value)
)


def rules(perspectives: int) -> Rules:
    """The rules of a house with so many perspectives."""
    windows = Windows(records=WINDOW, link=DAY, corroborate=PACE.largest)
    return Rules(SERVICE_DOMAIN, default_quorum(perspectives), windows, PACE, REGIONS)


class Lookout:
    """An engine and what it looks at. `engine` is running while the story is told."""

    def __init__(
        self,
        database: Database,
        *servers: NameServer,
        clock: Clock | None = None,
        limits: EngineLimits = LIMITS,
        budget: Budget = QUICK,
        random: Callable[[], float] = lambda: 0.5,
        observe: Callable[[Conclusion, float], None] | None = None,
        announcer: EventRecorder | None = None,
        landed: Callable[[Conclusion], None] = lambda _: None,
        replicate: Callable[[Claim], Awaitable[ParentSeen]] | None = None,
        unbelieved: Callable[[str, float], Awaitable[Collection[str]]] | None = None,
        known: Iterable[Passed] = (),
        zone_rates: ZoneRates | None = None,
    ) -> None:
        self.database = database
        self.servers = servers
        self.clock = clock or Clock()
        self.eyes = Perspectives(
            [Perspective(f"p{number}", (server.address,)) for number, server in enumerate(servers, 1)],
            clock=self.clock.now,
            budget=budget,
        )
        self.rules = rules(len(servers))
        self.asking = self.asking_at(None)
        self.controls = Controls(
            self.eyes, key_zone=ZONE, top_of=PublicSuffixes().top, known=known, apart=0.0
        )
        self.owner = f"lookout{next(_numbers)}"
        self.engine = Engine(
            database,
            self.eyes,
            self.rules,
            self.clock,
            owner=self.owner,
            observe=observe,
            random=random,
            limits=limits,
            zone_rates=zone_rates,
            landed=landed,
            landing=CheckCommit(
                now=self.clock.now,
                patience=2 * PACE.verified,
                window=WINDOW,
                again=PACE.largest,
                announce=(announcer or EventRecorder()).announce,
                operator=About(ACCOUNT, REGION),
            ),
            unbelieved=unbelieved or self.controls.unbelieved,
            replicate=replicate
            or Replicator(
                database,
                REGIONS,
                self.rules.windows,
                KeyPace(),
                PACE.first,
                self.clock.now,
                announce=(announcer or EventRecorder()).announce,
            ),
        )
        self.assigner = KeyAssigner(
            database,
            self.clock,
            KeyPace(),
            complete=partial(completion.complete, rules=self.rules),
            completed=lambda _: self.engine.wake(),
            announce=(announcer or EventRecorder()).announce,
        )
        self.running: asyncio.Task[None] | None = None
        self.assigning: asyncio.Task[None] | None = None

    def asking_at(self, rate: float | None) -> Asking:
        """What asks zones for whoever wishes it: so many questions a second, None for as fast as it goes."""
        part = None if rate is None else ZonePart(ZoneRates(rate), 1.0)
        return Asking(self.eyes, part, part, ours=SERVICE_DOMAIN, registrable=PublicSuffixes().registrable)

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(self.engine.run())
        self.assigning = asyncio.create_task(self.assigner.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.stop()
        self.assigner.stop()
        assert self.running is not None
        assert self.assigning is not None
        await asyncio.gather(self.running, self.assigning, return_exceptions=True)
        await self.controls.close()
        await self.eyes.close()

    async def die(self) -> None:
        """End as a process does that is killed: nothing more is written, leases stay as they are."""
        assert self.running is not None
        assert self.assigning is not None
        self.running.cancel()
        self.assigning.cancel()
        await asyncio.gather(self.running, self.assigning, return_exceptions=True)

    async def settled(self) -> None:
        """Everything that is due is looked at and committed; but it does not take for ever.

        Those who wait for a key have it, as far as there are some.
        """
        self.engine.wake()
        await asyncio.wait_for(self.engine.settled(), 30)
        if self.database.read(key_requests.can_be_served):
            self.assigner.wake()
            await until(lambda: not self.database.read(key_requests.can_be_served))
            await asyncio.wait_for(self.engine.settled(), 30)

    async def advance(self, span: Span) -> None:
        """Time passes, and what became due is looked at."""
        self.clock.advance(span)
        await self.settled()

    def add(
        self,
        name: str,
        *,
        dkim: TokenSet | None = None,
        starts: Sequence[Facet] = (Facet.DKIM,),
        due: bool = True,
        bare: bool = False,
        **given: Any,
    ) -> Identity:
        """Store an identity as the API does, with its facets asked for just now, due at once.

        A `bare` one has no tokens.
        """
        now = self.clock.now()
        email = "@" in name
        token_set = dkim if dkim is not None or email or bare else easy_dkim(now)
        identity = replace(_plain(name, now), token_set_id=token_set.id if token_set else None, **given)
        self.database.write(partial(_store, identity=identity, token_set=token_set, now=now))

        def begin(s: Session) -> None:
            for facet in starts:
                facets.put(s, identity.id, start(facet, identity.generation, now, WINDOW))
            due_at = now if due else None
            checks.schedule(s, identity.id, shard_of(name), due_at, interval=PACE.first)

        self.database.write(begin)
        return identity

    def add_verified(self, name: str, **given: Any) -> Identity:
        """Store an identity whose DKIM was proved, with its records on every server, due at once."""
        identity = self.add(name, **given)
        state = FacetState(Facet.DKIM, Status.SUCCESS, identity.generation, self.clock.now())
        self.database.write(lambda s: facets.put(s, identity.id, state))
        self.publish(identity)
        return identity

    def records(self, identity: Identity) -> dict[Facet, tuple[ExpectedRecord, ...]]:
        """What has to be published for it, facet by facet."""
        token_set_id = identity.token_set_id
        token_set = token_set_id and self.database.read(lambda s: keys.get_token_set(s, token_set_id))
        return required_records(identity, token_set or None, SERVICE_DOMAIN)

    def publish(self, identity: Identity, facet: Facet = Facet.DKIM, *, only: int | None = None) -> None:
        """Publish the records of a facet, or the first few of them, in the data of every server."""
        for record in self.records(identity)[facet][:only]:
            for server in self.servers:
                server.put(record.name, record.rtype.name, record.value)

    def withdraw(self, identity: Identity, facet: Facet = Facet.DKIM) -> None:
        """Withdraw the records of a facet."""
        for record in self.records(identity)[facet]:
            for server in self.servers:
                server.remove(record.name, record.rtype.name)

    def stock(self, bits: int = 2048) -> str:
        """Put a key into the pool and return its public half."""
        public = base64.b64encode(secrets.token_bytes(24)).decode()
        key = keys.PooledKey(new_id(), bits, public, b"sealed", self.clock.now())
        self.database.write(lambda s: keys.add_pooled(s, key))
        return public

    def view(self, name: str) -> identities.IdentityView:
        """Everything the store has on an identity."""
        found = self.database.read(lambda s: identities.view(s, ACCOUNT, REGION, name))
        assert found is not None
        return found

    def state(self, name: str, facet: Facet = Facet.DKIM) -> FacetState:
        """What was found of a facet."""
        return self.view(name).facets[facet]

    def status(self, name: str, facet: Facet = Facet.DKIM) -> Status:
        """Where a facet stands."""
        return self.state(name, facet).status

    def proved(self) -> int:
        """How many facets are SUCCESS, in one question: one for each would hold up the engine beside it."""
        row = self.database.read(lambda s: s.one(_PROVED))
        assert row is not None
        return int(row[0])

    def error(self, name: str) -> ErrorType | None:
        """What people are told is wrong."""
        return self.view(name).error

    def due_in(self, name: str) -> Span | None:
        """How long until the next look; None for never."""
        due = self.view(name).due_at
        return None if due is None else due - self.clock.now()

    def trail(self, identity: Identity) -> list[evidence.StoredVerdict]:
        """The stored verdicts, newest first."""
        return self.database.read(lambda s: evidence.history(s, identity.id, limit=100))


def run(
    database: Database,
    story: Callable[[Lookout], Awaitable[None]],
    *servers: NameServer,
    **given: Any,
) -> None:
    """Tell a story with a running engine, to its end but not for ever."""

    async def told() -> None:
        async with Lookout(database, *servers, **given) as lookout:
            await story(lookout)

    async def limited() -> None:
        await asyncio.wait_for(told(), 150)

    asyncio.run(limited())


async def until(condition: Callable[[], bool], *, within: float = 20.0) -> None:
    """Return when the condition holds; fail when it does not come to hold."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while not condition():
        assert loop.time() < end, "it did not come to that"
        await asyncio.sleep(0.005)


def easy_dkim(now: int = 0, *, has_key: bool = True, **given: Any) -> TokenSet:
    """An Easy DKIM token set with tokens that nobody else has."""
    number, tokens = new_id(), new_tokens(secrets.token_bytes, now)
    plain = TokenSet(
        number,
        TokenSetKind.EASY,
        tokens,
        ZONE,
        KeyLength.RSA_2048_BIT,
        now,
        has_key,
        "MIIB" if has_key else "",
    )
    return replace(plain, **given)


def own_dkim(selector: str, public_key: str) -> TokenSet:
    """A BYODKIM token set."""
    return TokenSet(
        new_id(), TokenSetKind.EXTERNAL, (selector,), "", None, 0, has_key=True, public_key=public_key
    )


def _plain(name: str, now: int) -> Identity:
    return Identity(
        id=new_id(),
        account=ACCOUNT,
        region=REGION,
        kind=IdentityKind.EMAIL_ADDRESS if "@" in name else IdentityKind.DOMAIN,
        name=name,
        created_at=now,
        version=1,
        generation=1,
        origin="AWS_SES",
        signing_enabled=True,
        next_key_length=KeyLength.RSA_2048_BIT,
        token_set_id=None,
        legacy_token=secrets.token_urlsafe(32),
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set="",
    )


def _store(s: Session, identity: Identity, token_set: TokenSet | None, now: int) -> None:
    if token_set is not None:
        zones.add(s, ZONE, now)
        keys.insert_token_set(s, token_set, now, domain=identity.name)
    identities.insert(s, identity)


def change_tokens(
    database: Database, identity: Identity, token_set: TokenSet, now: int, *, schedule: bool
) -> None:
    """Give the identity another token set, a newer expectation, started anew; let it be looked at now."""
    newer = replace(identity, token_set_id=token_set.id, generation=identity.generation + 1)

    def change(s: Session) -> None:
        keys.insert_token_set(s, token_set, now)
        identities.update(s, newer, identity.version)
        facets.put(s, identity.id, start(Facet.DKIM, newer.generation, now, WINDOW))
        if schedule:
            checks.schedule(s, identity.id, shard_of(identity.name), now, interval=PACE.first)

    database.write(change)


def delete(database: Database, identity: Identity) -> None:
    """Delete the identity, as the API does."""
    database.write(lambda s: identities.delete(s, identity))
