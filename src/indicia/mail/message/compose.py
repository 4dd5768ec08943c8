"""What the service writes to a person, and the envelope it goes in.

A verification mail goes to somebody who may never have heard of this service. It says who asks for what,
what a click does, that nothing needs to be done, and how to stop such mails. It carries nothing that a caller
could use to say something else: no text of theirs but the address itself, no image, no tracking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from indicia.domain.names import shown
from indicia.domain.sending.mailboxes import parse_mailboxes
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND, Instant, Span
from indicia.mail.message.header import LINE_AT_MOST, address_field, text_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jinja2

KIND: Final = "mail"  # what the outbox calls a letter
SEALED_AS: Final = "outbox.payload"  # what the keyring calls one
# Folding at 78 (RFC 5322 §2.2.3, a recommendation) would cut a long address into encoded words; none comes
# near 998.
_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=LINE_AT_MOST)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+\Z")  # RFC 5322 §3.2.3, with dots in any place
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])+)"\Z')  # RFC 5321 §4.1.2


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """What a verification mail is about. The links open the door they describe, so they are never shown."""

    address: str
    region: str
    account: str
    service: str
    link: str = field(repr=False)
    stop_link: str = field(repr=False)
    asked_at: Instant
    expires_at: Instant


class Sealer(Protocol):
    """What is needed of the keyring to put a letter away."""

    def seal(self, plaintext: bytes, purpose: str) -> bytes:
        """Return the plaintext encrypted for one purpose."""


class Opener(Protocol):
    """What is needed of the keyring to take a letter out again."""

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return the plaintext that was sealed for this purpose."""


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A mail ready to be handed over: its envelope (RFC 5321 §2.3.1), its octets, and how long it is of use.

    `identity` names the letter: the same one handed over twice has the same name. `until` is the instant from
    which delivering it would only confuse, because the link in it has expired.
    """

    identity: str
    sender: str
    recipient: str
    message: bytes
    until: Instant

    def __repr__(self) -> str:
        """Name the letter and show nothing of it: a link in it opens a door."""
        return f"<Letter {self.identity}>"

    def sealed(self, keyring: Sealer) -> bytes:
        """Return the letter as the outbox keeps it: encrypted, since the link in it opens a door."""
        return keyring.seal(_PACK.encode(self), SEALED_AS)

    @classmethod
    def opened(cls, keyring: Opener, payload: bytes) -> Letter:
        """Return the letter that was sealed."""
        return _UNPACK.decode(keyring.open(payload, SEALED_AS))


_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(Letter)


def recipient_of(address: str) -> Address | None:
    """Return the address as a header and an envelope carry it, None when no mail can be addressed to it.

    An identity name may be any text with one `@`; a mail needs RFC 5321 §4.1.2: atoms, or a quoted string.
    """
    local, _, domain = address.rpartition("@")
    quoted = _QUOTED.match(local)
    if quoted is not None:
        local = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _ATOMS.match(local) is None:
        return None
    if "=?" in local:
        # No address has an encoded word (RFC 2047 §5), and yet programs that read mail look for them there.
        return None
    return Address(username=local, domain=domain)  # quotes the local part again where it has to be


def envelope_address(header: str) -> str:
    """Return the bare address of a From header value such as `Example <no-reply@example.com>`.

    Raises ValueError when there is none.
    """
    address = next((mailbox.address for mailbox in parse_mailboxes(header)), "")
    recipient = recipient_of(address) if address.isascii() and "@" in address else None
    if recipient is None or not recipient.domain or any(character < " " for character in header):
        raise ValueError(f"{header!r} is not an email address")
    return recipient.addr_spec


def verification_mail(request: VerificationRequest, *, sender: str, message_id: str, window: Span) -> bytes:
    """Return the mail that asks the reader of a mailbox to confirm its address: text and HTML, CRLF, 7-bit.

    `sender` is the value of From; `message_id` what stands before the `@` of Message-ID: a mail handed over
    twice has it twice, so that receivers can tell. `window` is how long the link works, for people.

    Raises ValueError when the address cannot be put into a mail, or an argument holds a line break.
    """
    subject = f"Confirm {shown(request.address)} as a sender at {request.service} ({request.region})"
    message = headed(request, sender=sender, subject=subject, message_id=message_id)
    words = {
        "request": request,
        "subject": subject,
        "asked": shown_moment(request.asked_at),
        "until": shown_moment(request.expires_at),
        "lifetime": shown_span(window),
        "facts": facts(request),
    }
    message.set_content(rendered("verification.txt.j2", words), cte="7bit")
    message.add_alternative(rendered("verification.html.j2", words), subtype="html", cte="7bit")
    message["Content-Language"] = "en"
    return finished(message, message_id)


def headed(
    request: VerificationRequest, *, sender: str | Address, subject: str, message_id: str
) -> EmailMessage:
    """Return a mail to the reader of the mailbox that has its header and nothing else yet.

    Raises ValueError when the address cannot be put into a mail, or an argument holds a line break.
    """
    recipient = recipient_of(request.address)
    if recipient is None:
        raise ValueError("no mail can be addressed to this identity name")
    return addressed(
        recipient,
        sender=sender,
        subject=subject,
        at=request.asked_at,
        message_id=f"{message_id}@{request.service}",
    )


def addressed(
    recipient: Address, *, sender: str | Address, subject: str, at: Instant, message_id: str
) -> EmailMessage:
    """Return a mail that has its header and nothing else yet.

    Raises ValueError when an argument holds a line break.
    """
    message = EmailMessage(policy=_POLICY)  # refuses a line break in any header (RFC 5322 §2.2)
    # A text is the operator's, and may have a name in it; an address may be anybody's.
    message["From"] = address_field("From", sender) if isinstance(sender, Address) else sender
    message["To"] = address_field("To", recipient)
    message["Subject"] = text_field("Subject", subject)
    message["Date"] = _moment(at)
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no vacation notice answers it
    message["X-Auto-Response-Suppress"] = "All"  # the same, for Exchange
    return message


def finished(message: EmailMessage, message_id: str) -> bytes:
    """Return the octets of a mail that has all its parts. They are a function of what it was made from."""
    for number, part in enumerate(message.walk()):
        if part is message:
            # RFC 2046 §5.1.1: must not occur in a part. Given, so that it is not by chance.
            part.set_boundary(f"=_indicia_{message_id}")
            continue
        del part["MIME-Version"]  # RFC 2045 §4: of the whole message, not of its parts
        if part.is_multipart():
            part.set_boundary(f"=_indicia_{number}_{message_id}")
    return message.as_bytes()


def facts(request: VerificationRequest) -> tuple[tuple[str, str], ...]:
    """Return what is asked for, by whom and when, as names and values for a person."""
    return (
        ("Address", request.address),
        ("Service", request.service),
        ("Region", request.region),
        ("Account", request.account),
        ("Asked", shown_moment(request.asked_at)),
    )


def rendered(template: str, words: Mapping[str, object]) -> str:
    """Return a template of ours, filled in."""
    text = _templates().get_template(template).render(words)
    assert text.isascii(), "names are ASCII, and so are the templates"
    assert all(len(line) <= LINE_AT_MOST for line in text.splitlines())
    return text


def templates_are_loaded() -> bool:
    """Say whether our templates can be filled in at once."""
    return _templates.cache_info().currsize > 0


def load_templates() -> None:
    """Our templates can be filled in at once. Takes some tens of milliseconds the first time."""
    _templates()


@cache
def _templates() -> jinja2.Environment:
    import jinja2  # 20 ms that no start waits for

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("indicia.mail.message", "templates"),
        autoescape=jinja2.select_autoescape(("html.j2",), default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in made.list_templates():
        made.get_template(name)  # translated now, and kept
    return made


def _moment(instant: Instant) -> datetime:
    return datetime.fromtimestamp(instant // SECOND, tz=UTC)


def shown_moment(instant: Instant) -> str:
    """Return an instant as a person reads it: `22 November 2026, 05:06 UTC`."""
    moment = _moment(instant)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment:%Y, %H:%M} UTC"


# Not `%B`, which speaks the language of the machine.
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


def shown_span(span: Span) -> str:
    """Return a span in the largest unit that tells it exactly: `24 hours`, `5 days`, `90 seconds`."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if span % unit == 0 and (span > unit or unit != DAY):  # 24 hours is plainer than 1 day
            count = span // unit
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{span / SECOND:g} seconds"
