"""Token sets: the selectors of an identity, and the keys behind them.

A set is issued once and its tokens never again. Its first key comes from the pool, if that can spare one. An
empty pool delays nobody: the set queues up for a key when its records are first seen (verification.md, Keys).
Every later key comes and goes by the table in `domain.dkim.rotation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from indicia.domain.dkim.key_record import new_tokens
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.identities.identity import KeyLength, TokenSet, TokenSetKind
from indicia.operations.dkim.signing_choice import EasyDkim
from indicia.store.dkim import key_requests, keys
from indicia.store.dkim import rotation as rotations
from indicia.store.dkim.key_requests import KeyRequest
from indicia.store.engine.ids import new_id
from indicia.store.identities import identities
from indicia.store.proofs import carried
from indicia.vault.purposes import PRIVATE_KEY
from indicia.vault.rotation import advance, events_of

if TYPE_CHECKING:
    from indicia.domain.time import Instant
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.operations.dkim.signing_choice import OwnDkim
    from indicia.store.dkim.keys import PooledKey
    from indicia.store.engine.session import Session


def issue(
    context: OperationContext,
    call: Call,
    s: Session,
    choice: EasyDkim | OwnDkim,
    *,
    domain: str,
    default_length: KeyLength,
) -> TokenSet:
    """Return a new token set for the domain, with its key where there is one already."""
    if isinstance(choice, EasyDkim):
        return issue_easy(context, s, ((call, domain, choice.key_length or default_length),))[0]
    return _issue_own(context, call, s, domain, choice)


def issue_easy(
    context: OperationContext, s: Session, wanted: Sequence[tuple[Call, str, KeyLength]]
) -> list[TokenSet]:
    """Return a new Easy DKIM set for each domain, with a key of its length while some can be spared."""
    lengths = Counter(length for _, _, length in wanted)
    pooled = {length: keys.take_spare(s, length.bits, count) for length, count in lengths.items()}
    context.hints.pool()
    return [
        _issue_easy(context, call, s, domain, length, pooled[length].pop(0) if pooled[length] else None)
        for call, domain, length in wanted
    ]


def _issue_easy(  # noqa: PLR0917 - whose, for what, with what
    context: OperationContext, call: Call, s: Session, domain: str, length: KeyLength, key: PooledKey | None
) -> TokenSet:
    # 130 random bits a token: one that was issued before does not come up again.
    token_set = TokenSet(
        id=new_id(),
        kind=TokenSetKind.EASY,
        tokens=new_tokens(context.ports.random, call.now),
        zone=context.rules.signing_zone,
        key_length=length,
        key_made_at=call.now,
        has_key=key is not None,
        public_key="" if key is None else key.public_key,
        wanted_length=length,
        awaited=key is not None,
    )
    keys.insert_token_set(s, token_set, call.now, domain=domain)
    if key is None:
        return _to_be_given(context, call, s, token_set)
    keys.publish_first(s, token_set, key, call.now)
    return token_set


def _issue_own(context: OperationContext, call: Call, s: Session, domain: str, choice: OwnDkim) -> TokenSet:
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
    sealed = context.ports.keyring.seal(choice.pair.private_key, PRIVATE_KEY)
    uploaded = keys.PooledKey(new_id(), choice.pair.bits, choice.pair.public_key, sealed, call.now)
    keys.store_uploaded(s, token_set.id, choice.selector, uploaded, call.now)
    return token_set


def change_length(
    context: OperationContext, call: Call, s: Session, token_set: TokenSet, length: KeyLength
) -> TokenSet:
    """Return the Easy DKIM set, whose next key is of another length. It comes by a rotation.

    Until it signs, the key that signs now goes on. Nobody waits for the pool: where that has none to spare,
    the set queues up. A set without any key gets its first one as it would have, of that length.
    """
    rotations.want_length(s, token_set.id, length, call.now)
    context.hints.pool()
    return _advanced(context, call, s, token_set)


def rotate(context: OperationContext, call: Call, s: Session, token_set: TokenSet) -> TokenSet:
    """Return the Easy DKIM set with a rotation begun, or to begin as soon as a token and a key are free."""
    rotations.ask_rotation(s, token_set.id, call.now)
    context.hints.pool()
    return _advanced(context, call, s, token_set)


def _advanced(context: OperationContext, call: Call, s: Session, token_set: TokenSet) -> TokenSet:
    advanced = advance(s, token_set.id, call.now, context.rules.key_pace)
    if advanced is not None:
        context.tell(s, events_of(s, advanced, call.now, context.rules.key_pace))
    context.hints.engine()
    return _to_be_given(context, call, s, keys.get_token_set(s, token_set.id) or token_set)


def _to_be_given(context: OperationContext, call: Call, s: Session, token_set: TokenSet) -> TokenSet:
    """Return the set; where verification is instant, it queues up for the first key it lacks.

    Elsewhere it does when its records are seen. Here nobody looks for them.
    """
    if context.rules.instant and not token_set.has_key and token_set.key_length is not None:
        request = KeyRequest(token_set.id, call.account, token_set.key_length.bits)
        key_requests.file(s, [request])
    return token_set


def abandon(s: Session, token_set_id: int, now: Instant, pace: KeyPace) -> None:
    """Begin to withdraw the keys of the set, once no identity is published under it any more.

    Keys in our zone stay for as long as mail they signed may be on its way, and before that for as long as
    what their records have proved is carried; an uploaded one is erased now.
    """
    if identities.sharing(s, token_set_id) or carried.holds(s, token_set_id):
        return
    rotations.abandon(s, token_set_id, now)
    advance(s, token_set_id, now, pace)
