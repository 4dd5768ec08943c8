"""When each identity is looked at next, who is looking now, and what they found.

A verifier claims what is due under a lease and writes back what it found. Nothing lands that was gathered
under a lease since lost, or for an expectation since changed. While a lease runs, `due_at` stands at its end:
the work of a dead verifier is due again by itself (`engine.queue`; `lease_now` is its real time).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from indicia.domain.fairness import Lane
from indicia.domain.identities.identity import CarriedProof, ErrorType, Facet, FacetState, Identity, TokenSet
from indicia.domain.proofs.transitions import CARRIED, OWN_PROOF
from indicia.domain.records.observation import Soa
from indicia.domain.time import Instant, Span
from indicia.domain.verification.asking import Waits
from indicia.store.diagnosis import recommendations
from indicia.store.dkim import key_requests, rotation
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine import documents, rows
from indicia.store.engine.prepared import POSTGRESQL, Cell, Prepared
from indicia.store.engine.queue import RELEASED, Condition, Lease, LeasedQueue
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import ALL_SHARDS, ShardedHead
from indicia.store.engine.upsert import insert_or_replace
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import carried, listed
from indicia.store.proofs import tables as proofs_tables
from indicia.store.verification import evidence, tables

_v = tables.verification.c
_NOBODY_WAITS, _PERSON, _SERVICE = int(Waits.NOBODY), int(Waits.PERSON), int(Waits.SERVICE)
_queue = LeasedQueue(tables.verification, key="identity_id", due_again=True, taken={"asked": _NOBODY_WAITS})
_i = identities_tables.identity.c
_f, _c = proofs_tables.facet_state.c, proofs_tables.carried_proof.c


@dataclass(frozen=True, slots=True)
class Claim:
    """An identity that is due, and everything needed to look at it.

    `asked` says that a person asked. `error`, `soa` and `zone_cut` are those of the last check, `lane` is
    where it stood. The state of what is `carried` is among the facets.
    """

    identity: Identity
    token_set: TokenSet | None
    facets: dict[Facet, FacetState]
    shard: int
    lane: Lane
    interval: Span
    asked: bool
    last_checked_at: Instant | None
    last_success_at: Instant | None
    error: ErrorType | None
    soa: Soa | None
    zone_cut: str | None
    carried: CarriedProof | None = None

    def __post_init__(self) -> None:
        """Put the state of what is carried among the facets."""
        if self.carried is not None:
            self.facets[Facet.CARRIED_DKIM] = self.carried.state


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check of a claimed identity found, for the generation its expectation had.

    `looked_at` are the facets that the check was about, each with the generation of its own expectation;
    `facets` are the states that changed, of the same generations. `superseded` says that what was carried is
    needed no more. `succeeded_at` of None keeps the last success; `due_at` of None is never. `lane` is where
    it stands from now on. `key_sight` is what was seen of the records of a set without a
    key, None where that is nothing.
    """

    identity_id: int
    generation: int
    owner: str
    facets: tuple[FacetState, ...]
    due_at: Instant | None
    interval: Span
    checked_at: Instant
    succeeded_at: Instant | None
    error: ErrorType | None
    soa: Soa | None
    zone_cut: str | None = None
    evidence: tuple[evidence.StoredVerdict, ...] = ()
    sightings: tuple[rotation.Sighting, ...] = ()
    lane: Lane = Lane.ROUTINE
    key_sight: key_requests.KeySight | None = None
    looked_at: Mapping[Facet, int] = field(default_factory=dict)
    superseded: bool = False


_NEVER_LOOKED: Final[dict[str, Cell]] = {
    **RELEASED, "asked": _NOBODY_WAITS, "lane": int(Lane.FRESH), "last_checked_at": None,
    "last_success_at": None, "error": None, "zone_cut": None, **rows.soa_columns(None),
}  # fmt: skip
_KEPT_BY_SCHEDULE: Final = frozenset(_NEVER_LOOKED) - {*RELEASED, "asked", "lane"}
_SCHEDULE = insert_or_replace(tables.verification, keep=_KEPT_BY_SCHEDULE)
_ASK = Prepared(
    sa.update(tables.verification)
    .where(_v.identity_id == sa.bindparam("of_id"), _queue.waiting)
    .values(
        asked=_PERSON,
        lane=sa.literal_column(str(int(Lane.FRESH))),
        due_at=_queue.unless_held(sa.bindparam("now", type_=sa.BigInteger)),
    )
)


def schedule(s: Session, identity_id: int, shard: int, due_at: Instant | None, *, interval: Span = 0) -> None:
    """Set when the identity is looked at next, None for never.

    The lease of a check that is running now ends, and what it finds lands nowhere.
    """
    s.later(
        _SCHEDULE,
        **{
            **_NEVER_LOOKED,
            "identity_id": identity_id,
            "shard": shard,
            "due_at": due_at,
            "interval_ms": interval,
        },
    )


_BEGIN_ANEW = Prepared(
    sa.update(tables.verification)
    .where(_v.identity_id == sa.bindparam("of_id"))
    .values(
        asked=sa.case(
            (sa.and_(_v.lease_owner.is_not(None), _v.asked == _NOBODY_WAITS), _SERVICE), else_=_v.asked
        ),
        lane=sa.literal_column(str(int(Lane.FRESH))),
        interval_ms=sa.bindparam("interval"),
        due_at=_queue.unless_held(sa.bindparam("now", type_=sa.BigInteger)),
    )
)


def begin_anew(s: Session, identity_id: int, now: Instant, *, interval: Span) -> None:
    """Make the identity due at once, for what is expected of it from now on.

    A check that is running now keeps its lease. What it finds of an expectation that has changed lands
    nowhere; what it finds of the others does: nobody keeps a proof by changing something all the time.
    """
    s.run(_BEGIN_ANEW, of_id=identity_id, now=now, interval=interval)


def due_now(s: Session, identity_id: int, now: Instant) -> bool:
    """Make the identity due at once because somebody asks; behind the check that is running, if one is.

    Return False when it is never looked at: nothing it could find would change anything.
    """
    return s.run(_ASK, of_id=identity_id, now=now) == 1


# A check that is running now has its `due_at` at the end of its lease.
BROUGHT_FORWARD: Final[dict[str, Any]] = {
    "asked": sa.case((_v.asked == _NOBODY_WAITS, _SERVICE), else_=_v.asked),
    "due_at": _queue.by(sa.bindparam("at", type_=sa.BigInteger)),
}
_BRING_FORWARD = Prepared(
    sa.update(tables.verification)
    .where(_v.identity_id == sa.bindparam("of_id"), _queue.waiting)
    .values(**BROUGHT_FORWARD)
)


def bring_forward(s: Session, identity_ids: Iterable[int], at: Instant) -> None:
    """Let identities that are looked at be looked at by this instant; behind a check that is running."""
    s.many(_BRING_FORWARD, [{"of_id": each, "at": at} for each in sorted(identity_ids)])


def _in(lane: Lane) -> tuple[Condition, ...]:
    """Return the condition of a lane, spelled so that both databases see which index serves it."""
    equal = _v.lane == sa.literal_column(str(int(lane)))
    return (equal,) if lane is Lane.ROUTINE else (equal, _v.lane != sa.literal_column(str(int(Lane.ROUTINE))))


_ROUTINE = ShardedHead(_queue.head(_v.due_at, _v.identity_id, where=_in(Lane.ROUTINE)), _v.shard)
_EARLIEST = ShardedHead(_queue.earliest(*_in(Lane.ROUTINE)), _v.shard)


def _beside_the_routine(lane: Lane) -> tuple[Condition, ...]:
    """Return the condition of a short queue, which one index serves for all shards."""
    return (*_in(lane), _v.shard.in_(sa.bindparam("shards", expanding=True)))


_FRESH, _TROUBLED = _beside_the_routine(Lane.FRESH), _beside_the_routine(Lane.SLOW)
_NEWEST = Prepared(_queue.head(_v.due_at, _v.identity_id, where=_FRESH, newest=True))
_OLDEST = Prepared(_queue.head(_v.due_at, _v.identity_id, where=_FRESH))
_SLOW = Prepared(_queue.head(_v.due_at, _v.identity_id, where=_TROUBLED))
_EARLIEST_IN = {
    Lane.FRESH: Prepared(_queue.earliest(*_FRESH)),
    Lane.SLOW: Prepared(_queue.earliest(*_TROUBLED)),
}


def _claims_statement(dialect: str) -> sa.Select[tuple[object, ...]]:
    whole = documents.document(
        dialect,
        {
            "identity": documents.identity(dialect),
            "token_set": documents.token_set(dialect),
            "facets": documents.facets(dialect),
            "shard": _v.shard,
            "lane": _v.lane,
            "interval": _v.interval_ms,
            "asked": sa.case((_v.asked == _PERSON, 1), else_=0),
            "last_checked_at": _v.last_checked_at,
            "last_success_at": _v.last_success_at,
            "error": _v.error,
            "soa": documents.soa(dialect),
            "zone_cut": _v.zone_cut,
            "carried": documents.carried(dialect),
        },
    )
    return (
        sa.select(documents.fetched(dialect, whole))
        .select_from(
            tables.verification.join(identities_tables.identity, _i.id == _v.identity_id).outerjoin(
                dkim_tables.token_set, dkim_tables.token_set.c.id == _i.token_set_id
            )
        )
        .where(_v.identity_id.in_(sa.bindparam("ids", expanding=True)))
    )


_CLAIMS = Prepared(_claims_statement)
_read_claim = documents.reader(Claim)


def claim(
    s: Session,
    *,
    now: Instant,
    owner: str,
    lease_until: Instant,
    shards: Sequence[int] = ALL_SHARDS,
    limit: int,
    slow: int | None = None,
    lease_now: Instant | None = None,
) -> list[Claim]:
    """Take what is due in these shards for this owner until `lease_until`; at most `slow` of the slow ones.

    Two owners never hold the same identity. A list shorter than `limit` means that nothing else is due, but
    for slow ones. Where there is more, up to three quarters are what somebody waits for, half of that the
    newest and half the oldest, so that a crowd keeps nobody waiting who comes after it; the rest, the longest
    waiting first.
    """
    real = now if lease_now is None else lease_now
    if not shards:
        return []
    lease = Lease(owner, now, real, lease_until)
    ids = _due_ids(s, shards, lease, limit, limit if slow is None else slow)
    if not ids:
        return []
    # Before the lease is written, so that `asked` is what it was.
    found = {each.identity.id: each for each in read(s, ids)}
    _queue.lease(s, ids, lease)
    return [found[identity_id] for identity_id in ids if identity_id in found]


def read(s: Session, identity_ids: Sequence[int]) -> list[Claim]:
    """Return how these identities stand, without taking them."""
    return [_read_claim(row[0]) for row in s.all(_CLAIMS, ids=identity_ids)] if identity_ids else []


def _due_ids(s: Session, shards: Sequence[int], lease: Lease, limit: int, slow: int) -> list[int]:
    now, real_now = lease.now, lease.real_now

    def head(statement: Prepared, count: int) -> list[int]:
        if count <= 0:
            return []
        return [row[1] for row in s.all(statement, shards=shards, limit=count, now=now, real_now=real_now)]

    oldest = head(_OLDEST, limit)
    newest = head(_NEWEST, limit // 2) if len(oldest) == limit else []
    fresh = list(dict.fromkeys(each for both in zip_longest(newest, oldest) for each in both if each))
    routine = [row[1] for row in _ROUTINE.head(s, shards, limit, now=now, real_now=real_now)]
    chosen = fresh[: limit - limit // 4]
    chosen += head(_SLOW, min(slow, limit - len(chosen)))
    chosen += routine[: limit - len(chosen)]
    return chosen + fresh[limit - limit // 4 :][: limit - len(chosen)]


_HOLD_STILL = Prepared(
    sa.select(_i.id)
    .where(_i.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_i.id)
    .with_for_update(read=True)
)
_HELD = Prepared(
    sa.select(_v.identity_id, _v.lease_owner, _i.generation)
    .select_from(tables.verification.join(identities_tables.identity, _i.id == _v.identity_id))
    .where(_v.identity_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_v.identity_id)
    .with_for_update(of=tables.verification)
)
_PUT_FACET = insert_or_replace(proofs_tables.facet_state)
_FINISHED: Final[dict[str, Any]] = {
    "of_id": sa.BigInteger, "due_at": sa.BigInteger, "lane": sa.BigInteger, "interval_ms": sa.BigInteger,
    "checked_at": sa.BigInteger, "succeeded_at": sa.BigInteger, "error": sa.Text, "zone_cut": sa.Text,
    **{name: _v[name].type for name in rows.soa_columns(None)},
}  # fmt: skip


def _finish_statement(given: Callable[[str], sa.ColumnElement[Any]]) -> sa.Update:
    return (
        sa.update(tables.verification)
        .where(_v.identity_id == given("of_id"))
        .values(
            **RELEASED,
            # Somebody asked while the check ran: what they asked for comes next.
            due_at=sa.case((_v.asked != _NOBODY_WAITS, given("checked_at")), else_=given("due_at")),
            lane=sa.case((_v.asked == _PERSON, sa.literal_column(str(int(Lane.FRESH)))), else_=given("lane")),
            interval_ms=given("interval_ms"),
            last_checked_at=given("checked_at"),
            last_success_at=sa.func.coalesce(given("succeeded_at"), _v.last_success_at),
            error=given("error"),
            zone_cut=given("zone_cut"),
            **{name: given(name) for name in rows.soa_columns(None)},
        )
    )


# PostgreSQL takes all rows in one statement, as a document: one for each costs it twice as much, and us more.
_FINISH = Prepared(
    _finish_statement(lambda name: sa.bindparam(name, type_=_FINISHED[name])),
    postgresql=_finish_statement(documents.rows_given("rows", _FINISHED).__getitem__),
)
_GIVE_BACK = _queue.given_back()
_PUT_OFF = _queue.given_back(
    lane=sa.bindparam("lane"),
    asked=sa.case((_v.asked == _NOBODY_WAITS, sa.bindparam("asked")), else_=_v.asked),
)


def write_back(s: Session, results: Iterable[CheckResult]) -> list[CheckResult]:
    """Store what checks found, and return the results that count, each as far as it does.

    Nothing is stored under a lease that was lost. Of an identity of which something was changed meanwhile
    lands what is about the others of its facets, and it is due again at once.
    """
    # In the order of their keys: two who write back at once wait for each other, and never both.
    ordered = sorted(results, key=lambda result: result.identity_id)
    ids = [result.identity_id for result in ordered]
    if not ids:
        return []
    # Identities of which a state is stored are held still until the commit: what they expect cannot change
    # under the verdict. For the others it is enough to hold the schedule, which who changes them sets anew.
    moving = [result.identity_id for result in ordered if result.facets or result.superseded]
    if moving:
        s.all(_HOLD_STILL, ids=moving)
    known = {row[0]: row[1:] for row in s.all(_HELD, ids=ids)}
    held = [result for result in ordered if known.get(result.identity_id, _NOBODY)[0] == result.owner]
    stale = [result for result in held if known[result.identity_id][1] != result.generation]
    sound = [result for result in held if known[result.identity_id][1] == result.generation]
    s.many(
        _GIVE_BACK,
        [{"of_id": each.identity_id, "owner": each.owner, "due_at": each.checked_at} for each in stale],
    )
    _finish(s, [_finished(result) for result in sound])
    landed = [*sound, *_still_expected(s, stale)] if stale else sound
    _put_states(s, landed)
    recommendations.make_due(s, [result.identity_id for result in landed if result.facets])
    evidence.add(s, [verdict for result in landed for verdict in result.evidence])
    for result in landed:
        rotation.sight(s, result.sightings, result.checked_at)
    key_requests.note(s, [result.key_sight for result in sound if result.key_sight is not None])
    return landed


_NOBODY: Final = (None, None)
_encoder: Final = msgspec.json.Encoder()
_GENERATIONS = Prepared(
    sa.select(_f.identity_id, _f.facet, _f.generation, _c.generation)
    .outerjoin(proofs_tables.carried_proof, _c.identity_id == _f.identity_id)
    .where(_f.identity_id.in_(sa.bindparam("ids", expanding=True)))
)


def _still_expected(s: Session, results: Sequence[CheckResult]) -> list[CheckResult]:
    """Return of each result what is about facets whose own expectation is the one it was gathered for."""
    present: dict[int, dict[Facet, int]] = {result.identity_id: {} for result in results}
    for identity_id, facet, generation, carried_since in s.all(_GENERATIONS, ids=list(present)):
        present[identity_id][rows.FACETS[facet]] = generation
        if carried_since is not None:
            present[identity_id][Facet.CARRIED_DKIM] = carried_since
    kept = [_of_facets(result, present[result.identity_id]) for result in results]
    return [result for result in kept if result.looked_at]


def _of_facets(result: CheckResult, present: Mapping[Facet, int]) -> CheckResult:
    looked_at = {
        facet: generation
        for facet, generation in result.looked_at.items()
        if present.get(facet) == generation
    }
    return replace(
        result,
        looked_at=looked_at,
        facets=tuple(state for state in result.facets if state.facet in looked_at),
        evidence=tuple(verdict for verdict in result.evidence if verdict.facet in looked_at),
        superseded=result.superseded and Facet.DKIM in looked_at,
    )


def _put_states(s: Session, results: Sequence[CheckResult]) -> None:
    states = [
        (result.identity_id, state) for result in results for state in sorted(result.facets, key=_facet_key)
    ]
    s.many(
        _PUT_FACET,
        [rows.facet_columns(*each) for each in states if each[1].facet is not Facet.CARRIED_DKIM],
    )
    kept = [each for each in states if each[1].facet is Facet.CARRIED_DKIM]
    if kept:
        carried.move(s, kept)
    for result in results:
        fallen = any(
            state.facet is Facet.CARRIED_DKIM and state.status not in CARRIED for state in result.facets
        )
        if fallen or result.superseded:
            carried.end(s, [result.identity_id], result.checked_at)
    listed.proofs_changed(
        s,
        [
            result.identity_id
            for result in results
            if result.superseded or any(state.facet in OWN_PROOF for state in result.facets)
        ],
    )


def _finish(s: Session, finished: Sequence[dict[str, Cell]]) -> None:
    if s.dialect == POSTGRESQL and finished:
        s.run(_FINISH, rows=_encoder.encode(finished).decode())
    else:
        s.many(_FINISH, finished)


def _facet_key(state: FacetState) -> str:
    return state.facet.value


def _finished(result: CheckResult) -> dict[str, Cell]:
    return {
        "of_id": result.identity_id,
        "due_at": result.due_at,
        "lane": int(result.lane),
        "interval_ms": result.interval,
        "checked_at": result.checked_at,
        "succeeded_at": result.succeeded_at,
        "error": None if result.error is None else result.error.value,
        "zone_cut": result.zone_cut,
        **rows.soa_columns(result.soa),
    }


@dataclass(frozen=True, slots=True)
class Completion:
    """What completes a facet of an identity without a look at it, and when it is looked at next."""

    identity_id: int
    state: FacetState
    error: ErrorType | None
    due_at: Instant
    interval: Span
    verdict: evidence.StoredVerdict


_COMPLETE = Prepared(
    sa.update(tables.verification)
    .where(_v.identity_id == sa.bindparam("of_id"))
    .values(
        **RELEASED,
        # As when a check ends: what somebody asked for meanwhile is about more than what is completed here.
        due_at=sa.case((_v.asked != _NOBODY_WAITS, sa.bindparam("at")), else_=sa.bindparam("due_at")),
        lane=sa.literal_column(str(int(Lane.FRESH))),
        interval_ms=sa.bindparam("interval"),
        last_success_at=sa.bindparam("at"),
        error=sa.bindparam("error"),
    )
)


def complete(s: Session, completions: Sequence[Completion], now: Instant) -> None:
    """Store these states of facets, whose identities are held.

    What looks that run at this moment come to is of a state that is over: it lands nowhere.
    """
    ordered = sorted(completions, key=lambda each: each.identity_id)
    s.many(
        _COMPLETE,
        [
            {
                "of_id": each.identity_id,
                "due_at": each.due_at,
                "interval": each.interval,
                "at": now,
                "error": None if each.error is None else each.error.value,
            }
            for each in ordered
        ],
    )
    s.many(_PUT_FACET, [rows.facet_columns(each.identity_id, each.state) for each in ordered])
    ids = [each.identity_id for each in ordered]
    # The new proof is there: what was carried until then is needed no more.
    carried.end(s, ids, now)
    listed.proofs_changed(s, ids)
    recommendations.make_due(s, ids)
    evidence.add(s, [each.verdict for each in ordered])


@dataclass(frozen=True, slots=True)
class PutOff:
    """A claim that is given back without a result, for whoever comes at `due_at`, in this lane."""

    claim: Claim
    owner: str
    due_at: Instant
    lane: Lane


def put_off(s: Session, given_back: Iterable[PutOff]) -> None:
    """Give back what was claimed and not looked at. Who asked for it is remembered."""
    ordered = sorted(given_back, key=lambda each: each.claim.identity.id)
    s.many(
        _PUT_OFF,
        [
            {
                "of_id": each.claim.identity.id,
                "owner": each.owner,
                "due_at": each.due_at,
                "lane": int(each.lane),
                "asked": _PERSON if each.claim.asked else _NOBODY_WAITS,
            }
            for each in ordered
        ],
    )


def void_leases(s: Session, now: Instant, owner_prefix: str = "") -> int:
    """Take back every lease whose owner begins so, all of them by default; return how many.

    At the start of the only verifier there is, those who held them are dead. The work is due at once.
    """
    return _queue.void(s, now, owner_prefix)


def earliest_due(
    s: Session, lease_now: Instant, shards: Sequence[int] = ALL_SHARDS, *, slow: bool = True
) -> Instant | None:
    """Return when the next identity that nobody holds is due, None when there is none. `slow`: these as well.

    Work under a running lease does not count: who waits for long looks again when a lease may have ended.
    """
    due = _EARLIEST.each(s, shards, real_now=lease_now)
    if shards:
        for lane in (Lane.FRESH, Lane.SLOW) if slow else (Lane.FRESH,):
            due += s.all(_EARLIEST_IN[lane], shards=shards, real_now=lease_now)
    return min((row[0] for row in due), default=None)
