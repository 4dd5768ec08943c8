"""Lists: pages in one order, exact filters, and never another status than the facets make."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from values import ACCOUNT, REGION, add, identity, state

from indicia.domain.identities.identity import Facet, FacetState, Identity, IdentityKind, Status
from indicia.domain.proofs.transitions import own_status
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.identities import identities
from indicia.store.installation import sandbox as sandbox_rows
from indicia.store.proofs import carried, facets, listed
from indicia.store.verification import checks

NAMES = [
    "A.example",
    "_dmarc.example",
    "a-b.example",
    "a.example",
    "aa.example",
    "b.example",
    "user@a.example",
]


def walk(database: Database, size: int, **filters) -> Iterator[listed.Page]:
    """Every page of a list, one after another."""
    after = ""
    while True:
        page = database.read(
            lambda s, after=after: listed.page(s, ACCOUNT, REGION, after=after, size=size, **filters)
        )
        yield page
        if not page.more:
            return
        after = page.names[-1]


def names(database: Database, size: int = 50, **filters) -> list[str]:
    """The names of a whole list."""
    return [name for page in walk(database, size, **filters) for name in page.names]


def test_pages_come_in_the_order_of_octets_and_lose_nothing(database: Database):
    """Pages of any size, one after another, are the whole list in one order on every database."""
    for name in reversed(NAMES):
        database.write(lambda s, name=name: add(s, name))
    database.write(lambda s: add(s, "a.example", region="us-east-1"))
    for size in (1, 2, 3, len(NAMES), 100):
        pages = list(walk(database, size))
        assert [name for page in pages for name in page.names] == sorted(NAMES)
        assert all(len(page.names) == size for page in pages[:-1])
        assert 0 < len(pages[-1].names) <= size


def test_kinds_come_in_one_order_of_names(database: Database):
    """Domains and addresses stand where their names do, each with its own kind, across the pages."""
    mixed = ["a.example", "a@a.example", "b.example", "b@a.example", "c@a.example", "d.example"]
    for name in mixed:
        database.write(lambda s, name=name: add(s, name))
    for size in (1, 2, 4, 100):
        kinds = [pair for page in walk(database, size) for pair in zip(page.names, page.kinds, strict=True)]
        assert kinds == [
            (name, IdentityKind.EMAIL_ADDRESS if "@" in name else IdentityKind.DOMAIN) for name in mixed
        ]


def test_an_empty_list_is_one_page_with_nothing_on_it(database: Database):
    """No identity, or none behind the last one: nothing, and nothing more."""
    empty = listed.Page([], [], [], more=False)
    assert list(walk(database, 10)) == [empty]
    database.write(lambda s: add(s, "a.example"))
    assert database.read(lambda s: listed.page(s, ACCOUNT, REGION, after="a.example", size=10)) == empty
    assert database.read(lambda s: listed.page(s, "999900000000", REGION, after="", size=10)) == empty


def test_pages_are_filtered(database: Database):
    """By kind, by part of the name taken literally, by the identity's own status, and by all together."""
    for name in NAMES:
        database.write(lambda s, name=name: add(s, name))

    def prove(s):
        proven = identities.get(s, ACCOUNT, REGION, "aa.example")
        facets.put(s, proven.id, state(Facet.DKIM, Status.FAILED))
        facets.put(s, proven.id, state(Facet.OWNERSHIP, Status.SUCCESS))
        bare = identity("bare.example")
        identities.insert(s, bare)
        kept = identities.get(s, ACCOUNT, REGION, "b.example")
        carried.put(s, kept.id, kept.token_set_id, state(Facet.CARRIED_DKIM, Status.SUCCESS))
        facets.put(s, kept.id, state(Facet.DKIM, Status.PENDING))
        facets.put(s, kept.id, state(Facet.MAIL_FROM, Status.FAILED))

    database.write(prove)
    assert names(database, kind=IdentityKind.EMAIL_ADDRESS) == ["user@a.example"]
    assert names(database, contains="a.ex") == ["a.example", "aa.example", "user@a.example"]
    assert names(database, contains="_") == ["_dmarc.example"]
    assert names(database, contains="%") == []
    assert names(database, status=Status.SUCCESS) == ["aa.example", "b.example"]
    assert names(database, status=Status.FAILED) == []
    assert names(database, status=Status.NOT_STARTED) == ["bare.example"]
    assert names(database, status=Status.PENDING, kind=IdentityKind.DOMAIN, contains="a.") == ["a.example"]


def test_a_filtered_page_is_full_while_there_is_more(database: Database):
    """What a filter leaves out never shortens a page."""
    for number in range(30):

        def fill(s, number=number):
            made = add(s, f"d{number:02}.example")
            facets.put(s, made.id, state(Facet.DKIM, Status.PENDING if number % 3 else Status.SUCCESS))
            facets.put(s, made.id, state(Facet.MAIL_FROM, Status.SUCCESS))

        database.write(fill)
    pages = list(walk(database, 4, status=Status.SUCCESS))
    assert [len(page.names) for page in pages] == [4, 4, 2]
    assert [name for page in pages for name in page.names] == [f"d{n:02}.example" for n in range(0, 30, 3)]


_CROWD = ["a.example", "b.example", "c.example", "user@a.example", "user@b.example"]
_STEPS = 150
_STORED = [facet for facet in Facet if facet is not Facet.CARRIED_DKIM]


class Chances:
    """Anything that the store lets happen to identities, at random."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.chance = random.Random(seed)
        self.now = 10_000

    def existing(self, s: Session) -> list[Identity]:
        """The identities there are."""
        return list(identities.many(s, ACCOUNT, REGION, _CROWD).values())

    def state(self) -> FacetState:
        """Some state of some facet."""
        return state(self.chance.choice(_STORED), self.chance.choice(list(Status)))

    def create(self, s: Session) -> None:
        """A name that is free is taken, and sometimes a proof of it begun."""
        free = sorted(set(_CROWD) - {each.name for each in self.existing(s)})
        if free:
            name = self.chance.choice(free)
            if self.chance.random() < 0.5:
                add(s, name, due_at=self.now)
            else:
                identities.insert(s, identity(name))

    def delete(self, s: Session) -> None:
        """One is deleted."""
        there = self.existing(s)
        if there:
            identities.delete(s, self.chance.choice(there))

    def put(self, s: Session) -> None:
        """A state is stored, of a proof or of another facet."""
        there = self.existing(s)
        if there:
            facets.put(s, self.chance.choice(there).id, self.state())

    def remove(self, s: Session) -> None:
        """A facet is expected no more, whether or not it was there."""
        there = self.existing(s)
        if there:
            facets.remove(s, self.chance.choice(there).id, self.chance.choice(_STORED))

    def carry(self, s: Session) -> None:
        """DKIM is begun anew, and what it had proved is carried."""
        there = [each for each in self.existing(s) if each.token_set_id is not None]
        if there:
            identity = self.chance.choice(there)
            status = self.chance.choice([Status.SUCCESS, Status.TEMPORARY_FAILURE])
            carried.put(s, identity.id, identity.token_set_id or 0, state(Facet.CARRIED_DKIM, status))
            facets.put(s, identity.id, state(Facet.DKIM, Status.PENDING))

    def check(self, s: Session) -> None:
        """All of them are checked; of some, facets changed."""
        for each in self.existing(s):
            checks.schedule(s, each.id, shard_of(each.name), self.now)
        claimed = checks.claim(s, now=self.now, owner="one", lease_until=self.now + 1_000, limit=100)
        checks.write_back(s, [self.result(each) for each in claimed])

    def result(self, claimed: checks.Claim) -> checks.CheckResult:
        """What a check may find; sometimes for an expectation that is past, which changes nothing."""
        found = {each.facet: each for each in [self.state() for _ in range(self.chance.randrange(4))]}
        if claimed.carried is not None and self.chance.random() < 0.5:
            status = self.chance.choice([Status.SUCCESS, Status.TEMPORARY_FAILURE, Status.FAILED])
            found[Facet.CARRIED_DKIM] = state(Facet.CARRIED_DKIM, status)
        superseded = claimed.carried is not None and self.chance.random() < 0.2
        generation = claimed.identity.generation - (self.chance.random() < 0.2)
        looked_at = {facet: self.chance.choice([0, 1]) for facet in found}
        return checks.CheckResult(
            claimed.identity.id, generation, "one", tuple(found.values()), None, 60_000, self.now,
            None, None, None, looked_at=looked_at, superseded=superseded,
        )  # fmt: skip

    def reset(self, s: Session) -> None:
        """A sandbox begins again."""
        if self.chance.random() < 0.2:
            sandbox_rows.reset(s)

    def fail(self, s: Session) -> None:
        """Something is done, and taken back with the transaction."""
        self.put(s)
        raise LookupError

    def happen(self) -> None:
        """One thing happens."""
        weights = {
            self.put: 6, self.check: 4, self.remove: 3, self.carry: 2, self.create: 4, self.delete: 1,
            self.fail: 1,
        }  # fmt: skip
        act: Callable[[Session], None]
        (act,) = self.chance.choices([*weights, self.reset], [*weights.values(), 1])
        try:
            self.database.write(act)
        except LookupError:
            assert act == self.fail


@pytest.mark.parametrize("seed", [1, 2])
def test_a_list_says_what_the_facets_say(database: Database, seed: int):
    """Whatever stores, removes or takes back proofs: lists have what there is, with its own status."""
    chances = Chances(database, seed)
    seen: set[Status] = set()
    for _ in range(_STEPS):
        chances.happen()

        def look(s: Session) -> None:
            there = sorted(chances.existing(s), key=lambda each: each.name)
            truth = [(each.name, each.kind, own_status(facets.get_all(s, each.id))) for each in there]
            page = listed.page(s, ACCOUNT, REGION, after="", size=100)
            assert list(zip(page.names, page.kinds, page.statuses, strict=True)) == truth
            assert listed.statuses(s, ACCOUNT, REGION, _CROWD) == {name: own for name, _, own in truth}
            for wanted in {own for _, _, own in truth}:
                page = listed.page(s, ACCOUNT, REGION, after="", size=100, status=wanted)
                assert page.names == [name for name, _, own in truth if own is wanted]
            seen.update(own for _, _, own in truth)

        database.read(look)
    assert seen == set(Status)
