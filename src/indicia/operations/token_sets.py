"""Token sets: the selectors of an identity, and the keys behind them.

A set is issued once and its tokens never again. Its key comes from the pool. An empty pool delays nobody: the
verifier gives the set a key, by `give_key`, when its records are first seen (verification.md, Keys).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from indicia.domain.dkim import new_tokens
from indicia.domain.identity import KeyLength, TokenSet, TokenSetKind
from indicia.operations.signing_choice import EasyDkim
from indicia.store import keys, zones
from indicia.store.ids import new_id
from indicia.vault.purposes import PRIVATE_KEY

if TYPE_CHECKING:
    from indicia.domain.time import Instant
    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.operations.signing_choice import OwnDkim, SigningChoice
    from indicia.store.keys import PublishedKey
    from indicia.store.session import Session


def issue(house: House, call: Call, s: Session, choice: SigningChoice, default_length: KeyLength) -> TokenSet:
    """Return a new token set for the choice, with its key where there is one already."""
    if isinstance(choice, EasyDkim):
        return _issue_easy(house, call, s, choice.key_length or default_length)
    return _issue_own(house, call, s, choice)


def _issue_easy(house: House, call: Call, s: Session, length: KeyLength) -> TokenSet:
    # 160 random bits a token: one that was issued before does not come up again.
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EASY,
        tokens=new_tokens(house.random),
        zone=house.signing_zone,
        key_length=length,
        key_made_at=call.now,
        has_key=False,
    )
    zones.add(s, token_set.zone, call.now)
    keys.insert_token_set(s, token_set, call.now)
    house.wakes.pool()
    return give_key(s, token_set, call.now) or token_set


def _issue_own(house: House, call: Call, s: Session, choice: OwnDkim) -> TokenSet:
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EXTERNAL,
        tokens=(choice.selector,),
        zone="",
        key_length=None,
        key_made_at=call.now,
        has_key=True,
        public_key=choice.pair.public_key,
    )
    keys.insert_token_set(s, token_set, call.now)
    sealed = house.keyring.seal(choice.pair.private_key, PRIVATE_KEY)
    uploaded = keys.PooledKey(new_id(), choice.pair.bits, choice.pair.public_key, sealed, call.now)
    keys.store_uploaded(s, token_set.id, choice.selector, uploaded, call.now)
    return token_set


def give_key(s: Session, token_set: TokenSet, now: Instant) -> TokenSet | None:
    """Return the Easy DKIM set with a key published and in use; None when the pool has none of its length.

    What counts is the set as it is stored now: where its length was changed meanwhile it gets a key of that,
    and where it was given a key meanwhile it gets no second one. The key goes under a token that has none, so
    that an earlier key stays visible to whoever has mail in hand that it signed.
    """
    stored = keys.hold_token_set(s, token_set.id)
    if stored is None or stored.has_key or stored.key_length is None:
        return stored
    pooled = keys.take_pooled(s, stored.key_length.bits)
    if pooled is None:
        return None
    token = _free_token(s, stored, now)
    keys.publish(s, stored.id, stored.zone, token, pooled, now)
    return replace(stored, has_key=True, public_key=pooled.public_key, key_made_at=now)


def _free_token(s: Session, token_set: TokenSet, now: Instant) -> str:
    """Return the first token after those in use; where all three are, the oldest key gives up its place."""
    live = keys.published(s, token_set.id)
    taken = {key.token for key in live}
    free = next((token for token in token_set.tokens if token not in taken), None)
    if free is not None:
        return free
    oldest: PublishedKey = live[0]
    keys.withdraw(s, oldest.id, now)
    return oldest.token


def change_length(house: House, call: Call, s: Session, token_set: TokenSet, length: KeyLength) -> TokenSet:
    """Return the Easy DKIM set with a key of another length behind the same tokens.

    Where the pool has none, the set waits for one as a new set does; its earlier key stays published.
    """
    waiting = replace(token_set, key_length=length, key_made_at=call.now, has_key=False, public_key="")
    keys.await_key(s, waiting)
    house.wakes.pool()
    return give_key(s, waiting, call.now) or waiting


def abandon(s: Session, token_set: TokenSet, now: Instant) -> None:
    """Take an uploaded key out of use, its identity having moved to another.

    Keys in our zone stay: mail they signed may still be on its way.
    """
    if token_set.kind is TokenSetKind.EXTERNAL:
        keys.withdraw_for(s, token_set.id, now)
