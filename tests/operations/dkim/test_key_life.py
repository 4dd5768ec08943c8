"""Rotation on request, the keys of deleted identities, and which key may sign: through the operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from desk import ZONE, Desk
from handing import hand_out
from key_steps import NAME, PACE, SIGNING, keep, key_of, see, set_id, signing, stages
from own_keys import OWN

from indicia.domain.dkim.signing import Unsigned
from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import Facet, FacetState, Status
from indicia.domain.time import DAY, HOUR, MINUTE, rfc3339
from indicia.operations.dkim.signing_keys import SigningKey
from indicia.store.dkim import key_supply, keys
from indicia.store.dkim import rotation as rotations
from indicia.store.engine.ids import new_id
from indicia.store.engine.session import Session
from indicia.store.engine.sharding import shard_of
from indicia.store.proofs import carried, facets
from indicia.store.verification import checks
from indicia.wire.shapes.sesv2 import DkimSigningAttributes


def zone(desk: Desk, tokens: list[str]) -> list[Any]:
    """What the key zone has under each token."""
    return [desk.read(lambda s, token=token: keys.lookup(s, ZONE, token)) for token in tokens]


NOTHING = keys.NoKeyYet.NO_KEY_YET


def test_a_rotation_on_request(desk: Desk) -> None:
    """202 with the next key published under the next token; Get follows when that signs, not before."""
    first = signing(desk)
    tokens = list(desk.view(NAME).token_set.tokens)  # type: ignore[union-attr]
    made = desk.ask("GetEmailIdentity", EmailIdentity=NAME).DkimAttributes.LastKeyGenerationTimestamp
    second = desk.stock(2048)
    desk.now += HOUR
    began_at = desk.now

    answer = desk.ask("RotateIdentityKey", name=NAME)

    assert answer.began
    assert [(key.selector, key.stage) for key in answer.keys] == [
        (tokens[0], "signing"),
        (tokens[1], "published"),
    ]
    assert zone(desk, tokens) == [first, second, NOTHING]
    assert key_of(desk).selector == tokens[0]  # type: ignore[union-attr]
    shown = desk.ask("GetEmailIdentity", EmailIdentity=NAME).DkimAttributes
    assert shown.LastKeyGenerationTimestamp == made

    see(desk, set_id(desk))
    desk.now += PACE.settle
    keep(desk, set_id(desk))
    assert key_of(desk).selector == tokens[1]  # type: ignore[union-attr]
    shown = desk.ask("GetEmailIdentity", EmailIdentity=NAME).DkimAttributes
    assert shown.LastKeyGenerationTimestamp == began_at / 1000
    assert zone(desk, tokens) == [first, second, NOTHING]

    desk.now += PACE.linger
    keep(desk, set_id(desk))
    assert zone(desk, tokens) == [NOTHING, second, NOTHING]


def test_a_rotation_makes_the_identity_due(desk: Desk) -> None:
    """The new key has to be seen: the next look is moments away, and nobody is said to have asked."""
    signing(desk)
    view = desk.view(NAME)
    later = desk.now + DAY
    desk.database.write(lambda s: checks.schedule(s, view.identity.id, shard_of(NAME), later))
    desk.stock(2048)
    desk.ask("RotateIdentityKey", name=NAME)

    due = desk.view(NAME).due_at
    assert due is not None
    assert desk.now < due < desk.now + MINUTE
    desk.now = due
    (claim,) = desk.claims()
    assert claim.token_set is not None
    assert (claim.asked, claim.token_set.awaited) == (False, True)


def test_a_second_request_changes_nothing(desk: Desk) -> None:
    """While a rotation is under way another does not begin."""
    signing(desk)
    desk.stock(2048)
    desk.stock(2048)
    desk.ask("RotateIdentityKey", name=NAME)
    desk.now += HOUR

    answer = desk.ask("RotateIdentityKey", name=NAME)

    assert (answer.began, len(answer.keys)) == (False, 2)
    assert desk.read(lambda s: keys.count_pooled(s, 2048)) == 1


def test_a_rotation_waits_for_the_pool(desk: Desk) -> None:
    """Asked for with an empty pool it begins when there is a key, and nobody looks for one meanwhile."""
    signing(desk)
    answer = desk.ask("RotateIdentityKey", name=NAME)
    assert (answer.began, len(answer.keys)) == (True, 1)
    due = desk.read(rotations.earliest_due)
    assert due is None or due > desk.now + DAY

    desk.stock(2048)
    hand_out(desk.database, desk.now)
    assert stages(desk, set_id(desk)) == ["signing", "published"]


@pytest.mark.parametrize(
    ("prepare", "name", "kind", "says"),
    [
        (lambda _: None, "nobody.example", FaultKind.NOT_FOUND, "does not exist"),
        (
            lambda desk: desk.ask("CreateEmailIdentity", EmailIdentity=NAME),
            NAME,
            FaultKind.CONFLICT,
            "when its records are seen. A rotation is possible 65 s after its key is seen.",
        ),
        (
            lambda desk: desk.ask("CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=OWN),
            NAME,
            FaultKind.CONFLICT,
            "was uploaded",
        ),
        (
            lambda desk: desk.ask("VerifyDomainIdentity", Domain=NAME),
            NAME,
            FaultKind.CONFLICT,
            "no Easy DKIM key",
        ),
        (
            lambda desk: desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com"),
            "ann@example.com",
            FaultKind.CONFLICT,
            "no Easy DKIM key",
        ),
    ],
)
def test_what_cannot_be_rotated(desk: Desk, prepare: Any, name: str, kind: FaultKind, says: str) -> None:
    """No identity, no key of ours, none that signs: refused, saying why."""
    prepare(desk)
    fault = desk.refused("RotateIdentityKey", name=name)

    assert fault.kind is kind
    assert says in fault.message


def test_a_rotation_asked_for_too_early_says_from_when_it_is_possible(desk: Desk) -> None:
    """A key that was not seen has to be seen first; one that was seen signs from an instant that is named."""
    desk.stock(2048)
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME)
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    unseen = desk.refused("RotateIdentityKey", name=NAME).message
    assert "its key was not seen through its CNAME so far. A rotation is possible 65 s after it is" in unseen

    see(desk, set_id(desk))
    possible = desk.now + PACE.settle
    early = desk.refused("RotateIdentityKey", name=NAME).message
    on = rfc3339(possible)
    assert f"its key was seen and signs from {on} on. A rotation is possible from then on." in early

    desk.now = possible
    keep(desk, set_id(desk))
    assert desk.ask("RotateIdentityKey", name=NAME).began


def test_by_itself_a_key_leaves_the_reserve_to_new_identities(desk: Desk) -> None:
    """The interval has passed: the next key is taken only where enough are left for those who come."""
    signing(desk)
    desk.stock(2048)
    desk.now += 200 * DAY
    desk.database.write(lambda s: key_supply.record(s, {}, {2048: 2}, 9, desk.now))

    keep(desk, set_id(desk))
    assert stages(desk, set_id(desk)) == ["signing"]
    assert hand_out(desk.database, desk.now) == []
    desk.stock(2048)
    hand_out(desk.database, desk.now)
    assert stages(desk, set_id(desk)) == ["signing", "published"]


def test_a_new_length_takes_the_place_of_a_coming_key(desk: Desk) -> None:
    """During a rotation another length is chosen: the coming key goes, the one of that length comes."""
    signing(desk)
    desk.now += DAY
    desk.stock(2048)
    desk.ask("RotateIdentityKey", name=NAME)
    tokens = list(desk.view(NAME).token_set.tokens)  # type: ignore[union-attr]
    short = desk.stock(1024)
    change = DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT")

    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES", SigningAttributes=change)

    assert zone(desk, tokens)[1:] == [NOTHING, short]
    shown = desk.ask("GetEmailIdentity", EmailIdentity=NAME).DkimAttributes
    assert (shown.CurrentSigningKeyLength, shown.NextSigningKeyLength) == ("RSA_2048_BIT", "RSA_1024_BIT")
    assert key_of(desk).bits == 2048  # type: ignore[union-attr]  # PENDING, and the key of before signs on


# -- deletion, and leaving


def test_the_keys_of_a_deleted_identity_go_after_the_grace(desk: Desk) -> None:
    """Mail it signed may be on its way: published for the grace, then withdrawn; the tokens never again."""
    first = signing(desk)
    gone = set_id(desk)
    tokens = list(desk.view(NAME).token_set.tokens)  # type: ignore[union-attr]

    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)
    assert zone(desk, tokens) == [first, NOTHING, NOTHING]
    assert stages(desk, gone) == ["retired"]
    desk.now += PACE.linger
    assert desk.read(rotations.earliest_due) == desk.now
    keep(desk, gone)
    assert zone(desk, tokens) == [NOTHING, NOTHING, NOTHING]
    assert desk.read(rotations.earliest_due) is None

    anew = desk.ask("CreateEmailIdentity", EmailIdentity=NAME).DkimAttributes.Tokens
    assert set(anew).isdisjoint(tokens)
    left = desk.read(lambda s: rotations.left_by(s, NAME, limit=10))
    assert [list(each.tokens) for each in left] == [tokens]


def test_v1_deletion_leaves_no_key_behind_either(desk: Desk) -> None:
    """DeleteIdentity does the same."""
    signing(desk)
    gone = set_id(desk)
    desk.ask("DeleteIdentity", Identity=NAME)
    assert stages(desk, gone) == ["retired"]


def test_an_uploaded_key_is_erased_when_it_is_left(desk: Desk) -> None:
    """BYODKIM to Easy: nothing of the private key stays."""
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME, DkimSigningAttributes=OWN)
    own = set_id(desk)
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="AWS_SES")
    assert stages(desk, own) == []


# -- which key may sign


def test_nothing_signs_before_its_key_was_seen_and_has_settled(desk: Desk) -> None:
    """Verified is not enough: published, seen, settled, and then it signs."""
    desk.stock(2048)
    desk.ask("CreateEmailIdentity", EmailIdentity=NAME)
    assert key_of(desk) is Unsigned.NOT_VERIFIED
    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    assert key_of(desk) is Unsigned.NO_KEY
    see(desk, set_id(desk))
    keep(desk, set_id(desk))
    assert key_of(desk) is Unsigned.NO_KEY
    desk.now += PACE.settle
    keep(desk, set_id(desk))
    found = key_of(desk)
    assert isinstance(found, SigningKey)
    assert (found.domain, found.bits) == (NAME, 2048)
    assert "private_key" not in repr(found)


def test_a_key_that_is_lost_signs_no_more_and_one_that_is_back_does(desk: Desk) -> None:
    """The gate is the sight of the key, whatever the facet says."""
    signing(desk)
    see(desk, set_id(desk), absent_since=desk.now)
    assert isinstance(key_of(desk), SigningKey)
    see(desk, set_id(desk), absent_since=desk.now, lost_at=desk.now)
    assert key_of(desk) is Unsigned.NOT_VISIBLE
    see(desk, set_id(desk))
    assert isinstance(key_of(desk), SigningKey)


@pytest.mark.parametrize(
    ("status", "signs"),
    [
        (Status.SUCCESS, True),
        (Status.TEMPORARY_FAILURE, True),  # as long as the key is seen
        (Status.FAILED, False),
        (Status.PENDING, False),
    ],
)
def test_the_facet_has_a_say(desk: Desk, status: Status, signs: bool) -> None:
    """A verified domain signs, in the grace period too; a pending or failed one does not."""
    signing(desk)
    desk.find(NAME, Facet.DKIM, status)
    assert isinstance(key_of(desk), SigningKey) is signs


def test_what_was_proved_for_another_method_does_not_sign(desk: Desk) -> None:
    """PENDING with the proof of the same records carried on: what began to sign meanwhile waits for SUCCESS.

    Where what is carried rests on other records, nothing signs.
    """
    signing(desk)
    identity = desk.view(NAME).identity
    pending = FacetState(Facet.DKIM, Status.PENDING, 2, since=desk.now)
    kept = FacetState(Facet.CARRIED_DKIM, Status.SUCCESS, 1, since=desk.now)
    present = desk.view(NAME).token_set
    assert present is not None
    other = replace(present, id=new_id(), tokens=("a", "b", "c"))

    def now_since(instant: int, token_set_id: int) -> None:
        def put(s: Session) -> None:
            carried.put(s, identity.id, token_set_id, kept)
            facets.put(s, identity.id, replace(pending, since=instant))

        desk.database.write(put)

    desk.database.write(lambda s: keys.insert_token_set(s, other, desk.now))
    now_since(desk.now - DAY, set_id(desk))
    assert key_of(desk) is Unsigned.NOT_VERIFIED
    now_since(desk.now + 1, other.id)
    assert key_of(desk) is Unsigned.NOT_VERIFIED
    now_since(desk.now + 1, set_id(desk))
    assert isinstance(key_of(desk), SigningKey)


def test_a_change_of_method_leaves_the_domain_unsigned_for_a_while(desk: Desk) -> None:
    """Easy to BYODKIM: the previous method is not used (spec 3.4); the uploaded key signs when it is seen.

    The keys of before stay published for as long as their records are looked at.
    """
    signing(desk)
    left = set_id(desk)
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN)
    assert key_of(desk) is Unsigned.NOT_VERIFIED
    assert stages(desk, left) == ["signing"]

    desk.find(NAME, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk))
    keep(desk, set_id(desk))
    found = key_of(desk)
    assert isinstance(found, SigningKey)
    assert found.selector == OWN.DomainSigningSelector


def test_the_keys_of_what_was_carried_go_with_the_identity(desk: Desk) -> None:
    """Once it is deleted nothing rests on the records of before: their keys are on their way out."""
    signing(desk)
    left = set_id(desk)
    desk.ask(SIGNING, EmailIdentity=NAME, SigningAttributesOrigin="EXTERNAL", SigningAttributes=OWN)
    assert stages(desk, left) == ["signing"]

    desk.ask("DeleteEmailIdentity", EmailIdentity=NAME)

    assert stages(desk, left) == ["retired"]


def test_the_switch_has_a_say(desk: Desk) -> None:
    """Signing that is off signs nothing."""
    signing(desk)
    desk.ask("PutEmailIdentityDkimAttributes", EmailIdentity=NAME, SigningEnabled=False)
    assert key_of(desk) is Unsigned.SWITCHED_OFF
    desk.ask("VerifyDomainIdentity", Domain="plain.example")
    assert key_of(desk, "plain.example") is Unsigned.NO_DKIM
