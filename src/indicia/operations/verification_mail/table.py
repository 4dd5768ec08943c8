"""The operations of templates: the own words of a verification mail."""

from __future__ import annotations

from typing import Final

from indicia.domain.identities.resources import ResourceKind
from indicia.operations.entry import NOTHING, always, looked_up, v1, v2
from indicia.operations.verification_mail import verification_templates as templates
from indicia.wire.shapes import ses, sesv2

_TEMPLATE: Final = ResourceKind.VERIFICATION_TEMPLATE.value

ENTRIES: Final = (
    v2(
        "CreateCustomVerificationEmailTemplate",
        sesv2.CreateCustomVerificationEmailTemplateRequest,
        sesv2.CreateCustomVerificationEmailTemplateResponse,
        looked_up(templates.create_template_v2, templates.look_at_new, templates.prepare_new, slow=always),
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v1(
        "CreateCustomVerificationEmailTemplate",
        ses.CreateCustomVerificationEmailTemplateRequest,
        NOTHING,
        looked_up(templates.create_template_v1, templates.look_at_new, templates.prepare_new, slow=always),
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v2(
        "GetCustomVerificationEmailTemplate",
        sesv2.GetCustomVerificationEmailTemplateRequest,
        sesv2.GetCustomVerificationEmailTemplateResponse,
        templates.get_template_v2,
        writes=False,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v1(
        "GetCustomVerificationEmailTemplate",
        ses.GetCustomVerificationEmailTemplateRequest,
        ses.GetCustomVerificationEmailTemplateResponse,
        templates.get_template_v1,
        writes=False,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v2(
        "UpdateCustomVerificationEmailTemplate",
        sesv2.UpdateCustomVerificationEmailTemplateRequest,
        sesv2.UpdateCustomVerificationEmailTemplateResponse,
        looked_up(
            templates.update_template_v2,
            templates.look_at_change,
            templates.prepare_change,
            slow=templates.brings_content,
        ),
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v1(
        "UpdateCustomVerificationEmailTemplate",
        ses.UpdateCustomVerificationEmailTemplateRequest,
        NOTHING,
        looked_up(
            templates.update_template_v1,
            templates.look_at_change,
            templates.prepare_change,
            slow=templates.brings_content,
        ),
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v2(
        "DeleteCustomVerificationEmailTemplate",
        sesv2.DeleteCustomVerificationEmailTemplateRequest,
        sesv2.DeleteCustomVerificationEmailTemplateResponse,
        templates.delete_template_v2,
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v1(
        "DeleteCustomVerificationEmailTemplate",
        ses.DeleteCustomVerificationEmailTemplateRequest,
        NOTHING,
        templates.delete_template_v1,
        writes=True,
        subject="TemplateName",
        about=_TEMPLATE,
    ),
    v2(
        "ListCustomVerificationEmailTemplates",
        sesv2.ListCustomVerificationEmailTemplatesRequest,
        sesv2.ListCustomVerificationEmailTemplatesResponse,
        templates.list_templates_v2,
        writes=False,
        subject="",
    ),
    v1(
        "ListCustomVerificationEmailTemplates",
        ses.ListCustomVerificationEmailTemplatesRequest,
        ses.ListCustomVerificationEmailTemplatesResponse,
        templates.list_templates_v1,
        writes=False,
    ),
)
