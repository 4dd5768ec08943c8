"""Mails to the people behind an account: what changed about an identity of theirs, and what to do.

They are about what SES writes about, under the subjects it uses, so that filters keep working; the texts are
our own. Nothing in them opens a door.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from indicia.domain.events import DEMOTIONS_DELAYED, DEMOTIONS_PAUSED, WEBHOOK_DISABLED
from indicia.domain.identity import Status
from indicia.domain.names import shown
from indicia.mail.compose import addressed, finished, recipient_of, shown_moment

if TYPE_CHECKING:
    from indicia.domain.events import Event

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


def subject_of(event: Event) -> str | None:
    """Return the subject of the mail about an event, None where nobody is written to."""
    subject = _SUBJECTS.get(event.type)
    if subject is None or (event.type in _ENDS_A_GRACE and not event.demotes):
        return None
    name = f" for {shown(event.about.name)}" if event.about.name else ""
    return f"{subject}{name} ({event.about.region})"


def notice_mail(
    event: Event, contact: str, *, sender: str, service: str, message_id: str
) -> tuple[str, bytes] | None:
    """Return the recipient's address and the mail about an event; None where no mail is due or possible.

    `sender` is the value of From; `message_id` what stands before the `@` of Message-ID.
    """
    subject, recipient = subject_of(event), recipient_of(contact)
    if subject is None or recipient is None:
        return None
    message = addressed(
        recipient, sender=sender, subject=subject, at=event.at, message_id=f"{message_id}@{service}"
    )
    message.set_content(_text(event, service), cte="7bit")
    message["Content-Language"] = "en"
    return recipient.addr_spec, finished(message, message_id)


def _text(event: Event, service: str) -> str:
    paragraphs = [event.effect, event.seen]
    if event.next_at is not None and event.next_status is not None:
        paragraphs.append(_deadline(event))
    if event.about.name:
        paragraphs.append(f"`indicia doctor {event.about.name}` shows each record and how to mend it.")
    facts = [
        ("Identity", event.about.name),
        ("Account", event.about.account),
        ("Region", event.about.region),
        ("Service", service),
        ("Status", event.after.value if event.after else ""),
        ("Since", shown_moment(event.at)),
    ]
    wrapped = [
        textwrap.fill(each, _WIDTH, break_long_words=False, break_on_hyphens=False) for each in paragraphs
    ]
    listed = "\n".join(f"{name + ':':<10}{value}" for name, value in facts if value)
    text = "\n\n".join([*wrapped, listed]) + "\n"
    # What was found in somebody's DNS may be anything; a mail of ours is ASCII.
    return text.encode("ascii", "backslashreplace").decode()


def _deadline(event: Event) -> str:
    assert event.next_at is not None
    moment = shown_moment(event.next_at)
    if event.after is Status.TEMPORARY_FAILURE:
        return f"If the records are not back by {moment}, this is revoked."
    return f"If the records are not seen by {moment}, the search ends."
