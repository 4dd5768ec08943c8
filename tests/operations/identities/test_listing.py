"""Lists of identities: filters, pages, and tokens that are good for one list only."""

from __future__ import annotations

import msgspec
import pytest
from desk import Desk

from indicia.domain.faults import FaultKind
from indicia.domain.identities.identity import Facet, Status

NAMES = ["a.example", "ann@a.example", "b.example", "bob@b.example", "c.example"]


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """Five identities, of which a.example is verified and c.example has failed."""
    for name in reversed(NAMES):
        desk.ask("CreateEmailIdentity", EmailIdentity=name)
    desk.find("a.example", Facet.DKIM, Status.SUCCESS)
    desk.find("c.example", Facet.DKIM, Status.FAILED)
    return desk


def names(answer: object) -> list[str]:
    """The names of a v2 list."""
    return [item["IdentityName"] for item in msgspec.to_builtins(answer)["EmailIdentities"]]


def test_items_are_listed_by_name_with_status_and_coverage(stocked: Desk) -> None:
    """Verified and not, in the order of their names; what a verified domain covers may send."""
    answer = msgspec.to_builtins(stocked.ask("ListEmailIdentities"))

    assert answer["EmailIdentities"] == [
        {
            "IdentityType": "DOMAIN" if "@" not in name else "EMAIL_ADDRESS",
            "IdentityName": name,
            "SendingEnabled": name in {"a.example", "ann@a.example"},
            "VerificationStatus": {"a.example": "SUCCESS", "c.example": "FAILED"}.get(name, "PENDING"),
        }
        for name in NAMES
    ]
    assert "NextToken" not in answer


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"IDENTITY_TYPE": "DOMAIN"}, ["a.example", "b.example", "c.example"]),
        ({"IDENTITY_TYPE": "EMAIL_ADDRESS"}, ["ann@a.example", "bob@b.example"]),
        ({"IDENTITY_TYPE": "MANAGED_DOMAIN"}, []),
        ({"IDENTITY_NAME_CONTAINS": "b."}, ["b.example", "bob@b.example"]),
        ({"IDENTITY_NAME_CONTAINS": "%"}, []),
        ({"VERIFICATION_STATUS": "PENDING"}, ["ann@a.example", "b.example", "bob@b.example"]),
        ({"VERIFICATION_STATUS": "SUCCESS"}, ["a.example"]),
        ({"VERIFICATION_STATUS": "NOT_STARTED"}, []),
        ({"VERIFICATION_STATUS": "PENDING", "IDENTITY_TYPE": "DOMAIN"}, ["b.example"]),
        ({}, NAMES),
    ],
)
def test_a_filter_keeps_what_meets_all_of_it(stocked: Desk, wanted: dict[str, str], found: list[str]) -> None:
    """Conditions are joined by "and"; the managed type is nobody's."""
    assert names(stocked.ask("ListEmailIdentities", Filter=wanted)) == found


@pytest.mark.parametrize("key", ["IDENTITY_TYPE", "VERIFICATION_STATUS"])
def test_a_value_outside_its_enumeration_is_refused(stocked: Desk, key: str) -> None:
    """An unknown type or status finds no empty list but a refusal that names the allowed values."""
    fault = stocked.refused("ListEmailIdentities", Filter={key: "GREEN"})
    assert fault.kind is FaultKind.INVALID_PARAMETER
    assert f"Value GREEN for filter {key} is invalid." in fault.message


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pages_join_up_to_the_whole(stocked: Desk, size: int) -> None:
    """Page by page nothing is missing or twice, and the last page has no token."""
    found: list[str] = []
    token = ""
    while True:
        answer = stocked.ask("ListEmailIdentities", PageSize=size, NextToken=token)
        found += names(answer)
        if answer.NextToken is None:
            break
        assert len(answer.EmailIdentities) == size
        token = answer.NextToken

    assert found == NAMES


def test_a_token_outlives_what_it_points_at(stocked: Desk) -> None:
    """A page begins behind a name, whether or not that name is still there."""
    token = stocked.ask("ListEmailIdentities", PageSize=2).NextToken
    stocked.ask("DeleteEmailIdentity", EmailIdentity="ann@a.example")
    assert names(stocked.ask("ListEmailIdentities", NextToken=token)) == NAMES[2:]


def test_tokens_are_shared_by_both_versions(stocked: Desk) -> None:
    """A token of v2 continues the v1 list, and one taken with a filter works without it (spec 6.8)."""
    token = stocked.ask("ListEmailIdentities", PageSize=2).NextToken
    assert stocked.ask("ListIdentities", NextToken=token).Identities == NAMES[2:]

    filtered = stocked.ask("ListIdentities", IdentityType="Domain", MaxItems=1).NextToken
    assert names(stocked.ask("ListEmailIdentities", NextToken=filtered)) == NAMES[1:]


def test_a_token_is_good_for_its_list_alone(stocked: Desk) -> None:
    """Another account or region, an altered or invented token: `Invalid NextToken <T>.`."""
    token = stocked.ask("ListEmailIdentities", PageSize=2).NextToken
    altered = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    attempts = [
        (stocked.beside(region="us-east-1"), token),
        (stocked.beside(account="999988887777"), token),
        *((stocked, bad) for bad in (altered, token[:20], "abc", "ä", "=" * 7, token + "A")),
    ]
    for other in (attempts[0][0], attempts[1][0]):
        other.keyring = stocked.keyring
    for desk, bad in attempts:
        for operation in ("ListEmailIdentities", "ListIdentities"):
            fault = desk.refused(operation, NextToken=bad)
            assert fault.kind is FaultKind.INVALID_PARAMETER
            quoted = bad if len(bad) <= 100 else f"{bad[:100]}... ({len(bad) - 100} more characters)"
            assert fault.message == f"Invalid NextToken <{quoted}>."


@pytest.mark.parametrize("size", [-1, 0, 1001])
def test_a_page_size_out_of_range_is_named(stocked: Desk, size: int) -> None:
    """1 to 1000 in both versions, each with its own parameter in the sentence."""
    for operation, parameter in (("ListEmailIdentities", "PageSize"), ("ListIdentities", "MaxItems")):
        fault = stocked.refused(operation, **{parameter: size})
        assert fault.message == (
            f"Value {size} for parameter {parameter} is invalid. {parameter} must be between 1 and 1000."
        )


def test_v2_lists_twenty_five_and_v1_a_thousand(desk: Desk) -> None:
    """The defaults of the two versions differ (spec 6.8)."""
    for number in range(30):
        desk.ask("VerifyDomainIdentity", Domain=f"d{number:02}.example")

    assert len(desk.ask("ListEmailIdentities").EmailIdentities) == 25
    assert len(desk.ask("ListIdentities").Identities) == 30


def test_v1_lists_by_type_and_the_verified_addresses(stocked: Desk) -> None:
    """ListIdentities takes a type; ListVerifiedEmailAddresses shows addresses proved by their own link."""
    assert stocked.ask("ListIdentities", IdentityType="EmailAddress").Identities == NAMES[1:4:2]
    assert stocked.ask("ListVerifiedEmailAddresses").VerifiedEmailAddresses == []

    stocked.find("bob@b.example", Facet.LINK, Status.SUCCESS)

    assert stocked.ask("ListVerifiedEmailAddresses").VerifiedEmailAddresses == ["bob@b.example"]
