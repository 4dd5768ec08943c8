"""Configuration sets, v1 and v2: what one is called, that it is there, and what it holds.

Both versions see the same sets. A set's options are kept as the shapes of v2, in which v1 can say less.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import msgspec

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.tags import check_tags
from indicia.domain.names import shown
from indicia.operations import paging
from indicia.operations.configuration_sets.tracking import check_tracking
from indicia.store.configuration_sets import configuration_sets
from indicia.store.configuration_sets.configuration_sets import ConfigurationSet
from indicia.store.identities import tags
from indicia.wire.shapes import ses, sesv2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session

MAX_NAME: Final = 64  # spec 6.7
PAGE: Final = 50
LARGEST_PAGE: Final = 1000
SHARED_POOL: Final = "ses-shared-pool"
"""The addresses that everybody sends from, as SES calls them where a pool is named."""
SUPPRESSION_REASONS: Final = ("BOUNCE", "COMPLAINT")
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
# Both probed (floci), for `CONFIGURATION_SET_NAME_CONTAINS`.
_SHORTEST_FILTER: Final = 3

_V1_TLS: Final = {"REQUIRE": "Require", "OPTIONAL": "Optional"}


_Given = TypeVar(
    "_Given",
    sesv2.ArchivingOptions,
    sesv2.DeliveryOptions,
    sesv2.MessageSecurityOptions,
    sesv2.SuppressionOptions,
    sesv2.VdmOptions,
)


class Options(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What a configuration set holds beside its name and tags; None is "never set"."""

    tracking: sesv2.TrackingOptions | None = None
    delivery: sesv2.DeliveryOptions | None = None
    reputation: sesv2.ReputationOptions = sesv2.ReputationOptions(ReputationMetricsEnabled=False)
    sending: sesv2.SendingOptions = sesv2.SendingOptions(SendingEnabled=True)
    suppression: sesv2.SuppressionOptions | None = None
    vdm: sesv2.VdmOptions | None = None
    archiving: sesv2.ArchivingOptions | None = None
    message_security: sesv2.MessageSecurityOptions | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Options)


def stored_text(options: Options) -> str:
    """Return the options as the store keeps them."""
    return _encoder.encode(options).decode()


def options_of(stored: ConfigurationSet) -> Options:
    """Return the options of a configuration set."""
    return _decoder.decode(stored.options)


def check_name(name: str) -> str:
    """Return the name, which a configuration set can have.

    Raises: `Fault` INVALID_PARAMETER in the vendor's words (probe: floci), the same in v1 and v2.
    """
    if not name:
        refuse(FaultKind.INVALID_PARAMETER, "The configuration set name must be specified.")
    if len(name) > MAX_NAME:
        refuse(FaultKind.INVALID_PARAMETER, f"Configuration set name cannot exceed {MAX_NAME} characters.")
    if _NAME.match(name) is None:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"Invalid configuration set name <{name}>: only alphanumeric ASCII characters, '_', and '-' are"
            " allowed.",
        )
    return name


def found(call: Call, name: str, s: Session, *, to_change: bool = False) -> ConfigurationSet:
    """Return the configuration set of that name. With `to_change` nobody else changes it meanwhile.

    Raises: `Fault` INVALID_PARAMETER for what is no name, CONFIGURATION_SET_NOT_FOUND (recorded).
    """
    stored = configuration_sets.get(s, call.account, call.region, check_name(name), to_change=to_change)
    if stored is None:
        refuse_missing(name)
    return stored


def refuse_missing(name: str) -> NoReturn:
    """Refuse a name that no configuration set has, in the recorded words."""
    refuse(FaultKind.CONFIGURATION_SET_NOT_FOUND, f"Configuration set <{shown(name)}> does not exist.")


def create_configuration_set_v2(
    context: OperationContext, call: Call, request: sesv2.CreateConfigurationSetRequest, s: Session
) -> sesv2.CreateConfigurationSetResponse:
    """SES v2 CreateConfigurationSet: with options and tags, or nothing at all.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_EXISTS.
    """
    name = check_name(request.ConfigurationSetName)
    checked_tags = check_tags([(tag.Key, tag.Value) for tag in request.Tags or ()])
    check_reasons(request.SuppressionOptions.SuppressedReasons if request.SuppressionOptions else None)
    check_tracking(call, request.TrackingOptions, s)
    check_pool(request.DeliveryOptions)
    sending, reputation = request.SendingOptions, request.ReputationOptions
    options = Options(
        tracking=request.TrackingOptions,
        delivery=given(request.DeliveryOptions),
        # Probed (floci): metrics are on in a set that v2 made without a word about them.
        reputation=sesv2.ReputationOptions(
            ReputationMetricsEnabled=reputation is None or bool(reputation.ReputationMetricsEnabled)
        ),
        sending=sesv2.SendingOptions(SendingEnabled=sending is None or bool(sending.SendingEnabled)),
        suppression=given(request.SuppressionOptions),
        vdm=given(request.VdmOptions),
        archiving=given(request.ArchivingOptions),
        message_security=given(request.MessageSecurityOptions),
    )
    _create(call, name, options, s)
    tags.put(s, call.account, call.region, f"configuration-set/{name}", dict(checked_tags))
    return sesv2.CreateConfigurationSetResponse()


def create_configuration_set_v1(
    context: OperationContext, call: Call, request: ses.CreateConfigurationSetRequest, s: Session
) -> ses.CreateConfigurationSetResponse:
    """SES v1 CreateConfigurationSet: a name, nothing set.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_EXISTS.
    """
    _create(call, check_name(request.ConfigurationSet.Name), Options(), s)
    return ses.CreateConfigurationSetResponse()


def _create(call: Call, name: str, options: Options, s: Session) -> None:
    made = configuration_sets.create(
        s, call.account, call.region, name, at=call.now, options=stored_text(options)
    )
    if not made:
        refuse(FaultKind.CONFIGURATION_SET_EXISTS, f"Configuration set <{name}> already exists.")


def given(options: _Given | None) -> _Given | None:
    """Return the options, None where not one of them is given: then nothing is shown (Terraform's tests)."""
    return None if options is None or options == type(options)() else options


def check_pool(options: sesv2.DeliveryOptions | None) -> None:
    """The pool, where one is named, is the one that everybody shares: there is no other (texts: probe floci).

    Raises: `Fault` INVALID_PARAMETER.
    """
    pool = None if options is None else options.SendingPoolName
    if pool is not None and not pool.strip():
        refuse(FaultKind.INVALID_PARAMETER, "sendingPoolName can't be blank.")
    if pool is not None and pool != SHARED_POOL:
        refuse(FaultKind.INVALID_PARAMETER, f"SendingPool <{shown(pool)}> doesn't exist")


def check_reasons(reasons: Sequence[str] | None) -> None:
    """Each of them is a reason for which an address can be suppressed (probed, of configuration sets only).

    Raises: `Fault` INVALID_PARAMETER.
    """
    for reason in reasons or ():
        if reason not in SUPPRESSION_REASONS:
            refuse(
                FaultKind.INVALID_PARAMETER,
                f"Reason {shown(reason)} is invalid, must be one of [{', '.join(SUPPRESSION_REASONS)}].",
            )


def get_configuration_set(
    context: OperationContext, call: Call, request: sesv2.GetConfigurationSetRequest, s: Session
) -> sesv2.GetConfigurationSetResponse:
    """SES v2 GetConfigurationSet: sending, reputation and tags always, every other option once it was set.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    stored = found(call, request.ConfigurationSetName, s)
    options = options_of(stored)
    tagged = tags.of(s, call.account, call.region, f"configuration-set/{stored.name}")
    return sesv2.GetConfigurationSetResponse(
        ConfigurationSetName=stored.name,
        TrackingOptions=options.tracking,
        DeliveryOptions=options.delivery,
        ReputationOptions=options.reputation,
        SendingOptions=options.sending,
        Tags=[sesv2.Tag(Key=key, Value=value) for key, value in tagged],
        SuppressionOptions=options.suppression,
        VdmOptions=options.vdm,
        ArchivingOptions=options.archiving,
        MessageSecurityOptions=options.message_security,
    )


def describe_configuration_set(
    context: OperationContext, call: Call, request: ses.DescribeConfigurationSetRequest, s: Session
) -> ses.DescribeConfigurationSetResponse:
    """SES v1 DescribeConfigurationSet: the name, and what is asked for by name of attribute.

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    stored = found(call, request.ConfigurationSetName, s)
    options = options_of(stored)
    asked = frozenset(request.ConfigurationSetAttributeNames or ())
    tls = options.delivery.TlsPolicy if options.delivery else None
    redirect = options.tracking.CustomRedirectDomain if options.tracking else None
    return ses.DescribeConfigurationSetResponse(
        ConfigurationSet=ses.ConfigurationSet(Name=stored.name),
        EventDestinations=[] if "eventDestinations" in asked else None,
        TrackingOptions=ses.TrackingOptions(CustomRedirectDomain=redirect)
        if redirect is not None and "trackingOptions" in asked
        else None,
        DeliveryOptions=ses.DeliveryOptions(TlsPolicy=_V1_TLS[tls])
        if tls is not None and "deliveryOptions" in asked
        else None,
        ReputationOptions=ses.ReputationOptions(
            SendingEnabled=options.sending.SendingEnabled,
            ReputationMetricsEnabled=options.reputation.ReputationMetricsEnabled,
            LastFreshStart=options.reputation.LastFreshStart,
        )
        if "reputationOptions" in asked
        else None,
    )


def delete_configuration_set_v2(
    context: OperationContext, call: Call, request: sesv2.DeleteConfigurationSetRequest, s: Session
) -> sesv2.DeleteConfigurationSetResponse:
    """SES v2 DeleteConfigurationSet. Identities that name it keep naming it (spec 9.5).

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _delete(call, request.ConfigurationSetName, s)
    return sesv2.DeleteConfigurationSetResponse()


def delete_configuration_set_v1(
    context: OperationContext, call: Call, request: ses.DeleteConfigurationSetRequest, s: Session
) -> ses.DeleteConfigurationSetResponse:
    """SES v1 DeleteConfigurationSet, as v2. A missing one is refused (recorded).

    Raises: `Fault` INVALID_PARAMETER, CONFIGURATION_SET_NOT_FOUND.
    """
    _delete(call, request.ConfigurationSetName, s)
    return ses.DeleteConfigurationSetResponse()


def _delete(call: Call, name: str, s: Session) -> None:
    if not configuration_sets.delete(s, call.account, call.region, check_name(name)):
        refuse_missing(name)


def list_configuration_sets_v2(
    context: OperationContext, call: Call, request: sesv2.ListConfigurationSetsRequest, s: Session
) -> sesv2.ListConfigurationSetsResponse:
    """SES v2 ListConfigurationSets, by name. The filter finds a part of a name in any case (probe: floci).

    Raises: `Fault` INVALID_PARAMETER for a page size, a filter, then a token that is none.
    """
    size = PAGE if request.PageSize is None else request.PageSize
    if not 1 <= size <= LARGEST_PAGE:
        refuse(FaultKind.INVALID_PARAMETER, f"The page size must be between 1 and {LARGEST_PAGE}")
    contains = (request.Filter or {}).get("CONFIGURATION_SET_NAME_CONTAINS", "")
    if contains and not _SHORTEST_FILTER <= len(contains) <= MAX_NAME:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"CONFIGURATION_SET_NAME_CONTAINS must be between {_SHORTEST_FILTER} and {MAX_NAME} characters",
        )
    after = paging.place_of(
        request.NextToken,
        paging.CONFIGURATION_SETS,
        call,
        context.ports.keyring,
        refusal="invalid nextToken {}".format,
    )
    names = _names(call, s, after, size + 1, contains)
    return sesv2.ListConfigurationSetsResponse(
        ConfigurationSets=names[:size], NextToken=_next_token(context, call, names, size)
    )


def list_configuration_sets_v1(
    context: OperationContext, call: Call, request: ses.ListConfigurationSetsRequest, s: Session
) -> ses.ListConfigurationSetsResponse:
    """SES v1 ListConfigurationSets, by name. Tokens are those of v2.

    A size out of range is served as if it had not been given; a bad token is refused without a word (probe:
    floci).

    Raises: `Fault` INVALID_PARAMETER.
    """
    asked = PAGE if request.MaxItems is None else request.MaxItems
    size = asked if 1 <= asked <= LARGEST_PAGE else PAGE
    after = paging.place_of(
        request.NextToken, paging.CONFIGURATION_SETS, call, context.ports.keyring, refusal=lambda _: ""
    )
    names = _names(call, s, after, size + 1)
    return ses.ListConfigurationSetsResponse(
        ConfigurationSets=[ses.ConfigurationSet(Name=name) for name in names[:size]],
        NextToken=_next_token(context, call, names, size),
    )


def _names(call: Call, s: Session, after: str, limit: int, contains: str = "") -> list[str]:
    """Return the next names behind `after`, those with the part in any case where one is given."""
    part, step = contains.lower(), LARGEST_PAGE if contains else limit
    names: list[str] = []
    while True:
        rows = configuration_sets.names(s, call.account, call.region, after=after, limit=step)
        names += [name for name in rows if part in name.lower()]
        if len(names) >= limit or len(rows) < step:
            return names[:limit]
        after = rows[-1]


def _next_token(context: OperationContext, call: Call, names: list[str], size: int) -> str | None:
    if len(names) <= size:
        return None
    return paging.token_after(names[size - 1], paging.CONFIGURATION_SETS, call, context.ports.keyring)
