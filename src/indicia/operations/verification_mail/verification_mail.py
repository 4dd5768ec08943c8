"""A verification mail for an address: who may be sent one, the link in it, and the letter in the outbox.

The mail is written and sealed before the transaction of whatever asked for it. In that, link and letter are
stored together: there is a link exactly if there is a mail to come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.identity import Identity
from indicia.domain.names import shown
from indicia.domain.time import Instant, Span
from indicia.domain.verification_mail.caps import CAP_SPAN, Cap, Scope, again_at, exceeded, refusal
from indicia.domain.verification_mail.links import (
    STOPPED_REFUSAL,
    TOKEN_OCTETS,
    mailbox_of,
    make_token,
    token_hash,
)
from indicia.mail.html.harmless import HarmlessHtml
from indicia.mail.message.compose import (
    KIND,
    Letter,
    Sealer,
    VerificationRequest,
    envelope_address,
    recipient_of,
    verification_mail,
)
from indicia.mail.notices.custom import CustomWords, custom_mail
from indicia.store.engine.session import Session
from indicia.store.verification_mail import links, mailings, outbox
from indicia.store.verification_mail.links import RedirectTargets

_MESSAGE_ID_OCTETS = 16
_LOOKED_AT = 4096  # mails, to say when the next one may be sent


@dataclass(frozen=True, slots=True)
class VerificationMails:
    """What verification mails are made with.

    `sender` is the value of From, `service` how the service names itself (its domain), `public_url` how links
    begin, `window` how long a link works, `caps` how many mails may be sent. `sanitize` makes HTML harmless
    (`mail.html.sanitizer`).
    """

    sender: str
    service: str
    public_url: str
    window: Span
    caps: tuple[Cap, ...]
    keyring: Sealer = field(repr=False)
    random: Callable[[int], bytes] = field(repr=False)
    sanitize: Callable[[str, str], HarmlessHtml] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CustomMail:
    """A mail in the words of a template: what it says, where its link ends, and the id it is known by."""

    words: CustomWords
    landing: RedirectTargets
    message_id: str


@dataclass(frozen=True, slots=True)
class LinkMail:
    """A mail with a link in it, written and sealed. Storing it with its link is all that is left to do.

    `token_hash` is that of the link's token, which is nowhere but in the mail.
    """

    token_hash: bytes
    asked_at: Instant
    expires_at: Instant
    payload: bytes = field(repr=False)
    landing: RedirectTargets | None = None


def write_mail(
    mails: VerificationMails,
    name: str,
    *,
    account: str,
    region: str,
    now: Instant,
    custom: CustomMail | None = None,
) -> LinkMail:
    """Return the mail that asks the reader of an address to confirm it, with a link that nobody has yet.

    It is in our own words where it has no `custom` ones. Takes a millisecond, and up to some hundred with
    custom words, so it is done before and outside of the transaction that stores it.

    Raises: `Fault` INVALID_PARAMETER when no mail can be addressed to the name.
    """
    recipient = recipient_of(name)
    if recipient is None:
        refuse(FaultKind.INVALID_PARAMETER, f"Invalid email address<{shown(name)}>.")
    token = make_token(mails.random(TOKEN_OCTETS))
    link = f"{mails.public_url.rstrip('/')}/verify/{token}"
    request = VerificationRequest(
        address=name,
        region=region,
        account=account,
        service=mails.service,
        link=link,
        stop_link=f"{link}?stop",
        asked_at=now,
        expires_at=now + mails.window,
    )
    letter = _letter(request, recipient.addr_spec, mails, custom)
    return LinkMail(
        token_hash(token),
        now,
        request.expires_at,
        letter.sealed(mails.keyring),
        custom.landing if custom else None,
    )


def issue_link(s: Session, identity: Identity, mail: LinkMail, caps: tuple[Cap, ...]) -> None:
    """Let the link of the mail be the address's, and queue the mail.

    Earlier links of the identity do not work any more. The facet LINK is the caller's to start: PENDING, with
    the end of the link as its deadline.

    Raises: `Fault` INVALID_PARAMETER when its reader wants no mail, LIMIT_EXCEEDED when the mailbox, its
    domain or the account has had its share, saying which and until when. Nothing is written then.
    """
    now = mail.asked_at
    _count(s, identity, mail.token_hash, now, caps)
    links.create(
        s,
        mail.token_hash,
        identity_id=identity.id,
        generation=identity.generation,
        now=now,
        expires_at=mail.expires_at,
        landing=mail.landing,
    )
    outbox.add(
        s,
        kind=KIND,
        account=identity.account,
        subject_key=f"identity/{identity.id}",
        payload=mail.payload,
        now=now,
    )


def _count(s: Session, identity: Identity, digest: bytes, now: Instant, caps: tuple[Cap, ...]) -> None:
    """Count one more mail, unless it is unwanted or one too many."""
    mailbox = mailbox_of(identity.name)
    domain, account = mailbox.rpartition("@")[2], identity.account
    if mailings.stopped(s, mailbox):
        refuse(FaultKind.INVALID_PARAMETER, STOPPED_REFUSAL)
    if caps:
        since = now - CAP_SPAN
        sent = mailings.counts(s, mailbox=mailbox, domain=domain, account=account, since=since)
        cap = exceeded(caps, sent)
        if cap is not None:
            counted = {Scope.MAILBOX: mailbox, Scope.DOMAIN: domain, Scope.ACCOUNT: account}[cap.scope]
            oldest = mailings.oldest(s, cap.scope, counted, account=account, since=since, limit=_LOOKED_AT)
            again = again_at(cap, sent[cap.scope], oldest)
            refuse(FaultKind.LIMIT_EXCEEDED, refusal(cap, sent[cap.scope], identity.name, again))
    mailings.record(s, mailbox=mailbox, domain=domain, account=account, at=now, token_hash=digest)


def _letter(
    request: VerificationRequest, recipient: str, mails: VerificationMails, custom: CustomMail | None
) -> Letter:
    if custom is None:
        name = mails.random(_MESSAGE_ID_OCTETS).hex()
        message = verification_mail(request, sender=mails.sender, message_id=name, window=mails.window)
    else:
        name = custom.message_id
        message = custom_mail(request, custom.words, message_id=name, window=mails.window)
    return Letter(
        identity=f"{name}@{mails.service}",
        sender=envelope_address(mails.sender),
        recipient=recipient,
        message=message,
        until=request.expires_at,
    )
