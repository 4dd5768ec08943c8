"""Whatever is asked in either protocol: nothing answers as a mistake of ours, no error is one of nobody's.

The requests are drawn from the shapes, with members that are right, nearly right and of another kind
altogether; they go signed through the real edge to a real database. The draw is the same in every run.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from callers import Caller, Heard, documented, segment
from desk import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indicia.domain.identities.identity import Facet, Status
from indicia.operations.own.api import declared
from indicia.operations.own.route import OwnRoute
from indicia.operations.registry import REGISTRY
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.wire import shapes
from indicia.wire.aws.validation import validate
from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, Structure, members

# What is told elsewhere needs more than the store.
ANSWERED = {key for key, entry in REGISTRY.items() if entry.handling.handler is not None}
BUILT = [key for key in REGISTRY if key[0] != "indicia"]
BOUNDED = settings(
    max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
MODELS = {
    service: ServiceModel(Loader().load_service_model(service, "service-2"), service)
    for service in ("ses", "sts")
}

# Refuses a bad token without a word, as the vendor was seen to do.
SILENT = ("ses", "ListConfigurationSets")

NAMES = [
    *("example.com", "EXAMPLE.com", "mail.example.com", "other.example", "new.example", "ann@example.com"),
    *("ann+label@example.com", "Ann@Example.com", "ada@elsewhere.example", '"a b"@example.com', "a@b"),
    *("", " ", "@", "a@", "@a", "a@b@c", "a b.example", "com", "co.uk", "münchen.example", "example.com."),
    *("a" * 64 + ".example", "a" * 330 + "@example.com", "é@example.com", "a\x00.example", "1.2.3.4"),
    "arn:aws:ses:eu-west-1:111122223333:identity/example.com",
]
DOCUMENT = json.dumps(
    {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": "444455556666"},
            "Action": "ses:SendEmail",
            "Resource": "arn:aws:ses:eu-west-1:{account}:identity/example.com",
        }
    }
)
URLS = ["https://example.com/yes", "http://example.com", "javascript:alert(1)", "https://", "no url"]
POOLS: dict[str, list[str]] = {
    **dict.fromkeys(
        ("EmailIdentity", "Identity", "Identities", "Domain", "EmailAddress", "FromEmailAddress"), NAMES
    ),
    "FromAddress": NAMES,
    "AdditionalContactEmailAddresses": NAMES,
    "MailFromDomain": ["bounce.example.com", "example.com", "bounce.other.example", "", "b_.example.com"],
    "CustomRedirectDomain": ["click.example.com", "click.other.example", ""],
    "ConfigurationSetName": ["main", "none", "", "a b", "m" * 65, "é"],
    "Name": ["main", "second", "", "a b"],
    "TemplateName": ["template", "second", "", "t" * 65, "a b", "é"],
    "TemplateContent": ["<html><body>Please.</body></html>", "", "\x00", "<script>"],
    "TemplateSubject": ["Is this you?", "", "two\nlines"],
    "SuccessRedirectionURL": URLS,
    "FailureRedirectionURL": URLS,
    "PolicyName": ["policy", "second", "", "a b", "p" * 65],
    "PolicyNames": ["policy", "second", "", "p" * 65],
    "Policy": [DOCUMENT, "{}", "", "[]", "no JSON", '{"Statement": {}}', '{"Statement": NaN}', "x" * 5000],
    "ResourceArn": [
        "arn:aws:ses:eu-west-1:{account}:identity/example.com",
        "arn:aws:ses:eu-west-1:{account}:identity/ann@example.com",
        "arn:aws:ses:eu-west-1:{account}:identity/",
        "arn:aws:ses:eu-west-1:{account}:configuration-set/main",
        "arn:aws:ses:eu-west-1:{account}:custom-verification-email-template/template",
        "arn:aws:ses:eu-west-1:{account}:contact-list/x",
        "arn:aws:ses:us-east-1:{account}:identity/example.com",
        "arn:aws:ses:eu-west-1:999999999999:identity/example.com",
        *("arn:aws:s3:::bucket", "arn:", "", "no arn"),
    ],
    "CertificateArn": ["arn:aws:acm:eu-west-1:{account}:certificate/01-ab", "", "arn:aws:acm:", "a" * 3000],
    "SnsTopic": [
        *("arn:aws:sns:eu-west-1:{account}:topic", "arn:aws:sns:eu-west-1:{account}:topic.fifo", "", "x"),
        "arn:aws:sns:us-east-1:{account}:topic",
    ],
    "NextToken": ["", "AAAA", "x" * 100, "{"],
    "Key": ["team", "", "aws:team", "k" * 129, "é", "a\tb"],
    "TagKeys": ["team", "", "k" * 129],
    "Value": ["mail", "", "v" * 257, "\x00"],
    "DomainSigningSelector": ["selector", "", "a.b", "s" * 64],
    "DomainSigningPrivateKey": ["QUJD", "", "no base64", "A" * 21000],
    "WebsiteURL": ["https://example.com", "", "no url"],
}
ODD = st.text(st.characters(codec="utf-8"), max_size=12)
WRONG = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], ["x"], [None], {}, {"x": "y"}, "x" * 3000])


def drawn(kind: Kind, name: str) -> st.SearchStrategy[Any]:
    """Values for a member of this name: mostly of its kind, at times of another."""
    return st.one_of(_right(kind, name), _right(kind, name), _right(kind, name), WRONG)


def _right(kind: Kind, name: str) -> st.SearchStrategy[Any]:
    match kind:
        case Structure(shape):
            return st.deferred(lambda: requests(shape))
        case ListOf(item):
            return st.lists(drawn(item, name), max_size=3)
        case MapOf(key, value):
            return st.dictionaries(_right(key, name), drawn(value, name), max_size=3)
        case Scalar("boolean"):
            return st.booleans()
        case Scalar("integer" | "long"):
            return st.sampled_from([0, 1, 2, 50, 1000, 1001, -1, 2**31 - 1, 2**40])
        case Scalar(_, rule) if rule.one_of:
            return st.sampled_from([*rule.one_of, "NONE_OF_THEM"])
    pool = st.sampled_from(POOLS.get(name, ["x", ""]))
    return st.one_of(pool, pool, pool, ODD)


def requests(shape: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """Members of a shape, each of them there or not, and now and then one that nobody knows."""
    known = {member.name: drawn(member.kind, member.name) for member in members(shape)}
    needed = {member.name for member in members(shape) if member.required}
    mostly = st.fixed_dictionaries(
        {name: known[name] for name in needed},
        optional={name: each for name, each in known.items() if name not in needed},
    )
    return st.one_of(mostly, mostly, st.fixed_dictionaries({}, optional={**known, "Unknown": WRONG}))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for all; each test has an account of its own in it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('any') / 'indicia.db'}"
    schema.migrate(url)
    opened = open_database(url)
    yield opened
    opened.close()


_NUMBERS = itertools.count(100_000_000_000)


@pytest.fixture
def caller(database: Database) -> Iterator[Caller]:
    """A caller whose account has one of everything."""
    desk = Desk(database)
    desk.account = str(next(_NUMBERS))
    desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    desk.ask("CreateEmailIdentity", EmailIdentity="ann@example.com")
    desk.find("ann@example.com", Facet.LINK, Status.SUCCESS)
    desk.ask("CreateConfigurationSet", ConfigurationSetName="main")
    desk.ask("CreateCustomVerificationEmailTemplate", **TEMPLATE)
    document = DOCUMENT.replace("{account}", desk.account)
    desk.ask("CreateEmailIdentityPolicy", EmailIdentity="example.com", PolicyName="policy", Policy=document)
    made = Caller(desk)
    yield made
    made.loop.close()


TEMPLATE = {
    "TemplateName": "template",
    "FromEmailAddress": "ann@example.com",
    "TemplateSubject": "Is this you?",
    "TemplateContent": "Please say so.",
    "SuccessRedirectionURL": "https://example.com/yes",
    "FailureRedirectionURL": "https://example.com/no",
}


def in_account(value: Any, account: str) -> Any:
    """Return the value with the caller's account where an account stands."""
    if isinstance(value, str):
        return value.replace("{account}", account)
    if isinstance(value, list):
        return [in_account(each, account) for each in value]
    if isinstance(value, dict):
        return {in_account(name, account): in_account(each, account) for name, each in value.items()}
    return value


def judged(service: str, name: str, heard: Heard) -> None:
    """The answer is one that the operation documents, and one that SDKs can read."""
    operation = shapes.operations(service)[name]
    if heard.code:
        assert 400 <= heard.status < 500, (name, heard)
        assert heard.code in documented(operation), (name, heard)
        assert heard.message or (service, name) == SILENT, (name, heard)
        return
    assert heard.status == 200, (name, heard)
    if service != "sesv2":
        model = MODELS[service].operation_model(name)
        parsed = create_parser("query").parse(
            {"status_code": 200, "headers": {}, "body": heard.body}, model.output_shape
        )
        assert parsed["ResponseMetadata"]["RequestId"]
    elif operation.response is not None:
        validate(msgspec.json.decode(heard.body, type=operation.response))


@pytest.mark.parametrize(("service", "name"), BUILT, ids=lambda part: part)
def test_any_request(caller: Caller, service: str, name: str) -> None:
    """Of every operation that is built: an answer, or an error that it documents."""

    @BOUNDED
    @given(requests(shapes.operations(service)[name].request))
    def ask(members: dict[str, Any]) -> None:
        heard = caller.call(service, name, in_account(members, caller.desk.account))

        judged(service, name, heard)

    ask()


OWN = [route for route in declared() if ("indicia", route.operation) in ANSWERED]
BODIES = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "url": st.sampled_from(["https://hooks.example/", "http://x/", "", "https://[::1"]) | WRONG,
            "types": st.lists(st.sampled_from(["dkim.lost", "none"]), max_size=2) | WRONG,
            "description": ODD | WRONG,
            "enabled": st.booleans() | WRONG,
            "event": ODD | WRONG,
            "since": st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999", ""])
            | WRONG,
            "principal": st.sampled_from(["444455556666", "arn:aws:iam::444455556666:root", ""]) | WRONG,
            "action": st.sampled_from(["ses:SendEmail", "", "ses:*"]) | WRONG,
            "resource": st.sampled_from(POOLS["ResourceArn"]) | WRONG,
            "context": st.dictionaries(ODD, WRONG, max_size=2) | WRONG,
        },
    ).map(lambda body: json.dumps(body).encode()),
    st.binary(max_size=20),
)


@pytest.mark.parametrize("route", OWN, ids=lambda route: route.operation)
def test_any_request_of_our_own(caller: Caller, route: OwnRoute[Any, Any]) -> None:
    """Under `/indicia/v1/` too, each call answers or says what is wrong, and that it is the caller's."""

    @BOUNDED
    @given(
        st.sampled_from(NAMES), st.sampled_from(["", "format=json", "format=x", "replica-region=x"]), BODIES
    )
    def ask(name: str, query: str, body: bytes) -> None:
        path = re.sub(r"\{\w+\}", segment(name), route.template)

        heard = caller.ask(route.method, path, query, body, service="ses")

        assert heard.status < 500, heard
        assert heard.message or not heard.code

    ask()


CALLS = st.sampled_from([key for key in BUILT if key[0] != "sts"]).flatmap(
    lambda key: st.tuples(st.just(key), requests(shapes.operations(key[0])[key[1]].request))
)


@settings(BOUNDED, max_examples=60)
@given(st.lists(CALLS, min_size=2, max_size=10))
def test_any_conversation(database: Database, calls: list[tuple[tuple[str, str], dict[str, Any]]]) -> None:
    """Calls one after another in an account of their own, in both protocols: each on what others left."""
    desk = Desk(database)
    desk.account = str(next(_NUMBERS))
    caller = Caller(desk)
    for (service, name), asked in calls:
        judged(service, name, caller.call(service, name, in_account(asked, desk.account)))
    caller.loop.close()
