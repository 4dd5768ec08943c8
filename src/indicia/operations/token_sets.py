"""Token sets: the selectors of an identity, and the keys behind them.

A set is issued once and its tokens never again. Its first key comes from the pool. An empty pool delays
nobody: the verifier gives the set a key, by `give_key`, when its records are first seen (verification.md,
Keys). Every later key comes and goes by the table in `domain.rotation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from indicia.domain.dkim import new_tokens
from indicia.domain.identity import KeyLength, TokenSet, TokenSetKind
from indicia.domain.rotation import KeyPace
from indicia.operations.signing_choice import EasyDkim
from indicia.store import identities, key_lives, keys
from indicia.store.ids import new_id
from indicia.vault.purposes import PRIVATE_KEY
from indicia.vault.rotation import advance, events_of

if TYPE_CHECKING:
    from indicia.domain.time import Instant
    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.operations.signing_choice import OwnDkim
    from indicia.store.keys import PooledKey
    from indicia.store.session import Session


def issue(
    house: House,
    call: Call,
    s: Session,
    choice: EasyDkim | OwnDkim,
    *,
    domain: str,
    default_length: KeyLength,
) -> TokenSet:
    """Return a new token set for the domain, with its key where there is one already."""
    if isinstance(choice, EasyDkim):
        return issue_easy(house, s, ((call, domain, choice.key_length or default_length),))[0]
    return _issue_own(house, call, s, domain, choice)


def issue_easy(house: House, s: Session, wanted: Sequence[tuple[Call, str, KeyLength]]) -> list[TokenSet]:
    """Return a new Easy DKIM set for each domain, with a key of its length for as long as there are some."""
    lengths = Counter(length for _, _, length in wanted)
    pooled = {length: keys.take_all_pooled(s, length.bits, count) for length, count in lengths.items()}
    house.wakes.pool()
    return [
        _issue_easy(house, call, s, domain, length, pooled[length].pop(0) if pooled[length] else None)
        for call, domain, length in wanted
    ]


def _issue_easy(  # noqa: PLR0917 - whose, for what, with what
    house: House, call: Call, s: Session, domain: str, length: KeyLength, key: PooledKey | None
) -> TokenSet:
    # 130 random bits a token: one that was issued before does not come up again.
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EASY,
        tokens=new_tokens(house.random, call.now),
        zone=house.signing_zone,
        key_length=length,
        key_made_at=call.now,
        has_key=key is not None,
        public_key="" if key is None else key.public_key,
        wanted_length=length,
        awaited=key is not None,
    )
    keys.insert_token_set(s, token_set, call.now, domain=domain)
    if key is None:
        return _to_be_given(house, call, s, token_set)
    keys.publish_first(s, token_set, key, call.now)
    return token_set


def _issue_own(house: House, call: Call, s: Session, domain: str, choice: OwnDkim) -> TokenSet:
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EXTERNAL,
        tokens=(choice.selector,),
        zone="",
        key_length=None,
        key_made_at=call.now,
        has_key=True,
        public_key=choice.pair.public_key,
        awaited=True,
    )
    keys.insert_token_set(s, token_set, call.now, domain=domain)
    sealed = house.keyring.seal(choice.pair.private_key, PRIVATE_KEY)
    uploaded = keys.PooledKey(new_id(), choice.pair.bits, choice.pair.public_key, sealed, call.now)
    keys.store_uploaded(s, token_set.id, choice.selector, uploaded, call.now)
    return token_set


def give_key(s: Session, token_set: TokenSet, now: Instant) -> TokenSet | None:
    """Return the Easy DKIM set with its first key published; None when the pool has none of its length.

    What counts is the set as it is stored now: where its length was changed meanwhile it gets a key of that,
    and where it was given a key meanwhile it gets no second one. A set of another installation gets none.
    """
    held = key_lives.hold(s, token_set.id)
    stored = token_set if held is None else held.token_set
    if held is None or stored.has_key or stored.key_length is None or held.home:
        return None if held is None else stored
    return _with_key(s, stored, stored.key_length, now)


def _with_key(s: Session, token_set: TokenSet, length: KeyLength, now: Instant) -> TokenSet | None:
    """Return the set, which has no key and is nobody else's to change, with one; None if there is none."""
    pooled = keys.take_pooled(s, length.bits)
    if pooled is None:
        return None
    keys.publish(s, token_set.id, token_set.zone, token_set.tokens[0], pooled, now)
    return replace(token_set, has_key=True, public_key=pooled.public_key, key_made_at=now, awaited=True)


def change_length(house: House, call: Call, s: Session, token_set: TokenSet, length: KeyLength) -> TokenSet:
    """Return the Easy DKIM set, whose next key is of another length. It comes by a rotation.

    Until it signs, the key that signs now goes on. Nobody waits for the pool: without a key there it comes
    when there is one.
    """
    key_lives.want_length(s, token_set.id, length, call.now)
    house.wakes.pool()
    if not token_set.has_key:
        give_key(s, token_set, call.now)
    return _advanced(house, call, s, token_set)


def rotate(house: House, call: Call, s: Session, token_set: TokenSet) -> TokenSet:
    """Return the Easy DKIM set with a rotation begun, or to begin as soon as a token and a key are free."""
    key_lives.ask_rotation(s, token_set.id, call.now)
    house.wakes.pool()
    return _advanced(house, call, s, token_set)


def _advanced(house: House, call: Call, s: Session, token_set: TokenSet) -> TokenSet:
    advanced = advance(s, token_set.id, call.now, house.key_pace)
    if advanced is not None:
        house.tell(s, events_of(s, advanced, call.now, house.key_pace))
    house.wakes.engine()
    return _to_be_given(house, call, s, keys.get_token_set(s, token_set.id) or token_set)


def _to_be_given(house: House, call: Call, s: Session, token_set: TokenSet) -> TokenSet:
    """Return the set; where verification is instant, whoever keeps the keys gives it the first it lacks.

    Elsewhere the verifier does, when its records are seen. Here nobody looks for them.
    """
    if house.instant and not token_set.has_key:
        key_lives.schedule(s, token_set.id, call.now, awaited=False)
    return token_set


def abandon(s: Session, token_set_id: int, now: Instant, pace: KeyPace) -> None:
    """Begin to withdraw the keys of the set, once no identity is published under it any more.

    Keys in our zone stay for as long as mail they signed may be on its way; an uploaded one is erased now.
    """
    if identities.sharing(s, token_set_id):
        return
    key_lives.abandon(s, token_set_id, now)
    advance(s, token_set_id, now, pace)
