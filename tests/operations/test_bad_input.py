"""Each member of each operation, wrong in each way it can be: refused as documented, with nothing written.

The members, and what is asked of them, are read from the vendor's own service models; the requests go signed
through the edge, in both protocols, to an account that has one of everything.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape
from callers import COMMON, Heard, Watched, documented
from desk import Desk

from indicia.domain.identities.identity import Facet, Status
from indicia.operations.registry import REGISTRY
from indicia.store.engine import schema
from indicia.store.engine.opening import open_database
from indicia.wire import shapes

MODELS = {
    service: ServiceModel(Loader().load_service_model(service, "service-2"), service)
    for service in ("ses", "sesv2")
}
BUILT = [key for key in REGISTRY if key[0] in MODELS]
ACCOUNT = "111122223333"
DOMAIN, ADDRESS = "example.com", "ann@example.com"
DOCUMENT = (
    '{"Statement":{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"ses:SendEmail",'
    f'"Resource":"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/example.com"}}}}'
)

# What is right for a member of this name, wherever it stands. Anything else is right by its kind.
RIGHT: dict[str, Any] = {
    **dict.fromkeys(("EmailIdentity", "Identity", "Domain"), DOMAIN),
    **dict.fromkeys(("EmailAddress", "FromEmailAddress", "FromAddress"), ADDRESS),
    "Identities": [DOMAIN],
    "MailFromDomain": "bounce.example.com",
    "CustomRedirectDomain": "click.example.com",
    "ConfigurationSetName": "main",
    "Name": "main",
    "TemplateName": "template",
    "SuccessRedirectionURL": "https://example.com/yes",
    "FailureRedirectionURL": "https://example.com/no",
    "PolicyName": "policy",
    "PolicyNames": ["policy"],
    "Policy": DOCUMENT,
    "ResourceArn": f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/{DOMAIN}",
    "CertificateArn": f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/0123-abcd",
    "SnsTopic": f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic",
    "NextToken": "",
    "DomainSigningSelector": "selector",
    "DomainSigningPrivateKey": "QUJD",
    "WebsiteURL": "https://example.com",
    "AdditionalContactEmailAddresses": [ADDRESS],
    "ArchiveArn": f"arn:aws:ses:eu-west-1:{ACCOUNT}:mailmanager-archive/a-abcdefghijklmnopqrstuvwx",
    "Filter": {},
}


def right(shape: Shape, name: str) -> Any:
    """Return a right value for a member."""
    if name in RIGHT:
        return copy.deepcopy(RIGHT[name])
    if isinstance(shape, StructureShape):
        return {member: right(inner, member) for member, inner in shape.members.items()}
    if isinstance(shape, ListShape):
        return [right(shape.member, name)]
    if isinstance(shape, MapShape):
        return {}
    if isinstance(shape, StringShape):
        return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))
    plain = {"boolean": True, "integer": 10, "long": 3600, "double": 1.5, "timestamp": "2026-01-01T00:00:00Z"}
    return plain[shape.type_name]


@dataclass(frozen=True)
class Wrong:
    """One defect: `place` is the way to the member, `codes` what it may be called, `said` what is told."""

    place: tuple[str, ...]
    defect: str
    value: Any
    codes: frozenset[str]
    said: str = ""


ABSENT = object()
_RANGES = {"less": "less than or equal to", "greater": "greater than or equal to"}


def wrongs(service: str, name: str) -> Iterator[Wrong]:
    """Yield every way in which one member of a request of the operation can be wrong."""
    operation = MODELS[service].operation_model(name)
    if operation.input_shape is not None:
        yield from _within(service, operation.input_shape, (), outermost=True)


def _within(
    service: str, shape: StructureShape, place: tuple[str, ...], *, outermost: bool = False
) -> Iterator[Wrong]:
    for member, inner in shape.members.items():
        here = (*place, member)
        in_path = inner.serialization.get("location") == "uri"
        if member in shape.required_members and not in_path:
            yield from _missing(service, inner, here)
        yield from _ruled(service, inner, here, in_path=in_path)
        if inner.serialization.get("location") is None:
            yield from _of_another_kind(service, inner, here)
        if isinstance(inner, StructureShape):
            yield from _within(service, inner, here)


# How the two versions call a request whose members break a rule, and one that cannot be read.
BROKEN = {"ses": frozenset({"ValidationError"}), "sesv2": frozenset({"BadRequestException"})}
UNREADABLE = {"ses": frozenset({"MalformedInput"}), "sesv2": frozenset({"SerializationException"})}
# "Absent = false" (spec 2.2): the model requires nothing here, and null is no boolean.
NULLS = {"ses": (ABSENT,), "sesv2": (ABSENT, None)}


def _missing(service: str, shape: Shape, here: tuple[str, ...]) -> Iterator[Wrong]:
    for value in NULLS[service]:
        unreadable = value is None and shape.type_name == "boolean"
        codes = UNREADABLE[service] if unreadable else BROKEN[service]
        said = "" if unreadable else "Member must not be null"
        yield Wrong(here, "missing" if value is ABSENT else "null", value, codes, said)


# The vendor has other words for what is no URL.
PATTERNLESS = {"WebsiteURL": "Url contains invalid format"}


def _ruled(service: str, shape: Shape, here: tuple[str, ...], *, in_path: bool) -> Iterator[Wrong]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(shape, StringShape):
        if shape.enum:
            said = f"Member must satisfy enum value set: [{', '.join(sorted(shape.enum))}]"
            yield Wrong(here, "no value of the enumeration", "NONE_OF_THEM", BROKEN[service], said)
        if least and not in_path:
            said = f"Member must have length {_RANGES['greater']} {least}"
            yield Wrong(here, "too short", "x" * (least - 1), BROKEN[service], said)
        if most and here[-1] != "ArchiveArn":
            said = f"Member must have length {_RANGES['less']} {most}"
            yield Wrong(here, "too long", "x" * (most + 1), BROKEN[service], said)
        if shape.metadata.get("pattern"):
            said = PATTERNLESS.get(here[-1], "Member must satisfy regular expression pattern: ")
            yield Wrong(here, "off the pattern", " \t" * max(1, (least or 1)), BROKEN[service], said)
    elif isinstance(shape, ListShape):
        if least and service == "sesv2":  # a form says "no list" by leaving it out
            said = f"Member must have length {_RANGES['greater']} {least}"
            yield Wrong(here, "too short", [], BROKEN[service], said)
        if most:
            said = f"Member must have length {_RANGES['less']} {most}"
            value = right(shape, here[-1])[:1] * (most + 1)
            yield Wrong(here, "too long", value, BROKEN[service], said)


def _of_another_kind(service: str, shape: Shape, here: tuple[str, ...]) -> Iterator[Wrong]:
    """Yield values of another type. In a form all is text: only what text stands for can be wrong."""
    kind = shape.type_name
    if service == "ses":
        if kind in {"boolean", "integer", "double", "timestamp"}:
            yield Wrong(here, "of another type", "perhaps", UNREADABLE[service])
        return
    others: dict[str, tuple[Any, ...]] = {
        "string": (5, True, [], {}),
        "boolean": (5, "perhaps", [], {}),
        "list": ("x", 5, {}),
        "map": ("x", 5, []),
        "structure": ("x", 5, []),
    }
    for value in others.get(kind, ("perhaps", True, [], {})):
        yield Wrong(here, f"of another type: {value!r}", value, UNREADABLE[service])


def changed(members: dict[str, Any], wrong: Wrong) -> dict[str, Any]:
    """Return the members with the defect in them."""
    whole = copy.deepcopy(members)
    inner = whole
    for name in wrong.place[:-1]:
        inner = inner[name]
    inner[wrong.place[-1]] = wrong.value
    if wrong.value is ABSENT:
        del inner[wrong.place[-1]]
    return whole


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A caller whose account has one of everything."""
    path = tmp_path_factory.mktemp("bad") / "indicia.db"
    schema.migrate(f"sqlite:///{path}")
    database = open_database(f"sqlite:///{path}")
    desk = Desk(database)
    for name in (DOMAIN, ADDRESS):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find(DOMAIN, Facet.DKIM, Status.SUCCESS)
    desk.find(ADDRESS, Facet.LINK, Status.SUCCESS)
    desk.ask("CreateConfigurationSet", ConfigurationSetName="main")
    desk.ask("CreateEmailIdentityPolicy", EmailIdentity=DOMAIN, PolicyName="policy", Policy=DOCUMENT)
    texts = ("TemplateSubject", "TemplateContent")
    urls = ("SuccessRedirectionURL", "FailureRedirectionURL")
    template = {**dict.fromkeys(texts, "Please say so."), **dict.fromkeys(urls, "https://example.com/")}
    desk.ask(
        "CreateCustomVerificationEmailTemplate",
        TemplateName="template",
        FromEmailAddress=ADDRESS,
        **template,
    )
    made = Watched(desk, path)
    yield made
    made.close()
    database.close()


@pytest.mark.parametrize(("service", "name"), BUILT, ids=lambda part: part)
def test_each_member_wrong_in_each_way(caller: Watched, service: str, name: str) -> None:
    """The refusal has the code of its kind and says which rule is broken; nothing at all is stored."""
    shape = MODELS[service].operation_model(name).input_shape
    members = {} if shape is None else right(shape, name)
    before = caller.stored()
    for wrong in wrongs(service, name):
        heard = caller.call(service, name, changed(members, wrong))

        assert heard.code in wrong.codes, (wrong, heard)
        assert wrong.said in heard.message, (wrong, heard)
    assert caller.stored() == before


@pytest.mark.parametrize(("service", "name"), BUILT, ids=lambda part: part)
def test_members_that_nobody_knows_are_ignored(caller: Watched, service: str, name: str) -> None:
    """An answer or a refusal is the same with them, at the top and within."""
    shape = MODELS[service].operation_model(name).input_shape
    members = {} if shape is None else right(shape, name)
    more = with_unknown(members)
    known = outcome(caller.call(service, name, _spoilt(members)))

    assert outcome(caller.call(service, name, _spoilt(more))) == known
    assert known[0] in documented(shapes.operations(service)[name]) | {""}


def with_unknown(value: Any) -> Any:
    """Return the value with a member that nobody knows in each structure. Maps are no structures."""
    if not isinstance(value, dict):
        return value
    inner = {name: part if name == "Filter" else with_unknown(part) for name, part in value.items()}
    return {**inner, "Nobody": "knows"}


def _spoilt(value: Any) -> Any:
    """Return the members so that the call changes nothing that the next one would find otherwise."""
    if not isinstance(value, dict):
        return value
    return {name: "no name" if name in NAMING else _spoilt(part) for name, part in value.items()}


NAMING = {
    "EmailIdentity",
    "Identity",
    "Domain",
    "EmailAddress",
    "ConfigurationSetName",
    "Name",
    "TemplateName",
}


def outcome(heard: Heard) -> tuple[str, str]:
    """Return what a call came to."""
    return heard.code, heard.message


def test_the_ways_are_many() -> None:
    """The models were read: the list is no empty one."""
    found = [wrong for service, name in BUILT for wrong in wrongs(service, name)]

    assert len(found) > 400
    assert {wrong.defect.partition(":")[0] for wrong in found} == {
        *("missing", "null", "too short", "too long", "off the pattern", "of another type"),
        "no value of the enumeration",
    }
    assert set(COMMON) > set(MODELS)


def test_what_a_call_writes_is_seen(caller: Watched) -> None:
    """The comparison would tell: a call that succeeds changes what is stored, a refused one does not."""
    before = caller.stored()
    caller.call("sesv2", "CreateConfigurationSet", {"ConfigurationSetName": "main"})
    unchanged = caller.stored()
    caller.call("sesv2", "CreateConfigurationSet", {"ConfigurationSetName": "second"})

    assert unchanged == before
    assert caller.stored() != before
