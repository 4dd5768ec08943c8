"""The Query protocol: forms read, and what is wrong with them told."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.faults import Fault, FaultKind
from indicia.wire import shapes
from indicia.wire.aws import query
from indicia.wire.shapes import ses

NAMES = sorted(shapes.operations("ses"))


def parsed(form: bytes) -> msgspec.Struct:
    """The request that `form` holds."""
    return query.parse(form)[2]


def refused(form: bytes) -> tuple[FaultKind, str]:
    """How `form` is refused."""
    with pytest.raises(Fault) as refusal:
        query.parse(form)
    return refusal.value.kind, refusal.value.message


@pytest.mark.parametrize(
    ("form", "service", "name"),
    [
        (b"Action=ListIdentities&Version=2010-12-01", "ses", "ListIdentities"),
        (b"Version=2010-12-01&Action=ListIdentities", "ses", "ListIdentities"),
        (b"Action=ListIdentities", "ses", "ListIdentities"),
        (b"Action=GetCallerIdentity&Version=2011-06-15", "sts", "GetCallerIdentity"),
        (b"Action=GetCallerIdentity", "sts", "GetCallerIdentity"),
        (b"&&Action=%4cistIdentities&", "ses", "ListIdentities"),
        (b"Action=ListIdentities&Action=DeleteIdentity", "ses", "ListIdentities"),
    ],
)
def test_the_action_names_the_operation(form: bytes, service: str, name: str) -> None:
    """Action and Version, in any place, lead to an operation of SES or of STS."""
    found, operation, _ = query.parse(form)

    assert (service, name) == (found, operation.name)


@pytest.mark.parametrize(
    "form", [b"", b"&", b"=", b"Action=", b"action=ListIdentities", b"Version=2010-12-01"]
)
def test_a_form_without_an_action(form: bytes) -> None:
    """Nothing is guessed when no operation is named."""
    assert refused(form)[0] is FaultKind.MISSING_ACTION


@pytest.mark.parametrize(
    ("form", "version"),
    [
        (b"Action=Fly&Version=2010-12-01", "2010-12-01"),
        (b"Action=Fly", "NO_VERSION_SPECIFIED"),
        (b"Action=Fly&Version=2019-09-27", "2019-09-27"),
    ],
)
def test_an_unknown_action(form: bytes, version: str) -> None:
    """The action and the version that do not go together are told."""
    assert refused(form) == (
        FaultKind.UNKNOWN_OPERATION,
        f"Could not find operation Fly for version {version}",
    )


@pytest.mark.parametrize(
    "form",
    [
        b"Action=GetCallerIdentity&Version=2010-12-01",
        b"Action=ListIdentities&Version=2011-06-15",
        b"Action=CreateEmailIdentity&Version=2010-12-01",
        b"Action=listidentities&Version=2010-12-01",
    ],
)
def test_an_action_belongs_to_its_version(form: bytes) -> None:
    """An operation is found under its own name in its own API only."""
    assert refused(form)[0] is FaultKind.UNKNOWN_OPERATION


@pytest.mark.parametrize(
    ("parameters", "identities"),
    [
        (b"Identities.member.1=a%40b.com", ["a@b.com"]),
        (b"Identities.member.2=b&Identities.member.1=a", ["a", "b"]),
        (b"Identities.member.10=b&Identities.member.9=a", ["a", "b"]),
        (b"Identities.member.7=a", ["a"]),
        (b"Identities.member.1=a&Identities.member.1=b", ["a"]),
        (b"Identities.member.1=a+b%2Bc", ["a b+c"]),
        (b"Identities=", []),
        (b"Identities.1=a", []),
        (b"Identities.entry.1=a", []),
        (b"Identities.member=a", []),
        (b"Identities.member.x=a&Identities.member.-1=b&Identities.member.%C2%B2=c", []),
        (b"Identities.member.9999999999=a", []),
        (b"Identities.member.1=a&Identities.member.1.deeper=b", ["a"]),
        (b"Identities.member.1.deeper=b&Identities.member.1=a", ["a"]),
        (b"Identities=x&Identities.member.1=a", ["a"]),
        (b"Identities.member.1=a&Other=5&Other.member.1=6", ["a"]),
    ],
)
def test_a_list_is_in_the_order_of_its_indexes(parameters: bytes, identities: list[str]) -> None:
    """Only `member` lists count (spec 2.1); gaps are closed, strange indexes ignored."""
    form = b"Action=GetIdentityVerificationAttributes&Version=2010-12-01&" + parameters

    assert parsed(form) == ses.GetIdentityVerificationAttributesRequest(Identities=identities)


def test_structures_and_lists_of_structures() -> None:
    """Names with dots lead into structures."""
    form = (
        b"Action=SendTemplatedEmail&Source=a%40b&Template=t&TemplateData=%7B%7D"
        b"&Destination.ToAddresses.member.1=c%40d&Tags.member.1.Name=n&Tags.member.1.Value=v"
        b"&ReplyToAddresses.member.1="
    )

    assert parsed(form) == ses.SendTemplatedEmailRequest(
        Source="a@b",
        Template="t",
        TemplateData="{}",
        Destination=ses.Destination(ToAddresses=["c@d"]),
        Tags=[ses.MessageTag(Name="n", Value="v")],
        ReplyToAddresses=[""],
    )


def test_an_empty_text_is_a_text() -> None:
    """What is given empty is not absent: it is the operation that judges."""
    form = b"Action=SetIdentityMailFromDomain&Identity=a.b&MailFromDomain="

    assert parsed(form) == ses.SetIdentityMailFromDomainRequest(Identity="a.b", MailFromDomain="")


@pytest.mark.parametrize(("word", "value"), [(b"true", True), (b"false", False), (b"True", True)])
def test_booleans(word: bytes, value: bool) -> None:
    """A boolean is true or false."""
    form = b"Action=SetIdentityDkimEnabled&Identity=a.b&DkimEnabled=" + word

    assert parsed(form) == ses.SetIdentityDkimEnabledRequest(Identity="a.b", DkimEnabled=value)


def test_blobs_and_moments() -> None:
    """A blob is base64, a moment ISO 8601."""
    raw = b"Action=SendRawEmail&RawMessage.Data=AAEC%2Bv8%3D"
    bounce = (
        b"Action=SendBounce&OriginalMessageId=m&BounceSender=a%40b&BouncedRecipientInfoList.member.1.Recipient=r"
        b"&MessageDsn.ReportingMta=dns%3Bx&MessageDsn.ArrivalDate=2026-09-25T04%3A59%3A44.592Z"
    )

    assert parsed(raw) == ses.SendRawEmailRequest(RawMessage=ses.RawMessage(Data=b"\x00\x01\x02\xfa\xff"))
    dsn = parsed(bounce).MessageDsn  # type: ignore[attr-defined]
    assert dsn.ArrivalDate == 1790312384.592


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            b"Action=SetIdentityDkimEnabled&Identity=a&DkimEnabled=yes",
            "The value of DkimEnabled is not a boolean: true or false.",
        ),
        (
            b"Action=SetIdentityDkimEnabled&Identity=a&DkimEnabled=",
            "The value of DkimEnabled is not a boolean: true or false.",
        ),
        (b"Action=ListIdentities&MaxItems=abc", "The value of MaxItems is not an integer."),
        (b"Action=ListIdentities&MaxItems=1.0", "The value of MaxItems is not an integer."),
        (b"Action=ListIdentities&MaxItems=4294967296", "The value of MaxItems is not an integer."),
        (b"Action=ListIdentities&MaxItems=" + b"9" * 5000, "The value of MaxItems is not an integer."),
        (b"Action=SendRawEmail&RawMessage.Data=%21", "The value of Data is not base64."),
        (
            b"Action=SendBounce&MessageDsn.ArrivalDate=yesterday",
            "The value of ArrivalDate is not an ISO 8601 timestamp.",
        ),
        (
            b"Action=SendBounce&MessageDsn.ArrivalDate=2026-13-45T99%3A00%3A00Z",
            "The value of ArrivalDate is not an ISO 8601 timestamp.",
        ),
    ],
)
def test_a_value_of_the_wrong_type(form: bytes, message: str) -> None:
    """MalformedInput names the member, and does not repeat the value."""
    assert refused(form) == (FaultKind.MALFORMED_INPUT, message)


@pytest.mark.parametrize(
    "form",
    [b"Action=%FF", b"Action=ListIdentities&%C3=1", b"\xff\xfe", b"Action=ListIdentities&X=%ED%A0%80"],
)
def test_what_is_no_text(form: bytes) -> None:
    """A form that is not UTF-8 is malformed as a whole."""
    assert refused(form)[0] is FaultKind.MALFORMED_QUERY


def test_endless_parameters_are_refused() -> None:
    """Work is bounded before it is begun."""
    form = b"Action=ListIdentities" + b"&a=1" * query.MOST_PARAMETERS

    assert refused(form)[0] is FaultKind.MALFORMED_QUERY


def test_an_endless_name_is_ignored() -> None:
    """A name deeper than any shape leads nowhere."""
    form = b"Action=ListIdentities&" + b"a." * 100_000 + b"=1"

    assert parsed(form) == ses.ListIdentitiesRequest()


def test_what_is_required_is_told_by_name() -> None:
    """An absent member is a ValidationError, in the words of the vendor (spec 7.4)."""
    assert refused(b"Action=PutIdentityPolicy&Identity=a.b&PolicyName=p") == (
        FaultKind.VALIDATION,
        (
            "1 validation error detected: "
            "Value at 'policy' failed to satisfy constraint: Member must not be null"
        ),
    )


PARTS = st.sampled_from(
    [*b"=&.%+", "member", "entry", "key", "1", "2", "Identities", "Destination", "Rule", "Actions", "\xff"]
).map(lambda part: bytes([part]) if isinstance(part, int) else part.encode())


@given(st.sampled_from(NAMES), st.lists(PARTS | st.binary(max_size=3), max_size=20).map(b"".join))
def test_no_form_raises_anything_but_a_fault(name: str, rest: bytes) -> None:
    """Any bytes where a form should be are read, or refused."""
    try:
        query.parse(b"Action=" + name.encode() + b"&" + rest)
    except Fault as fault:
        kind = fault.kind
    else:
        kind = None

    assert kind in {
        None,
        FaultKind.VALIDATION,
        FaultKind.MALFORMED_INPUT,
        FaultKind.MALFORMED_QUERY,
        FaultKind.UNKNOWN_OPERATION,
    }
