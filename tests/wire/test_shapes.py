"""The generated shapes: complete, up to date, reticent."""

import subprocess
import sys

import msgspec
import pytest
from places import ROOT

from indicia.wire import shapes
from indicia.wire.shapes import kinds, ses, sesv2
from indicia.wire.shapes.operation import Operation
from indicia.wire.shapes.rules import timestamp

EVERY = [operation for service in shapes.SERVICES for operation in shapes.operations(service).values()]


@pytest.mark.parametrize(("service", "count"), [("ses", 71), ("sesv2", 116), ("sts", 1)])
def test_every_operation_is_there(service: str, count: int) -> None:
    """All operations of both versions are modelled, and of STS the one that is served."""
    assert count == len(shapes.operations(service))


def test_an_unknown_service_has_no_operations() -> None:
    """Only the three services can be asked for."""
    with pytest.raises(KeyError):
        shapes.operations("sqs")


def test_files_are_what_the_generator_writes() -> None:
    """The committed modules are those of the locked botocore."""
    found = subprocess.run(
        [sys.executable, "tools/generate_shapes.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (found.returncode, found.stderr) == (0, "")


def test_serving_needs_no_vendor_package() -> None:
    """Nothing of botocore is imported where requests are read."""
    reads = "from indicia.wire.aws import query, rest; rest.Router()"
    code = f"import sys; {reads}; print('botocore' in sys.modules)"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "False"


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: f"{operation.service}-{operation.name}")
def test_every_member_has_a_kind(operation: Operation) -> None:
    """Every shape that a request or an answer can reach is of a kind that readers and writers know."""
    reached: set[type[msgspec.Struct]] = set()
    waiting = [kinds.Structure(shape) for shape in (operation.request, operation.response) if shape]
    while waiting:
        kind = waiting.pop()
        match kind:
            case kinds.Structure(shape):
                if shape not in reached:
                    reached.add(shape)
                    waiting += [member.kind for member in kinds.members(shape)]
            case kinds.ListOf(item):
                waiting.append(item)
            case kinds.MapOf(key, value):
                waiting += [key, value]
            case kinds.Scalar(name):
                assert name in {"text", "boolean", "integer", "long", "double", "timestamp", "blob"}

    assert operation.request in reached


@pytest.mark.parametrize(
    "shape",
    [
        sesv2.DkimSigningAttributes(DomainSigningSelector="s", DomainSigningPrivateKey="VERYSECRET"),
        sesv2.CreateEmailIdentityRequest(
            EmailIdentity="example.com",
            DkimSigningAttributes=sesv2.DkimSigningAttributes(DomainSigningPrivateKey="VERYSECRET"),
        ),
        sesv2.PutEmailIdentityDkimSigningAttributesRequest(
            EmailIdentity="example.com",
            SigningAttributesOrigin="EXTERNAL",
            SigningAttributes=sesv2.DkimSigningAttributes(DomainSigningPrivateKey="VERYSECRET"),
        ),
    ],
    ids=lambda shape: type(shape).__name__,
)
def test_a_private_key_is_never_shown(shape: msgspec.Struct) -> None:
    """The text of a request, as a log or a traceback would show it, holds no private key."""
    assert "VERYSECRET" not in repr(shape)
    assert "VERYSECRET" not in str(shape)


def test_a_tag_without_a_value_has_an_empty_one_and_shows_it() -> None:
    """`Tag.Value` may be absent, and is then the empty string, which is told (spec 6.4)."""
    tag = sesv2.Tag(Key="team")

    assert tag.Value == ""
    assert msgspec.json.encode(tag) == b'{"Key":"team","Value":""}'


def test_absent_members_are_not_told_and_empty_ones_are() -> None:
    """None is left out; false, an empty map, an empty list and an empty structure are answers."""
    answer = sesv2.GetEmailIdentityResponse(
        VerifiedForSendingStatus=False, Policies={}, Tags=[], VerificationInfo=sesv2.VerificationInfo()
    )

    found = msgspec.json.encode(answer)

    assert found == b'{"VerifiedForSendingStatus":false,"Policies":{},"Tags":[],"VerificationInfo":{}}'


def test_a_timestamp_keeps_its_milliseconds() -> None:
    """An instant of whole milliseconds is told in seconds with the same digits (spec 2.1)."""
    info = sesv2.VerificationInfo(LastCheckedTimestamp=timestamp(1790312384592))

    assert msgspec.json.encode(info) == b'{"LastCheckedTimestamp":1790312384.592}'


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("AlreadyExistsException", "AlreadyExists", 400),
        ("MailFromDomainNotVerifiedException", "MailFromDomainNotVerifiedException", 400),
        ("ConfigurationSetDoesNotExistException", "ConfigurationSetDoesNotExist", 400),
    ],
)
def test_errors_of_v1_have_their_wire_codes(name: str, code: str, status: int) -> None:
    """The code of most errors loses its suffix, and of some keeps it (spec 7.3)."""
    found = ses.ERRORS[name]

    assert (code, status) == (found.code, found.status)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("NotFoundException", 404),
        ("ConcurrentModificationException", 500),
        ("TooManyRequestsException", 429),
        ("ConflictException", 409),
    ],
)
def test_errors_of_v2_have_their_statuses(name: str, status: int) -> None:
    """The status of an error is the one of the service model (spec 7.2)."""
    assert (name, status) == (sesv2.ERRORS[name].code, sesv2.ERRORS[name].status)
