"""A machine that tries to keep a proof it has no right to, and to lose one that it has.

It makes random calls, publishes and withdraws records, lets the DNS fail and the clock move, on the real
operations and the real store, with the real check and its real landing. The DNS is a table of records behind
the same door as the perspectives. What the states are compared with is that table, and a diary of what could
be seen in it: never a model of the states.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from desk import SERVICE_DOMAIN, T0, Desk
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from one_thread import OneThreadDatabase

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.dkim.signing import Unsigned
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, FacetState, Identity, IdentityKind, Status, TokenSetKind
from indicia.domain.proofs.transitions import MAY_SEND, OWN_PROOF, Sight, own_status
from indicia.domain.records.expected import (
    ExpectedRecord,
    dkim_records,
    mail_from_records,
    ownership_record,
)
from indicia.domain.records.observation import Observation, Question, RecordType, Reply, Soa
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND, Instant, Span
from indicia.domain.verification.check import Rules
from indicia.domain.verification.schedule import Pace
from indicia.links import link_service
from indicia.operations.dkim.replicating import Replicator
from indicia.operations.dkim.signing_keys import signing_key_for
from indicia.runtime.clock import Clock, real_now
from indicia.store.dkim import keys
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim import tables as dkim_tables
from indicia.store.dkim.keys import NoKeyYet
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.identities.identities import IdentityView
from indicia.store.proofs import listed
from indicia.store.verification import checks
from indicia.store.verification_mail import tables as verification_mail_tables
from indicia.vault.assignment import assign
from indicia.vault.rotation import advance
from indicia.verifier.engine.checker import Checker, Found
from indicia.verifier.engine.commit import CheckCommit
from indicia.verifier.engine.completion import complete
from indicia.wire.shapes.sesv2 import DkimSigningAttributes

NAME: Final = "example.com"
ADDRESS: Final = "ann@example.net"
REGIONS: Final = ("eu-west-1", "us-east-1")
WITHOUT_PARENT: Final = ("us-west-2", "ap-south-1")  # one that is served here, one that is not
PACE: Final = Pace(first=10 * SECOND, largest=15 * MINUTE, verified=DAY)
NEGATIVE_TTL: Final = 60
APART: Final = PACE.largest  # the most that two sights of an absence have to be apart
KEY_PACE: Final = KeyPace()
SOA: Final = Soa(NAME, f"ns1.{NAME}", f"hostmaster.{NAME}", 1, NEGATIVE_TTL)
SPANS: Final = (
    *(SECOND, 20 * SECOND, MINUTE, 16 * MINUTE, HOUR, 5 * HOUR, DAY),
    *(71 * HOUR, 72 * HOUR, 73 * HOUR, 4 * DAY, 200 * DAY),
)

T = TypeVar("T")
Published = dict[tuple[str, RecordType], tuple[str, ...]]


class Sky:
    """What can be seen: the records that are published, and our own key zone. Implements `DnsObserver`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.published: Published = {}
        self.failing: frozenset[RecordType] = frozenset()

    async def observe(
        self,
        questions: Sequence[Question],
        within: float | None = None,  # noqa: ARG002 - as `DnsObserver` has it
    ) -> dict[Question, tuple[Observation, ...]]:
        """Return what is there now, or SERVFAIL."""
        return {question: (self._observed(question),) for question in questions}

    async def enclosing_zone(self, name: str) -> Sequence[Soa | None]:  # noqa: ARG002 - as `DnsObserver` has it
        """Return the one zone there is."""
        return (SOA,)

    def _observed(self, question: Question) -> Observation:
        now, (name, rtype) = self._clock.now(), question
        if rtype in self.failing:
            return Observation(question, "sky", Reply.SERVFAIL, now)
        values = (f"{SOA.primary} {SOA.admin}",) if rtype is RecordType.SOA and name == NAME else None
        values = values or self.published.get((name, rtype))
        alias = self.published.get((name, RecordType.CNAME))
        chain: tuple[str, ...] = ()
        if values is None and alias is not None and rtype is RecordType.TXT:
            chain, values = alias, self._key(alias[0])
        if values is not None:
            return Observation(question, "sky", Reply.ANSWER, now, values, chain, ttl=60, soa=SOA)
        there = alias is not None or any(key[0] == name for key in self.published)
        reply = Reply.NODATA if there or name == NAME else Reply.NXDOMAIN
        return Observation(question, "sky", reply, now, (), chain, negative_ttl=NEGATIVE_TTL, soa=SOA)

    def _key(self, target: str) -> tuple[str, ...] | None:
        token, _, zone = target.partition(".")
        found = self._database.read(partial(keys.lookup, zone=zone, token=token))
        return None if found is None or isinstance(found, NoKeyYet) else (f"p={found}",)

    # -- what is true

    def sight(self, records: Sequence[ExpectedRecord]) -> Sight:
        """Return what anybody who looks now can see of all these records together."""
        sights = {self._sight(record) for record in records}
        if Sight.ABSENT in sights:
            return Sight.ABSENT
        return Sight.UNKNOWN if Sight.UNKNOWN in sights else Sight.PRESENT

    def _sight(self, record: ExpectedRecord) -> Sight:
        if record.rtype in self.failing:
            return Sight.UNKNOWN
        there = (self.published.get((name, record.rtype), ()) for name in (record.name, *record.also))
        return Sight.PRESENT if any(record.value in values for values in there) else Sight.ABSENT

    def key_sight(self, name: str) -> Sight:
        """Return what anybody who looks now can see of a key in our zone, through its CNAME."""
        if self.failing & {RecordType.CNAME, RecordType.TXT}:
            return Sight.UNKNOWN
        reply = self._observed(Question(name, RecordType.TXT)).reply
        return Sight.PRESENT if reply is Reply.ANSWER else Sight.ABSENT

    # -- what its owner does

    def publish(self, records: Sequence[ExpectedRecord]) -> None:
        """Put the records where they are expected, in place of what was there."""
        for record in records:
            self.published[record.name, record.rtype] = (record.value,)

    def withdraw(self, records: Sequence[ExpectedRecord]) -> None:
        """Take the records away."""
        for record in records:
            self.published.pop((record.name, record.rtype), None)


@dataclass
class Diary:
    """What could be seen of one identity since it was made: at which look, and what of."""

    expected: dict[tuple[ExpectedRecord, ...], None] = field(default_factory=dict)
    absent: list[Instant] = field(default_factory=list)  # looks that saw nothing that ever proved it
    mail_from: dict[int, list[Instant]] = field(default_factory=dict)  # of each generation, its absences
    keys: dict[int, list[Instant]] = field(default_factory=dict)  # of each that signed, its absences

    def note(self, at: Instant, sight: Sight) -> None:
        """Note a look that was stored."""
        if sight is Sight.PRESENT:
            self.absent = []
        elif sight is Sight.ABSENT:
            self.absent.append(at)

    @property
    def proves_nothing(self) -> bool:
        """Whether the absences are enough: corroborated, and one at the end of the window after that."""
        corroborated = [at for at in self.absent if at >= self.absent[0] + APART]
        return bool(corroborated) and self.absent[-1] >= corroborated[0] + WINDOW


WINDOW: Final[Span] = 72 * HOUR


@dataclass(frozen=True)
class Flight:
    """A look that was made and is not stored yet, with what was true when it was made."""

    found: Found
    view: IdentityView
    anything: Sight
    counting: Sight  # of what proves the identity at that moment
    signed: tuple[int, Sight] | None  # with which key mail was signed, and what was to be seen of it


@cache
def own_keys() -> tuple[str, ...]:
    """Private keys to upload, as the API takes them."""
    made = [rsa.generate_private_key(65537, 1024) for _ in range(2)]
    return tuple(
        base64.b64encode(
            each.private_bytes(
                serialization.Encoding.DER,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        ).decode()
        for each in made
    )


@cache
def public_keys() -> tuple[str, ...]:
    """Public keys for the pool: such as receivers can read, or no key would ever be seen."""
    made = [rsa.generate_private_key(65537, 1024).public_key() for _ in range(6)]
    return tuple(
        base64.b64encode(
            each.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        ).decode()
        for each in made
    )


def _folder() -> Path:
    """Return a new folder, in memory where there is such a place: what is tried here is not the disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    return Path(tempfile.mkdtemp(prefix="proof", dir=memory if memory.is_dir() else None))


@cache
def template() -> Path:
    """A database file with the present schema and nothing in it, to be copied."""
    path = _folder() / "empty.db"
    url = f"sqlite:///{path}"
    schema.migrate(url)
    open_database(url).close()
    return path


_NEWEST_LINK = Prepared(
    sa.select(verification_mail_tables.verification_link.c.token_hash)
    .where(
        verification_mail_tables.verification_link.c.identity_id == sa.bindparam("of_id"),
        verification_mail_tables.verification_link.c.superseded_at.is_(None),
    )
    .limit(1)
)
_SETS = Prepared(
    sa.select(dkim_tables.token_set.c.id, dkim_tables.token_set.c.abandoned_at).where(
        dkim_tables.token_set.c.kind == TokenSetKind.EASY.value
    )
)

regions = st.sampled_from(REGIONS)
lengths = st.sampled_from([None, 1024, 2048])
own_choices = st.tuples(st.sampled_from(["one", "two"]), st.sampled_from([0, 1]))
parents = st.sampled_from([*REGIONS, *WITHOUT_PARENT])


class ProofMachine(RuleBasedStateMachine):
    """One domain in two regions, and one address."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = _folder()
        shutil.copy(template(), self.folder / "indicia.db")
        self.database = OneThreadDatabase(self.folder / "indicia.db")
        self.loop = asyncio.new_event_loop()
        self.clock = Clock(real=lambda: T0)
        self.sky = Sky(self.database, self.clock)
        self.desks = {region: self._desk(region) for region in REGIONS}
        desk = self.desks[REGIONS[0]]
        windows = replace(desk.house.rules.windows, corroborate=PACE.largest)
        self.rules = Rules(SERVICE_DOMAIN, 1, windows, PACE)
        tell = EventRecorder().announce
        self.checker = Checker(
            self.sky,
            self.rules,
            self.clock,
            keys_of=self._keys_of,
            random=lambda: 0.5,
            budget=30 * SECOND,
            patience=SECOND,
            replicate=Replicator(
                self.database,
                desk.house.rules.regions,
                windows,
                KEY_PACE,
                PACE.first,
                self.clock.now,
                announce=tell,
            ),
        )
        self.landing = CheckCommit(
            now=self.clock.now,
            patience=2 * PACE.verified,
            window=WINDOW,
            again=PACE.largest,
            announce=tell,
        )
        self.flights: list[Flight] = []
        self.diaries: dict[int, Diary] = {}
        self.confirmed: set[int] = set()
        self.leases = self.stocked = 0

    def teardown(self) -> None:
        """Whatever was done: with nothing published and nothing failing, no call keeps a proof for long."""
        try:
            self.end()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.database.close()
            shutil.rmtree(self.folder)

    def _desk(self, region: str) -> Desk:
        desk = Desk(self.database)
        desk.region = region
        return desk

    # -- how the parts are driven

    def wait(self, work: Awaitable[T]) -> T:
        """Run it to its end."""

        async def awaited() -> T:
            return await work

        return self.loop.run_until_complete(awaited())

    async def _keys_of(self, token_set: Any) -> Any:
        return await self.database.reading(partial(rotations.live, token_set_id=token_set.id))

    def call(self, region: str, operation: str, **members: Any) -> bool:
        """Make a call, whose refusal is no matter; say whether it was answered.

        No call gives anybody a proof or takes one away, or moves what a proof remembers and when it ends;
        but for a deletion, which ends everything.
        """
        desk = self.desks[region]
        desk.now = self.clock.now()
        gone = "Delete" in operation
        before = {each: self.standing(each) for each in REGIONS if not gone or each != region}
        try:
            self.wait(desk.asking(operation, **members))
        except Fault as fault:
            if fault.kind is FaultKind.UNAVAILABLE:
                raise
            return False
        finally:
            for each, standing in before.items():
                assert self.standing(each) == standing, f"{operation} moved what proves {NAME} in {each}"
            self.remember()
        return True

    def view(self, region: str, name: str = NAME) -> IdentityView | None:
        """Everything the store has on it."""
        account = self.desks[region].account
        return self.database.read(lambda s: identities.view(s, account, region, name))

    def views(self) -> Iterator[tuple[str, IdentityView]]:
        """The domain in each region that it is in."""
        for region in REGIONS:
            view = self.view(region)
            if view is not None:
                yield region, view

    def standing(self, region: str) -> list[tuple[Any, ...]]:
        """What proves the domain there: by which records, and how each proof stands."""
        view = self.view(region)
        if view is None:
            return []
        found = [
            (state.status, state.since, state.absent_since, state.deadline, state.held_until, records)
            for state, records in self.counting(view)
        ]
        return sorted(found, key=repr)

    @staticmethod
    def counting(view: IdentityView) -> list[tuple[FacetState, tuple[ExpectedRecord, ...]]]:
        """The proofs that count, each with the records it rests on."""
        name, found = view.identity.name, []
        for facet in OWN_PROOF:
            state = view.facets.get(facet)
            if state is None or state.status not in MAY_SEND:
                continue
            if facet is Facet.DKIM:
                assert view.token_set is not None
                found.append((state, dkim_records(name, view.token_set)))
            elif facet is Facet.CARRIED_DKIM:
                assert view.carried is not None
                found.append((state, dkim_records(name, view.carried.token_set)))
            elif facet is Facet.OWNERSHIP:
                found.append((state, (_ownership(view.identity),)))
        return found

    def remember(self) -> None:
        """Note what is expected of each identity from now on."""
        for _, view in self.views():
            diary = self.diaries.setdefault(view.identity.id, Diary())
            diary.expected[_ownership(view.identity),] = None
            sets = [view.token_set, view.carried.token_set if view.carried else None]
            for token_set in sets:
                if token_set is not None:
                    diary.expected[dkim_records(view.identity.name, token_set)] = None

    def anything(self, identity_id: int) -> Sight:
        """What can be seen now of everything that was ever expected of the identity: any of it is enough."""
        sights = {self.sky.sight(records) for records in self.diaries[identity_id].expected}
        if Sight.PRESENT in sights:
            return Sight.PRESENT
        return Sight.UNKNOWN if Sight.UNKNOWN in sights else Sight.ABSENT

    # -- the verifier

    def begin_looks(self) -> None:
        """Look at everything that is due; what was found is stored later."""
        before = {region: self.standing(region) for region in REGIONS}
        self.leases += 1
        now, real, lease = self.clock.now(), real_now(), f"machine-{self.leases}"
        claims = self.database.write(
            lambda s: checks.claim(s, now=now, owner=lease, lease_until=real + DAY, lease_now=real, limit=100)
        )
        for claim in claims:
            view = self.database.read(partial(identities.view_by_id, identity_id=claim.identity.id))
            assert view is not None
            anything = counting = Sight.UNKNOWN
            if claim.identity.kind is IdentityKind.DOMAIN:
                anything = self.anything(claim.identity.id)
                sights = [self.sky.sight(records) for _, records in self.counting(view)]
                counting = Sight.ABSENT if set(sights) == {Sight.ABSENT} else Sight.UNKNOWN
            signed = self._signed(view)
            found = self.wait(self.checker.check(claim, lease))
            self.flights.append(Flight(found, view, anything, counting, signed))
        # A replica may have been given other tokens: what it has proved counts on.
        assert {region: self.standing(region) for region in REGIONS} == before
        self.remember()

    def _signed(self, view: IdentityView) -> tuple[int, Sight] | None:
        """With which key mail is signed now, and what can be seen of it."""
        key = self.database.read(lambda s: signing_key_for(s, view))
        if isinstance(key, Unsigned):
            return None
        assert view.token_set is not None
        assert key.selector in view.token_set.tokens, "a key of before signs"
        proofs = {state.status for state, records in self.counting(view) if _holds(records, key.selector)}
        assert proofs, "a key signs that nothing proves"
        if view.token_set.kind is TokenSetKind.EXTERNAL:
            return key.id, self.sky.sight(dkim_records(view.identity.name, view.token_set))
        return key.id, self.sky.key_sight(f"{key.selector}._domainkey.{key.domain}")

    def land(self) -> None:
        """Store what was found, and compare what became of it with what could be seen."""
        flights, self.flights = self.flights, []
        before = {flight.view.identity.id: self._present(flight) for flight in flights}
        batch = [flight.found for flight in flights]
        self.database.read(partial(self.landing.count, batch=batch))
        landed = self.database.write(partial(self.landing.land, batch=batch))
        of_dkim = {
            found.conclusion.identity_id
            for found in landed.found
            if Facet.DKIM in {verdict.facet for verdict in found.conclusion.facets}
        }
        self.remember()
        for flight in flights:
            was, now = before[flight.view.identity.id], self._present(flight)
            if was is not None and now is not None and now.identity.kind is IdentityKind.DOMAIN:
                self._compare(flight, was, now)
                if now.identity.id in of_dkim:
                    self._compare_signature(flight, now)

    def _present(self, flight: Flight) -> IdentityView | None:
        return self.database.read(partial(identities.view_by_id, identity_id=flight.view.identity.id))

    def _compare(self, flight: Flight, was: IdentityView, now: IdentityView) -> None:
        at = flight.found.conclusion.checked_at
        diary = self.diaries[now.identity.id]
        # One look may be lost: the one in which a proof begins to be carried was about the proof before that.
        lost = was.carried is not None and flight.view.carried is None
        if not lost or flight.anything is Sight.PRESENT:
            diary.note(at, flight.anything)
        stood, stands = own_status(was.facets) in MAY_SEND, own_status(now.facets) in MAY_SEND
        if stood and not stands:
            # Taken away surely: everything that counted was absent, and its grace period had ended.
            assert flight.counting is Sight.ABSENT, "a proof was taken away that could be seen"
            for state, _ in self.counting(was):
                assert state.deadline is not None
                assert at >= state.deadline
        if stands and not stood:
            assert flight.anything is Sight.PRESENT, "a proof was granted that could not be seen"
        assert not (stands and diary.proves_nothing), "a proof is kept that nothing proves"
        self._compare_mail_from(flight, now, diary)

    def _compare_signature(self, flight: Flight, now: IdentityView) -> None:
        signs, seen = self._signed(now), self.diaries[now.identity.id].keys
        if flight.signed is None:  # what begins to sign later was seen by then
            seen.clear()
            return
        key, sight = flight.signed
        absences = seen.setdefault(key, [])
        if sight is Sight.PRESENT:
            absences.clear()
        elif sight is Sight.ABSENT:
            absences.append(flight.found.conclusion.checked_at)
        if absences and absences[-1] >= absences[0] + APART:
            assert signs is None or signs[0] != key, "mail is signed with a key that is not visible"

    def _compare_mail_from(self, flight: Flight, now: IdentityView, diary: Diary) -> None:
        state = now.facets.get(Facet.MAIL_FROM)
        looked = flight.view.facets.get(Facet.MAIL_FROM)
        if state is None or looked is None or looked.generation != state.generation:
            return
        records = mail_from_records(now.identity, SERVICE_DOMAIN, ())[:1]
        seen = [each for each in flight.found.conclusion.facets if each.facet is Facet.MAIL_FROM]
        absences = diary.mail_from.setdefault(state.generation, [])
        if seen and seen[0].sight is Sight.PRESENT:
            absences.clear()
        elif seen and seen[0].sight is Sight.ABSENT:
            absences.append(flight.found.conclusion.checked_at)
        assert records
        if absences and absences[-1] >= absences[0] + APART:
            assert state.status is not Status.SUCCESS, "a MAIL FROM domain is used that is not there"

    def keep_keys(self) -> None:
        """Take the steps in the lives of keys that are due."""
        now = self.clock.now()

        def take(s: Session) -> None:
            for token_set_id in rotations.due(s, now, 100):
                advance(s, token_set_id, now, KEY_PACE)
            assign(s, now, KEY_PACE, partial(complete, rules=self.rules))

        self.database.write(take)

    def pass_by(self, span: Span, looks: int = 6) -> None:
        """Time passes, and what is due is looked at so often meanwhile."""
        for _ in range(looks):
            self.clock.advance(span // looks)
            self.begin_looks()
            self.land()
            self.keep_keys()

    # -- the rules. Few, each of which does one of many things: of many Hypothesis leaves most out of a run.

    @initialize(
        beside=st.sampled_from(["replica", "replica", "easy", "own", "nothing"]), pooled=st.integers(0, 3)
    )
    def begin(self, beside: str, pooled: int) -> None:
        """A verified domain, so that there is something to lose; and mostly a replica of it."""
        self.stock(1 + pooled)
        self._create(REGIONS[0], "easy", ("one", 0), REGIONS[0])
        if beside != "nothing":
            self._create(REGIONS[1], beside, ("one", 0), REGIONS[0])
        self.prove()

    @rule(
        region=regions,
        how=st.sampled_from(["easy", "own", "replica", "other tokens"]),
        own=own_choices,
        parent=parents,
        length=lengths,
    )
    def put(self, region: str, how: str, own: tuple[str, int], parent: str, length: int | None) -> None:
        """A method is put: Easy DKIM, with a length or without; a key of the owner's; another region's."""
        if how == "own":
            self._put(region, "EXTERNAL", _own(*own))
        elif how == "replica":  # of a region that may have no parent, or be none
            self._put(region, _origin(parent), None)
        elif how == "other tokens":
            self._other_tokens(region, own)
        elif length is None:
            self._put(region, "AWS_SES", None)
        else:
            self._put(region, "AWS_SES", DkimSigningAttributes(NextSigningKeyLength=f"RSA_{length}_BIT"))

    def _other_tokens(self, region: str, own: tuple[str, int]) -> None:
        """Easy DKIM has other tokens after a key of the owner's; replicas take them over, proved or not."""
        origins = {view.identity.origin for _, view in self.views()}
        region = next((each for each in REGIONS if _origin(each) in origins), region)
        self.stock(1)
        self._put(region, "EXTERNAL", _own(*own))
        self._put(region, "AWS_SES", None)
        self.pass_by(MINUTE, 1)

    def _put(self, region: str, origin: str, attributes: DkimSigningAttributes | None) -> None:
        """Put a method, and again: what is put again as it is changes nothing, unless it has failed."""
        members = _members(origin, attributes)
        self.call(region, _SIGNING, **members)
        before = self.view(region)
        self.call(region, _SIGNING, **members)
        if before is not None and Status.FAILED not in {each.status for each in before.facets.values()}:
            assert self.view(region) == before

    @rule(
        region=regions,
        what=st.sampled_from(
            ["VerifyDomainIdentity", "VerifyDomainDkim", "RotateIdentityKey", "CheckIdentity", "MAIL FROM"]
        ),
        below=st.sampled_from(["bounce.", "other.", ""]),
    )
    def ask(self, region: str, what: str, below: str) -> None:
        """A proof is asked for by API v1, a rotation, a check; MAIL FROM is set, or taken back."""
        if what == "MAIL FROM":
            self._mail_from(region, f"{below}{NAME}" if below else "")
        elif what.startswith("Verify"):
            self.call(region, what, Domain=NAME)
        else:
            self.call(region, what, name=NAME)

    def _mail_from(self, region: str, domain: str) -> None:
        self.call(region, "PutEmailIdentityMailFromAttributes", EmailIdentity=NAME, MailFromDomain=domain)

    @rule(
        region=regions,
        what=st.sampled_from(["create", "create", "delete", "stock", "address", "confirm"]),
        how=st.sampled_from(["easy", "own", "replica"]),
        own=own_choices,
        parent=parents,
        operation=st.sampled_from(["VerifyEmailIdentity", "CreateEmailIdentity", "DeleteEmailIdentity"]),
    )
    def make(
        self, region: str, what: str, how: str, own: tuple[str, int], parent: str, operation: str
    ) -> None:
        """A domain is made or deleted, an address made or confirmed, or a key made."""
        if what == "create":
            self._create(region, how, own, parent)
        elif what == "delete":
            self.call(region, "DeleteEmailIdentity", EmailIdentity=NAME)
        elif what == "stock":
            self.stock(1)
        elif what == "address":
            member = "EmailAddress" if operation == "VerifyEmailIdentity" else "EmailIdentity"
            self.call(REGIONS[0], operation, **{member: ADDRESS})
        else:
            self._confirm()

    def _create(self, region: str, how: str, own: tuple[str, int], parent: str) -> None:
        attributes = {
            "easy": None,
            "own": _own(*own),
            "replica": DkimSigningAttributes(DomainSigningAttributesOrigin=_origin(parent)),
        }
        self.call(region, "CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=attributes[how])

    def stock(self, count: int) -> None:
        """The pool has so many more keys."""
        for _ in range(count):
            for bits in (1024, 2048):
                self.stocked += 1
                public = public_keys()[self.stocked % len(public_keys())]
                self.desks[REGIONS[0]].stock(bits, public)

    def _confirm(self) -> None:
        """The link in the newest mail to the address is used."""
        view, now = self.view(REGIONS[0], ADDRESS), self.clock.now()
        if view is None:
            return
        row = self.database.read(lambda s: s.one(_NEWEST_LINK, of_id=view.identity.id))
        if row is None:
            return
        used = self.database.write(partial(link_service.use_link, token_hash=row[0], now=now))
        if used.changed:
            self.confirmed.add(view.identity.id)

    @rule(
        region=regions,
        how=st.sampled_from(["publish", "withdraw"]),
        part=st.sampled_from(["all", "dkim", "carried", "ownership", "mail_from"]),
        failing=st.one_of(
            st.just(frozenset()),
            st.frozensets(st.sampled_from([RecordType.CNAME, RecordType.TXT, RecordType.MX])),
        ),
    )
    def change(self, region: str, how: str, part: str, failing: frozenset[RecordType]) -> None:
        """Records are published or withdrawn, some or all; and the DNS fails for some types, or for none."""
        self.sky.failing = failing
        if part == "all" and how == "withdraw":
            self.sky.published.clear()
        for each, view in self.views():
            if part == "all" and how == "publish":
                self.sky.publish(self._expected(view))
            elif each == region:
                records = self._expected(view, part)
                (self.sky.publish if how == "publish" else self.sky.withdraw)(records)

    @staticmethod
    def _expected(view: IdentityView, part: str | None = None) -> tuple[ExpectedRecord, ...]:
        identity, found = view.identity, {}
        if view.token_set is not None:
            found["dkim"] = dkim_records(identity.name, view.token_set)
        if view.carried is not None:
            found["carried"] = dkim_records(identity.name, view.carried.token_set)
        found["ownership"] = (_ownership(identity),)
        if identity.mail_from_domain:
            found["mail_from"] = mail_from_records(identity, SERVICE_DOMAIN, ())[:1]
        if part is not None:
            return found.get(part, ())
        return tuple(record for records in reversed(found.values()) for record in records)

    @rule(how=st.sampled_from(["live", "live", "sleep", "look", "store"]), span=st.sampled_from(SPANS))
    def wait_for(self, how: str, span: Span) -> None:
        """Time passes, and the verifier works or nobody looks; or a look begins, or is stored."""
        if how == "live":
            self.pass_by(span)
        elif how == "sleep":
            self.clock.advance(span)
        elif how == "look":  # what is found is not stored before the next `store`: calls come in between
            self.begin_looks()
        else:
            self.land()
            self.keep_keys()

    @rule(seen=st.booleans())
    def settle(self, seen: bool) -> None:
        """What is expected is published, and seen; or all is withdrawn, and missed until it is told."""
        self.sky.failing = frozenset()
        if seen:
            self.prove()
        else:
            self.sky.published.clear()
            self.pass_by(26 * HOUR, 3)

    def prove(self) -> None:
        """What is expected is published, and seen."""
        for _, view in self.views():
            self.sky.publish(self._expected(view))
        self.pass_by(2 * HOUR, 3)

    # -- what always holds

    @invariant()
    def lists_say_what_proofs_say(self) -> None:
        """Lists have the status that the proofs come to."""
        for region, view in self.views():
            shown = self.database.read(
                partial(listed.statuses, account=view.identity.account, region=region, names=[NAME])
            )
            assert shown == {NAME: own_status(view.facets)}

    @invariant()
    def what_is_carried_keeps_its_keys(self) -> None:
        """And what stands by itself carries nothing."""
        for _, view in self.views():
            if view.carried is None:
                continue
            assert view.carried.state.status in MAY_SEND
            assert view.facets[Facet.DKIM].status not in MAY_SEND
            if view.carried.token_set.kind is TokenSetKind.EASY:
                life = self.database.read(partial(rotations.read, token_set_id=view.carried.token_set.id))
                assert life is not None
                assert life.life.abandoned_at is None
                assert life.keys

    @invariant()
    def an_address_is_proved_by_its_link_alone(self) -> None:
        """Confirmed once it stays so; unconfirmed it never is."""
        view = self.view(REGIONS[0], ADDRESS)
        if view is not None:
            proved = view.facets[Facet.LINK].status is Status.SUCCESS
            assert proved == (view.identity.id in self.confirmed)

    def end(self) -> None:
        """Nothing is published, nothing fails: whatever the owner calls meanwhile, it comes to nothing."""
        self.land()
        self.sky.published.clear()
        self.sky.failing = frozenset()
        for number in range(5):
            for region, _ in self.views():
                if number % 2:
                    members = _members("EXTERNAL", _own(f"s{number}", number % 4 // 2))
                else:
                    members = _members(_origin(WITHOUT_PARENT[number % 4 // 2]), None)
                self.call(region, _SIGNING, **members)
                self.begin_looks()
                self._mail_from(region, ("bounce.", "other.")[number % 2] + NAME)
                self.land()
            self.pass_by(DAY, 2)
        for region, view in self.views():
            assert own_status(view.facets) not in MAY_SEND, region
        self.leave_nothing_behind()

    def leave_nothing_behind(self) -> None:
        """Keys of sets that nothing rests on are on their way out."""
        used = {
            token_set.id
            for _, view in self.views()
            for token_set in (view.token_set, view.carried.token_set if view.carried else None)
            if token_set is not None
        }
        for token_set_id, abandoned_at in self.database.read(lambda s: s.all(_SETS)):
            assert (token_set_id in used) == (abandoned_at is None)


_SIGNING: Final = "PutEmailIdentityDkimSigningAttributes"


def _members(origin: str, attributes: DkimSigningAttributes | None) -> dict[str, Any]:
    return {"EmailIdentity": NAME, "SigningAttributesOrigin": origin, "SigningAttributes": attributes}


def _holds(records: Sequence[ExpectedRecord], selector: str) -> bool:
    return any(record.name.startswith(f"{selector}._domainkey.") for record in records)


def _origin(parent: str) -> str:
    return "AWS_SES_" + parent.upper().replace("-", "_")


def _own(selector: str, number: int) -> DkimSigningAttributes:
    return DkimSigningAttributes(DomainSigningSelector=selector, DomainSigningPrivateKey=own_keys()[number])


def _ownership(identity: Identity) -> ExpectedRecord:
    return ownership_record(identity.name, identity.legacy_token)
