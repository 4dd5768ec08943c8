"""The smaller tables: accounts and keys, tags, policies, configuration sets, links, mails, outbox, audit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from aging import forget
from values import ACCOUNT, REGION, add, pooled_key

from indicia.domain.verification_mail.caps import Scope
from indicia.store.accounts import access, audit
from indicia.store.configuration_sets import configuration_sets
from indicia.store.dkim import keys
from indicia.store.dkim.tables import POOLED_PRIVATE_KEY
from indicia.store.engine import meta, sealed_columns
from indicia.store.engine.database import Database
from indicia.store.engine.queue import Lease
from indicia.store.identities import tags
from indicia.store.policies import policies
from indicia.store.verification_mail import links, mailings, outbox

KEY = access.AccessKey("AKIAEXAMPLE", ACCOUNT, "ada", b"sealed secret", None, 1_000, None)


def test_an_access_key_lives_until_it_is_revoked(database: Database):
    """Created once, found, listed with its account, revoked once; its secret is in no repr."""
    other = replace(KEY, id="AKIAOTHER", account="999900000000", user_name=None, policy="{}", created_at=5)
    assert database.write(lambda s: access.create_key(s, KEY))
    assert not database.write(lambda s: access.create_key(s, replace(KEY, secret=b"another")))
    assert database.write(lambda s: access.create_key(s, other))
    assert database.read(lambda s: access.get_key(s, "AKIAEXAMPLE")) == KEY
    assert database.read(lambda s: access.get_key(s, "AKIANOBODY")) is None
    assert database.read(access.list_keys) == [KEY, other]
    assert database.read(lambda s: access.list_keys(s, "999900000000")) == [other]
    assert database.write(lambda s: access.revoke(s, KEY.id, 9_000))
    assert not database.write(lambda s: access.revoke(s, KEY.id, 9_999))
    assert database.read(lambda s: access.get_key(s, KEY.id)) == replace(KEY, revoked_at=9_000)
    assert "sealed secret" not in repr(KEY)


def test_the_operators_key_is_what_the_settings_say(database: Database):
    """Putting a key overwrites all but its creation, and revives it."""
    database.write(lambda s: access.create_key(s, KEY))
    database.write(lambda s: access.revoke(s, KEY.id, 9_000))
    database.write(lambda s: access.put_key(s, replace(KEY, secret=b"new", created_at=7_000)))
    assert database.read(lambda s: access.get_key(s, KEY.id)) == replace(KEY, secret=b"new")


def test_accounts_are_kept(database: Database):
    """Created once, changed, listed in order."""
    first = access.Account("000000000001", "", 5, production_access=True, sending_enabled=True)
    second = access.Account("000000000002", "a@b.example", 4, production_access=False, sending_enabled=False)
    assert database.write(lambda s: access.create_account(s, second))
    assert database.write(lambda s: access.create_account(s, first))
    assert not database.write(lambda s: access.create_account(s, replace(first, contact="x")))
    database.write(lambda s: access.put_account(s, replace(first, sending_enabled=False, created_at=99)))
    changed = replace(first, sending_enabled=False)
    assert database.read(access.list_accounts) == [changed, second]
    assert database.read(lambda s: access.get_account(s, first.id)) == changed
    assert database.read(lambda s: access.get_account(s, "404404404404")) is None


def test_tags_merge_by_key(database: Database):
    """New values go over old ones; removing what is not there is no matter; resources are apart."""
    where = (ACCOUNT, REGION, "identity/example.com")
    database.write(lambda s: tags.put(s, *where, {"b": "1", "a": ""}))
    database.write(lambda s: tags.put(s, *where, {"b": "2", "B": "3"}))
    database.write(lambda s: tags.put(s, ACCOUNT, REGION, "configuration-set/x", {"b": "other"}))
    assert database.read(lambda s: tags.of(s, *where)) == (("B", "3"), ("a", ""), ("b", "2"))
    database.write(lambda s: tags.remove(s, *where, ["a", "absent", "B"]))
    database.write(lambda s: tags.remove(s, *where, []))
    assert database.read(lambda s: tags.of(s, *where)) == (("b", "2"),)
    database.write(lambda s: tags.remove_all(s, *where))
    assert database.read(lambda s: tags.of(s, *where)) == ()
    assert database.read(lambda s: tags.of(s, ACCOUNT, REGION, "configuration-set/x")) == (("b", "other"),)


def test_policies_are_kept_by_name(database: Database):
    """Created once, put over, read in order, deleted once."""
    made = database.write(lambda s: add(s, "example.com"))
    assert database.write(lambda s: policies.create(s, made.id, "b", "1", at=1))
    assert not database.write(lambda s: policies.create(s, made.id, "b", "2", at=2))
    database.write(lambda s: policies.put(s, made.id, "a", "3", at=3))
    database.write(lambda s: policies.put(s, made.id, "b", "4", at=4))
    assert list(database.read(lambda s: policies.of(s, made.id)).items()) == [("a", "3"), ("b", "4")]
    assert database.read(lambda s: policies.of(s, made.id, ["b", "c"])) == {"b": "4"}
    assert database.read(lambda s: policies.of(s, made.id, [])) == {}
    assert database.write(lambda s: policies.delete(s, made.id, "a"))
    assert not database.write(lambda s: policies.delete(s, made.id, "a"))


def test_configuration_sets_are_kept_by_name(database: Database):
    """Created once an account and region, paged by name, deleted with their tags."""
    for name in ("b", "a", "c"):
        assert database.write(lambda s, name=name: configuration_sets.create(s, ACCOUNT, REGION, name, at=5))
    assert not database.write(lambda s: configuration_sets.create(s, ACCOUNT, REGION, "a", at=6))
    assert database.read(lambda s: configuration_sets.exists(s, ACCOUNT, REGION, "a"))
    assert not database.read(lambda s: configuration_sets.exists(s, ACCOUNT, "us-east-1", "a"))
    assert database.read(lambda s: configuration_sets.names(s, ACCOUNT, REGION, after="a", limit=5)) == [
        "b",
        "c",
    ]
    assert database.write(lambda s: configuration_sets.put_options(s, ACCOUNT, REGION, "a", '{"x":1}'))
    assert not database.write(lambda s: configuration_sets.put_options(s, ACCOUNT, REGION, "z", "{}"))
    expected = configuration_sets.ConfigurationSet("a", 5, '{"x":1}')
    assert database.read(lambda s: configuration_sets.get(s, ACCOUNT, REGION, "a")) == expected
    database.write(lambda s: tags.put(s, ACCOUNT, REGION, "configuration-set/a", {"k": "v"}))
    assert database.write(lambda s: configuration_sets.delete(s, ACCOUNT, REGION, "a"))
    assert not database.write(lambda s: configuration_sets.delete(s, ACCOUNT, REGION, "a"))
    assert database.read(lambda s: configuration_sets.get(s, ACCOUNT, REGION, "a")) is None
    assert database.read(lambda s: tags.of(s, ACCOUNT, REGION, "configuration-set/a")) == ()


def link(database: Database, identity_id: int, token_hash: bytes, **given: int) -> None:
    """Store a link that is good from 10 to 100."""
    given = {"now": 10, "expires_at": 100, "generation": 3, **given}
    database.write(lambda s: links.create(s, token_hash, identity_id=identity_id, **given))


def test_a_link_is_used_once(database: Database):
    """Of many who use a link at once, one does."""
    made = database.write(lambda s: add(s, "user@example.com"))
    link(database, made.id, b"hash")
    found = database.read(lambda s: links.find(s, b"hash"))
    assert found == links.StoredLink(b"hash", made.id, 3, 10, 100, None, None)
    with ThreadPoolExecutor(5) as pool:
        won = list(pool.map(lambda _: database.write(lambda s: links.use(s, b"hash", 50)), range(5)))
    assert sorted(won) == [False] * 4 + [True]
    used = database.read(lambda s: links.find(s, b"hash"))
    assert used is not None
    assert used.used_at == 50


def test_a_link_ends(database: Database):
    """At its end, when a later mail supersedes it, and when somebody ends it."""
    made = database.write(lambda s: add(s, "user@example.com"))
    link(database, made.id, b"late")
    assert not database.write(lambda s: links.use(s, b"late", 100))
    assert not database.write(lambda s: links.use(s, b"unknown", 50))
    link(database, made.id, b"next", now=20)
    assert not database.write(lambda s: links.use(s, b"late", 50))
    late = database.read(lambda s: links.find(s, b"late"))
    assert late is not None
    assert late.superseded_at == 20
    assert database.write(lambda s: links.end(s, b"next", 30))
    assert not database.write(lambda s: links.use(s, b"next", 31))


def test_mails_are_counted_by_mailbox_domain_and_account(database: Database):
    """Only those since the instant, each in every count it belongs to: of all, and of the account."""
    for number, (mailbox, account) in enumerate(
        [("a@x.example", "1"), ("a@x.example", "2"), ("b@x.example", "1"), ("c@y.example", "1")]
    ):
        database.write(
            lambda s, mailbox=mailbox, account=account, number=number: mailings.record(
                s,
                mailbox=mailbox,
                domain=mailbox.partition("@")[2],
                account=account,
                at=10 * number,
                token_hash=f"hash{number}".encode(),
            )
        )

    def counts(since: int) -> list[tuple[int, int]]:
        found = database.read(
            lambda s: mailings.counts(s, mailbox="a@x.example", domain="x.example", account="1", since=since)
        )
        return [
            (found[scope].total, found[scope].own) for scope in (Scope.MAILBOX, Scope.DOMAIN, Scope.ACCOUNT)
        ]

    def oldest(scope: Scope, counted: str) -> list[tuple[int, bool]]:
        return database.read(lambda s: mailings.oldest(s, scope, counted, account="1", since=10, limit=2))

    assert counts(0) == [(2, 1), (3, 2), (3, 3)]
    assert counts(10) == [(1, 0), (2, 1), (2, 2)]
    assert oldest(Scope.MAILBOX, "a@x.example") == [(10, False)]
    assert oldest(Scope.DOMAIN, "x.example") == [(10, False), (20, True)]
    assert oldest(Scope.ACCOUNT, "1") == [(20, True), (30, True)]
    assert database.read(lambda s: mailings.mailbox_of(s, b"hash2")) == "b@x.example"
    assert database.read(lambda s: mailings.mailbox_of(s, b"hash9")) is None
    assert database.write(lambda s: forget(s, "mailings", kept=69, now=99, limit=2)) == 2
    assert database.write(lambda s: forget(s, "mailings", kept=69, now=99, limit=2)) == 1
    assert counts(0) == [(0, 0), (0, 0), (1, 1)]


def test_a_mailbox_can_be_stopped(database: Database):
    """Once said it stands, until it is taken back."""
    for at in (1, 2):
        database.write(lambda s, at=at: mailings.stop(s, "a@x.example", at))
    assert database.read(lambda s: mailings.stopped(s, "a@x.example"))
    assert not database.read(lambda s: mailings.stopped(s, "b@x.example"))
    database.write(lambda s: mailings.resume(s, "a@x.example"))
    assert not database.read(lambda s: mailings.stopped(s, "a@x.example"))


def parcel(database: Database, payload: bytes, now: int = 10, account: str = "1") -> int:
    """Queue a parcel and return its id."""
    given = {"kind": "mail", "account": account, "subject_key": "user@x.example", "payload": payload}
    return database.write(lambda s: outbox.add(s, **given, now=now))


def collect(database: Database, owner: str, *, now: int = 100, lease_now: int = 100, limit: int = 10):
    """Take parcels of the account for 50 ms."""
    lease = Lease(owner, now, lease_now, lease_now + 50)
    return database.write(lambda s: outbox.take(s, "1", lease, limit=limit))


def test_a_parcel_is_delivered_at_least_once(database: Database):
    """Claimed by one owner, claimed again when the lease ends, done when its holder says so."""
    first = parcel(database, b"one")
    parcel(database, b"two", now=500)
    (claimed,) = collect(database, "a")
    assert (claimed.id, claimed.payload, claimed.attempts) == (first, b"one", 0)
    assert collect(database, "b", lease_now=149) == []
    (again,) = collect(database, "b", lease_now=150)
    assert again.id == first
    assert not database.write(lambda s: outbox.done(s, first, "a", 160))
    assert database.write(lambda s: outbox.done(s, first, "b", 160))
    assert collect(database, "b", lease_now=900) == []
    assert database.read(lambda s: outbox.next_due(s, 100)) == 500
    assert [each.payload for each in collect(database, "b", now=500, lease_now=900)] == [b"two"]


def test_a_parcel_is_tried_again_and_given_up(database: Database):
    """A failure moves the due time and counts; what is given up or delivered can be forgotten."""
    made = parcel(database, b"one")
    collect(database, "a")
    assert database.write(lambda s: outbox.retry(s, made, "a", 300, "451 later"))
    assert database.read(lambda s: outbox.next_due(s, 100)) == 300
    assert database.read(lambda s: outbox.next_due(s, 300)) is None
    (again,) = collect(database, "a", now=300)
    assert again.attempts == 1
    assert database.write(lambda s: outbox.give_up(s, made, "a", "550 no"))
    assert not database.read(lambda s: outbox.anything_due(s, 10**9))
    made_at = made >> 20  # milliseconds; so ids begin
    assert database.write(lambda s: forget(s, "letters", kept=0, now=made_at, limit=9)) == 0
    assert database.write(lambda s: forget(s, "letters", kept=0, now=made_at + 1, limit=9)) == 1


def test_a_start_takes_parcels_back(database: Database):
    """What a dead sender held is claimed at once after its leases are void."""
    parcel(database, b"one")
    collect(database, "dead")
    assert database.write(outbox.void_leases) == 1
    assert len(collect(database, "heir")) == 1


def test_accounts_with_something_due_are_found(database: Database):
    """Each once, the longest waiting first, however much it has; not what is held, done, or due later."""
    for number in range(40):
        parcel(database, b"x", now=20 + number, account="1")
    parcel(database, b"x", now=10, account="2")
    parcel(database, b"x", now=500, account="3")
    done = parcel(database, b"x", now=5, account="4")

    def due(now: int = 100, real: int = 100, limit: int = 9) -> list[str]:
        return database.read(lambda s: outbox.accounts_due(s, Lease("a", now, real, real + 50), limit))

    assert due() == ["4", "2", "1"]
    lease = Lease("a", 100, 100, 150)
    database.write(lambda s: outbox.take(s, "4", lease, limit=1))
    assert due() == ["2", "1"]
    assert due(real=150) == ["4", "2", "1"]
    database.write(lambda s: outbox.done(s, done, "a", 100))
    assert due(real=150) == ["2", "1"]
    assert due(now=500, limit=2) == ["2", "1"]
    assert due(now=500) == ["2", "1", "3"]


def test_two_senders_share_the_work(database: Database):
    """Senders at once never hold the same parcel, and together hold all."""
    ids = [parcel(database, b"x", now=number) for number in range(60)]
    with ThreadPoolExecutor(4) as pool:
        shares = list(
            pool.map(lambda n: [each.id for _ in range(8) for each in collect(database, n, limit=3)], "abcd")
        )
    held = [each for share in shares for each in share]
    assert len(held) == len(set(held))
    assert set(held) | {each.id for each in collect(database, "e", limit=99)} == set(ids)


def test_the_audit_log_grows(database: Database):
    """Entries come back newest first, those of the account asked for."""
    entries = [
        audit.AuditEntry(
            at, account, f"arn:aws:iam::{account}:root", "AKIA", "::1", "op", "identity/x", "ok", f"r{at}"
        )
        for at, account in ((1, ACCOUNT), (2, "999900000000"), (3, ACCOUNT))
    ]
    for entry in entries:
        database.write(lambda s, entry=entry: audit.append(s, entry))
    assert database.read(lambda s: audit.latest(s, ACCOUNT, limit=9)) == [entries[2], entries[0]]
    assert database.read(lambda s: audit.latest(s, ACCOUNT, limit=1)) == [entries[2]]


def test_meta_values_are_put_over(database: Database):
    """The last value stands."""
    assert database.read(lambda s: meta.get(s, "clock")) is None
    for value in ("1", "2"):
        database.write(lambda s, value=value: meta.put(s, "clock", value))
    assert database.read(lambda s: meta.get(s, "clock")) == "2"
    assert database.write(lambda s: meta.put_once(s, "clock", "3")) == "2"


def test_sealed_values_are_replaced_page_by_page(database: Database):
    """Each value is seen once and replaced only while it is what was read."""
    made = [pooled_key() for _ in range(5)]
    for key in made:
        database.write(lambda s, key=key: keys.add_pooled(s, key))
    pooled = POOLED_PRIVATE_KEY
    seen: list[tuple[int | str, bytes]] = []
    after: int | str | None = None
    while page := database.read(lambda s, after=after: sealed_columns.page(s, pooled, after=after, limit=2)):
        seen += page
        after = page[-1][0]
    assert seen == [(key.id, b"sealed") for key in made]
    first = made[0].id
    assert database.write(lambda s: sealed_columns.replace(s, pooled, first, b"sealed", b"anew"))
    assert not database.write(lambda s: sealed_columns.replace(s, pooled, first, b"sealed", b"again"))
    taken, *_ = database.write(lambda s: keys.hold_pooled(s, 2048, 1))
    assert taken.private_key == b"anew"
