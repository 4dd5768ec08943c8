"""Tags, v2: TagResource, UntagResource, ListTagsForResource, for whatever exists here and can be tagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.identities.resources import Resource, ResourceKind, parse_resource
from indicia.domain.identities.tags import check_tags, merged
from indicia.store.configuration_sets import configuration_sets
from indicia.store.identities import identities, tags
from indicia.store.verification_mail import templates
from indicia.wire.shapes import sesv2

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.context import OperationContext
    from indicia.store.engine.session import Session


def tag_resource(
    context: OperationContext, call: Call, request: sesv2.TagResourceRequest, s: Session
) -> sesv2.TagResourceResponse:
    """SES v2 TagResource: new tags go over old ones with the same keys.

    Raises: `Fault` INVALID_PARAMETER for an identity of another region, anything of another account, or tags
    that no resource can have; NOT_FOUND.
    """
    resource = parse_resource(request.ResourceArn, call.account)
    if _is_identity_elsewhere(call, resource):
        refuse(FaultKind.INVALID_PARAMETER, "Failed to tag resource")
    added = check_tags([(tag.Key, tag.Value) for tag in request.Tags])
    _require(call, resource, s, to_change=True)
    present = dict(tags.of(s, call.account, call.region, resource.key))
    tags.put(s, call.account, call.region, resource.key, merged(present, added))
    return sesv2.TagResourceResponse()


def untag_resource(
    context: OperationContext, call: Call, request: sesv2.UntagResourceRequest, s: Session
) -> sesv2.UntagResourceResponse:
    """SES v2 UntagResource. Keys that the resource does not have are no matter.

    Raises: `Fault` INVALID_PARAMETER for an identity of another region, and anything of another account;
    NOT_FOUND.
    """
    resource = parse_resource(request.ResourceArn, call.account)
    if _is_identity_elsewhere(call, resource):
        refuse(FaultKind.INVALID_PARAMETER, "Failed to untag resource")
    _require(call, resource, s, to_change=True)
    present = {key for key, _ in tags.of(s, call.account, call.region, resource.key)}
    tags.remove(s, call.account, call.region, resource.key, sorted(present.intersection(request.TagKeys)))
    return sesv2.UntagResourceResponse()


def list_tags_for_resource(
    context: OperationContext, call: Call, request: sesv2.ListTagsForResourceRequest, s: Session
) -> sesv2.ListTagsForResourceResponse:
    """SES v2 ListTagsForResource, by key. Of an identity those in the region of the call (spec 2.2).

    Raises: `Fault` INVALID_PARAMETER for what is no ARN, or another account's; NOT_FOUND.
    """
    resource = parse_resource(request.ResourceArn, call.account)
    _require(call, resource, s)
    tagged = tags.of(s, call.account, call.region, resource.key)
    return sesv2.ListTagsForResourceResponse(Tags=[sesv2.Tag(Key=key, Value=value) for key, value in tagged])


def _is_identity_elsewhere(call: Call, resource: Resource) -> bool:
    return resource.kind is ResourceKind.IDENTITY and resource.region != call.region


def _require(call: Call, resource: Resource, s: Session, *, to_change: bool = False) -> None:
    """The resource is there, and with `to_change` it stays until this transaction ends."""
    if not _exists(call, resource, s, to_change=to_change):
        refuse(FaultKind.NOT_FOUND, resource.missing)


def _exists(call: Call, resource: Resource, s: Session, *, to_change: bool) -> bool:
    account, region, name = call.account, call.region, resource.name
    if resource.region != region and resource.kind is not ResourceKind.IDENTITY:
        return False
    match resource.kind:
        case ResourceKind.IDENTITY:
            identity = identities.get(s, account, region, name)
            return identity is not None and (not to_change or identities.lock(s, identity.id))
        case ResourceKind.CONFIGURATION_SET:
            return configuration_sets.get(s, account, region, name, to_change=to_change) is not None
        case ResourceKind.VERIFICATION_TEMPLATE:
            return templates.get(s, account, region, name, to_change=to_change) is not None
        case _:
            return False
