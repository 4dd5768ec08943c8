"""The limits that SES documents (spec 6.7), each at its edge: as many as it says, and not one more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from callers import Caller, Heard
from desk import Desk

from indicia.domain.identities.identity import Facet, Status
from indicia.domain.rates import Allowance
from indicia.operations.dispatch import Dispatch
from indicia.operations.rate_limiting import Meter
from indicia.settings.limits import PROFILES

ARN = "arn:aws:ses:eu-west-1:111122223333:identity/example.com"
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"AWS": "444455556666"},
    "Action": "ses:SendEmail",
    "Resource": ARN,
}


@pytest.fixture
def caller(sqlite_desk: Desk) -> Iterator[Caller]:
    """A caller with a verified domain."""
    sqlite_desk.ask("CreateEmailIdentity", EmailIdentity="example.com")
    sqlite_desk.find("example.com", Facet.DKIM, Status.SUCCESS)
    made = Caller(sqlite_desk)
    yield made
    made.loop.close()


def metered(desk: Desk, profile: str, second: list[int]) -> Caller:
    """Return a caller whose requests are counted as the profile says; `second` holds the real time."""
    limits = PROFILES[profile]

    def allowance(count: int | None, burst: int | None) -> Allowance | None:
        return None if count is None else Allowance(count, 1000, burst or count)

    meter = Meter(
        account=allowance(limits.requests_per_second, limits.requests_burst),
        operation=allowance(limits.operation_requests_per_second, limits.operation_requests_burst),
        now=lambda: second[0],
    )
    desk.dispatch = Dispatch(desk.database, desk.house, meter=meter)
    return Caller(desk)


def told(heard: Heard) -> tuple[int, str, str]:
    """Return status, code and sentence."""
    return heard.status, heard.code, heard.message


@pytest.mark.parametrize(
    ("service", "operation", "refusal"),
    [
        ("sesv2", "GetAccount", (429, "TooManyRequestsException", "Rate exceeded")),
        ("ses", "GetSendQuota", (400, "Throttling", "Rate exceeded")),
    ],
)
def test_one_request_a_second_and_ten_at_once(
    sqlite_desk: Desk, service: str, operation: str, refusal: tuple[int, str, str]
) -> None:
    """The profile `ses`: each operation by itself, refused in the words on which SDKs back off."""
    second = [1_800_000_000_000]
    caller = metered(sqlite_desk, "ses", second)
    first = [caller.call(service, operation, {}) for _ in range(11)]
    second[0] += 1000
    later = [caller.call(service, operation, {}) for _ in range(2)]
    caller.loop.close()

    assert [heard.status for heard in first[:10]] == [200] * 10
    assert told(first[10]) == refusal
    assert later[0].status == 200
    assert told(later[1]) == refusal


def test_a_hundred_at_once_of_any_operations(sqlite_desk: Desk) -> None:
    """The profile `standard`: all operations of the account together; `off` counts nothing."""
    second = [1_800_000_000_000]
    caller = metered(sqlite_desk, "standard", second)
    calls = [("sesv2", "GetAccount"), ("ses", "GetSendQuota")] * 51
    heard = [caller.call(*call, {}).status for call in calls]
    second[0] += 1000
    later = [caller.call(*call, {}).status for call in calls[:51]]
    caller.loop.close()
    free = metered(sqlite_desk, "off", second)
    unlimited = {free.call("sesv2", "GetAccount", {}).status for _ in range(150)}
    free.loop.close()

    assert heard == [200] * 100 + [429, 400]
    assert later == [200] * 50 + [429]
    assert unlimited == {200}


def test_twenty_policies(caller: Caller) -> None:
    """Of one identity, in either version; the twenty-first is another error in each (spec 7.4)."""
    policy = json.dumps({"Statement": STATEMENT})
    for number in range(20):
        members = {"EmailIdentity": "example.com", "PolicyName": f"p{number}", "Policy": policy}
        assert caller.call("sesv2", "CreateEmailIdentityPolicy", members).status == 200
    one_more = {"PolicyName": "more", "Policy": policy}

    v2 = caller.call("sesv2", "CreateEmailIdentityPolicy", {"EmailIdentity": "example.com", **one_more})
    v1 = caller.call("ses", "PutIdentityPolicy", {"Identity": "example.com", **one_more})

    assert (v2.code, v1.code) == ("LimitExceededException", "InvalidParameterValue")
    again = {"Identity": "example.com", "PolicyName": "p0", "Policy": policy}
    assert caller.call("ses", "PutIdentityPolicy", again).status == 200


@pytest.mark.parametrize(("size", "status"), [(4096, 200), (4097, 400)])
def test_a_policy_of_4_kib(caller: Caller, size: int, status: int) -> None:
    """As many octets as documented, white space included."""
    policy = json.dumps({"Statement": STATEMENT})
    members = {
        "EmailIdentity": "example.com",
        "PolicyName": "p",
        "Policy": policy + " " * (size - len(policy)),
    }

    assert caller.call("sesv2", "CreateEmailIdentityPolicy", members).status == status


@pytest.mark.parametrize(
    ("key", "value", "count", "status"),
    [
        ("k" * 128, "v" * 256, 1, 200),
        ("k" * 129, "v", 1, 400),
        ("k", "v" * 257, 1, 400),
        ("k", "v", 50, 200),
        ("k", "v", 51, 400),
    ],
)
def test_tags(caller: Caller, key: str, value: str, count: int, status: int) -> None:
    """Fifty of a resource, keys to 128 and values to 256 characters (spec 6.4)."""
    keys = [key] if count == 1 else [f"{key}{number}" for number in range(count)]
    tags = [{"Key": each, "Value": value} for each in keys]

    heard = caller.call("sesv2", "TagResource", {"ResourceArn": ARN, "Tags": tags})

    assert heard.status == status
    listed = json.loads(caller.call("sesv2", "ListTagsForResource", {"ResourceArn": ARN}).body)["Tags"]
    assert len(listed) == (count if status == 200 else 0)


PAGES: list[tuple[str, str, dict[str, Any], int]] = [
    *(
        ("sesv2", "ListEmailIdentities", {"PageSize": size}, status)
        for size, status in ((1, 200), (1000, 200))
    ),
    *(("sesv2", "ListEmailIdentities", {"PageSize": size}, 400) for size in (0, 1001, -1)),
    *(("ses", "ListIdentities", {"MaxItems": size}, status) for size, status in ((1, 200), (1000, 200))),
    *(("ses", "ListIdentities", {"MaxItems": size}, 400) for size in (0, 1001, -1)),
    *(("sesv2", "ListCustomVerificationEmailTemplates", {"PageSize": size}, 200) for size in (1, 50)),
    *(("sesv2", "ListCustomVerificationEmailTemplates", {"PageSize": size}, 400) for size in (0, 51)),
    *(("ses", "ListCustomVerificationEmailTemplates", {"MaxResults": size}, 200) for size in (1, 50, 51)),
]


@pytest.mark.parametrize(("service", "operation", "members", "status"), PAGES)
def test_sizes_of_pages(
    caller: Caller, service: str, operation: str, members: dict[str, Any], status: int
) -> None:
    """What each list takes for a size, and what it refuses (spec 6.8)."""
    assert caller.call(service, operation, members).status == status


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 400)])
@pytest.mark.parametrize("about", ["Verification", "Dkim", "MailFromDomain", "Notification"])
def test_a_hundred_identities_a_call(caller: Caller, about: str, count: int, status: int) -> None:
    """Each of the four calls that read many in version 1."""
    names = [f"d{number}.example" for number in range(count)]

    assert caller.call("ses", f"GetIdentity{about}Attributes", {"Identities": names}).status == status


def test_the_length_of_the_key_once_a_day(caller: Caller) -> None:
    """Down to 1024 bits at once, up again when a day is over, never to the one that is chosen (spec 3.4)."""

    def choose(length: str) -> int:
        members = {
            "EmailIdentity": "example.com",
            "SigningAttributesOrigin": "AWS_SES",
            "SigningAttributes": {"NextSigningKeyLength": length},
        }
        return caller.call("sesv2", "PutEmailIdentityDkimSigningAttributes", members).status

    statuses = [
        choose("RSA_2048_BIT"),
        choose("RSA_1024_BIT"),
        choose("RSA_1024_BIT"),
        choose("RSA_2048_BIT"),
    ]
    caller.desk.now += 86_400_000
    statuses.append(choose("RSA_2048_BIT"))

    assert statuses == [400, 200, 400, 400, 200]
