"""The configuration set that an identity names as its default (spec 9.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import fold, shown
from indicia.store.configuration_sets import configuration_sets
from indicia.store.identities import identities
from indicia.wire.shapes import sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


def put_configuration_set_attributes(
    context: OperationContext,
    call: Call,
    request: sesv2.PutEmailIdentityConfigurationSetAttributesRequest,
    s: Session,
) -> sesv2.PutEmailIdentityConfigurationSetAttributesResponse:
    """SES v2 PutEmailIdentityConfigurationSetAttributes: the default from now on; none where none is named.

    Raises: `Fault` NOT_FOUND, CONFIGURATION_SET_NOT_FOUND, CONCURRENT_MODIFICATION.
    """
    identity = identities.get(s, call.account, call.region, fold(request.EmailIdentity))
    if identity is None:
        refuse(FaultKind.NOT_FOUND, f"Identity <{shown(request.EmailIdentity)}> does not exist.")
    name = request.ConfigurationSetName or ""
    require_configuration_set(call, name, s)
    if name != identity.configuration_set:
        identities.update(s, replace(identity, configuration_set=name), identity.version)
    return sesv2.PutEmailIdentityConfigurationSetAttributesResponse()


def require_configuration_set(call: Call, name: str, s: Session) -> None:
    """There is a configuration set of that name, or none is named.

    Raises: `Fault` CONFIGURATION_SET_NOT_FOUND `Configuration set <C> does not exist.`
    """
    # Spec 6.7: at most 64 of A-Za-z0-9_-. What cannot be a name is not looked up.
    possible = len(name) <= 64 and name.isascii() and name.isprintable()
    if name and not (possible and configuration_sets.exists(s, call.account, call.region, name)):
        refuse(FaultKind.CONFIGURATION_SET_NOT_FOUND, f"Configuration set <{shown(name)}> does not exist.")
