"""Mails to the people behind an account: what changed about an identity of theirs, and what to do.

They are about what SES writes about, under the subjects it uses, so that filters keep working; the texts are
our own. Nothing in them opens a door. With a change only a `Notice` is stored, which is small: the mail is
written when it is handed over. Where much of an account changes at once, it is summed up.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import msgspec

from indicia.domain.events.identity_events import (
    DEMOTIONS_DELAYED,
    DEMOTIONS_PAUSED,
    WEBHOOK_DISABLED,
    effect_on_many,
)
from indicia.domain.identities.identity import Status
from indicia.domain.names import shown
from indicia.domain.time import DAY, Instant, Span
from indicia.mail.message.compose import (
    SEALED_AS,
    Letter,
    addressed,
    envelope_address,
    finished,
    recipient_of,
    shown_moment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indicia.domain.events.identity_events import Event
    from indicia.mail.message.compose import Opener, Sealer

NOTICE: Final = "notice"  # what the outbox calls one
MOST_APART: Final = 8
"""So many mails tell an account of what changed in one transaction, each of one event; of more, sums do."""
MOST_LISTED: Final = 100
"""So many identities are listed in a sum; of the others it has the number."""

_OF_USE: Final[Span] = 5 * DAY  # a mail about a change that is older than that would only confuse
_WIDTH: Final = 76  # RFC 5322 §2.1.1: 78 at most, with a CRLF

# spec 3.2, 3.4, 3.5: what the account's contact hears of, and under which subject.
_SUBJECTS: Final = {
    "ownership.lost": "Domain Verification REVOCATION WARNING",
    "ownership.restored": "Domain Verification REVOCATION CANCELLATION",
    "ownership.failed": "Domain Verification REVOCATION",
    "dkim.verified": "DKIM Setup Successful",
    "dkim.lost": "DKIM REVOCATION WARNING",
    "dkim.restored": "DKIM REVOCATION CANCELLATION",
    "dkim.failed": "DKIM REVOCATION",
    "carried_dkim.lost": "DKIM REVOCATION WARNING",
    "carried_dkim.restored": "DKIM REVOCATION CANCELLATION",
    "carried_dkim.failed": "DKIM REVOCATION",
    "mail_from.started": "MAIL FROM Domain Setup PENDING",
    "mail_from.verified": "MAIL FROM Domain Setup SUCCESSFUL",
    "mail_from.lost": "MAIL FROM Domain TEMPORARY FAILURE",
    "mail_from.restored": "MAIL FROM Domain RESTORED",
    "mail_from.failed": "MAIL FROM Domain Setup FAILED",
    "mail_from.removed": "MAIL FROM Domain REMOVED",
    WEBHOOK_DISABLED: "Webhook DISABLED",
    DEMOTIONS_PAUSED: "Demotions PAUSED",
    DEMOTIONS_DELAYED: "Demotions DELAYED",
}
# A search that never found anything revokes nothing.
_ENDS_A_GRACE: Final = frozenset({"ownership.failed", "dkim.failed"})


class NoticeItem(msgspec.Struct, frozen=True, array_like=True):
    """What is told of one event. `name` is empty where it is about no identity, `status` where it has none.

    `next_at` is when its subject moves on unless something else is seen by then.
    """

    identity_id: int
    name: str
    seen: str
    effect: str
    status: str
    next_at: Instant | None


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """A mail that is yet to be written: to whom, and of what.

    `sender` is the value of From, `name` what stands before the `@` of Message-ID. `type` is that of all the
    events it tells of, `count` how many there are; `items` are the first of them.
    """

    name: str
    sender: str
    service: str
    contact: str
    account: str
    region: str
    type: str
    at: Instant
    count: int
    items: tuple[NoticeItem, ...]

    @property
    def until(self) -> Instant:
        """From when on it would only confuse."""
        return self.at + _OF_USE

    @property
    def subject_key(self) -> str:
        """What it is about, for a log."""
        return f"identity/{self.items[0].identity_id}" if self.count == 1 else f"account/{self.account}"

    def sealed(self, keyring: Sealer) -> bytes:
        """Return the notice as the outbox keeps it: encrypted, as every letter there."""
        return keyring.seal(_PACK.encode(self), SEALED_AS)

    @classmethod
    def opened(cls, keyring: Opener, payload: bytes) -> Notice:
        """Return the notice that was sealed."""
        return _UNPACK.decode(keyring.open(payload, SEALED_AS))


_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(Notice)


def is_told(event: Event) -> bool:
    """Say whether the account's contact is written to about an event."""
    return event.type in _SUBJECTS and (event.type not in _ENDS_A_GRACE or event.demotes)


def notices(
    told: Iterable[Event],
    contacts: Mapping[str, str],
    *,
    sender: str,
    service: str,
    name: Callable[[], str],
) -> list[Notice]:
    """Return the notices of what happened at one time, for those accounts that have a contact.

    Each is of one event where there are few of an account. Where there are more than `MOST_APART`, there is
    one for each type of event and region. `name` returns another name for each.
    """
    of_account: dict[str, list[Event]] = {}
    for event in filter(is_told, told):
        if recipient_of(contacts.get(event.about.account, "")) is not None:
            of_account.setdefault(event.about.account, []).append(event)
    return [
        Notice(
            name=name(),
            sender=sender,
            service=service,
            contact=contacts[account],
            account=account,
            region=events[0].about.region,
            type=events[0].type,
            at=events[0].at,
            count=len(events),
            items=tuple(_item(event, summed=len(events) > 1) for event in events[:MOST_LISTED]),
        )
        for account, of_one in of_account.items()
        for events in _together(of_one)
    ]


def _together(of_one: Sequence[Event]) -> Sequence[Sequence[Event]]:
    """Return the events of an account by the notice they are told in."""
    if len(of_one) <= MOST_APART:
        return [[event] for event in of_one]
    sums: dict[tuple[str, str], list[Event]] = {}
    for event in of_one:
        sums.setdefault((event.type, event.about.region), []).append(event)
    return list(sums.values())


def _item(event: Event, *, summed: bool) -> NoticeItem:
    # A sum says of an identity no more than its name, and of all of them once what it means.
    brief = summed and event.about.name != ""
    return NoticeItem(
        identity_id=event.about.identity_id,
        name=event.about.name,
        seen="" if brief else event.seen,
        effect="" if brief and effect_on_many(event.type) else event.effect,
        status=event.after.value if event.after else "",
        next_at=None if event.next_status is None else event.next_at,
    )


def letter(notice: Notice) -> Letter:
    """Return the mail, written. It takes a millisecond, and is the same one each time.

    Raises ValueError when the contact cannot be put into a mail, or an argument holds a line break.
    """
    recipient = recipient_of(notice.contact)
    if recipient is None:
        raise ValueError("no mail can be addressed to this contact")
    message_id = f"{notice.name}@{notice.service}"
    message = addressed(
        recipient, sender=notice.sender, subject=_subject(notice), at=notice.at, message_id=message_id
    )
    text = _text(notice) if notice.count == 1 else _sum(notice)
    # What was found in somebody's DNS may be anything; a mail of ours is ASCII.
    message.set_content(text.encode("ascii", "backslashreplace").decode(), cte="7bit")
    message["Content-Language"] = "en"
    return Letter(
        identity=message_id,
        sender=envelope_address(notice.sender),
        recipient=recipient.addr_spec,
        message=finished(message, notice.name),
        until=notice.until,
    )


def _subject(notice: Notice) -> str:
    name = notice.items[0].name
    if notice.count == 1:
        about = f" for {shown(name)}" if name else ""
    else:
        about = f" for {notice.count} identities" if name else f", {notice.count} times"
    return f"{_SUBJECTS[notice.type]}{about} ({notice.region})"


def _text(notice: Notice) -> str:
    item = notice.items[0]
    paragraphs = [item.effect, item.seen]
    if item.next_at is not None:
        paragraphs.append(_deadline(item, item.next_at))
    if item.name:
        paragraphs.append(f"`indicia doctor {item.name}` shows each record and how to mend it.")
    facts = [
        ("Identity", item.name),
        *_facts(notice),
        ("Status", item.status),
        ("Since", shown_moment(notice.at)),
    ]
    return _laid_out(paragraphs, facts)


def _sum(notice: Notice) -> str:
    """Return the text of a notice of several events of one type."""
    first, more = notice.items[0], notice.count - len(notice.items)
    paragraphs = [effect_on_many(notice.type) or first.effect]
    if first.name:
        paragraphs.append(
            "`indicia doctor` with the name of one shows each of its records and how to mend it, its history"
            " what was seen."
        )
    paragraphs += [_line(item) for item in notice.items]
    if more:
        paragraphs.append(f"And {more} more.")
    return _laid_out(paragraphs, [*_facts(notice), ("Since", shown_moment(notice.at))])


def _line(item: NoticeItem) -> str:
    if not item.name:
        return item.seen
    return item.name if item.next_at is None else f"{item.name}: {_deadline(item, item.next_at)}"


def _facts(notice: Notice) -> list[tuple[str, str]]:
    return [("Account", notice.account), ("Region", notice.region), ("Service", notice.service)]


def _laid_out(paragraphs: Sequence[str], facts: Sequence[tuple[str, str]]) -> str:
    wrapped = [
        textwrap.fill(each, _WIDTH, break_long_words=False, break_on_hyphens=False) for each in paragraphs
    ]
    listed = "\n".join(f"{name + ':':<10}{value}" for name, value in facts if value)
    return "\n\n".join([*wrapped, listed]) + "\n"


def _deadline(item: NoticeItem, at: Instant) -> str:
    moment = shown_moment(at)
    if item.status == Status.TEMPORARY_FAILURE.value:
        return f"If the records are not back by {moment}, this is revoked."
    return f"If the records are not seen by {moment}, the search ends."
