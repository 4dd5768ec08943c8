"""What is told of a rotation: each step once, to every identity under the set, with what it means."""

from __future__ import annotations

from desk import Desk
from key_news import _of, keep, told
from key_steps import NAME, PACE, see, set_id

from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import HOUR, rfc3339
from indicia.store.events import events


def signs(desk: Desk) -> list[str]:
    """Create a verified identity, whose key begins to sign; return its tokens."""
    desk.stock(2048)
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME)
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk))
    desk.now += PACE.settle
    keep(desk)
    token_set = desk.view(NAME).token_set
    assert token_set is not None
    return list(token_set.tokens)


def test_each_step_of_a_rotation_is_told_once(desk: Desk) -> None:
    """Signing, then of the next key published and signing, of the first retired and withdrawn."""
    tokens = signs(desk)
    assert told(desk) == [("key.signing", "seen", "signing", "settled")]

    desk.stock(2048)
    desk.now += HOUR
    desk.ask("RotateIdentityKey", name=NAME)
    see(desk, set_id(desk))
    desk.now += PACE.settle
    began_at = desk.now
    keep(desk)
    assert told(desk)[1:] == [
        ("key.published", "pooled", "published", "needed"),
        ("key.signing", "seen", "signing", "settled"),
        ("key.retired", "signing", "retired", "succeeded"),
    ]
    retired = _of(desk, NAME)[-1]["data"]
    assert retired["next"] == {"status": "withdrawn", "at": rfc3339(began_at + PACE.linger)}
    assert tokens[0] in retired["effect"]
    assert tokens[1] in _of(desk, NAME)[-2]["data"]["effect"]

    desk.now += PACE.linger
    keep(desk)
    keep(desk)
    assert told(desk)[4:] == [("key.withdrawn", "retired", "withdrawn", "lingered")]


def test_webhooks_hear_of_it(desk: Desk) -> None:
    """A webhook that wants one type of them has one delivery, and whoever delivers is woken."""
    desk.ask("CreateWebhook", url="https://hooks.example.net/in", types=["key.signing"])
    desk.stock(2048)
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME)
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk))
    desk.now += PACE.settle

    assert "news" in keep(desk)
    assert "news" not in keep(desk)


def test_who_left_the_set_is_told_nothing_of_it(desk: Desk) -> None:
    """The keys of a deleted identity go silently: that it was deleted was told."""
    signs(desk)
    identity_id = desk.view(NAME).identity.id
    before = len(desk.read(lambda s: events.of_identity(s, identity_id, limit=99)))
    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)
    desk.now += PACE.linger
    keep(desk)

    after = [each.type for each in desk.read(lambda s: events.of_identity(s, identity_id, limit=99))]
    assert (len(after), after[0]) == (before + 1, "identity.deleted")
