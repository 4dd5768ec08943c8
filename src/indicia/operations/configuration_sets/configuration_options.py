"""The options of a configuration set, one operation each: v2 Put...Options, v1 Update..., tracking of v1.

A Put replaces the option as a whole; a boolean that is not given is false, as in every Put of v2 (spec 7.6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.operations.configuration_sets.configuration_sets import (
    Options,
    check_pool,
    check_reasons,
    found,
    given,
    options_of,
    refuse_missing,
    stored_text,
)
from indicia.operations.configuration_sets.tracking import check_redirect_domain, check_tracking
from indicia.store.configuration_sets import configuration_sets
from indicia.wire.shapes import ses, sesv2
from indicia.wire.shapes.rules import timestamp

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

_V2_TLS: Final = {"Require": "REQUIRE", "Optional": "OPTIONAL"}


def _change(call: Call, name: str, s: Session, change: Callable[[Options], Options]) -> None:
    stored = found(call, name, s, to_change=True)
    options = stored_text(change(options_of(stored)))
    if not configuration_sets.put_options(s, call.account, call.region, stored.name, options):
        refuse_missing(stored.name)


def _set(call: Call, name: str, s: Session, **changed: object) -> None:
    """Store these options anew, whatever they were; the others stay."""
    _change(call, name, s, lambda options: msgspec.structs.replace(options, **changed))


def put_archiving_options(
    context: OperationContext,
    call: Call,
    request: sesv2.PutConfigurationSetArchivingOptionsRequest,
    s: Session,
) -> sesv2.PutConfigurationSetArchivingOptionsResponse:
    """SES v2 PutConfigurationSetArchivingOptions: no archive where none is named.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    archiving = sesv2.ArchivingOptions(ArchiveArn=request.ArchiveArn) if request.ArchiveArn else None
    _set(call, request.ConfigurationSetName, s, archiving=archiving)
    return sesv2.PutConfigurationSetArchivingOptionsResponse()


def put_delivery_options_v2(
    context: OperationContext,
    call: Call,
    request: sesv2.PutConfigurationSetDeliveryOptionsRequest,
    s: Session,
) -> sesv2.PutConfigurationSetDeliveryOptionsResponse:
    """SES v2 PutConfigurationSetDeliveryOptions: none are set where none is given.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    delivery = sesv2.DeliveryOptions(
        TlsPolicy=request.TlsPolicy,
        SendingPoolName=request.SendingPoolName,
        MaxDeliverySeconds=request.MaxDeliverySeconds,
    )
    found(call, request.ConfigurationSetName, s)
    check_pool(delivery)
    _set(call, request.ConfigurationSetName, s, delivery=given(delivery))
    return sesv2.PutConfigurationSetDeliveryOptionsResponse()


def put_delivery_options_v1(
    context: OperationContext, call: Call, request: ses.PutConfigurationSetDeliveryOptionsRequest, s: Session
) -> ses.PutConfigurationSetDeliveryOptionsResponse:
    """SES v1 PutConfigurationSetDeliveryOptions: the TLS policy; what only v2 can say stays.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    asked = request.DeliveryOptions.TlsPolicy if request.DeliveryOptions else None
    tls = None if asked is None else _V2_TLS[asked]

    def change(options: Options) -> Options:
        present = options.delivery or sesv2.DeliveryOptions()
        delivery = msgspec.structs.replace(present, TlsPolicy=tls)
        return msgspec.structs.replace(options, delivery=given(delivery))

    _change(call, request.ConfigurationSetName, s, change)
    return ses.PutConfigurationSetDeliveryOptionsResponse()


def put_reputation_options(
    context: OperationContext,
    call: Call,
    request: sesv2.PutConfigurationSetReputationOptionsRequest,
    s: Session,
) -> sesv2.PutConfigurationSetReputationOptionsResponse:
    """SES v2 PutConfigurationSetReputationOptions: metrics are on or off.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _set_metrics(call, request.ConfigurationSetName, s, enabled=bool(request.ReputationMetricsEnabled))
    return sesv2.PutConfigurationSetReputationOptionsResponse()


def update_reputation_metrics_enabled(
    context: OperationContext,
    call: Call,
    request: ses.UpdateConfigurationSetReputationMetricsEnabledRequest,
    s: Session,
) -> None:
    """SES v1 UpdateConfigurationSetReputationMetricsEnabled: metrics are on or off.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _set_metrics(call, request.ConfigurationSetName, s, enabled=request.Enabled)


def _set_metrics(call: Call, name: str, s: Session, *, enabled: bool) -> None:
    def change(options: Options) -> Options:
        reputation = msgspec.structs.replace(options.reputation, ReputationMetricsEnabled=enabled)
        return msgspec.structs.replace(options, reputation=reputation)

    _change(call, name, s, change)


def put_sending_options(
    context: OperationContext, call: Call, request: sesv2.PutConfigurationSetSendingOptionsRequest, s: Session
) -> sesv2.PutConfigurationSetSendingOptionsResponse:
    """SES v2 PutConfigurationSetSendingOptions: mail through the set leaves, or is refused.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _set_sending(call, request.ConfigurationSetName, s, enabled=bool(request.SendingEnabled))
    return sesv2.PutConfigurationSetSendingOptionsResponse()


def update_sending_enabled(
    context: OperationContext,
    call: Call,
    request: ses.UpdateConfigurationSetSendingEnabledRequest,
    s: Session,
) -> None:
    """SES v1 UpdateConfigurationSetSendingEnabled: mail through the set leaves, or is refused.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _set_sending(call, request.ConfigurationSetName, s, enabled=request.Enabled)


def _set_sending(call: Call, name: str, s: Session, *, enabled: bool) -> None:
    def change(options: Options) -> Options:
        reputation = options.reputation
        if enabled and not options.sending.SendingEnabled:
            # Service model, ReputationOptions: switched off and on again, the metrics begin anew.
            reputation = msgspec.structs.replace(reputation, LastFreshStart=timestamp(call.now))
        return msgspec.structs.replace(
            options, sending=sesv2.SendingOptions(SendingEnabled=enabled), reputation=reputation
        )

    _change(call, name, s, change)


def put_suppression_options(
    context: OperationContext,
    call: Call,
    request: sesv2.PutConfigurationSetSuppressionOptionsRequest,
    s: Session,
) -> sesv2.PutConfigurationSetSuppressionOptionsResponse:
    """SES v2 PutConfigurationSetSuppressionOptions: the account's count again where none is given.

    An empty list of reasons is given: nothing is suppressed then (SES guide, suppression list).

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    check_reasons(request.SuppressedReasons)
    suppression = sesv2.SuppressionOptions(
        SuppressedReasons=request.SuppressedReasons,
        SuppressionScope=request.SuppressionScope,
        ValidationOptions=request.ValidationOptions,
    )
    _set(call, request.ConfigurationSetName, s, suppression=given(suppression))
    return sesv2.PutConfigurationSetSuppressionOptionsResponse()


def put_tracking_options(
    context: OperationContext,
    call: Call,
    request: sesv2.PutConfigurationSetTrackingOptionsRequest,
    s: Session,
) -> sesv2.PutConfigurationSetTrackingOptionsResponse:
    """SES v2 PutConfigurationSetTrackingOptions: no tracking domain of its own where none is given.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    found(call, request.ConfigurationSetName, s)
    domain, policy = request.CustomRedirectDomain, request.HttpsPolicy
    tracking = None
    if domain is not None or policy is not None:
        tracking = sesv2.TrackingOptions(CustomRedirectDomain=domain or "", HttpsPolicy=policy)
        check_tracking(call, tracking, s)
    _set(call, request.ConfigurationSetName, s, tracking=tracking)
    return sesv2.PutConfigurationSetTrackingOptionsResponse()


def put_vdm_options(
    context: OperationContext, call: Call, request: sesv2.PutConfigurationSetVdmOptionsRequest, s: Session
) -> sesv2.PutConfigurationSetVdmOptionsResponse:
    """SES v2 PutConfigurationSetVdmOptions.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _set(call, request.ConfigurationSetName, s, vdm=given(request.VdmOptions))
    return sesv2.PutConfigurationSetVdmOptionsResponse()


def update_configuration_set(
    context: OperationContext, call: Call, request: sesv2.UpdateConfigurationSetRequest, s: Session
) -> sesv2.UpdateConfigurationSetResponse:
    """SES v2 UpdateConfigurationSet: the security of messages; what is not given stays.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    security = request.MessageSecurityOptions

    def change(options: Options) -> Options:
        if security is None:
            return options
        return msgspec.structs.replace(options, message_security=given(security))

    _change(call, request.ConfigurationSetName, s, change)
    return sesv2.UpdateConfigurationSetResponse()


def create_tracking_options(
    context: OperationContext,
    call: Call,
    request: ses.CreateConfigurationSetTrackingOptionsRequest,
    s: Session,
) -> ses.CreateConfigurationSetTrackingOptionsResponse:
    """SES v1 CreateConfigurationSetTrackingOptions.

    Raises: `Fault` INVALID_PARAMETER, INVALID_TRACKING_OPTIONS, CONFIGURATION_SET_NOT_FOUND,
    TRACKING_OPTIONS_EXIST.
    """
    tracking = _v1_tracking(call, request.TrackingOptions, s)
    name = request.ConfigurationSetName
    if options_of(found(call, name, s, to_change=True)).tracking is not None:
        refuse(
            FaultKind.TRACKING_OPTIONS_EXIST,
            f"Configuration set <{shown(name)}> already has tracking options.",
        )
    _set(call, name, s, tracking=tracking)
    return ses.CreateConfigurationSetTrackingOptionsResponse()


def update_tracking_options(
    context: OperationContext,
    call: Call,
    request: ses.UpdateConfigurationSetTrackingOptionsRequest,
    s: Session,
) -> ses.UpdateConfigurationSetTrackingOptionsResponse:
    """SES v1 UpdateConfigurationSetTrackingOptions: the domain; the HTTPS policy of v2 stays.

    Raises: `Fault` INVALID_PARAMETER, INVALID_TRACKING_OPTIONS, CONFIGURATION_SET_NOT_FOUND,
    TRACKING_OPTIONS_NOT_FOUND.
    """
    tracking = _v1_tracking(call, request.TrackingOptions, s)
    present = _tracking(call, request.ConfigurationSetName, s)
    changed = msgspec.structs.replace(present, CustomRedirectDomain=tracking.CustomRedirectDomain)
    _set(call, request.ConfigurationSetName, s, tracking=changed)
    return ses.UpdateConfigurationSetTrackingOptionsResponse()


def delete_tracking_options(
    context: OperationContext,
    call: Call,
    request: ses.DeleteConfigurationSetTrackingOptionsRequest,
    s: Session,
) -> ses.DeleteConfigurationSetTrackingOptionsResponse:
    """SES v1 DeleteConfigurationSetTrackingOptions.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND, TRACKING_OPTIONS_NOT_FOUND.
    """
    _tracking(call, request.ConfigurationSetName, s)
    _set(call, request.ConfigurationSetName, s, tracking=None)
    return ses.DeleteConfigurationSetTrackingOptionsResponse()


def _tracking(call: Call, name: str, s: Session) -> sesv2.TrackingOptions:
    present = options_of(found(call, name, s, to_change=True)).tracking
    if present is None:
        refuse(
            FaultKind.TRACKING_OPTIONS_NOT_FOUND,
            f"There are no tracking options for configuration set <{shown(name)}>",
        )
    return present


def _v1_tracking(call: Call, options: ses.TrackingOptions, s: Session) -> sesv2.TrackingOptions:
    """Return the options that v1 gives, which are looked at before the set is (probe: floci)."""
    domain = options.CustomRedirectDomain or ""
    if not domain.strip():
        refuse(
            FaultKind.INVALID_TRACKING_OPTIONS, "At least one field of TrackingOptions must contain a value."
        )
    check_redirect_domain(call, domain, s, FaultKind.INVALID_TRACKING_OPTIONS)
    return sesv2.TrackingOptions(CustomRedirectDomain=domain)
