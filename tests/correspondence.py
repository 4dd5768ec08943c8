"""An address that waits for its mail, and what a test needs to send it one and to read it."""

from __future__ import annotations

import email
import mailbox
import os
import re
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sanitizing import SANITIZER

from indicia.domain.identities.identity import Facet, Identity, IdentityKind, KeyLength, MxFailureBehavior
from indicia.domain.proofs.transitions import start
from indicia.domain.time import DAY, Instant
from indicia.domain.verification_mail.caps import Cap
from indicia.operations.verification_mail.verification_mail import (
    CustomMail,
    VerificationMails,
    issue_link,
    write_mail,
)
from indicia.store.engine.ids import new_id
from indicia.store.engine.session import Session
from indicia.store.identities import identities
from indicia.store.proofs import facets
from indicia.vault.keyring import Keyring

ACCOUNT = "111122223333"
REGION = "eu-west-1"
SERVICE = "mail.example.org"
ADDRESS = "Reader@example.com"
KEYRING = Keyring((bytes(range(32)),))
LINK = re.compile(r"https://mail\.example\.org/verify/([A-Za-z0-9_-]+)(?=\s)")


def mails(caps: tuple[Cap, ...] = (), keyring: Keyring = KEYRING, **given: Any) -> VerificationMails:
    """What verification mails are made with here."""
    plain: dict[str, Any] = {
        "sender": f"no-reply@{SERVICE}",
        "service": SERVICE,
        "public_url": f"https://{SERVICE}",
        "window": DAY,
        "caps": caps,
        "keyring": keyring,
        "random": os.urandom,
        "sanitize": SANITIZER,
    }
    return VerificationMails(**plain | given)


def pending_address(
    s: Session, now: Instant, name: str = ADDRESS, *, account: str = ACCOUNT, region: str = REGION
) -> Identity:
    """Store an address whose link is awaited."""
    identity = Identity(
        id=new_id(),
        account=account,
        region=region,
        kind=IdentityKind.EMAIL_ADDRESS,
        name=name,
        created_at=now,
        version=1,
        generation=1,
        origin="AWS_SES",
        signing_enabled=True,
        next_key_length=KeyLength.RSA_1024_BIT,
        token_set_id=None,
        legacy_token="",
        legacy_requested=False,
        mail_from_domain="",
        mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
        feedback_forwarding=True,
        configuration_set="",
    )
    identities.insert(s, identity)
    facets.put(s, identity.id, start(Facet.LINK, 1, now, DAY))
    return identity


def written_to(s: Session, now: Instant, name: str = ADDRESS, **given: Any) -> Identity:
    """Store an address whose link is awaited, and its mail in the outbox."""
    identity = pending_address(s, now, name, **given)
    send_link(s, identity, now, mails())
    return identity


def send_link(
    s: Session,
    identity: Identity,
    now: Instant,
    made_with: VerificationMails,
    custom: CustomMail | None = None,
) -> None:
    """Put a mail with a new link for the address into the outbox, as an operation does."""
    mail = write_mail(
        made_with, identity.name, account=identity.account, region=identity.region, now=now, custom=custom
    )
    issue_link(s, identity, mail, made_with.caps)


def read(octets: bytes) -> EmailMessage:
    """Read a mail as a mail program does."""
    message = email.message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return the text of a mail, or its HTML."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def token_in(message: EmailMessage) -> str:
    """Return the token of the link in a mail."""
    found = LINK.search(text_of(message))
    assert found is not None
    return found[1]


def mails_in(maildir: Path) -> list[EmailMessage]:
    """Return the mails of a Maildir, the oldest first, as a mail program lists them."""
    if not maildir.exists():
        return []
    box = mailbox.Maildir(str(maildir), create=False)
    return sorted(
        (read(box.get_bytes(key)) for key in box.iterkeys()), key=lambda mail: str(mail["Message-ID"])
    )
