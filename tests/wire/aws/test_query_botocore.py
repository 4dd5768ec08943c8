"""Every operation of API v1, and GetCallerIdentity, both directions, against botocore."""

import msgspec
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.utils import percent_encode_sequence
from shape_examples import example, model, plain

from indicia.wire import shapes
from indicia.wire.aws import query, xml

MODELS = {"ses": model("ses"), "sts": model("sts")}
OPERATIONS = [("ses", name) for name in sorted(MODELS["ses"].operation_names)]
OPERATIONS.append(("sts", "GetCallerIdentity"))


@pytest.mark.parametrize("full", [False, True], ids=["required", "full"])
@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_what_botocore_serializes_is_parsed(service: str, name: str, full: bool) -> None:
    """The request of an SDK arrives whole."""
    operation = MODELS[service].operation_model(name)
    asked = example(operation.input_shape, full=full) if operation.input_shape else {}

    sent = create_serializer("query").serialize_to_request(asked, operation)
    found, parsed, request = query.parse(percent_encode_sequence(sent["body"]).encode("ascii"))

    assert (service, name) == (found, parsed.name)
    assert plain(asked) == plain(request)


@pytest.mark.parametrize("full", [False, True], ids=["required", "full"])
@pytest.mark.parametrize(("service", "name"), OPERATIONS)
def test_what_is_encoded_botocore_parses(service: str, name: str, full: bool) -> None:
    """The answer arrives at an SDK whole, with its request id."""
    operation = shapes.operations(service)[name]
    output = MODELS[service].operation_model(name).output_shape
    answer = plain(example(output, full=full)) if output else {}
    response = operation.response
    result = msgspec.convert(answer, response, builtin_types=(bytes,)) if response else None

    body = xml.encode(operation, result, "a-request-id")

    parsed = create_parser("query").parse({"status_code": 200, "headers": {}, "body": body}, output)
    assert parsed["ResponseMetadata"]["RequestId"] == "a-request-id"
    assert answer == plain(parsed)
