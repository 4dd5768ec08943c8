"""`indicia key` and `indicia account`: on the database, beside a server that may be running."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from invocation import Run

from indicia.domain.accounts.account import ReviewStatus
from indicia.settings import load
from indicia.store.accounts import access, account_regions
from indicia.store.accounts.account_regions import AccountRegion, Review
from indicia.store.engine.opening import open_database
from indicia.vault import keyring, purposes


def account(indicia: Run) -> str:
    """Make an account and return its number."""
    return indicia("account", "create").out.strip()


def stored(key_id: str) -> access.AccessKey:
    """Return the stored key."""
    database = open_database(load().database_url.text)
    try:
        found = database.read(lambda s: access.get_key(s, key_id))
    finally:
        database.close()
    assert found is not None
    return found


def test_an_account_gets_a_number_of_its_own(indicia: Run) -> None:
    """Twelve digits, not the sandbox's, and a different one each time."""
    numbers = {account(indicia) for _ in range(3)}

    assert len(numbers) == 3
    assert all(re.fullmatch(r"[1-9][0-9]{11}", number) for number in numbers)


def test_an_account_is_listed_with_its_contact(indicia: Run) -> None:
    """A number may be chosen; the list has it, with who is behind it."""
    indicia("account", "create", "123456789012", "--contact", "ops@a.example")

    (listed,) = indicia("account", "list", "--json").json
    assert listed.pop("created_at").endswith("Z")
    assert listed == {
        "account": "123456789012",
        "contact": "ops@a.example",
        "production_access": True,
        "sending_enabled": True,
        "under_review": [],
    }
    assert "123456789012" in indicia("account", "list").out


def test_a_number_is_given_once(indicia: Run) -> None:
    """A second account of the same number is refused."""
    indicia("account", "create", "123456789012")
    done = indicia("account", "create", "123456789012")

    assert (done.status, done.err) == (1, "indicia: there is an account 123456789012 already\n")


def test_a_key_looks_as_the_contract_says_and_its_secret_is_sealed(indicia: Run) -> None:
    """AKIA and 16, a secret of 40, each whole on its line; the store has the secret encrypted only."""
    done = indicia("key", "create", "--account", account(indicia))
    key_id = re.search(r"^access key id +(AKIA[A-Z0-9]{16})$", done.out, re.MULTILINE)
    secret = re.search(r"^secret access key +([A-Za-z0-9+/]{40})$", done.out, re.MULTILINE)

    assert key_id is not None
    assert secret is not None
    kept = stored(key_id[1])
    ring = keyring.load(load().master_key_file)
    assert secret[1].encode() not in kept.secret
    assert ring.open(kept.secret, purposes.access_key(key_id[1])) == secret[1].encode()


def test_a_key_may_be_a_users_with_a_policy(indicia: Run, tmp_path: Path) -> None:
    """The policy is kept as one line of JSON; the list says whose the key is."""
    policy = tmp_path / "policy.json"
    policy.write_text('{\n  "Statement": [ {"Effect": "Allow", "Action": "ses:*", "Resource": "*"} ]\n}')
    number = account(indicia)

    made = indicia(
        "key", "create", "--account", number, "--user", "bob", "--policy", str(policy), "--json"
    ).json

    assert made["arn"] == f"arn:aws:iam::{number}:user/bob"
    kept = stored(made["access_key_id"])
    assert (kept.user_name, kept.account) == ("bob", number)
    assert kept.policy == '{"Statement":[{"Effect":"Allow","Action":"ses:*","Resource":"*"}]}'
    (listed,) = indicia("key", "list", "--json").json
    assert (listed["arn"], listed["policy"], listed["revoked_at"]) == (made["arn"], True, None)
    assert made["secret_access_key"] not in indicia("key", "list").out + indicia("key", "list", "--json").out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not JSON: "),
        ("[]", "it is not a JSON object"),
        ('{"Statement": "x"}', "it has no Statement"),
        ('{"Statement": [{"Sid": "%s"}]}' % ("x" * 7000), "at most 6144 are allowed"),
        ('{"Statement": [], "Statement": []}', "Statement is given twice in one object"),
        (
            '{"Statement": {"Effect": "Allow", "Action": "ses:GetEmailIdentiy", "Resource": "*"}}',
            "Statement 1 has the action ses:GetEmailIdentiy, and there is none.",
        ),
        (
            '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "ses:*", "Resource": "*"}}',
            "statement 1 has an element Principal",
        ),
    ],
)
def test_a_policy_that_is_none_is_refused(
    indicia: Run, tmp_path: Path, text: str | None, sentence: str
) -> None:
    """The file is named, and no key is made."""
    policy = tmp_path / "policy.json"
    if text is not None:
        policy.write_text(text)
    number = account(indicia)

    done = indicia("key", "create", "--account", number, "--policy", str(policy))

    assert (done.status, done.out) == (2, "")
    assert str(policy) in done.err
    assert sentence in done.err
    assert indicia("key", "list", "--json").json == []


def test_a_revoked_key_stays_listed_and_is_revoked_once(indicia: Run) -> None:
    """The list keeps it with the instant; a second revocation says that it was done before."""
    first, second = account(indicia), account(indicia)
    keys = [
        indicia("key", "create", "--account", of, "--json").json["access_key_id"] for of in (first, second)
    ]

    assert indicia("key", "revoke", keys[0]).out == f"{keys[0]} is revoked\n"
    again = indicia("key", "revoke", keys[0])

    assert (again.status, again.err) == (1, f"indicia: the access key {keys[0]} was revoked before\n")
    listed = {key["access_key_id"]: key["revoked_at"] for key in indicia("key", "list", "--json").json}
    assert listed.keys() == set(keys)
    assert listed[keys[0]] is not None
    assert listed[keys[1]] is None
    (only,) = indicia("key", "list", "--account", second, "--json").json
    assert only["access_key_id"] == keys[1]


def ask_for_production(number: str, *regions: str) -> None:
    """Let the account have asked for production access, as PutAccountDetails does."""
    database = open_database(load().database_url.text)
    try:
        for region in regions:
            asked = AccountRegion(number, region, review=Review(ReviewStatus.PENDING, "1000", 5))
            database.write(lambda s, asked=asked: account_regions.put(s, asked))
    finally:
        database.close()


def in_region(number: str, region: str) -> tuple[bool | None, str | None]:
    """Return the production access of the account in a region, and how its review stands."""
    database = open_database(load().database_url.text)
    try:
        found = database.read(lambda s: account_regions.get(s, number, region))
    finally:
        database.close()
    return found.production_access, found.review.status.value if found.review else None


def test_production_access_is_the_operators_to_give(indicia: Run) -> None:
    """Whoever asked is listed; approving answers every region that waits, denying the one that is named."""
    number = account(indicia)
    ask_for_production(number, "eu-west-1", "us-east-1", "us-west-2")
    (listed,) = indicia("account", "list", "--json").json
    assert listed["under_review"] == ["eu-west-1", "us-east-1", "us-west-2"]
    assert "eu-west-1 us-east-1 us-west-2" in indicia("account", "list").out

    denied = indicia("account", "deny", number, "--region", "us-west-2")
    approved = indicia("account", "approve", number)

    assert denied.out == f"{number} us-west-2 DENIED\n"
    assert approved.out == f"{number} eu-west-1 GRANTED\n{number} us-east-1 GRANTED\n"
    assert in_region(number, "eu-west-1") == in_region(number, "us-east-1") == (True, "GRANTED")
    assert in_region(number, "us-west-2") == (False, "DENIED")


def test_a_decision_that_nobody_asked_for_names_its_region(indicia: Run) -> None:
    """Without a request there is nothing to answer; with a region it is decided all the same."""
    number = account(indicia)

    nothing = indicia("account", "approve", number)
    assert (nothing.status, nothing.err.count("\n")) == (1, 1)
    assert "has asked for nothing" in nothing.err

    assert indicia("account", "deny", number, "--region", "eu-west-1").status == 0
    assert in_region(number, "eu-west-1") == (False, None)


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("approve", "12"), 2, "12 digits"),
        (("approve", "999988887777"), 1, "there is no account 999988887777"),
        (("deny", "999988887777", "--region", "moon-1"), 2, "moon-1 is not a region served here"),
    ],
)
def test_a_decision_about_nobody_is_refused(
    indicia: Run, words: tuple[str, ...], status: int, complaint: str
) -> None:
    """A malformed number, an account that does not exist, a region that is not served."""
    indicia("account", "create", "123456789012")

    done = indicia("account", *words)

    assert (done.status, done.out) == (status, "")
    assert complaint in done.err
