"""One event, written with its change: its row, a row that lets the webhooks hear of it, a mail.

All of it belongs to the transaction of the change: what did not happen is not told, what is told happened.
How many webhooks there are is no matter here: whoever delivers spreads the event among them. Nor is what the
mail says: whoever hands it over writes it, of what is noted here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from indicia.domain.events.identity_events import Event
from indicia.domain.time import rfc3339
from indicia.mail.message.compose import Sealer
from indicia.mail.notices.notice import NOTICE, is_told, notices
from indicia.store.accounts import access
from indicia.store.engine.session import Session
from indicia.store.events import events, fanout, webhook_deliveries, webhooks
from indicia.store.verification_mail import outbox

_MESSAGE_ID_OCTETS: Final = 16


@dataclass(frozen=True, slots=True)
class NoticeMails:
    """What mails about changes are made with; as `VerificationMails`."""

    sender: str
    service: str
    keyring: Sealer = field(repr=False)
    random: Callable[[int], bytes] = field(repr=False)


class Next(msgspec.Struct, frozen=True):
    """Where the subject goes, and when, unless something else is seen by then."""

    status: str
    at: str


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """What changed. Instants are RFC 3339 in UTC; `effective_at` is from when `effect` holds."""

    event: str
    account: str
    region: str
    identity: str
    cause: str
    before: str | None
    after: str | None
    seen: str
    effect: str
    effective_at: str
    next: Next | None


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is shown and sent: the members that Standard Webhooks recommends."""

    type: str
    timestamp: str
    data: EventData


_encoder = msgspec.json.Encoder()


def public_id(event_id: int) -> str:
    """Return the id of an event as people and receivers know it."""
    return f"evt_{event_id:016x}"


def parse_public_id(text: str) -> int | None:
    """Return the id of an event that people gave, None when it can be none."""
    digits = text.removeprefix("evt_")
    if digits == text or len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        return None
    value = int(digits, 16)
    return value if value < 1 << 63 else None


def body(event_id: int, event: Event) -> str:
    """Return the event as JSON."""
    following = None
    if event.next_status is not None and event.next_at is not None:
        following = Next(event.next_status.value, rfc3339(event.next_at))
    at = rfc3339(event.at)
    data = EventData(
        event=public_id(event_id),
        account=event.about.account,
        region=event.about.region,
        identity=event.about.name,
        cause=event.cause,
        before=event.before.value if event.before else None,
        after=event.after.value if event.after else None,
        seen=event.seen,
        effect=event.effect,
        effective_at=at,
        next=following,
    )
    return _encoder.encode(EventBody(type=event.type, timestamp=at, data=data)).decode()


@dataclass(frozen=True, slots=True)
class EventRecorder:
    """Writes events down, for whoever is to hear of them. Without `mails` nobody is written to."""

    mails: NoticeMails | None = None

    def announce(self, s: Session, told: Sequence[Event], *, only: str | None = None) -> bool:
        """Store the events; say whether anything waits to be delivered for them.

        `only` is the one webhook that hears of them, by default each that wants them.
        """
        if not told:
            return False
        ids = events.new_ids(s, [event.about.identity_id for event in told])
        numbered = list(zip(ids, told, strict=True))
        events.add(s, [(number, event, body(number, event)) for number, event in numbered])
        heard = _let_hear(s, numbered) if only is None else _enqueue(s, numbered, only)
        return self._note_mails(s, told) or heard

    def _note_mails(self, s: Session, told: Sequence[Event]) -> bool:
        """Note which mails are to be written, and say whether any is."""
        mails = self.mails
        accounts = {event.about.account for event in told if is_told(event)}
        if mails is None or not accounts:
            return False
        noted = notices(
            told,
            access.contacts(s, accounts),
            sender=mails.sender,
            service=mails.service,
            name=lambda: mails.random(_MESSAGE_ID_OCTETS).hex(),
        )
        for notice in noted:
            outbox.add(
                s,
                kind=NOTICE,
                account=notice.account,
                subject_key=notice.subject_key,
                payload=notice.sealed(mails.keyring),
                now=notice.at,
            )
        return bool(noted)


def _let_hear(s: Session, numbered: Sequence[tuple[int, Event]]) -> bool:
    """Let the webhooks of the place of each event hear of it; say whether there are any."""
    places = webhooks.listening(s, {event.about.account for _, event in numbered})
    heard = [
        (number, event.about)
        for number, event in numbered
        if (event.about.account, event.about.region) in places
    ]
    for number, about in heard:
        fanout.add(s, number, about.account, about.region)
    return bool(heard)


def _enqueue(s: Session, numbered: Sequence[tuple[int, Event]], webhook_id: str) -> bool:
    """Queue the events for one webhook, which there is."""
    wanted = [(webhook_id, number, event.about.identity_id) for number, event in numbered]
    webhook_deliveries.enqueue(s, wanted, numbered[0][1].at)
    return True
