"""Every operation of API v2, both directions, against the serializer and the parser of botocore."""

from urllib.parse import urlsplit

import msgspec
import pytest
from botocore.awsrequest import AWSRequest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from shape_examples import example, model, plain

from indicia.wire import shapes
from indicia.wire.aws import rest

SESV2 = model("sesv2")
OPERATIONS = sorted(SESV2.operation_names)
ROUTER = rest.Router()
# "absent = false": what an SDK leaves out arrives all the same.
SUPPLIED = {
    "PutEmailIdentityDkimAttributes": {"SigningEnabled": False},
    "PutEmailIdentityFeedbackAttributes": {"EmailForwardingEnabled": False},
}


@pytest.mark.parametrize("full", [False, True], ids=["required", "full"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_botocore_serializes_is_decoded(name: str, full: bool) -> None:
    """The request of an SDK arrives whole: route, labels, query string, body."""
    operation = SESV2.operation_model(name)
    asked = example(operation.input_shape, full=full)

    sent = create_serializer("rest-json").serialize_to_request(asked, operation)
    address = f"https://email.test{sent['url_path']}"
    prepared = AWSRequest(sent["method"], address, data=sent["body"], params=sent["query_string"]).prepare()
    url = urlsplit(prepared.url)
    match = ROUTER.match(prepared.method, url.path.encode("ascii"))
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    request = rest.decode(match.operation, match.labels, url.query.encode("ascii"), body)

    assert name == match.operation.name
    assert SUPPLIED.get(name, {}) | plain(asked) == plain(request)


@pytest.mark.parametrize("full", [False, True], ids=["required", "full"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_encoded_botocore_parses(name: str, full: bool) -> None:
    """The answer arrives at an SDK whole."""
    operation = shapes.operations("sesv2")[name]
    output = SESV2.operation_model(name).output_shape
    answer = plain(example(output, full=full))
    assert operation.response is not None
    result = msgspec.convert(answer, operation.response, builtin_types=(bytes,))

    body = rest.encode(operation, result)

    parsed = create_parser("rest-json").parse({"status_code": 200, "headers": {}, "body": body}, output)
    assert answer == plain(parsed)
