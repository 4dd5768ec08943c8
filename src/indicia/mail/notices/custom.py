"""A verification mail in somebody else's words: theirs above, ours below, which nobody can leave out.

Their words come from a verified sender of the account, restricted to harmless HTML. Below them stand the link
and who asks for what: a mail with a button that confirms something has to say what it confirms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from indicia.mail.message.compose import (
    VerificationRequest,
    finished,
    headed,
    recipient_of,
    rendered,
    shown_moment,
    shown_span,
)
from indicia.mail.message.header import one_line

if TYPE_CHECKING:
    from indicia.domain.time import Span
    from indicia.mail.html.harmless import HarmlessHtml

# SES guide, creating identities, FAQ Q10: appended to every such mail, word for word.
DISCLAIMER: Final = "If you did not request to verify this email address, please disregard this message."

_READABLE: Final = 32_768
_THEIRS: Final = "<!-- the words of the template -->"  # as in custom.html.j2


@dataclass(frozen=True, slots=True)
class CustomWords:
    """What a template says: from whom, about what, in HTML that is harmless already."""

    from_address: str
    subject: str
    content: HarmlessHtml


def custom_mail(request: VerificationRequest, words: CustomWords, *, message_id: str, window: Span) -> bytes:
    """Return the mail: text and HTML, CRLF, 7-bit, the images of the HTML beside it.

    Raises ValueError when one of the addresses cannot be put into a mail.
    """
    sender = recipient_of(words.from_address)
    if sender is None:
        raise ValueError("no mail can be sent from this address")
    subject = one_line(words.subject) or "Confirm your email address"
    message = headed(request, sender=sender, subject=subject, message_id=message_id)
    theirs = words.content
    ours = {
        "request": request,
        "disclaimer": DISCLAIMER,
        "until": shown_moment(request.expires_at),
        "lifetime": shown_span(window),
    }
    text = f"{theirs.text}\n\n{rendered('custom.txt.j2', ours)}".lstrip()
    message.set_content(text, cte=_encoding(text))
    page = rendered("custom.html.j2", ours).replace(_THEIRS, theirs.fragment, 1)
    message.add_alternative(page, subtype="html", cte=_encoding(page))
    body = message.get_body(("html",))
    assert body is not None
    for image in theirs.images:
        body.add_related(image.octets, "image", image.subtype, cid=f"<{image.content_id}>")
    return finished(message, message_id)


def _encoding(text: str) -> str:
    """Return how a text is encoded: readable as it stands, or quickly where there is much of it."""
    return "quoted-printable" if len(text) <= _READABLE else "base64"
