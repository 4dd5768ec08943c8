"""Letters that wait in the outbox, and a template for them."""

from __future__ import annotations

from desk import Desk

from indicia.mail.message.compose import Letter
from indicia.store.engine.queue import Lease
from indicia.store.verification_mail import outbox

TEMPLATE = {
    "FromEmailAddress": "hello@example.com",
    "TemplateSubject": "Welcome",
    "TemplateContent": "<p>Hi</p><script>alert(1)</script>",
    "SuccessRedirectionURL": "https://example.com/ok",
    "FailureRedirectionURL": "https://example.com/no",
}


def letters(desk: Desk) -> list[Letter]:
    """Every letter that waits in the outbox, oldest first."""
    lease = Lease("test", desk.now, 0, 1)
    waiting = desk.database.write(lambda s: outbox.take(s, desk.account, lease, limit=100))
    return [Letter.opened(desk.keyring, parcel.payload) for parcel in waiting]
