"""SendCustomVerificationEmail, v1 and v2: a verification mail in the words of a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.message_id import RANDOM_OCTETS, make_message_id
from indicia.domain.names import parse_address, shown
from indicia.mail.custom import CustomWords
from indicia.operations.account import standing
from indicia.operations.configuration_sets import found, options_of
from indicia.operations.verification_mail import CustomMail
from indicia.operations.verification_templates import find, require_verified_sender
from indicia.operations.verifying import write_to
from indicia.store.links import Landing
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.house import House
    from indicia.store.session import Session


def send_custom_verification_email_v2(
    house: House, call: Call, request: sesv2.SendCustomVerificationEmailRequest, s: Session
) -> sesv2.SendCustomVerificationEmailResponse:
    """SES v2 SendCustomVerificationEmail: the recipient is a pending identity from now on.

    Raises: `Fault` INVALID_PARAMETER, TEMPLATE_NOT_FOUND, CONFIGURATION_SET_NOT_FOUND,
    PRODUCTION_ACCESS_NOT_GRANTED, ACCOUNT_SENDING_PAUSED, FROM_NOT_VERIFIED, LIMIT_EXCEEDED.
    """
    message_id = _send(house, call, request, s, paused=FaultKind.ACCOUNT_SENDING_PAUSED)
    return sesv2.SendCustomVerificationEmailResponse(MessageId=message_id)


def send_custom_verification_email_v1(
    house: House, call: Call, request: ses.SendCustomVerificationEmailRequest, s: Session
) -> ses.SendCustomVerificationEmailResponse:
    """SES v1 SendCustomVerificationEmail.

    Raises: `Fault` as v2; MESSAGE_REJECTED where sending is paused, for which v1 documents nothing else here.
    """
    message_id = _send(house, call, request, s, paused=FaultKind.MESSAGE_REJECTED)
    return ses.SendCustomVerificationEmailResponse(MessageId=message_id)


def _send(
    house: House,
    call: Call,
    request: sesv2.SendCustomVerificationEmailRequest | ses.SendCustomVerificationEmailRequest,
    s: Session,
    *,
    paused: FaultKind,
) -> str:
    """Return the id of the mail on its way. The recipient is looked at before the template (spec 7.4)."""
    name = parse_address(request.EmailAddress)
    template = find(call, request.TemplateName, s)
    if template is None:
        refuse(FaultKind.TEMPLATE_NOT_FOUND, f"Template <{shown(request.TemplateName)}> does not exist")
    if request.ConfigurationSetName:
        options = options_of(found(call, request.ConfigurationSetName, s))
        if not options.sending.SendingEnabled:
            refuse(paused, f"Sending is paused for configuration set {request.ConfigurationSetName}")
    seen = standing(house, call, s)
    if not seen.production_access:
        refuse(
            FaultKind.PRODUCTION_ACCESS_NOT_GRANTED,
            "Custom verification emails need production access, which this account does not have in this"
            " region. Ask for it with PutAccountDetails.",
        )
    if not seen.sending_enabled:
        refuse(paused, "Sending is paused for this account.")
    require_verified_sender(call, template.from_address, s)
    custom = CustomMail(
        words=CustomWords(template.from_address, template.subject, template.content),
        landing=Landing(template.success_url, template.failure_url),
        message_id=make_message_id(call.region, call.now, house.random(RANDOM_OCTETS)),
    )
    write_to(house, call, name.text, s, custom)
    return custom.message_id
