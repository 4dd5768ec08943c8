"""Examples of what a service model describes, for round trips with the vendor's own code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

MOMENT = datetime(2026, 9, 25, 7, 39, 44, tzinfo=UTC)
VERSIONS = {"ses": "2010-12-01", "sesv2": "2019-09-27", "sts": "2011-06-15"}

ODD = 'a+b&c="d" <é>/%20\u2603'

# A text that obeys the pattern of the shape of this name.
PATTERNED = {
    "AdditionalContactEmailAddress": "contact@example.com",
    "ArchiveArn": "arn:aws:ses:us-east-1:111122223333:mailmanager-archive/a-abcdefghijklmnopqrstuvwx",
    "CertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/0123-abcd",
    "ConnectInstanceArn": (
        "arn:aws:connect:us-east-1:111122223333:instance/01234567-89ab-cdef-0123-456789abcdef"
    ),
    "EndpointName": "global-endpoint",
    "IAMRoleARN": "arn:aws:iam::111122223333:role/service/deliver",
    "MessageHeaderName": "X-Colour",
    "MessageHeaderValue": "a clear blue",
    "NextTokenV2": "QUJDRA==",
    "PrivateKey": "MIIEvQIBADANBg+/kqhkiG9w0BAQEFAASC=",
    "S3Url": "s3://bucket/folder/file.csv",
    "Selector": "selector-1",
    "WebsiteURL": "https://example.com/a?b=c",
    "arnType": "arn:aws:iam::111122223333:user/anna",
}


def model(service: str) -> ServiceModel:
    """The vendor's model of `service`."""
    return ServiceModel(Loader().load_service_model(service, "service-2", VERSIONS[service]), service)


def example(shape: Shape, *, full: bool, outermost: bool = True) -> Any:
    """A value that obeys `shape`: with every member when `full`, else with those that are required.

    A structure within that requires nothing is full: the Query protocol has no way to write an empty one.
    """
    if isinstance(shape, StructureShape):
        names = list(shape.members)
        if getattr(shape, "is_tagged_union", False):
            names = names[:1]
        elif not full and shape.required_members:
            names = shape.required_members
        elif not full and outermost:
            names = []
        return {name: example(shape.members[name], full=full, outermost=False) for name in names}
    if isinstance(shape, ListShape):
        count = max(shape.metadata.get("min", 0), min(2 if full else 0, shape.metadata.get("max", 2)))
        return [example(shape.member, full=full, outermost=False) for _ in range(count or 1)]
    if isinstance(shape, MapShape):
        return {
            example(shape.key, full=full, outermost=False): example(shape.value, full=full, outermost=False)
        }
    if isinstance(shape, StringShape) and shape.enum:
        return max(shape.enum)
    least = shape.metadata.get("min", 1)
    match shape.type_name:
        case "string":
            longest = shape.metadata.get("max", 500)
            return PATTERNED.get(shape.name) or (ODD * (1 + least // len(ODD)))[:longest]
        case "boolean":
            return True
        case "integer" | "long":
            return least + 6
        case "double":
            return 2.5
        case "timestamp":
            return MOMENT
        case "blob":
            return bytes(range(256))
    raise AssertionError(shape.type_name)


def plain(value: Any) -> Any:
    """A struct, or what a parser of botocore gives, as builtin values with moments as seconds."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(bytes,))
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.timestamp() if isinstance(value, datetime) else value
