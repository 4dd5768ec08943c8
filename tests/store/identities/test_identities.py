"""Identities: what is stored comes back, one writer wins, a deleted one leaves nothing but its tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from values import ACCOUNT, REGION, add, identity, pooled_key, state, token_set

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import (
    ErrorType,
    Facet,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSetKind,
)
from indicia.store.dkim import keys
from indicia.store.engine.database import Database
from indicia.store.identities import identities, tags
from indicia.store.policies import policies
from indicia.store.proofs import carried, facets
from indicia.store.verification import checks
from indicia.store.verification_mail import links

CARRIED = state(Facet.CARRIED_DKIM, Status.TEMPORARY_FAILURE, deadline=9, absent_since=8)


def test_an_identity_comes_back_as_it_was_stored(database: Database):
    """Every member survives, none has the place of another."""
    tokens = token_set()
    whole = identity(
        "user@example.com",
        created_at=2**42,
        version=7,
        generation=9,
        origin="AWS_SES_EU_WEST_1",
        signing_enabled=False,
        next_key_length=KeyLength.RSA_1024_BIT,
        token_set_id=tokens.id,
        legacy_requested=True,
        mail_from_domain="bounce.example.com",
        mail_from_behavior=MxFailureBehavior.REJECT_MESSAGE,
        feedback_forwarding=False,
        configuration_set="everything",
    )
    database.write(lambda s: keys.insert_token_set(s, tokens, 1))
    database.write(lambda s: identities.insert(s, whole))
    assert database.read(lambda s: identities.get(s, ACCOUNT, REGION, "user@example.com")) == whole
    assert database.read(lambda s: identities.by_id(s, whole.id)) == whole
    assert database.read(lambda s: identities.sharing(s, tokens.id)) == [whole]


def test_a_name_is_taken_once_an_account_and_region(database: Database):
    """A second identity of the name is refused in the vendor's words; elsewhere the name is free."""
    database.write(lambda s: identities.insert(s, identity("example.com")))
    with pytest.raises(Fault) as caught:
        database.write(lambda s: identities.insert(s, identity("example.com")))
    assert caught.value.kind is FaultKind.ALREADY_EXISTS
    assert caught.value.message == "Email identity example.com already exist."
    database.write(lambda s: identities.insert(s, identity("example.com", region="us-east-1")))
    database.write(lambda s: identities.insert(s, identity("example.com", account="999900000000")))
    assert database.read(lambda s: identities.count(s, ACCOUNT, REGION)) == 1


def test_many_returns_those_that_exist(database: Database):
    """Absent names are left out, and any number of names is one question."""
    names = [f"d{number}.example" for number in range(37)]
    for name in names:
        database.write(lambda s, name=name: identities.insert(s, identity(name)))
    for asked in (1, 2, 3, 36, 37):
        found = database.read(
            lambda s, asked=asked: identities.many(s, ACCOUNT, REGION, [*names[:asked], "absent.example"])
        )
        assert sorted(found) == sorted(names[:asked])
        assert all(found[name].name == name for name in found)
    assert database.read(lambda s: identities.many(s, ACCOUNT, REGION, [])) == {}


def test_an_update_grows_the_version_and_the_slower_one_is_told(database: Database):
    """An update against a version that is gone changes nothing and says so."""
    first = identity("example.com")
    database.write(lambda s: identities.insert(s, first))
    changed = database.write(
        lambda s: identities.update(s, replace(first, feedback_forwarding=False, generation=2), 1)
    )
    assert (changed.version, changed.generation, changed.feedback_forwarding) == (2, 2, False)
    assert database.read(lambda s: identities.by_id(s, first.id)) == changed
    with pytest.raises(Fault) as caught:
        database.write(lambda s: identities.update(s, replace(first, mail_from_domain="lost.example"), 1))
    assert caught.value.kind is FaultKind.CONCURRENT_MODIFICATION
    assert database.read(lambda s: identities.by_id(s, first.id)) == changed


def test_the_view_holds_everything(database: Database):
    """One read brings the identity, its token set, facets, last check, tags and policies."""

    def fill(s):
        made = add(s, "example.com", due_at=5_000)
        facets.put(s, made.id, state(Facet.DKIM, Status.PENDING, error=ErrorType.TYPE_NOT_FOUND, deadline=9))
        facets.put(s, made.id, state(Facet.OWNERSHIP, Status.TEMPORARY_FAILURE, absent_since=7))
        before = token_set()
        keys.insert_token_set(s, before, 1)
        carried.put(s, made.id, before.id, CARRIED)
        tags.put(s, ACCOUNT, REGION, "identity/example.com", {"team": "mail", "cost": '"1"\n\u00e9'})
        policies.create(s, made.id, "second", '{"a":"\u20ac"}', at=2)
        policies.create(s, made.id, "first", "{}", at=1)
        return made

    made = database.write(fill)
    view = database.read(lambda s: identities.view(s, ACCOUNT, REGION, "example.com"))
    assert view is not None
    assert view.identity == made
    assert view.token_set is not None
    assert view.token_set.id == made.token_set_id
    assert view.token_set.kind is TokenSetKind.EASY
    assert len(view.token_set.tokens) == 3
    assert view.facets == {
        Facet.DKIM: state(Facet.DKIM, Status.PENDING, error=ErrorType.TYPE_NOT_FOUND, deadline=9),
        Facet.OWNERSHIP: state(Facet.OWNERSHIP, Status.TEMPORARY_FAILURE, absent_since=7),
        Facet.CARRIED_DKIM: CARRIED,
    }
    assert view.carried == database.read(lambda s: carried.get(s, made.id))
    assert view.carried is not None
    assert len(view.carried.token_set.tokens) == 3
    assert view.facets == database.read(lambda s: facets.get_all(s, made.id))
    assert view.tags == (("cost", '"1"\n\u00e9'), ("team", "mail"))
    assert list(view.policies.items()) == [("first", "{}"), ("second", '{"a":"\u20ac"}')]
    assert (view.due_at, view.last_checked_at, view.last_success_at) == (5_000, None, None)
    assert (view.error, view.soa) == (None, None)
    assert database.read(
        lambda s: identities.view_many(s, ACCOUNT, REGION, ["example.com", "no.example"])
    ) == {"example.com": view}
    assert database.read(lambda s: identities.view_by_id(s, made.id)) == view


def test_a_view_of_what_is_not_there_is_none(database: Database):
    """Another account's or region's identity is not there."""
    database.write(lambda s: add(s, "example.com"))
    assert database.read(lambda s: identities.view(s, ACCOUNT, "us-east-1", "example.com")) is None
    assert database.read(lambda s: identities.view(s, "000000000000", REGION, "example.com")) is None
    assert database.read(lambda s: identities.view(s, ACCOUNT, REGION, "example.net")) is None


def test_an_address_without_anything_has_an_empty_view(database: Database):
    """No token set, no facets, no due time: the identity is seen all the same."""
    made = identity("user@example.com")
    database.write(lambda s: identities.insert(s, made))
    view = database.read(lambda s: identities.view(s, ACCOUNT, REGION, "user@example.com"))
    assert view == identities.IdentityView(made, None, {}, None, None, None, None, (), {}, None)


def test_an_uploaded_key_has_one_selector(database: Database):
    """A BYODKIM set comes back with its selector; two accounts may choose the same; no zone serves it."""
    for account in (ACCOUNT, "999900000000"):
        uploaded = token_set("sel", zone="", kind=TokenSetKind.EXTERNAL, key_length=None, has_key=True)
        made = identity("example.com", account=account, token_set_id=uploaded.id, origin="EXTERNAL")

        def fill(s, uploaded=uploaded, made=made):
            keys.insert_token_set(s, uploaded, 1)
            identities.insert(s, made)
            keys.store_uploaded(s, uploaded.id, "sel", pooled_key(1536, "MIGf"), 2)

        database.write(fill)
        view = database.read(lambda s, account=account: identities.view(s, account, REGION, "example.com"))
        assert view is not None
        assert view.token_set == replace(uploaded, public_key="MIGf", key_made_at=2, awaited=True)
    assert database.read(lambda s: keys.lookup(s, "", "sel")) is None


def test_deleting_leaves_only_the_tokens_and_their_keys(database: Database):
    """All that hangs on an identity goes with it; its tokens stay issued and its keys published."""

    def fill(s):
        made = add(s, "example.com", due_at=1)
        tags.put(s, ACCOUNT, REGION, "identity/example.com", {"a": "b"})
        tags.put(s, ACCOUNT, REGION, "identity/example.net", {"c": "d"})
        policies.create(s, made.id, "p", "{}", at=1)
        links.create(s, b"hash", identity_id=made.id, generation=1, now=1, expires_at=99)
        tokens = keys.get_token_set(s, made.token_set_id)
        keys.publish(s, tokens.id, tokens.zone, tokens.tokens[0], pooled_key(public_key="PUB"), 3)
        return made, tokens

    made, tokens = database.write(fill)
    database.write(lambda s: identities.delete(s, made))

    def look(s):
        assert identities.get(s, ACCOUNT, REGION, "example.com") is None
        assert facets.get_all(s, made.id) == {}
        assert checks.earliest_due(s, 0) is None
        assert tags.of(s, ACCOUNT, REGION, "identity/example.com") == ()
        assert tags.of(s, ACCOUNT, REGION, "identity/example.net") == (("c", "d"),)
        assert policies.of(s, made.id) == {}
        assert links.find(s, b"hash") is None
        assert identities.count(s, ACCOUNT, REGION) == 0
        assert keys.lookup(s, tokens.zone, tokens.tokens[0]) == "PUB"
        assert keys.lookup(s, tokens.zone, tokens.tokens[1]) is keys.NoKeyYet.NO_KEY_YET

    database.read(look)
    assert database.write(lambda s: keys.withdraw_for(s, tokens.id, 9)) == 1
    assert database.read(lambda s: keys.lookup(s, tokens.zone, tokens.tokens[0])) is keys.NoKeyYet.NO_KEY_YET
    with pytest.raises(Fault) as caught:
        database.write(lambda s: identities.delete(s, made))
    assert caught.value.kind is FaultKind.CONCURRENT_MODIFICATION


def test_a_recreated_identity_begins_without_a_past(database: Database):
    """The name is free after a deletion, and nothing of the earlier identity shows."""
    first = database.write(lambda s: add(s, "example.com"))
    database.write(lambda s: tags.put(s, ACCOUNT, REGION, "identity/example.com", {"a": "b"}))
    database.write(lambda s: identities.delete(s, first))
    second = database.write(lambda s: add(s, "example.com"))
    view = database.read(lambda s: identities.view(s, ACCOUNT, REGION, "example.com"))
    assert view is not None
    assert view.identity == second
    assert view.tags == ()
    assert second.token_set_id != first.token_set_id
