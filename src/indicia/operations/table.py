"""Every operation that is built, with what it takes to call it. The list is the API.

The gateway, the documentation and the tests read it. An operation of the service models that is not here
answers NOT_IMPLEMENTED by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from indicia.domain.arns import arn_beginning, identity_arn
from indicia.domain.faults import Fault, FaultKind
from indicia.domain.identities.meant import name_meant
from indicia.domain.identities.resources import ResourceKind, parse_resource
from indicia.domain.names import MAX_ADDRESS, fold
from indicia.operations.later import Later
from indicia.operations.resources import NONE, resources_of
from indicia.wire.shapes import operations

if TYPE_CHECKING:
    from indicia.operations.accounts import account, sts
    from indicia.operations.call import Call
    from indicia.operations.configuration_sets import (
        configuration_options,
        configuration_sets,
        default_configuration_set,
    )
    from indicia.operations.diagnosis import recommendations
    from indicia.operations.dkim import dkim_settings, replication_offer, rotating
    from indicia.operations.events import webhooks
    from indicia.operations.house import House
    from indicia.operations.identities import (
        certificates,
        creation,
        deletion,
        feedback,
        listing,
        mail_from,
        notifications,
        reading,
        records,
        tagging,
    )
    from indicia.operations.policies import policies, policy_explanation
    from indicia.operations.verification import checking, history, verifying
    from indicia.operations.verification_mail import custom_verification, verification_templates
    from indicia.store.engine.session import Session
else:
    account = Later("accounts.account")
    certificates = Later("identities.certificates")
    checking = Later("verification.checking")
    configuration_options = Later("configuration_sets.configuration_options")
    configuration_sets = Later("configuration_sets.configuration_sets")
    creation = Later("identities.creation")
    custom_verification = Later("verification_mail.custom_verification")
    default_configuration_set = Later("configuration_sets.default_configuration_set")
    deletion = Later("identities.deletion")
    dkim_settings = Later("dkim.dkim_settings")
    feedback = Later("identities.feedback")
    history = Later("verification.history")
    listing = Later("identities.listing")
    mail_from = Later("identities.mail_from")
    notifications = Later("identities.notifications")
    policies = Later("policies.policies")
    policy_explanation = Later("policies.policy_explanation")
    reading = Later("identities.reading")
    recommendations = Later("diagnosis.recommendations")
    records = Later("identities.records")
    replication_offer = Later("dkim.replication_offer")
    rotating = Later("dkim.rotating")
    sts = Later("accounts.sts")
    tagging = Later("identities.tagging")
    verification_templates = Later("verification_mail.verification_templates")
    verifying = Later("verification.verifying")
    webhooks = Later("events.webhooks")

# Each handler names the shapes of its operation; what they have in common is no more than this.
Handler: TypeAlias = "Callable[[House, Call, Any, Session], Any]"
Preparation: TypeAlias = "Callable[[House, Call, Any], Any]"
ManyAtOnce: TypeAlias = "Callable[[House, Sequence[tuple[Call, Any]], Session], Sequence[Any | Fault]]"


ARN: Final = "arn"


class Together(NamedTuple):
    """How calls of an operation that come at the same time are answered in one go.

    `fits` says of what was prepared whether it can be; `handler` returns for each call its answer, or the
    fault with which it is refused, for which nothing is written then. It is short, as it may run in the
    event loop (`Database.writing_with`).
    """

    fits: Callable[[Any], bool]
    handler: ManyAtOnce


class Rate(Enum):
    """What a call counts against (spec 2.2, 2.3: one request a second where documented)."""

    CONTROL = "control"  # each operation by itself, per account and region
    CHECK = "check"  # asks the DNS: the identity is the unit
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation.

    `writes` says whether the handler changes anything; then the call is audited. `permission` is the action a
    policy must allow, `subject` the member of the request that names what it is about (`A.B` is a member of a
    member), empty where that is nothing in particular, and `about` what is named there: identities, another
    kind of resource, or `arn` where it is written out. `handler` is None where the answer takes more than the
    store: `Dispatch` is told who gives it. What the handler takes is made before and outside of its
    transaction: `look` turns the request into what `prepare` takes, with what that needs of the store, and
    `prepare` does what is no business of a transaction. `finish` makes of what a reading handler returns the
    answer. `slow` says of what `prepare` or `finish` is given whether that takes long enough to hold up the
    event loop (`slow_work`), `mails` whether a mail in our own words is written for it.
    `by_arn` says whether an identity may be named by its ARN as well (spec 11.3); where it may not, what has
    the form of an ARN is a name like any other.
    `repeats` are the races against another caller that are lost without a word: the operation documents no
    error for them and means the same when it is made twice, so the call is simply made again. `together` is
    there where many such calls at once cost less than one after the other.
    """

    service: str
    operation: str
    handler: Handler | None
    writes: bool
    permission: str
    rate: Rate
    subject: str = ""
    look: Handler | None = None
    prepare: Preparation | None = None
    finish: Preparation | None = None
    slow: Callable[[Any], bool] | None = None
    mails: Callable[[Any], bool] | None = None
    repeats: frozenset[FaultKind] = frozenset()
    about: str = ResourceKind.IDENTITY.value
    by_arn: bool = False
    together: Together | None = None

    def resource(self, call: Call, request: object) -> str:
        """Return the ARN of what the call is about; `*` where it is about none (spec 11.3).

        What cannot be the name of a resource is not written down either.
        """
        given = self._named(request)
        if self.about != ResourceKind.IDENTITY.value:
            return self._other_resource(call, given)
        if not isinstance(given, str):
            return NONE
        name = name_meant(given, call.account, call.region) if self.by_arn else fold(given)
        return identity_arn(call.region, call.account, name) if 0 < len(name) <= MAX_ADDRESS else NONE

    def resources(self, call: Call, request: object) -> tuple[str, ...]:
        """Return the ARN of everything the call is about, which its policy must allow; else `*`."""
        given = self._named(request)
        if self.about != ResourceKind.IDENTITY.value:
            return (self._other_resource(call, given),)
        return resources_of(call, given, by_arn=self.by_arn)

    def _named(self, request: object) -> object:
        """Return what the request names as its subject; None where it names nothing."""
        if not self.subject:
            return None
        for member in self.subject.split("."):
            request = getattr(request, member, None)
        return request

    def _other_resource(self, call: Call, given: object) -> str:
        """Return the ARN as a policy has it: however the caller wrote the name, it is the stored one."""
        beginning = arn_beginning(call.region, call.account)
        if not isinstance(given, str):
            return NONE
        try:
            written = given if self.about == ARN else f"{beginning}{self.about}/{given}"
            return beginning + parse_resource(written, call.account).key
        except Fault:
            return NONE


def _v2(
    operation: str, handler: Handler, *, writes: bool, subject: str = "EmailIdentity", **more: Any
) -> Entry:
    told = not writes or "ConcurrentModificationException" in operations("sesv2")[operation].errors
    repeats = frozenset() if told else frozenset({FaultKind.CONCURRENT_MODIFICATION})
    permission = f"ses:{operation}"
    return Entry(
        "sesv2", operation, handler, writes, permission, Rate.CONTROL, subject, repeats=repeats, **more
    )


# v1 documents no lost race, and what makes an identity there minds none that is there already (spec 2.3).
_V1_REPEATS: Final = frozenset({FaultKind.ALREADY_EXISTS, FaultKind.CONCURRENT_MODIFICATION})


def _v1(operation: str, handler: Handler, *, writes: bool, subject: str = "", **more: Any) -> Entry:
    permission = f"ses:{operation}"
    repeats = _V1_REPEATS if writes else frozenset()
    return Entry(
        "ses", operation, handler, writes, permission, Rate.CONTROL, subject, repeats=repeats, **more
    )


def _always(_request: Any) -> bool:
    return True


_NEW_TEMPLATE: Final[dict[str, Any]] = {
    "look": verification_templates.look_at_new,
    "prepare": verification_templates.prepare_new,
    "slow": _always,
}
_CHANGED_TEMPLATE: Final[dict[str, Any]] = {
    "look": verification_templates.look_at_change,
    "prepare": verification_templates.prepare_change,
    "slow": verification_templates.brings_content,
}
_NOTHING_MORE: Final[dict[str, Any]] = {}

_SET = {"subject": "ConfigurationSetName", "about": ResourceKind.CONFIGURATION_SET.value}
_TEMPLATE = {"subject": "TemplateName", "about": ResourceKind.VERIFICATION_TEMPLATE.value}
_TAGGED = {"subject": "ResourceArn", "about": ARN}
# Spec 11.3; for headers in notifications too, as Terraform sends ARNs there.
_NAME_OR_ARN: dict[str, Any] = {"subject": "Identity", "by_arn": True}


def _own(
    operation: str,
    handler: Handler | None,
    *,
    writes: bool,
    rate: Rate = Rate.CONTROL,
    subject: str = "name",
    **more: Any,
) -> Entry:
    return Entry("indicia", operation, handler, writes, f"indicia:{operation}", rate, subject, **more)


_ENTRIES: Final = (
    # Identities, v2.
    _v2(
        "CreateEmailIdentity",
        creation.create_email_identity,
        writes=True,
        prepare=creation.prepare_create,
        slow=creation.is_slow,
        mails=creation.is_address,
        together=Together(creation.is_easy_domain, creation.create_domains),
    ),
    _v2("GetEmailIdentity", reading.get_email_identity, writes=False),
    _v2("ListEmailIdentities", listing.list_email_identities, writes=False, subject=""),
    _v2("DeleteEmailIdentity", deletion.delete_email_identity, writes=True),
    _v2("PutEmailIdentityDkimAttributes", dkim_settings.put_dkim_attributes, writes=True),
    _v2(
        "PutEmailIdentityDkimSigningAttributes",
        dkim_settings.put_dkim_signing_attributes,
        writes=True,
        prepare=dkim_settings.prepare_signing,
        slow=dkim_settings.is_slow,
    ),
    _v2("PutEmailIdentityMailFromAttributes", mail_from.put_mail_from_attributes, writes=True),
    _v2("PutEmailIdentityFeedbackAttributes", feedback.put_feedback_attributes, writes=True),
    _v2(
        "PutEmailIdentityConfigurationSetAttributes",
        default_configuration_set.put_configuration_set_attributes,
        writes=True,
    ),
    # Sending authorization policies, v2 and v1.
    _v2("CreateEmailIdentityPolicy", policies.create_email_identity_policy, writes=True),
    _v2("UpdateEmailIdentityPolicy", policies.update_email_identity_policy, writes=True),
    _v2("DeleteEmailIdentityPolicy", policies.delete_email_identity_policy, writes=True),
    _v2("GetEmailIdentityPolicies", policies.get_email_identity_policies, writes=False),
    _v1("PutIdentityPolicy", policies.put_identity_policy, writes=True, **_NAME_OR_ARN),
    _v1("GetIdentityPolicies", policies.get_identity_policies, writes=False, **_NAME_OR_ARN),
    _v1("ListIdentityPolicies", policies.list_identity_policies, writes=False, **_NAME_OR_ARN),
    _v1("DeleteIdentityPolicy", policies.delete_identity_policy, writes=True, **_NAME_OR_ARN),
    # Identities, v1.
    _v1("VerifyDomainIdentity", verifying.verify_domain_identity, writes=True, subject="Domain"),
    _v1("VerifyDomainDkim", verifying.verify_domain_dkim, writes=True, subject="Domain"),
    *(
        _v1(
            operation,
            handler,
            writes=True,
            subject="EmailAddress",
            prepare=verifying.prepare_address,
            mails=_always,
        )
        for operation, handler in (
            ("VerifyEmailIdentity", verifying.verify_email_identity),
            ("VerifyEmailAddress", verifying.verify_email_address),
        )
    ),
    _v1(
        "GetIdentityVerificationAttributes",
        reading.get_identity_verification_attributes,
        writes=False,
        subject="Identities",
    ),
    _v1(
        "GetIdentityDkimAttributes",
        reading.get_identity_dkim_attributes,
        writes=False,
        subject="Identities",
    ),
    _v1("ListIdentities", listing.list_identities, writes=False),
    _v1("ListVerifiedEmailAddresses", listing.list_verified_email_addresses, writes=False),
    _v1("DeleteIdentity", deletion.delete_identity, writes=True, subject="Identity"),
    _v1(
        "DeleteVerifiedEmailAddress",
        deletion.delete_verified_email_address,
        writes=True,
        subject="EmailAddress",
    ),
    _v1("SetIdentityDkimEnabled", dkim_settings.set_dkim_enabled, writes=True, subject="Identity"),
    _v1("SetIdentityMailFromDomain", mail_from.set_mail_from_domain, writes=True, subject="Identity"),
    _v1(
        "GetIdentityMailFromDomainAttributes",
        mail_from.get_mail_from_domain_attributes,
        writes=False,
        subject="Identities",
    ),
    _v1(
        "SetIdentityFeedbackForwardingEnabled",
        feedback.set_feedback_forwarding_enabled,
        writes=True,
        subject="Identity",
    ),
    _v1(
        "SetIdentityNotificationTopic",
        notifications.set_notification_topic,
        writes=True,
        **_NAME_OR_ARN,
    ),
    _v1(
        "SetIdentityHeadersInNotificationsEnabled",
        notifications.set_headers_in_notifications_enabled,
        writes=True,
        **_NAME_OR_ARN,
    ),
    _v1(
        "GetIdentityNotificationAttributes",
        notifications.get_notification_attributes,
        writes=False,
        subject="Identities",
        by_arn=True,
    ),
    # Configuration sets, v2.
    _v2("CreateConfigurationSet", configuration_sets.create_configuration_set_v2, writes=True, **_SET),
    _v2("GetConfigurationSet", configuration_sets.get_configuration_set, writes=False, **_SET),
    _v2("ListConfigurationSets", configuration_sets.list_configuration_sets_v2, writes=False, subject=""),
    _v2("UpdateConfigurationSet", configuration_options.update_configuration_set, writes=True, **_SET),
    _v2("DeleteConfigurationSet", configuration_sets.delete_configuration_set_v2, writes=True, **_SET),
    *(
        _v2(f"PutConfigurationSet{option}Options", handler, writes=True, **_SET)
        for option, handler in (
            ("Archiving", configuration_options.put_archiving_options),
            ("Delivery", configuration_options.put_delivery_options_v2),
            ("Reputation", configuration_options.put_reputation_options),
            ("Sending", configuration_options.put_sending_options),
            ("Suppression", configuration_options.put_suppression_options),
            ("Tracking", configuration_options.put_tracking_options),
            ("Vdm", configuration_options.put_vdm_options),
        )
    ),
    # Configuration sets, v1.
    _v1(
        "CreateConfigurationSet",
        configuration_sets.create_configuration_set_v1,
        writes=True,
        subject="ConfigurationSet.Name",
        about=ResourceKind.CONFIGURATION_SET.value,
    ),
    _v1("DescribeConfigurationSet", configuration_sets.describe_configuration_set, writes=False, **_SET),
    _v1("ListConfigurationSets", configuration_sets.list_configuration_sets_v1, writes=False),
    _v1("DeleteConfigurationSet", configuration_sets.delete_configuration_set_v1, writes=True, **_SET),
    *(
        _v1(operation, handler, writes=True, **_SET)
        for operation, handler in (
            ("UpdateConfigurationSetSendingEnabled", configuration_options.update_sending_enabled),
            (
                "UpdateConfigurationSetReputationMetricsEnabled",
                configuration_options.update_reputation_metrics_enabled,
            ),
            ("PutConfigurationSetDeliveryOptions", configuration_options.put_delivery_options_v1),
            ("CreateConfigurationSetTrackingOptions", configuration_options.create_tracking_options),
            ("UpdateConfigurationSetTrackingOptions", configuration_options.update_tracking_options),
            ("DeleteConfigurationSetTrackingOptions", configuration_options.delete_tracking_options),
        )
    ),
    # Mails in somebody's own words.
    *(
        entry
        for word, v2, v1, writes, work in (
            (
                "Create",
                verification_templates.create_template_v2,
                verification_templates.create_template_v1,
                True,
                _NEW_TEMPLATE,
            ),
            (
                "Get",
                verification_templates.get_template_v2,
                verification_templates.get_template_v1,
                False,
                _NOTHING_MORE,
            ),
            (
                "Update",
                verification_templates.update_template_v2,
                verification_templates.update_template_v1,
                True,
                _CHANGED_TEMPLATE,
            ),
            (
                "Delete",
                verification_templates.delete_template_v2,
                verification_templates.delete_template_v1,
                True,
                _NOTHING_MORE,
            ),
        )
        for entry in (
            _v2(f"{word}CustomVerificationEmailTemplate", v2, writes=writes, **_TEMPLATE, **work),
            _v1(f"{word}CustomVerificationEmailTemplate", v1, writes=writes, **_TEMPLATE, **work),
        )
    ),
    _v2(
        "ListCustomVerificationEmailTemplates",
        verification_templates.list_templates_v2,
        writes=False,
        subject="",
    ),
    _v1("ListCustomVerificationEmailTemplates", verification_templates.list_templates_v1, writes=False),
    *(
        version(
            "SendCustomVerificationEmail",
            handler,
            writes=True,
            look=look,
            prepare=custom_verification.prepare,
            slow=custom_verification.is_slow,
            mails=_always,
            **_TEMPLATE,
        )
        for version, handler, look in (
            (_v2, custom_verification.send_custom_verification_email_v2, custom_verification.look_v2),
            (_v1, custom_verification.send_custom_verification_email_v1, custom_verification.look_v1),
        )
    ),
    # Certificates.
    _v2("AssociateEmailIdentityCertificate", certificates.associate_certificate, writes=True),
    _v2("DisassociateEmailIdentityCertificate", certificates.disassociate_certificate, writes=True),
    _v2("ListEmailIdentityCertificates", certificates.list_certificates, writes=False),
    # The account.
    _v2("ListRecommendations", recommendations.list_recommendations, writes=False, subject=""),
    _v2("GetAccount", account.get_account, writes=False, subject=""),
    _v2("PutAccountDetails", account.put_account_details, writes=True, subject=""),
    _v2("PutAccountSendingAttributes", account.put_account_sending_attributes, writes=True, subject=""),
    _v1("GetSendQuota", account.get_send_quota, writes=False),
    _v1("GetAccountSendingEnabled", account.get_account_sending_enabled, writes=False),
    _v1("UpdateAccountSendingEnabled", account.update_account_sending_enabled, writes=True),
    # Tags.
    _v2("TagResource", tagging.tag_resource, writes=True, **_TAGGED),
    _v2("UntagResource", tagging.untag_resource, writes=True, **_TAGGED),
    _v2("ListTagsForResource", tagging.list_tags_for_resource, writes=False, **_TAGGED),
    Entry("sts", "GetCallerIdentity", sts.get_caller_identity, False, "sts:GetCallerIdentity", Rate.FREE),
    # What SES has no operation for (contract, HTTP).
    _own("GetIdentityRecords", records.get_records, writes=False),
    _own("DiagnoseIdentity", None, writes=False, rate=Rate.CHECK),
    _own("CheckIdentity", checking.check_identity, writes=True, rate=Rate.CHECK),
    _own("RotateIdentityKey", rotating.rotate_identity, writes=True),
    _own("ReplicateIdentity", replication_offer.offer_keys, writes=True),
    _own("GetIdentityHistory", history.get_history, writes=False),
    *(
        _own(operation, handler, writes=writes, subject="")
        for operation, handler, writes in (
            ("CreateWebhook", webhooks.create_webhook, True),
            ("ListWebhooks", webhooks.list_webhooks, False),
            ("GetWebhook", webhooks.get_webhook, False),
            ("UpdateWebhook", webhooks.update_webhook, True),
            ("DeleteWebhook", webhooks.delete_webhook, True),
            ("RotateWebhookSecret", webhooks.rotate_webhook_secret, True),
            ("TestWebhook", webhooks.check_webhook, True),
            ("RedeliverWebhook", webhooks.redeliver, True),
        )
    ),
    _own(
        "ExplainPolicy",
        policy_explanation.find_case,
        writes=False,
        subject="resource",
        by_arn=True,
        finish=policy_explanation.decide_case,
        slow=policy_explanation.is_slow,
    ),
)

TABLE: Final[Mapping[tuple[str, str], Entry]] = MappingProxyType(
    {(entry.service, entry.operation): entry for entry in _ENTRIES}
)
