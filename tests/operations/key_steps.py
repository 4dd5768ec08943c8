"""Steps in the lives of keys, as the verifier and the keeper take them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from desk import Desk

from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.dkim.signing import Unsigned
from indicia.domain.identities.identity import Facet, Status
from indicia.operations.dkim.signing_keys import SigningKey, signing_key_for
from indicia.store.dkim import keys
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim.rotation import Sighting
from indicia.vault.rotation import advance

NAME = "example.com"


PACE = KeyPace()


SIGNING = "PutEmailIdentityDkimSigningAttributes"


def set_id(desk: Desk, name: str = NAME) -> int:
    """The token set of the identity."""
    token_set = desk.view(name).token_set
    assert token_set is not None
    return token_set.id


def keep(desk: Desk, token_set_id: int) -> None:
    """Let the keeper do what is due."""
    desk.database.write(partial(advance, token_set_id=token_set_id, now=desk.now, pace=PACE))


def see(desk: Desk, token_set_id: int, **given: int | None) -> None:
    """Let the verifier have seen every key, or what is given of them."""
    for key in desk.read(partial(keys.published, token_set_id=token_set_id)):
        seen_at = key.seen_at if key.seen_at is not None else desk.now
        sighting = Sighting(token_set_id, key.id, seen_at, None, None)
        desk.database.write(
            lambda s, sighting=sighting: rotations.sight(s, [replace(sighting, **given)], desk.now)
        )


def signing(desk: Desk, name: str = NAME) -> str:
    """Create an identity, have it verified and signing, and return its signing key's public half."""
    public = desk.stock(2048)
    desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find(name, Facet.DKIM, Status.SUCCESS)
    see(desk, set_id(desk, name))
    desk.now += PACE.settle
    keep(desk, set_id(desk, name))
    return public


def key_of(desk: Desk, name: str = NAME) -> SigningKey | Unsigned:
    """Which key may sign."""
    view = desk.view(name)
    return desk.read(lambda s: signing_key_for(s, view))


def stages(desk: Desk, token_set_id: int) -> list[str]:
    """Where the live keys are."""
    stored = desk.read(partial(rotations.read, token_set_id=token_set_id))
    return [key.stage.value for key in stored.life.keys]
