"""What a developer does: boto3 and the AWS CLI in a sandbox, where domains are published and time passes."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any

import pytest
import urllib3
from botocore.exceptions import WaiterError
from running import INDICIA, Running


@pytest.fixture(scope="module")
def v1(sandbox: Running) -> Any:
    """A client of version 1."""
    return sandbox.client("ses")


@pytest.fixture(scope="module")
def v2(sandbox: Running) -> Any:
    """A client of version 2."""
    return sandbox.client("sesv2")


def play(sandbox: Running, *command: str) -> str:
    """Tell the sandbox something, and return what it says."""
    done = sandbox.run(str(INDICIA), "sandbox", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_domain_goes_from_pending_to_success_to_grace_and_back(sandbox: Running, v1: Any, v2: Any) -> None:
    """Published, seen; withdrawn, on grace; published again, restored: with the times and the SOA of each."""
    name = "story.example.com"
    v2.create_email_identity(EmailIdentity=name)
    before = dt.datetime.now(dt.UTC)
    play(sandbox, "publish", name)
    verified = v2.get_email_identity(EmailIdentity=name)
    in_version_1 = v1.get_identity_dkim_attributes(Identities=[name])["DkimAttributes"][name]
    play(sandbox, "withdraw", name)
    play(sandbox, "clock", "advance", "25h")
    grace = v2.get_email_identity(EmailIdentity=name)
    play(sandbox, "publish", name)
    restored = v2.get_email_identity(EmailIdentity=name)

    info = verified["VerificationInfo"]
    assert (verified["VerificationStatus"], verified["VerifiedForSendingStatus"]) == ("SUCCESS", True)
    assert verified["DkimAttributes"]["Status"] == "SUCCESS"
    assert in_version_1["DkimVerificationStatus"] == "Success"
    assert info["LastSuccessTimestamp"] >= info["LastCheckedTimestamp"] >= before - dt.timedelta(minutes=1)
    assert "ErrorType" not in info
    assert info["SOARecord"] == {
        "PrimaryNameServer": "ns1.example.com",
        "AdminEmail": "hostmaster.example.com",
        "SerialNumber": info["SOARecord"]["SerialNumber"],
    }
    assert (grace["VerificationStatus"], grace["VerifiedForSendingStatus"]) == ("TEMPORARY_FAILURE", True)
    assert grace["VerificationInfo"]["ErrorType"] == "HOST_NOT_FOUND"
    assert grace["VerificationInfo"]["LastSuccessTimestamp"] == info["LastSuccessTimestamp"]
    assert restored["VerificationStatus"] == "SUCCESS"
    assert restored["VerificationInfo"]["LastSuccessTimestamp"] > info["LastSuccessTimestamp"]


def test_the_waiter_returns_when_the_identity_is_verified(sandbox: Running, v1: Any) -> None:
    """`identity_exists` asks until the status is Success; it gives up on what stays pending."""
    v1.verify_domain_identity(Domain="waiter.example.com")
    v1.verify_domain_identity(Domain="never.example.com")
    play(sandbox, "publish", "waiter.example.com")
    waiter = v1.get_waiter("identity_exists")
    waiter.wait(Identities=["waiter.example.com"], WaiterConfig={"Delay": 0, "MaxAttempts": 2})

    attributes = v1.get_identity_verification_attributes(Identities=["waiter.example.com"])
    assert attributes["VerificationAttributes"]["waiter.example.com"]["VerificationStatus"] == "Success"
    with pytest.raises(WaiterError):
        waiter.wait(Identities=["never.example.com"], WaiterConfig={"Delay": 0, "MaxAttempts": 2})


def test_an_address_is_verified_by_the_link_in_its_mail(sandbox: Running, v1: Any, v2: Any) -> None:
    """The mail is where LocalStack users look for it; the page's form verifies, opening the page does not."""
    v2.create_email_identity(EmailIdentity="reader@mail.example.com")
    play(sandbox, "outbox")  # answers when no mail is undelivered
    messages = urllib3.request("GET", f"{sandbox.url}/_aws/ses").json()["messages"]
    mail = next(each for each in messages if "reader@mail.example.com" in json.dumps(each["Destination"]))
    link = re.search(r"https?://\S+/verify/[A-Za-z0-9_-]+", json.dumps(mail["Body"]).replace("\\n", " "))
    assert link is not None
    opened = urllib3.request("GET", link[0])
    after_opening = v2.get_email_identity(EmailIdentity="reader@mail.example.com")["VerificationStatus"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = urllib3.request("POST", link[0], headers=form, body="")

    assert (opened.status, after_opening) == (200, "PENDING")
    assert posted.status == 200, posted.data
    assert v2.get_email_identity(EmailIdentity="reader@mail.example.com")["VerificationStatus"] == "SUCCESS"
    assert "reader@mail.example.com" in v1.list_verified_email_addresses()["VerifiedEmailAddresses"]


def test_any_credentials_are_somebodys(sandbox: Running) -> None:
    """A key id of twelve digits is that account, any other the account of zeros; no secret is checked."""
    other = sandbox.client("sts", key="123456789012", secret="whatever").get_caller_identity()
    anybody = sandbox.client("sts", key="test", secret="test").get_caller_identity()

    assert (other["Account"], anybody["Account"]) == ("123456789012", "000000000000")


COMMANDS = """
set -eu
eval "$(indicia env)"
aws sts get-caller-identity --query Account --output text
aws sesv2 create-email-identity --email-identity cli.example.com --query DkimAttributes.Tokens --output json
aws ses verify-domain-identity --domain cli.example.com --query VerificationToken --output text
indicia sandbox publish cli.example.com >&2
aws sesv2 get-email-identity --email-identity cli.example.com --query VerificationStatus --output text
aws ses get-identity-verification-attributes --identities cli.example.com --output json
aws sesv2 list-email-identities --query 'EmailIdentities[?IdentityName==`cli.example.com`]' --output json
aws ses wait identity-exists --identities cli.example.com
aws sesv2 delete-email-identity --email-identity cli.example.com
aws sesv2 get-email-identity --email-identity cli.example.com 2>&1 || echo "status $?"
"""


def test_the_aws_cli_needs_no_options(sandbox: Running) -> None:
    """After `eval "$(indicia env)"` the AWS CLI comes here by itself: both versions, STS, waiter, error."""
    done = sandbox.run("bash", "-c", COMMANDS)

    lines = done.stdout.split("\n")
    assert done.returncode == 0, done.stderr
    assert lines[0] == "000000000000"
    assert "SUCCESS" in lines
    assert '"VerificationStatus": "Success"' in done.stdout
    assert '"IdentityName": "cli.example.com"' in done.stdout
    assert "An error occurred (NotFoundException) when calling the GetEmailIdentity operation" in done.stdout
    assert lines[-2] in ("status 254", "status 255")  # by the version of the AWS CLI


def test_the_shared_files_are_enough(sandbox: Running) -> None:
    """With the two files that a first start writes, an SDK needs nothing else."""
    done = sandbox.run(
        "aws",
        "sesv2",
        "list-email-identities",
        AWS_CONFIG_FILE=str(sandbox.data_dir / "config"),
        AWS_SHARED_CREDENTIALS_FILE=str(sandbox.data_dir / "credentials"),
    )

    assert done.returncode == 0, done.stderr
    assert "EmailIdentities" in json.loads(done.stdout)
