"""Keys handed out to those who wait for one, as the verifier's part that does so would."""

from __future__ import annotations

from functools import partial

from lookout import ACCOUNT, easy_dkim, rules

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.identities.identity import KeyLength
from indicia.domain.time import Instant
from indicia.store.dkim import key_requests, keys
from indicia.store.dkim.key_requests import KeyRequest
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.vault.assignment import Assigned, assign
from indicia.verifier.engine import completion

_LENGTHS = {length.bits: length for length in KeyLength}


def queue_up(s: Session, count: int, account: str = ACCOUNT, bits: int = 1024) -> list[KeyRequest]:
    """Let so many new token sets wait for a key; nobody's records were seen."""
    sets = [easy_dkim(has_key=False, key_length=_LENGTHS[bits]) for _ in range(count)]
    for token_set in sets:
        keys.insert_token_set(s, token_set, 0)
    requests = [KeyRequest(token_set.id, account, bits) for token_set in sets]
    key_requests.file(s, requests)
    return requests


def hand_out(database: Database, now: Instant) -> list[Assigned]:
    """Hand out what can be, in as many transactions as that takes; return what each came to."""

    def once(s: Session) -> Assigned:
        done = assign(s, now, KeyPace(), partial(completion.complete, rules=rules(1)))
        EventRecorder().announce(s, done.events)
        return done

    handed: list[Assigned] = []
    while database.read(key_requests.can_be_served):
        handed.append(database.write(once))
    return handed
