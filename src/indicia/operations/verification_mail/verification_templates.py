"""Templates of custom verification mails, v1 and v2: one store, two spellings of the same calls.

What a template says is kept as it was given. It is made harmless once, when it is stored and before the
transaction in which it is; that takes a process of its own, which may die of it (`mail.html.sanitizer`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypedDict

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.tags import check_tags
from indicia.domain.names import is_address, shown
from indicia.domain.proofs.inheritance import candidates, may_send
from indicia.domain.verification_mail.redirects import is_redirect
from indicia.mail.html.harmless import UnsuitableHtmlError
from indicia.mail.message.compose import recipient_of
from indicia.operations import paging
from indicia.store.accounts import account_regions
from indicia.store.identities import identities, tags
from indicia.store.verification_mail import templates
from indicia.store.verification_mail.templates import Template, TemplateRow
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

MOST: Final = 50  # SES guide, creating identities: an account in a region
LARGEST_PAGE: Final = 50  # spec 6.8, and the default
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
_NO_MAIL_CARRIES = re.compile("[\x00\ud800-\udfff]")
_Update = (
    sesv2.UpdateCustomVerificationEmailTemplateRequest | ses.UpdateCustomVerificationEmailTemplateRequest
)
_Create = (
    sesv2.CreateCustomVerificationEmailTemplateRequest | ses.CreateCustomVerificationEmailTemplateRequest
)


def find(call: Call, name: str, s: Session, *, to_change: bool = False) -> Template | None:
    """Return the template of that name, None where there is none or there could be none."""
    if _NAME.match(name) is None:
        return None
    return templates.get(s, call.account, call.region, name, to_change=to_change)


def _found(call: Call, name: str, s: Session, *, to_change: bool = False) -> Template:
    template = find(call, name, s, to_change=to_change)
    if template is None:
        refuse(
            FaultKind.TEMPLATE_NOT_FOUND, f"Custom verification email template <{shown(name)}> does not exist"
        )
    return template


def require_verified_sender(call: Call, address: str, s: Session) -> None:
    """Mail may be sent from the address: it is verified, or its domain or one above it is (spec 9.1).

    Raises: `Fault` FROM_NOT_VERIFIED `The from email address <F> is not verified`.
    """
    names = candidates(address) if is_address(address) and recipient_of(address) else ()
    views = identities.view_many(s, call.account, call.region, names)
    if not any(map(may_send, views.values())):
        refuse(FaultKind.FROM_NOT_VERIFIED, f"The from email address <{shown(address)}> is not verified")


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template that is to be there, with its tags."""

    template: Template
    tags: tuple[tuple[str, str], ...] = ()


def look_at_new(context: OperationContext, call: Call, request: _Create, s: Session) -> NewTemplate:
    """Return what is to be created, so far as it can be kept: its content was not looked at yet.

    Raises: `Fault` INVALID_PARAMETER, INVALID_CONTENT, FROM_NOT_VERIFIED.
    """
    template = Template(
        name=request.TemplateName,
        from_address=request.FromEmailAddress,
        subject=request.TemplateSubject,
        content=request.TemplateContent,
        success_url=request.SuccessRedirectionURL,
        failure_url=request.FailureRedirectionURL,
        created_at=call.now,
    )
    _check(call, template, s)
    given = getattr(request, "Tags", None) or ()  # v1 has none
    return NewTemplate(template, check_tags([(tag.Key, tag.Value) for tag in given]))


def prepare_new(context: OperationContext, call: Call, wanted: NewTemplate) -> NewTemplate:
    """Return what is to be created, with what is left of its content.

    Raises: `Fault` INVALID_CONTENT saying why no mail can be made of it.
    """
    return replace(wanted, template=made_harmless(context, wanted.template))


def made_harmless(context: OperationContext, template: Template) -> Template:
    """Return the template with what is left of its content. Takes from milliseconds to seconds.

    Raises: `Fault` INVALID_CONTENT saying why no mail can be made of it; UNAVAILABLE.
    """
    try:
        left = context.ports.mails.sanitize(template.content, context.ports.mails.service)
    except UnsuitableHtmlError as unsuitable:
        refuse(
            FaultKind.INVALID_CONTENT,
            f"No mail can be made of the TemplateContent: {unsuitable}. Write it with fewer elements inside"
            " one another.",
        )
    return replace(template, harmless=left.packed())


def _check(call: Call, template: Template, s: Session) -> None:
    """The template can be kept. The order is the probed one: sender, then the two URLs.

    Raises: `Fault` INVALID_PARAMETER, INVALID_CONTENT, FROM_NOT_VERIFIED.
    """
    if _NAME.match(template.name) is None:
        refuse(
            FaultKind.INVALID_PARAMETER,
            "Template name can contain alphanumeric characters, underscores(_) and hyphens(-). It can contain"
            " up to 128 characters.",
        )
    for member, text in (("subject", template.subject), ("content", template.content)):
        if not text.strip():
            refuse(FaultKind.INVALID_PARAMETER, f"The template {member} must be specified.")
        if _NO_MAIL_CARRIES.search(text) is not None:
            refuse(FaultKind.INVALID_CONTENT, f"The template {member} has a character that no mail can hold.")
    require_verified_sender(call, template.from_address, s)
    if not is_redirect(template.success_url):
        refuse(FaultKind.INVALID_PARAMETER, "The success redirection URL is invalid")
    if not is_redirect(template.failure_url):
        refuse(FaultKind.INVALID_PARAMETER, "The failure redirection URL is invalid")


def _create(call: Call, wanted: NewTemplate, s: Session) -> None:
    template = wanted.template
    # Two at once cannot both be the last one.
    account_regions.hold(s, call.account, call.region)
    if find(call, template.name, s) is None and templates.count(s, call.account, call.region) >= MOST:
        refuse(
            FaultKind.LIMIT_EXCEEDED,
            f"An account has at most {MOST} custom verification email templates in a region.",
        )
    if not templates.create(s, call.account, call.region, template):
        refuse(
            FaultKind.TEMPLATE_EXISTS, f"Custom verification email template <{template.name}> already exists"
        )
    resource = f"custom-verification-email-template/{template.name}"
    tags.put(s, call.account, call.region, resource, dict(wanted.tags))


def create_template_v2(
    context: OperationContext, call: Call, wanted: NewTemplate, s: Session
) -> sesv2.CreateCustomVerificationEmailTemplateResponse:
    """SES v2 CreateCustomVerificationEmailTemplate.

    Raises: `Fault` TEMPLATE_EXISTS, LIMIT_EXCEEDED; and what `look_at_new` and `prepare_new` raise.
    """
    _create(call, wanted, s)
    return sesv2.CreateCustomVerificationEmailTemplateResponse()


def create_template_v1(context: OperationContext, call: Call, wanted: NewTemplate, s: Session) -> None:
    """SES v1 CreateCustomVerificationEmailTemplate, as v2 but for tags.

    Raises: `Fault` as v2.
    """
    _create(call, wanted, s)


class _Shown(TypedDict):
    """What every answer shows of a template."""

    TemplateName: str
    FromEmailAddress: str
    TemplateSubject: str
    SuccessRedirectionURL: str
    FailureRedirectionURL: str


def _shown(template: Template | TemplateRow) -> _Shown:
    return {
        "TemplateName": template.name,
        "FromEmailAddress": template.from_address,
        "TemplateSubject": template.subject,
        "SuccessRedirectionURL": template.success_url,
        "FailureRedirectionURL": template.failure_url,
    }


def get_template_v2(
    context: OperationContext,
    call: Call,
    request: sesv2.GetCustomVerificationEmailTemplateRequest,
    s: Session,
) -> sesv2.GetCustomVerificationEmailTemplateResponse:
    """SES v2 GetCustomVerificationEmailTemplate, with its content as it was given, and its tags.

    Raises: `Fault` TEMPLATE_NOT_FOUND.
    """
    template = _found(call, request.TemplateName, s)
    tagged = tags.of(s, call.account, call.region, f"custom-verification-email-template/{template.name}")
    return sesv2.GetCustomVerificationEmailTemplateResponse(
        **_shown(template),
        TemplateContent=template.content,
        Tags=[sesv2.Tag(Key=key, Value=value) for key, value in tagged],
    )


def get_template_v1(
    context: OperationContext, call: Call, request: ses.GetCustomVerificationEmailTemplateRequest, s: Session
) -> ses.GetCustomVerificationEmailTemplateResponse:
    """SES v1 GetCustomVerificationEmailTemplate.

    Raises: `Fault` TEMPLATE_NOT_FOUND.
    """
    template = _found(call, request.TemplateName, s)
    return ses.GetCustomVerificationEmailTemplateResponse(
        **_shown(template),
        TemplateContent=template.content,
    )


@dataclass(frozen=True, slots=True)
class ChangedTemplate:
    """What of a template is to be otherwise. `changed` is how it is then, had nobody changed it meanwhile."""

    request: _Update
    changed: Template


def look_at_change(context: OperationContext, call: Call, request: _Update, s: Session) -> ChangedTemplate:
    """Return what is to be otherwise, so far as that can be kept: new content was not looked at yet.

    Raises: `Fault` INVALID_PARAMETER, INVALID_CONTENT, FROM_NOT_VERIFIED, TEMPLATE_NOT_FOUND.
    """
    changed = _with(_found(call, request.TemplateName, s), request)
    _check(call, changed, s)
    return ChangedTemplate(request, changed)


def brings_content(wanted: ChangedTemplate) -> bool:
    """Say whether there is content to be made harmless."""
    return wanted.request.TemplateContent is not None


def prepare_change(context: OperationContext, call: Call, wanted: ChangedTemplate) -> ChangedTemplate:
    """Return what is to be otherwise, with what is left of the content where there is another one.

    Raises: `Fault` INVALID_CONTENT saying why no mail can be made of it.
    """
    if not brings_content(wanted):
        return wanted
    return replace(wanted, changed=made_harmless(context, wanted.changed))


def _update(call: Call, wanted: ChangedTemplate, s: Session) -> None:
    present = _found(call, wanted.request.TemplateName, s, to_change=True)
    changed = _with(present, wanted.request)
    if brings_content(wanted):
        changed = replace(changed, harmless=wanted.changed.harmless)
    templates.update(s, call.account, call.region, changed)


def _with(present: Template, request: _Update) -> Template:
    """Return the template with what the request gives."""
    return replace(
        present,
        from_address=_given(request.FromEmailAddress, present.from_address),
        subject=_given(request.TemplateSubject, present.subject),
        content=_given(request.TemplateContent, present.content),
        success_url=_given(request.SuccessRedirectionURL, present.success_url),
        failure_url=_given(request.FailureRedirectionURL, present.failure_url),
    )


def _given(text: str | None, otherwise: str) -> str:
    return otherwise if text is None else text


def update_template_v2(
    context: OperationContext, call: Call, wanted: ChangedTemplate, s: Session
) -> sesv2.UpdateCustomVerificationEmailTemplateResponse:
    """SES v2 UpdateCustomVerificationEmailTemplate: all of it. Tags stay.

    Raises: `Fault` TEMPLATE_NOT_FOUND; and what `look_at_change` and `prepare_change` raise.
    """
    _update(call, wanted, s)
    return sesv2.UpdateCustomVerificationEmailTemplateResponse()


def update_template_v1(context: OperationContext, call: Call, wanted: ChangedTemplate, s: Session) -> None:
    """SES v1 UpdateCustomVerificationEmailTemplate: what is not given stays.

    Raises: `Fault` as v2.
    """
    _update(call, wanted, s)


def delete_template_v2(
    context: OperationContext,
    call: Call,
    request: sesv2.DeleteCustomVerificationEmailTemplateRequest,
    s: Session,
) -> sesv2.DeleteCustomVerificationEmailTemplateResponse:
    """SES v2 DeleteCustomVerificationEmailTemplate. Links in mails made with it work on.

    Raises: `Fault` TEMPLATE_NOT_FOUND.
    """
    template = _found(call, request.TemplateName, s, to_change=True)
    templates.delete(s, call.account, call.region, template.name)
    return sesv2.DeleteCustomVerificationEmailTemplateResponse()


def delete_template_v1(
    context: OperationContext,
    call: Call,
    request: ses.DeleteCustomVerificationEmailTemplateRequest,
    s: Session,
) -> None:
    """SES v1 DeleteCustomVerificationEmailTemplate. One that is not there is as good as deleted."""
    if _NAME.match(request.TemplateName) is not None:
        templates.delete(s, call.account, call.region, request.TemplateName)


def list_templates_v2(
    context: OperationContext,
    call: Call,
    request: sesv2.ListCustomVerificationEmailTemplatesRequest,
    s: Session,
) -> sesv2.ListCustomVerificationEmailTemplatesResponse:
    """SES v2 ListCustomVerificationEmailTemplates, by name, without their content.

    Raises: `Fault` INVALID_PARAMETER for a page size out of range or a token that is none.
    """
    size = LARGEST_PAGE if request.PageSize is None else request.PageSize
    if not 1 <= size <= LARGEST_PAGE:
        refuse(FaultKind.INVALID_PARAMETER, f"The page size must be between 1 and {LARGEST_PAGE}")
    rows, token = _page(context, call, request.NextToken, size, s)
    return sesv2.ListCustomVerificationEmailTemplatesResponse(
        CustomVerificationEmailTemplates=[
            sesv2.CustomVerificationEmailTemplateMetadata(**_shown(row)) for row in rows
        ],
        NextToken=token,
    )


def list_templates_v1(
    context: OperationContext,
    call: Call,
    request: ses.ListCustomVerificationEmailTemplatesRequest,
    s: Session,
) -> ses.ListCustomVerificationEmailTemplatesResponse:
    """SES v1 ListCustomVerificationEmailTemplates. A size out of range is served as fifty (spec 6.8).

    Raises: `Fault` INVALID_PARAMETER for a token that is none.
    """
    asked = LARGEST_PAGE if request.MaxResults is None else request.MaxResults
    size = asked if 1 <= asked <= LARGEST_PAGE else LARGEST_PAGE
    rows, token = _page(context, call, request.NextToken, size, s)
    return ses.ListCustomVerificationEmailTemplatesResponse(
        CustomVerificationEmailTemplates=[ses.CustomVerificationEmailTemplate(**_shown(row)) for row in rows],
        NextToken=token,
    )


def _page(
    context: OperationContext, call: Call, token: str | None, size: int, s: Session
) -> tuple[list[TemplateRow], str | None]:
    """Return a page of templates and the token of the next one. v1 and v2 share them."""
    after = paging.place_of(
        token,
        paging.VERIFICATION_TEMPLATES,
        call,
        context.ports.keyring,
        refusal="Invalid nextToken <{}>.".format,
    )
    rows = templates.page(s, call.account, call.region, after=after, limit=size + 1)
    if len(rows) <= size:
        return rows, None
    listed = rows[:size]
    return listed, paging.token_after(
        listed[-1].name, paging.VERIFICATION_TEMPLATES, call, context.ports.keyring
    )
