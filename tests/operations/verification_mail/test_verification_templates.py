"""Templates of verification mails: made harmless once, before the transaction in which they are stored.

What each call says over the wire is in `golden/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from correspondence import read, text_of
from desk import T0, Desk
from letters import TEMPLATE, letters
from sanitizing import SANITIZER

from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.identity import Facet, Status
from indicia.mail.html.harmless import HarmlessHtml
from indicia.store.engine import meta
from indicia.store.verification_mail import templates
from indicia.store.verification_mail.templates import Template

CREATE = "CreateCustomVerificationEmailTemplate"
UPDATE = "UpdateCustomVerificationEmailTemplate"
SEND = "SendCustomVerificationEmail"
TWELVE_KB = "<p>" + "".join(f"<b id={n}>" for n in range(700)) + "<p>x" * 1200


@pytest.fixture
def verified(desk: Desk) -> Desk:
    """A desk whose example.com is verified."""
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    return desk


def with_mails(desk: Desk, **changed: Any) -> None:
    """Let the desk's house make mails with something else."""
    desk.reach(mails=replace(desk.house.ports.mails, **changed))


def stored(desk: Desk, name: str = "brand") -> Template:
    """The template as it is kept."""
    found = desk.read(lambda s: templates.get(s, desk.account, desk.region, name))
    assert found is not None
    return found  # type: ignore[no-any-return]


def test_what_multiplies_is_refused_before_it_is_stored(verified: Desk) -> None:
    """The refusal names the parameter and says what to do; nothing is stored, and the line is on record."""
    fault = verified.refused(CREATE, TemplateName="brand", **TEMPLATE | {"TemplateContent": TWELVE_KB})

    assert len(TWELVE_KB) < 13_000
    assert fault.kind is FaultKind.INVALID_CONTENT
    assert fault.message.startswith("No mail can be made of the TemplateContent: its elements are nested too")
    assert fault.message.endswith("Write it with fewer elements inside one another.")
    assert verified.ask("ListCustomVerificationEmailTemplates").CustomVerificationEmailTemplates == []
    assert verified.trail()[0].outcome == "invalid_content"
    verified.ask(CREATE, TemplateName="brand", **TEMPLATE)


def test_a_change_to_what_multiplies_leaves_the_template_as_it_was(verified: Desk) -> None:
    """Content and what is left of it go together, and stay together."""
    verified.ask(CREATE, TemplateName="brand", **TEMPLATE)
    before = stored(verified)

    fault = verified.refused(UPDATE, TemplateName="brand", **TEMPLATE | {"TemplateContent": TWELVE_KB})

    assert fault.kind is FaultKind.INVALID_CONTENT
    assert stored(verified) == before
    verified.ask(UPDATE, TemplateName="brand", **TEMPLATE | {"TemplateContent": "<p>Bye</p><script>"})
    changed = stored(verified)
    assert changed.content == "<p>Bye</p><script>"
    assert HarmlessHtml.unpacked(changed.harmless or b"").fragment == "<p>Bye</p>"


def test_who_may_not_send_has_nothing_read(verified: Desk) -> None:
    """What can be refused at no cost is refused first: no process reads a document for it."""
    asked: list[str] = []

    def sanitize(html: str, domain: str) -> HarmlessHtml:
        asked.append(html)
        return SANITIZER(html, domain)

    with_mails(verified, sanitize=sanitize)
    for wrong in ({"FromEmailAddress": "a@stranger.example"}, {"SuccessRedirectionURL": "nowhere"}):
        verified.refused(CREATE, TemplateName="brand", **TEMPLATE | wrong)
    assert asked == []


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("CreateEmailIdentity", {"EmailIdentity": "reader@customer.example"}),
        ("VerifyEmailIdentity", {"EmailAddress": "reader@customer.example"}),
        ("VerifyEmailAddress", {"EmailAddress": "reader@customer.example"}),
        (CREATE, {"TemplateName": "new", **TEMPLATE}),
        (UPDATE, {"TemplateName": "brand", **TEMPLATE}),
        (SEND, {"TemplateName": "brand", "EmailAddress": "reader@customer.example"}),
        (SEND, {"TemplateName": "old", "EmailAddress": "reader@customer.example"}),
    ],
)
def test_nothing_is_read_or_written_inside_a_transaction(
    verified: Desk, operation: str, members: dict[str, Any]
) -> None:
    """While HTML is made harmless and while a mail is composed, others write: nobody holds the writer."""
    verified.ask(CREATE, TemplateName="brand", **TEMPLATE)
    old = replace(stored(verified), name="old", harmless=None)
    verified.database.write(lambda s: templates.create(s, verified.account, verified.region, old))
    moments: list[str] = []

    def while_others_write(moment: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def done(*given: Any) -> Any:
            # Raises where this thread is at work on a transaction, and waits for ever behind another's.
            verified.database.write(lambda s: meta.put(s, "moment", moment))
            moments.append(moment)
            return work(*given)

        return done

    with_mails(
        verified,
        sanitize=while_others_write("harmless", SANITIZER),
        random=while_others_write("composed", verified.house.ports.mails.random),
    )
    verified.ask(operation, **members)

    assert moments


def test_a_template_of_before_is_made_harmless_once(verified: Desk) -> None:
    """At its first mail; the second has what was kept then, and so has a change that brings no content."""
    old = Template(
        "old",
        "hello@example.com",
        "s",
        "<p>Hi</p><script>1</script>",
        "https://e.example/",
        "https://e.example/",
        T0,
    )
    verified.database.write(lambda s: templates.create(s, verified.account, verified.region, old))
    asked: list[str] = []

    def sanitize(html: str, domain: str) -> HarmlessHtml:
        asked.append(html)
        return SANITIZER(html, domain)

    with_mails(verified, sanitize=sanitize)
    for name in ("one@c.example", "two@c.example"):
        verified.ask(SEND, EmailAddress=name, TemplateName="old")

    assert asked == [old.content]
    assert [text_of(read(letter.message)).partition("\n")[0] for letter in letters(verified)] == ["Hi", "Hi"]
    kept = stored(verified, "old")
    assert replace(kept, harmless=None) == old
    assert HarmlessHtml.unpacked(kept.harmless or b"").fragment == "<p>Hi</p>"


def test_a_template_of_before_that_multiplies_sends_nothing(verified: Desk) -> None:
    """Whoever asks for the mail is told; there is no identity and no mail, and the service goes on."""
    old = Template("old", "hello@example.com", "s", TWELVE_KB, "https://e.example/", "https://e.example/", T0)
    verified.database.write(lambda s: templates.create(s, verified.account, verified.region, old))

    fault = verified.refused(SEND, EmailAddress="one@c.example", TemplateName="old")

    assert fault.kind is FaultKind.INVALID_CONTENT
    assert "TemplateContent" in fault.message
    assert letters(verified) == []
    assert verified.ask("ListIdentities").Identities == ["example.com"]


def test_what_was_kept_for_another_content_is_not_taken(verified: Desk) -> None:
    """A template that is changed while its mail is written keeps what belongs to its new content."""
    old = Template(
        "old", "hello@example.com", "s", "<p>Hi</p>", "https://e.example/", "https://e.example/", T0
    )
    verified.database.write(lambda s: templates.create(s, verified.account, verified.region, old))
    changed = replace(old, content="<p>Bye</p>")

    def sanitize(html: str, domain: str) -> HarmlessHtml:
        verified.database.write(lambda s: templates.update(s, verified.account, verified.region, changed))
        return SANITIZER(html, domain)

    with_mails(verified, sanitize=sanitize)
    verified.ask(SEND, EmailAddress="one@c.example", TemplateName="old")

    assert stored(verified, "old") == changed


def test_a_service_that_is_busy_says_so(verified: Desk) -> None:
    """Where no process could read it in time nobody says that the content is a bad one."""

    def sanitize(html: str, domain: str) -> HarmlessHtml:
        raise Fault(FaultKind.UNAVAILABLE, "busy")

    with_mails(verified, sanitize=sanitize)
    assert verified.refused(CREATE, TemplateName="brand", **TEMPLATE).kind is FaultKind.UNAVAILABLE
