"""REST-JSON: routes, requests in the live service's reading, results."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shape_strategies import structs

from indicia.domain.faults import Fault, FaultKind
from indicia.wire import shapes
from indicia.wire.aws import rest
from indicia.wire.shapes import sesv2

ROUTER = rest.Router()
SHAPES = shapes.operations("sesv2")
IDENTITY = b"/v2/email/identities/example.com"


def sent(method: str, path: bytes, query: bytes = b"", body: bytes = b"") -> Any:
    """The request as the operation will see it."""
    match = ROUTER.match(method, path)
    return rest.decode(match.operation, match.labels, query, body)


def refused(method: str, path: bytes, query: bytes = b"", body: bytes = b"") -> tuple[FaultKind, str]:
    """How the request is refused."""
    with pytest.raises(Fault) as refusal:
        sent(method, path, query, body)
    return refusal.value.kind, refusal.value.message


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", b"/v2/email/list-identities", "ListEmailIdentities"),
        ("GET", b"/v2/email/identities", "ListEmailIdentities"),
        ("GET", b"/v2/email/identities/", "ListEmailIdentities"),
        ("POST", b"/v2/email/list-configuration-sets", "ListConfigurationSets"),
        ("GET", b"/v2/email/configuration-sets", "ListConfigurationSets"),
        ("PUT", IDENTITY + b"/dkim/signing", "PutEmailIdentityDkimSigningAttributes"),
        (
            "PUT",
            b"/v1/email/identities/example.com/dkim/signing",
            "PutEmailIdentityDkimSigningAttributes",
        ),
        ("POST", b"/v2/email/contact-lists/a/contacts/list", "ListContacts"),
        ("GET", b"/v2/email/contact-lists/a/contacts", "ListContacts"),
        ("GET", b"/v2/email/contact-lists/a/contacts/list", "GetContact"),
        ("POST", b"/v2/email/import-jobs/list", "ListImportJobs"),
        ("GET", b"/v2/email/import-jobs", "ListImportJobs"),
        ("GET", b"/v2/email/import-jobs/list", "GetImportJob"),
        ("POST", b"/v2/email/identities", "CreateEmailIdentity"),
        ("PUT", IDENTITY + b"/dkim", "PutEmailIdentityDkimAttributes"),
        ("GET", b"/v2/email/insights/m-1/", "GetMessageInsights"),
        ("GET", b"/v2/email/insights/m-1", "GetMessageInsights"),
    ],
)
def test_routes_of_today_and_of_earlier_models(method: str, path: bytes, name: str) -> None:
    """Every route leads to its operation, those of old SDKs among them (spec 2.2)."""
    assert name == ROUTER.match(method, path).operation.name


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (b"user%40example.com", "user@example.com"),
        (b"user@example.com", "user@example.com"),
        (b"a%2Fb", "a/b"),
        (b"a+b%2Bc", "a+b+c"),
        (b"%25", "%"),
        (b"%E2%98%83.test", "\u2603.test"),
        (b"..", ".."),
        (b"%2e%2e", ".."),
        (b"policies", "policies"),
    ],
)
def test_a_label_is_decoded_after_the_match(raw: bytes, label: str) -> None:
    """An encoded slash stays inside its label, and a plus is a plus."""
    match = ROUTER.match("GET", b"/v2/email/identities/" + raw)

    assert (match.operation.name, match.labels) == ("GetEmailIdentity", {"EmailIdentity": label})


def test_labels_go_by_name() -> None:
    """Of two labels each reaches its own member."""
    request = sent("GET", b"/v2/email/reputation/entities/RESOURCE/arn%3Aaws%3Ases")

    assert request == sesv2.GetReputationEntityRequest(
        ReputationEntityReference="arn:aws:ses", ReputationEntityType="RESOURCE"
    )


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", b"/v2/email/nothing", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"/v2/email/identities//policies", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"/v2//email/identities", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"/V2/email/identities", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"/v1/email/identities", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"v2/email/identities", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"/", FaultKind.UNKNOWN_OPERATION),
        ("GET", b"/v2/email/identities/\xff", FaultKind.UNKNOWN_OPERATION),
        ("PATCH", IDENTITY, FaultKind.METHOD_NOT_ALLOWED),
        ("get", IDENTITY, FaultKind.METHOD_NOT_ALLOWED),
        ("GET", IDENTITY + b"/dkim", FaultKind.METHOD_NOT_ALLOWED),
        ("GET", b"/v2/email/identities/%FF", FaultKind.SERIALIZATION),
    ],
)
def test_what_is_no_route_is_refused(method: str, path: bytes, kind: FaultKind) -> None:
    """An unknown path, a wrong method and a label that is no text are told apart."""
    assert kind is refused(method, path)[0]


def test_a_wrong_method_names_the_right_ones() -> None:
    """Who used the wrong method is told which ones there are."""
    assert refused("PATCH", IDENTITY)[1] == "This path answers DELETE, GET only."


CREATE = ("POST", b"/v2/email/identities")
DKIM = ("PUT", IDENTITY + b"/dkim")
# Spec 7.6, the table of body defects; the member that holds the defect is the last one.
DEFECTS = [
    (DKIM, '{"SigningEnabled": "maybe"}', "STRING_VALUE can not be converted to an Boolean"),
    (DKIM, '{"SigningEnabled": 1}', "NUMBER_VALUE can not be converted to a Boolean"),
    (DKIM, '{"SigningEnabled": null}', "NULL_VALUE can not be converted to a Boolean"),
    (DKIM, '{"SigningEnabled": []}', "Start of list found where not expected"),
    (DKIM, '{"SigningEnabled": {}}', "Start of structure or map found where not expected."),
    (CREATE, '{"EmailIdentity": 5}', "NUMBER_VALUE can not be converted to a String"),
    (CREATE, '{"EmailIdentity": 5.5}', "NUMBER_VALUE can not be converted to a String"),
    (CREATE, '{"EmailIdentity": true}', "TRUE_VALUE can not be converted to a String"),
    (CREATE, '{"EmailIdentity": false}', "FALSE_VALUE can not be converted to a String"),
    (CREATE, '{"EmailIdentity": ["a"]}', "Start of list found where not expected"),
    (CREATE, '{"EmailIdentity": {"a": 1}}', "Start of structure or map found where not expected."),
    (CREATE, '{"DkimSigningAttributes": "x"}', "Expected null"),
    (CREATE, '{"DkimSigningAttributes": 5}', "Expected null"),
    (CREATE, '{"DkimSigningAttributes": []}', "Start of list found where not expected"),
    (CREATE, '{"Tags": "x"}', "Expected list or null"),
    (CREATE, '{"Tags": {}}', "Start of structure or map found where not expected."),
    (CREATE, '{"Tags": ["x"]}', "Expected null"),
    (CREATE, '{"Tags": [{"Key": 5, "Value": "v"}]}', "NUMBER_VALUE can not be converted to a String"),
    (CREATE, '{"Tags": [{"Key": "k", "Value": true}]}', "TRUE_VALUE can not be converted to a String"),
    (CREATE, "[]", "Start of list found where not expected"),
    (CREATE, '"x"', "Expected null"),
    (CREATE, "{", "The body is not valid JSON."),
    (CREATE, " ", "The body is not valid JSON."),
    (CREATE, '{"EmailIdentity": nil}', "The body is not valid JSON."),
    (
        ("POST", b"/v2/email/list-identities"),
        '{"PageSize": "abc"}',
        "'abc' can not be converted to Integer",
    ),
    (
        ("POST", b"/v2/email/list-identities"),
        '{"PageSize": 4294967296}',
        "NUMBER_VALUE can not be converted to an Integer",
    ),
    (
        ("POST", b"/v2/email/list-identities"),
        '{"PageSize": 1.5}',
        "NUMBER_VALUE can not be converted to an Integer",
    ),
    (
        ("POST", b"/v2/email/list-identities"),
        '{"PageSize": true}',
        "TRUE_VALUE can not be converted to an Integer",
    ),
    (("POST", b"/v2/email/list-identities"), '{"Filter": []}', "Start of list found where not expected"),
    (("POST", b"/v2/email/list-identities"), '{"Filter": 5}', "Expected null"),
]


@pytest.mark.parametrize(("route", "body", "message"), DEFECTS)
def test_a_defect_of_the_body_is_told_in_the_vendors_words(
    route: tuple[str, bytes], body: str, message: str
) -> None:
    """What cannot be read is a SerializationException with the live service's text."""
    assert (FaultKind.SERIALIZATION, message) == refused(*route, body=body.encode())


@pytest.mark.parametrize("word", ["true", "yes", "y", "t", "1", "TRUE", "Yes"])
def test_a_word_stands_for_true(word: str) -> None:
    """A string that means true is taken for the boolean (spec 7.6)."""
    assert sent(*DKIM, body=json.dumps({"SigningEnabled": word}).encode()).SigningEnabled is True


@pytest.mark.parametrize("word", ["false", "no", "n", "f", "0", "FALSE"])
def test_a_word_stands_for_false(word: str) -> None:
    """A string that means false is taken for the boolean (spec 7.6)."""
    assert sent(*DKIM, body=json.dumps({"SigningEnabled": word}).encode()).SigningEnabled is False


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"Other": 5}'])
def test_an_absent_flag_is_false(body: bytes) -> None:
    """Without SigningEnabled, and without a body at all, signing is switched off (spec 2.2)."""
    assert sent(*DKIM, body=body) == sesv2.PutEmailIdentityDkimAttributesRequest(EmailIdentity="example.com")
    assert sent(*DKIM, body=body).SigningEnabled is False


def test_null_is_absent_and_what_is_unknown_is_ignored() -> None:
    """A null member changes nothing, at any depth; nor does one that nobody knows."""
    body = b"""{"EmailIdentity": "example.com", "Tags": null, "ConfigurationSetName": null, "Co": {"a": []},
        "DkimSigningAttributes": {"DomainSigningSelector": null, "NextSigningKeyLength": "RSA_1024_BIT"}}"""

    assert sent(*CREATE, body=body) == sesv2.CreateEmailIdentityRequest(
        EmailIdentity="example.com",
        DkimSigningAttributes=sesv2.DkimSigningAttributes(NextSigningKeyLength="RSA_1024_BIT"),
    )


def test_a_null_in_a_list_is_told() -> None:
    """A list has no absent members."""
    found = refused(*CREATE, body=b'{"EmailIdentity": "a.b", "Tags": [null]}')

    assert found == (
        FaultKind.VALIDATION,
        (
            "1 validation error detected: Value null at 'tags.1.member' failed to satisfy constraint: "
            "Member must not be null"
        ),
    )


def test_the_body_cannot_name_another_identity() -> None:
    """The label decides; a member of the same name in the body is ignored."""
    request = sent(*DKIM, body=b'{"EmailIdentity": "other.com", "SigningEnabled": true}')

    assert (request.EmailIdentity, request.SigningEnabled) == ("example.com", True)


def test_an_empty_body_lacks_what_is_required() -> None:
    """No body is like an empty object: what is missing is told by name."""
    assert refused(*CREATE) == (
        FaultKind.VALIDATION,
        (
            "1 validation error detected: Value at 'emailIdentity' failed to satisfy constraint: "
            "Member must not be null"
        ),
    )


def test_a_repeated_key_is_a_list() -> None:
    """`TagKeys` arrives as often as there are keys; their order is kept."""
    request = sent("DELETE", b"/v2/email/tags", b"TagKeys=b&ResourceArn=arn%3Aaws&TagKeys=a%26+c")

    assert request == sesv2.UntagResourceRequest(ResourceArn="arn:aws", TagKeys=["b", "a& c"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", sesv2.ListEmailIdentitiesRequest()),
        (b"NextToken=a%20b&PageSize=5", sesv2.ListEmailIdentitiesRequest(NextToken="a b", PageSize=5)),
        (b"PageSize=0", sesv2.ListEmailIdentitiesRequest(PageSize=0)),
        (b"PageSize=-1&PageSize=7", sesv2.ListEmailIdentitiesRequest(PageSize=-1)),
        (b"NextToken=&X=1&&=", sesv2.ListEmailIdentitiesRequest(NextToken="")),
    ],
)
def test_paging_in_the_query_string(query: bytes, expected: msgspec.Struct) -> None:
    """The earlier route of ListEmailIdentities reads its members from the query string."""
    assert expected == sent("GET", b"/v2/email/identities", query)


@pytest.mark.parametrize(
    "size", ["abc", "", "1.5", "1_000", "\u0661", "4294967296", "9" * 5000, "0x10", " 5"]
)
def test_a_page_size_that_is_no_number(size: str) -> None:
    """The text of a page size that cannot be read is told, as much of it as is decent (spec 6.8)."""
    query = b"PageSize=" + size.encode().replace(b" ", b"%20")

    found = refused("GET", b"/v2/email/identities", query)

    assert found == (FaultKind.SERIALIZATION, f"'{size[:100]}' can not be converted to Integer")


def test_a_query_string_of_endless_parameters_is_refused() -> None:
    """Work is bounded before it is begun."""
    assert refused("GET", b"/v2/email/identities", b"a&" * 2000)[0] is FaultKind.SERIALIZATION


@pytest.mark.parametrize("moment", ["1790312384.592", "1790312384592e-3", '"2026-09-25T04:59:44.592Z"'])
def test_a_moment_is_a_number_or_iso_8601(moment: str) -> None:
    """A timestamp in a body is seconds with a fraction; the ISO form is read too."""
    body = (
        '{"Queries": [{"Id": "a", "Namespace": "VDM", "Metric": "SEND", '
        f'"StartDate": {moment}, "EndDate": {moment}}}]}}'
    )

    request = sent("POST", b"/v2/email/metrics/batch", body=body.encode())

    assert [query.StartDate for query in request.Queries] == [1790312384.592]


def test_nothing_to_tell_is_an_empty_object() -> None:
    """An operation without output answers `{}`, with a result of no members or none."""
    operation = SHAPES["DeleteEmailIdentity"]

    assert rest.encode(operation, None) == b"{}"
    assert rest.encode(operation, sesv2.DeleteEmailIdentityResponse()) == b"{}"


def test_golden_answer() -> None:
    """The recorded answer for a new address, byte for byte but for spaces (spec 2.4)."""
    answer = sesv2.GetEmailIdentityResponse(
        IdentityType="EMAIL_ADDRESS",
        FeedbackForwardingStatus=True,
        VerifiedForSendingStatus=False,
        DkimAttributes=sesv2.DkimAttributes(
            SigningEnabled=False,
            Status="NOT_STARTED",
            SigningAttributesOrigin="AWS_SES",
            NextSigningKeyLength="RSA_1024_BIT",
        ),
        MailFromAttributes=sesv2.MailFromAttributes(BehaviorOnMxFailure="USE_DEFAULT_VALUE"),
        Policies={},
        Tags=[],
        VerificationStatus="PENDING",
        VerificationInfo=sesv2.VerificationInfo(),
    )

    assert rest.encode(SHAPES["GetEmailIdentity"], answer) == (
        b'{"IdentityType":"EMAIL_ADDRESS","FeedbackForwardingStatus":true,"VerifiedForSendingStatus":false,'
        b'"DkimAttributes":{"SigningEnabled":false,"Status":"NOT_STARTED",'
        b'"SigningAttributesOrigin":"AWS_SES","NextSigningKeyLength":"RSA_1024_BIT"},'
        b'"MailFromAttributes":{"BehaviorOnMxFailure":"USE_DEFAULT_VALUE"},"Policies":{},"Tags":[],'
        b'"VerificationStatus":"PENDING","VerificationInfo":{}}'
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
READ = ["CreateEmailIdentity", "SendEmail", "ListEmailIdentities", "BatchGetMetricData", "TagResource"]


def outcome(operation: Any, body: bytes) -> tuple[str, Any]:
    """The request, or the refusal."""
    try:
        return "read", rest.decode(operation, {}, b"", body)
    except Fault as fault:
        return fault.kind.name, fault.message


def kind_of_refusal(call: Callable[[], object]) -> FaultKind | None:
    """The kind of the fault that `call` raises, if it raises one; anything else gets through."""
    try:
        call()
    except Fault as fault:
        return fault.kind
    return None


@given(st.data())
def test_both_ways_of_reading_agree(data: st.DataObject) -> None:
    """A body is read alike by the typed decoder and by the slow reading, which any null brings about."""
    operation = SHAPES[data.draw(st.sampled_from(READ))]
    body = msgspec.to_builtins(data.draw(structs(operation.request)))
    if body and data.draw(st.booleans()):
        body[data.draw(st.sampled_from(sorted(body)))] = data.draw(JSON)

    quick = outcome(operation, msgspec.json.encode(body))
    slow = outcome(operation, msgspec.json.encode(body | {"Unknown to all": None}))

    assert slow == quick


@given(st.data())
def test_what_is_encoded_is_read_back(data: st.DataObject) -> None:
    """An answer survives the way to the wire and back."""
    operation = SHAPES[data.draw(st.sampled_from(["GetEmailIdentity", "ListEmailIdentities", "GetAccount"]))]
    assert operation.response is not None
    result = data.draw(structs(operation.response))

    assert result == msgspec.json.decode(rest.encode(operation, result), type=operation.response)


@given(
    st.sampled_from(sorted(SHAPES)),
    st.binary(max_size=60),
    st.binary(max_size=200) | JSON.map(msgspec.json.encode),
)
def test_no_request_raises_anything_but_a_fault(name: str, query: bytes, body: bytes) -> None:
    """Any bytes where a request should be are read, or refused."""
    operation = SHAPES[name]
    labels = {member: "label" for _, member in operation.labels}
    found = kind_of_refusal(lambda: rest.decode(operation, labels, query, body))

    assert found in {None, FaultKind.SERIALIZATION, FaultKind.VALIDATION}


@given(st.sampled_from(["GET", "PUT", "\u2603"]), st.binary(max_size=50).map(lambda end: b"/v2/email/" + end))
def test_no_path_raises_anything_but_a_fault(method: str, path: bytes) -> None:
    """Any bytes where a path should be lead to an operation, or nowhere."""
    found = kind_of_refusal(lambda: ROUTER.match(method, path))

    assert found in {
        None,
        FaultKind.UNKNOWN_OPERATION,
        FaultKind.METHOD_NOT_ALLOWED,
        FaultKind.SERIALIZATION,
    }


def test_a_heavy_body_is_read_when_it_is_right() -> None:
    """Many commas, and the word null in a text, do no harm to a body that fits its shape."""
    tags = [{"Key": f"k{i}", "Value": "null, and void"} for i in range(20_000)]

    request = sent(*CREATE, body=json.dumps({"EmailIdentity": "example.com", "Tags": tags}).encode())

    assert len(request.Tags) == 20_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"Tags":' * 50_000,
        b'{"Unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"PageSize": 1e999999}',
        b'{"PageSize": ' + b"9" * 100_000 + b"}",
        b'{"NextToken": "\xff"}',
        b'{"NextToken": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b'{"NextToken": "a", "NextToken": 5}',
        b'{"NextToken": 5, nonsense',
        b'{"NextToken": 5, "Unknown": ' + b"[" * 100_000,
        b'{"Filter": {' + b'"a": 5,' * 30_000 + b'"a": 5}}',
    ],
    ids=range(13),
)
def test_a_hostile_body_is_refused(body: bytes) -> None:
    """Depth, size of numbers and broken text are refused, not suffered."""
    assert refused("POST", b"/v2/email/list-identities", body=body)[0] is FaultKind.SERIALIZATION
