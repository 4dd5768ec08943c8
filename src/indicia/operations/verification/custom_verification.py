"""SendCustomVerificationEmail, v1 and v2: a verification mail in the words of a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import parse_address, shown
from indicia.domain.sending.message_id import RANDOM_OCTETS, make_message_id
from indicia.mail.html.harmless import HarmlessHtml
from indicia.mail.notices.custom import CustomWords
from indicia.operations.accounts.account import standing
from indicia.operations.configuration_sets.configuration_sets import found, options_of
from indicia.operations.proofs.starting import link_mail
from indicia.operations.verification.verifying import AddressToProve, write_to
from indicia.operations.verification_mail.verification_mail import CustomMail
from indicia.operations.verification_mail.verification_templates import (
    find,
    made_harmless,
    require_verified_sender,
)
from indicia.store.verification_mail import templates
from indicia.store.verification_mail.links import RedirectTargets
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session
    from indicia.store.verification_mail.templates import Template


_Request = sesv2.SendCustomVerificationEmailRequest | ses.SendCustomVerificationEmailRequest

# What is composed in the event loop: some milliseconds' worth.
_SHORT: Final = 16_384


@dataclass(frozen=True, slots=True)
class WantedMail:
    """To which address a mail is to go, and in the words of which template."""

    name: str
    template: Template


@dataclass(frozen=True, slots=True)
class WrittenMail:
    """The mail that is to go. `made` is the template where it was made harmless just now."""

    address: AddressToProve
    message_id: str
    made: Template | None


def look_v2(
    context: OperationContext, call: Call, request: sesv2.SendCustomVerificationEmailRequest, s: Session
) -> WantedMail:
    """Return what is to be sent.

    Raises: `Fault` INVALID_PARAMETER, TEMPLATE_NOT_FOUND, CONFIGURATION_SET_NOT_FOUND,
    PRODUCTION_ACCESS_NOT_GRANTED, ACCOUNT_SENDING_PAUSED, FROM_NOT_VERIFIED.
    """
    return _look(context, call, request, s, paused=FaultKind.ACCOUNT_SENDING_PAUSED)


def look_v1(
    context: OperationContext, call: Call, request: ses.SendCustomVerificationEmailRequest, s: Session
) -> WantedMail:
    """Return what is to be sent.

    Raises: `Fault` as v2; MESSAGE_REJECTED where sending is paused, for which v1 documents nothing else here.
    """
    return _look(context, call, request, s, paused=FaultKind.MESSAGE_REJECTED)


def _look(
    context: OperationContext, call: Call, request: _Request, s: Session, *, paused: FaultKind
) -> WantedMail:
    """Return what is to be sent. The recipient is looked at before the template (spec 7.4)."""
    name = parse_address(request.EmailAddress)
    template = find(call, request.TemplateName, s)
    if template is None:
        refuse(FaultKind.TEMPLATE_NOT_FOUND, f"Template <{shown(request.TemplateName)}> does not exist")
    if request.ConfigurationSetName:
        options = options_of(found(call, request.ConfigurationSetName, s))
        if not options.sending.SendingEnabled:
            refuse(paused, f"Sending is paused for configuration set {request.ConfigurationSetName}")
    seen = standing(context, call, s)
    if not seen.production_access:
        refuse(
            FaultKind.PRODUCTION_ACCESS_NOT_GRANTED,
            "Custom verification emails need production access, which this account does not have in this"
            " region. Ask for it with PutAccountDetails.",
        )
    if not seen.sending_enabled:
        refuse(paused, "Sending is paused for this account.")
    require_verified_sender(call, template.from_address, s)
    return WantedMail(name.text, template)


def is_slow(wanted: WantedMail) -> bool:
    """Say whether writing the mail takes long enough to hold up the event loop."""
    return wanted.template.harmless is None or len(wanted.template.harmless) > _SHORT


def prepare(context: OperationContext, call: Call, wanted: WantedMail) -> WrittenMail:
    """Return the mail, written. What it says is the template as it was found a moment ago.

    Raises: `Fault` INVALID_PARAMETER where no mail can be sent to the address, INVALID_CONTENT where none can
    be made of a template that was kept before its content was looked at.
    """
    template = wanted.template
    made = made_harmless(context, template) if template.harmless is None else None
    packed = (made or template).harmless
    assert packed is not None
    custom = CustomMail(
        words=CustomWords(template.from_address, template.subject, HarmlessHtml.unpacked(packed)),
        landing=RedirectTargets(template.success_url, template.failure_url),
        message_id=make_message_id(call.region, call.now, context.ports.random(RANDOM_OCTETS)),
    )
    mail = link_mail(context, call, wanted.name, custom)
    return WrittenMail(AddressToProve(wanted.name, mail), custom.message_id, made)


def send_custom_verification_email_v2(
    context: OperationContext, call: Call, written: WrittenMail, s: Session
) -> sesv2.SendCustomVerificationEmailResponse:
    """SES v2 SendCustomVerificationEmail: the recipient is a pending identity from now on.

    Raises: `Fault` LIMIT_EXCEEDED, INVALID_PARAMETER; and what `look_v2` and `prepare` raise.
    """
    _send(context, call, written, s)
    return sesv2.SendCustomVerificationEmailResponse(MessageId=written.message_id)


def send_custom_verification_email_v1(
    context: OperationContext, call: Call, written: WrittenMail, s: Session
) -> ses.SendCustomVerificationEmailResponse:
    """SES v1 SendCustomVerificationEmail.

    Raises: `Fault` as v2.
    """
    _send(context, call, written, s)
    return ses.SendCustomVerificationEmailResponse(MessageId=written.message_id)


def _send(context: OperationContext, call: Call, written: WrittenMail, s: Session) -> None:
    """Let the mail be on its way.

    What was looked at is not looked at again: had it changed since, then behind this call.
    """
    if written.made is not None:
        templates.keep_harmless(s, call.account, call.region, written.made)
    write_to(context, call, written.address, s)
