"""Whatever can be wrong with records can be published in a sandbox, and is told by its name."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from typing import Any

import pytest

from indicia.domain.verification.findings import Finding
from indicia.testing import Sandbox
from indicia.vault import rsa

EASY, OWN_KEY = "mail.shop.example", "own-key.example"
# Those that need a DKIM key of the domain's own. Every other finding is published with Easy DKIM.
OF_KEYS = {
    Finding.QUOTED,
    Finding.KEY_MISMATCH,
    Finding.KEY_REVOKED,
    Finding.KEY_UNREADABLE,
    Finding.KEY_TOO_SHORT,
}


@pytest.fixture(scope="module")
def private_key() -> str:
    """A key as BYODKIM takes it."""
    return base64.b64encode(rsa.generate(1024).private_key).decode()


def register(indicia: Sandbox, finding: Finding, private_key: str) -> str:
    """Return an identity with every sort of record that the finding may concern."""
    v1, v2 = indicia.client("ses"), indicia.client("sesv2")
    if finding in OF_KEYS:
        given = {"DomainSigningSelector": "mail", "DomainSigningPrivateKey": private_key}
        v2.create_email_identity(EmailIdentity=OWN_KEY, DkimSigningAttributes=given)
        return OWN_KEY
    v2.create_email_identity(EmailIdentity=EASY)
    v2.put_email_identity_mail_from_attributes(EmailIdentity=EASY, MailFromDomain=f"bounce.{EASY}")
    v1.verify_domain_identity(Domain=EASY)
    return EASY


def findings(diagnosis: dict[str, Any]) -> set[str]:
    """Return what a diagnosis says of the records, each once."""
    return {record["finding"] for record in diagnosis["records"]}


@pytest.mark.parametrize("finding", Finding, ids=lambda finding: finding.value)
def test_every_finding_can_be_published(indicia: Sandbox, finding: Finding, private_key: str) -> None:
    """The diagnosis finds what was broken and nothing else; published soundly again, all is well."""
    identity = register(indicia, finding, private_key)

    indicia.publish(identity, broken=finding.value)
    broken = findings(indicia.diagnosis(identity))
    indicia.publish(identity)

    assert finding.value in broken
    assert broken <= {finding.value, "OK"}
    if finding is not Finding.UNREACHABLE and finding is not Finding.WRONG_NAME_SERVERS:
        assert findings(indicia.diagnosis(identity)) == {"OK"}
    assert indicia.client("sesv2").get_email_identity(EmailIdentity=identity)["VerifiedForSendingStatus"]


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        ("QUOTED", "QUOTED takes a domain with a DKIM key of its own (BYODKIM), and there is none"),
        ("WHITESPACE", "WHITESPACE takes a domain that VerifyDomainIdentity was called for"),
        ("SPF_INVALID", "SPF_INVALID takes an identity with a custom MAIL FROM domain"),
        ("NO_SUCH", "NO_SUCH is no finding: it is one of OK, MISSING, "),
    ],
)
def test_what_fits_no_record_says_what_it_takes(indicia: Sandbox, finding: str, sentence: str) -> None:
    """A finding that the identity's records cannot have is refused, and nothing is published."""
    indicia.client("sesv2").create_email_identity(EmailIdentity="plain.example")

    with pytest.raises(ValueError) as refused:
        indicia.publish("plain.example", broken=finding)

    assert sentence in str(refused.value)
    assert findings(indicia.diagnosis("plain.example")) == {"MISSING"}


def test_broken_from_the_command_line(indicia: Sandbox) -> None:
    """`indicia sandbox publish --break` does the same, in any spelling, and says what it did."""
    indicia.client("sesv2").create_email_identity(EmailIdentity="shop.example")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "indicia", *arguments],
            env={**os.environ, **indicia.environment},
            capture_output=True,
            text=True,
            check=False,
        )

    told = run("sandbox", "publish", "shop.example", "--only", "dkim", "--break", "not-everywhere")
    seen = findings(indicia.diagnosis("shop.example"))
    unknown = run("sandbox", "publish", "shop.example", "--break", "BAD_LUCK")
    unfit = run("sandbox", "publish", "shop.example", "--break", "KEY_REVOKED")

    assert told.returncode == 0, told.stderr
    assert told.stdout.count("(only at ns1)") == 3
    assert seen == {"NOT_EVERYWHERE", "MISSING"}
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "BAD_LUCK is no finding" in unknown.stderr
    assert (unfit.returncode, unfit.stderr.count("\n")) == (1, 1)
    assert "KEY_REVOKED takes a domain with a DKIM key of its own" in unfit.stderr
