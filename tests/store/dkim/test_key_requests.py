"""The queue for keys: who stands in it, in which order, and who takes its head, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
from handing import hand_out, queue_up
from values import add, pooled_key

from indicia.domain.identities.identity import Identity
from indicia.store.dkim import key_requests, key_supply, keys
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim.key_requests import KeyRequest, KeySight, WaitingRequest
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.identities import identities

A, B, C = "111122223333", "444455556666", "777788889999"


def stock(database: Database, count: int, bits: int = 1024) -> None:
    """Put so many keys into the pool."""
    database.write(lambda s: keys.add_pooled(s, *(pooled_key(bits) for _ in range(count))))


def line(database: Database, bits: int = 1024) -> list[str]:
    """Return on whose behalf sets wait, the head of the queue first."""
    found: list[WaitingRequest] = database.write(partial(key_requests.head, bits=bits, limit=1000))
    return [each.request.account for each in found]


def seen(identity: Identity, at: int | None = 5_000, **given: int) -> KeySight:
    """What a check saw of the records of an identity without a key."""
    assert identity.token_set_id is not None
    generation = given.get("generation", identity.generation)
    return KeySight(identity.token_set_id, identity.id, generation, identity.account, 2048, at)


def waiting(database: Database) -> Sequence[WaitingRequest]:
    """Return those who wait for a key of 2048 bits."""
    return database.write(lambda s: key_requests.head(s, 2048, 1000))


def test_accounts_take_turns(database: Database) -> None:
    """A crowd of one account stands in the queue; whoever comes after it is next but one."""
    for account, count in ((A, 6), (B, 1), (C, 2), (B, 1)):
        database.write(partial(queue_up, count=count, account=account))

    assert line(database) == [A, B, C, A, C, B, A, A, A, A]


def test_a_turn_is_where_the_queue_has_come_to(database: Database) -> None:
    """Those who come late are not served before all who have waited long: from now on they take turns."""
    database.write(partial(queue_up, count=10, account=A))
    stock(database, 4)
    hand_out(database, 1_000)
    database.write(partial(queue_up, count=3, account=B))

    assert line(database) == [A, B, A, B, A, B, A, A, A]


def test_lengths_have_queues_of_their_own(database: Database) -> None:
    """Who waits for one length is in nobody's way who waits for the other; a change begins at the turn."""
    first, *_ = database.write(partial(queue_up, count=3, account=A))
    database.write(partial(queue_up, count=2, account=B, bits=2048))
    moved = KeyRequest(first.token_set_id, A, 2048)
    database.write(lambda s: key_requests.file(s, [moved]))

    assert (line(database), line(database, 2048)) == ([A, A], [A, B, B])


def test_a_set_is_in_the_queue_once(database: Database) -> None:
    """To queue up again keeps the place; a later sight takes the place of an earlier one."""
    identity = database.write(lambda s: add(s, "example.com"))
    database.write(partial(queue_up, count=2, account=B, bits=2048))
    for at in (5_000, 6_000):
        database.write(lambda s, at=at: key_requests.note(s, [seen(identity, at)]))
    (request,) = [each.request for each in waiting(database) if each.request.account == A]

    assert len(waiting(database)) == 3
    assert request.sight == seen(identity, 6_000)


def test_what_was_missed_leaves_the_queue(database: Database) -> None:
    """An absent record ends the wait of the identity it belongs to, and of no other."""
    one, other = (database.write(lambda s, name=name: add(s, name)) for name in ("a.test", "b.test"))
    database.write(lambda s: key_requests.note(s, [seen(one), seen(other)]))
    database.write(lambda s: key_requests.note(s, [seen(one, None)]))

    assert [each.request.sight for each in waiting(database)] == [seen(other)]


def test_who_shares_a_set_waits_once(database: Database) -> None:
    """A replica that is seen too changes nothing, and what it misses does not end its parent's wait."""
    parent = database.write(lambda s: add(s, "example.com"))
    replica = database.write(lambda s: add(s, "example.com", region="us-east-1"))
    shared = seen(parent)
    beside = KeySight(shared.token_set_id, replica.id, 1, A, 2048, 7_000)
    database.write(lambda s: key_requests.note(s, [shared]))
    database.write(lambda s: key_requests.note(s, [beside]))
    assert [each.request.sight for each in waiting(database)] == [shared]
    missed = KeySight(shared.token_set_id, replica.id, 1, A, 2048, None)
    database.write(lambda s: key_requests.note(s, [missed]))

    assert [each.request.sight for each in waiting(database)] == [shared]


def test_who_needs_no_key_of_ours_does_not_queue(database: Database) -> None:
    """A set that nobody uses any more, or that has its first key, waits for none."""
    left, has = (database.write(lambda s, name=name: add(s, name)) for name in ("a.test", "b.test"))
    stock(database, 1, 2048)
    database.write(lambda s: key_requests.note(s, [seen(has)]))
    hand_out(database, 6_000)
    database.write(lambda s: rotations.abandon(s, left.token_set_id or 0, 1))
    database.write(lambda s: key_requests.note(s, [seen(left), seen(has)]))

    assert waiting(database) == []


def test_who_is_left_waits_no_more(database: Database) -> None:
    """An identity that is deleted takes its set out of the queue with it."""
    identity = database.write(lambda s: add(s, "example.com"))
    database.write(lambda s: key_requests.note(s, [seen(identity)]))

    def delete(s: Session) -> None:
        identities.delete(s, identity)
        rotations.abandon(s, identity.token_set_id or 0, 1)

    database.write(delete)

    assert not database.read(key_requests.anybody_waits)


def test_who_only_creates_leaves_half_of_the_pool_to_those_who_publish(database: Database) -> None:
    """What the pool can spare is what is above half of what is wanted, and nothing while somebody waits."""

    def spare(count: int) -> int:
        return len(database.write(lambda s: keys.take_spare(s, 1024, count)))

    database.write(lambda s: key_supply.record(s, {}, {1024: 8}, 100, 0))
    stock(database, 8)
    assert [spare(3), spare(3), spare(3)] == [3, 1, 0]
    (request,) = database.write(partial(queue_up, count=1))
    stock(database, 4)
    assert spare(1) == 0
    database.write(lambda s: key_requests.withdraw(s, [request.token_set_id]))

    assert spare(9) == 4


def test_a_rotation_by_itself_waits_behind_everybody(database: Database) -> None:
    """It is counted as nobody's wait, and keeps nobody from what the pool can spare."""
    (request,) = database.write(partial(queue_up, count=1))
    by_itself = KeyRequest(request.token_set_id, A, 1024, by_itself=True)
    database.write(lambda s: key_requests.withdraw(s, [request.token_set_id]))
    database.write(lambda s: key_requests.file(s, [by_itself]))
    stock(database, 1)

    assert not database.read(key_requests.anybody_waits)
    assert database.read(key_requests.can_be_served)
    assert len(database.write(lambda s: keys.take_spare(s, 1024, 1))) == 1
    database.write(lambda s: key_requests.file(s, [request]))  # now somebody asks
    assert database.read(key_requests.anybody_waits)


def test_nobody_waits_and_nothing_is_to_be_had(database: Database) -> None:
    """The queue says whether there is something to hand out: a key, and somebody of its length."""
    assert not database.read(key_requests.can_be_served)
    stock(database, 1, 2048)
    assert not database.read(key_requests.can_be_served)
    database.write(partial(queue_up, count=1))
    assert not database.read(key_requests.can_be_served)
    stock(database, 1)
    assert database.read(key_requests.can_be_served)
    assert database.read(lambda s: key_requests.waiting(s, 1024, 10)) == 1


def test_several_hand_out_side_by_side(database: Database) -> None:
    """Each set gets one key and each key goes to one set, however many take from the queue at once."""
    requests = database.write(partial(queue_up, count=150))
    stock(database, 150)
    beginning = threading.Barrier(4)

    def take() -> None:
        beginning.wait()
        hand_out(database, 1_000)

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    hand_out(database, 1_000)

    live = Counter(
        key.token_set_id
        for request in requests
        for key in database.read(partial(keys.published, token_set_id=request.token_set_id))
    )
    assert live == {request.token_set_id: 1 for request in requests}
    assert database.read(lambda s: keys.count_pooled(s, 1024)) == 0
    assert not database.read(key_requests.anybody_waits)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # SQLite has one writer
def test_what_another_process_has_in_hand_is_left_to_it(database: Database) -> None:
    """On PostgreSQL nobody is waited for: who takes the head goes past what others hold."""
    one, other = (database.write(lambda s, name=name: add(s, name)) for name in ("a.test", "b.test"))
    database.write(lambda s: key_requests.note(s, [seen(one), seen(other)]))

    def beside(s: Session) -> list[KeySight | None]:
        identities.lock(s, one.id)  # as a check that is being stored does
        return [each.request.sight for each in waiting(database)]

    assert database.write(beside) == [seen(other)]


def test_what_goes_wrong_leaves_everything_as_it_was(database: Database) -> None:
    """A transaction that is not committed has given no key: the pool and the queue are whole."""
    database.write(partial(queue_up, count=3))
    stock(database, 3)

    def fails(s: Session, *_: object) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        database.write(lambda s: (_half(s), fails(s)))

    assert database.read(lambda s: (keys.count_pooled(s, 1024), key_requests.waiting(s, 1024, 9))) == (3, 3)
    assert sum(done.given[1024] for done in hand_out(database, 1_000)) == 3


def _half(s: Session) -> None:
    """Hand out, in a transaction that somebody else ends."""
    from indicia.domain.dkim.rotation import KeyPace
    from indicia.vault.assignment import assign

    assert assign(s, 1_000, KeyPace(), lambda *_: ()).given == {1024: 3}
