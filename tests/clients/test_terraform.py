"""Terraform with its provider for AWS: whole lives of every resource of SES whose operations are built.

The service domain of the sandbox is that of SES, so that code which writes its names by hand is tested too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from running import Running, started
from terraforming import Outcome, Workspace, attached, terraform

from indicia.operations.registry import REGISTRY
from indicia.testing import Sandbox

# A minute where the machine has nothing else to do; it may have.
pytestmark = pytest.mark.timeout(1800)

SHOP = "arn:aws:ses:us-east-1:000000000000:identity/shop.example.com"
TAGS = {"owner": "mail", "stage": "test"}

# What the configuration has, in created.tf or changed.tf.
LIVED = {
    *("aws_ses_configuration_set", "aws_ses_domain_dkim", "aws_ses_domain_identity"),
    *("aws_ses_domain_identity_verification", "aws_ses_domain_mail_from", "aws_ses_email_identity"),
    *("aws_ses_identity_notification_topic", "aws_ses_identity_policy", "aws_sesv2_configuration_set"),
    *("aws_sesv2_email_identity", "aws_sesv2_email_identity_feedback_attributes"),
    *("aws_sesv2_email_identity_mail_from_attributes", "aws_sesv2_email_identity_policy"),
}
# What needs an operation that is not built yet; the first one it calls.
NOT_BUILT = {
    "aws_ses_active_receipt_rule_set": ("ses", "SetActiveReceiptRuleSet"),
    "aws_ses_event_destination": ("ses", "CreateConfigurationSetEventDestination"),
    "aws_ses_receipt_filter": ("ses", "CreateReceiptFilter"),
    "aws_ses_receipt_rule": ("ses", "CreateReceiptRule"),
    "aws_ses_receipt_rule_set": ("ses", "CreateReceiptRuleSet"),
    "aws_ses_template": ("ses", "CreateTemplate"),
    "aws_sesv2_account_suppression_attributes": ("sesv2", "PutAccountSuppressionAttributes"),
    "aws_sesv2_account_vdm_attributes": ("sesv2", "PutAccountVdmAttributes"),
    "aws_sesv2_configuration_set_event_destination": ("sesv2", "CreateConfigurationSetEventDestination"),
    "aws_sesv2_contact_list": ("sesv2", "CreateContactList"),
    "aws_sesv2_dedicated_ip_assignment": ("sesv2", "PutDedicatedIpInPool"),
    "aws_sesv2_dedicated_ip_pool": ("sesv2", "CreateDedicatedIpPool"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox with the service domain of SES."""
    terraform()
    folder = tmp_path_factory.mktemp("sandbox")
    with started("sandbox", folder, INDICIA_SERVICE_DOMAIN="amazonses.com") as running:
        yield running


@pytest.fixture(scope="module")
def environ(place: Running) -> Iterator[dict[str, str]]:
    """The environment of Terraform: where the sandbox and the provider are, and a key of our own for DKIM."""
    with attached() as found:
        yield {**found, "TF_VAR_url": place.url, "TF_VAR_private_key": private_key()}


def private_key() -> str:
    """Return a key as it is uploaded: base64 of PKCS#1 or PKCS#8, in one line."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return "".join(text.splitlines()[1:-1])


def workspace(environ: Mapping[str, str], folder: Path, *files: str) -> Workspace:
    """Return a folder with that configuration and no state."""
    made = Workspace(terraform(), folder, environ)
    made.use("provider.tf", *files)
    return made


def went_well(done: Outcome, status: int = 0) -> Outcome:
    """Return what a command did, which has to have ended so and without a warning."""
    assert not done.errors, "\n".join(done.errors)
    assert done.status == status, done.stderr
    return done


def without_a_diff(place: Workspace) -> None:
    """What is there is what the configuration says."""
    done = place.run("plan", "-detailed-exitcode")
    assert not done.errors, "\n".join(done.errors)
    assert (done.status, done.changes) == (0, {}), place.shown()


def test_every_resource_has_a_life_or_a_reason(environ: Mapping[str, str], tmp_path: Path) -> None:
    """Whatever the provider has of SES is in the configuration below, or needs what is not built."""
    schemas = workspace(environ, tmp_path).schemas()
    written = "".join(path.read_text() for path in (Path(__file__).with_name("terraform")).glob("c*.tf"))

    resources = {name for name in schemas["resource_schemas"] if name.startswith(("aws_ses_", "aws_sesv2_"))}
    assert resources == LIVED | NOT_BUILT.keys()
    assert {name for name in resources if f'resource "{name}"' in written} == LIVED
    built = sorted(name for name, operation in NOT_BUILT.items() if operation in REGISTRY)
    assert built == [], "they can have a life now"
    sources = {name for name in schemas["data_source_schemas"] if name.startswith(("aws_ses_", "aws_sesv2_"))}
    assert {name for name in sources if f'data "{name}"' not in written} <= NOT_BUILT.keys()


def test_whole_lives(place: Running, environ: Mapping[str, str], tmp_path: Path) -> None:
    """Created, planned without a diff, proved, changed, imported, put right after a drift, destroyed."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    house = workspace(environ, first, "created.tf", "by_hand.tf")
    ses, sesv2 = place.client("ses"), place.client("sesv2")

    went_well(house.run("apply", "-auto-approve"))
    without_a_diff(house)
    for record in house.outputs["records"]:
        Sandbox(place.url, "").put(record["name"], record["type"], record["values"])
    proved(ses, sesv2)

    house.use("provider.tf", "changed.tf")
    went_well(house.run("apply", "-auto-approve"))
    changed(ses, sesv2, house.outputs["read"])

    imported(workspace(environ, second, "changed.tf", "imported.tf"))

    expected = drifted(ses, sesv2)
    mended = went_well(house.run("apply", "-auto-approve"))
    assert mended.changes == expected
    without_a_diff(house)

    went_well(house.run("destroy", "-auto-approve"))
    assert ses.list_identities()["Identities"] == []
    assert ses.list_configuration_sets().get("ConfigurationSets", []) == []


def proved(ses: Any, sesv2: Any) -> None:
    """Every domain is verified by the records that were written by hand, and so is MAIL FROM."""
    attributes = ses.get_identity_verification_attributes(Identities=["shop.example.com"])
    assert attributes["VerificationAttributes"]["shop.example.com"]["VerificationStatus"] == "Success"
    attributes = ses.get_identity_dkim_attributes(Identities=["shop.example.com"])
    assert attributes["DkimAttributes"]["shop.example.com"]["DkimVerificationStatus"] == "Success"
    attributes = ses.get_identity_mail_from_domain_attributes(Identities=["shop.example.com"])
    assert attributes["MailFromDomainAttributes"]["shop.example.com"]["MailFromDomainStatus"] == "Success"
    found = sesv2.get_email_identity(EmailIdentity="easy.example.com")
    assert found["VerificationStatus"] == "SUCCESS"
    assert found["DkimAttributes"]["SigningHostedZone"] == "dkim.amazonses.com"
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {**TAGS, "team": "news", "stage": "own"}


def changed(ses: Any, sesv2: Any, read: Mapping[str, Any]) -> None:
    """The API and the data sources say what the second configuration wants."""
    found = sesv2.get_email_identity(EmailIdentity="easy.example.com")
    assert found["DkimAttributes"]["NextSigningKeyLength"] == "RSA_1024_BIT"
    assert "ConfigurationSetName" not in found
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {**TAGS, "team": "shop"}
    assert read["identity"]["tags"] == {**TAGS, "team": "shop"}
    assert read["identity"]["verified_for_sending_status"] is True
    assert read["domain"]["arn"] == SHOP
    token = ses.get_identity_verification_attributes(Identities=["shop.example.com"])
    assert (
        read["domain"]["verification_token"]
        == (token["VerificationAttributes"]["shop.example.com"]["VerificationToken"])
    )
    assert read["address"]["email"] == "ann@example.org"
    (tracking,) = read["configuration_set"]["tracking_options"]
    assert tracking == {"custom_redirect_domain": "click.shop.example.com", "https_policy": "REQUIRE"}
    assert read["mail_from"]["behavior_on_mx_failure"] == "USE_DEFAULT_VALUE"
    assert sesv2.get_configuration_set(ConfigurationSetName="v2-full").keys() - {"ResponseMetadata"} == {
        "ConfigurationSetName",
        "ReputationOptions",
        "SendingOptions",
        "Tags",
    }


def imported(house: Workspace) -> None:
    """Another state takes over all of it, and has nothing to change but what no call shows."""
    done = house.run("plan", "-detailed-exitcode")

    assert not done.errors, "\n".join(done.errors)
    # A private key is never shown, and that somebody waited for a proof is known to the state alone.
    assert {name: action for name, action in done.changes.items() if action != "import"} == {
        "aws_ses_domain_identity_verification.shop": "create",
        "aws_sesv2_email_identity.own_key": "update",
    }, house.shown()
    assert done.summary == {"add": 1, "change": 1, "import": 20, "remove": 0}


def drifted(ses: Any, sesv2: Any) -> dict[str, str]:
    """Change things behind Terraform's back; return what it has to do about each."""
    ses.delete_identity(Identity="ann@example.org")
    ses.delete_identity_policy(Identity="shop.example.com", PolicyName="others")
    ses.set_identity_mail_from_domain(Identity="shop.example.com")
    ses.set_identity_notification_topic(Identity="shop.example.com", NotificationType="Bounce")
    ses.update_configuration_set_sending_enabled(ConfigurationSetName="v1-full", Enabled=False)
    ses.delete_configuration_set(ConfigurationSetName="v1-bare")
    sesv2.put_configuration_set_delivery_options(ConfigurationSetName="v2-bare", TlsPolicy="REQUIRE")
    sesv2.delete_configuration_set(ConfigurationSetName="v2-full")
    sesv2.delete_email_identity(EmailIdentity="bob@example.net")
    sesv2.put_email_identity_configuration_set_attributes(EmailIdentity="own-key.example.com")
    sesv2.put_email_identity_feedback_attributes(
        EmailIdentity="easy.example.com", EmailForwardingEnabled=False
    )
    sesv2.put_email_identity_mail_from_attributes(
        EmailIdentity="easy.example.com",
        MailFromDomain="drift.easy.example.com",
        BehaviorOnMxFailure="REJECT_MESSAGE",
    )
    sesv2.delete_email_identity_policy(EmailIdentity="easy.example.com", PolicyName="others")
    easy = "arn:aws:ses:us-east-1:000000000000:identity/easy.example.com"
    sesv2.tag_resource(ResourceArn=easy, Tags=[{"Key": "drift", "Value": "1"}, {"Key": "team", "Value": "x"}])
    sesv2.untag_resource(ResourceArn=easy, TagKeys=["owner"])
    return {
        "aws_ses_email_identity.ann": "create",
        "aws_ses_identity_policy.shop": "create",
        "aws_ses_domain_mail_from.shop": "update",
        'aws_ses_identity_notification_topic.shop["Bounce"]': "update",
        "aws_ses_configuration_set.full": "update",
        "aws_ses_configuration_set.bare": "create",
        "aws_sesv2_configuration_set.bare": "update",
        "aws_sesv2_configuration_set.full": "create",
        "aws_sesv2_email_identity.bob": "create",
        "aws_sesv2_email_identity.own_key": "update",
        "aws_sesv2_email_identity.easy": "update",
        "aws_sesv2_email_identity_feedback_attributes.easy": "update",
        "aws_sesv2_email_identity_mail_from_attributes.easy": "update",
        "aws_sesv2_email_identity_policy.easy": "create",
    }
