"""The fixture `indicia`: a sandbox for each test, and nothing for a run that does not ask for it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import dns.message
import dns.query
import dns.rdatatype
import pytest

from indicia.testing import Mail, Sandbox
from indicia.testing.kit import SandboxError
from indicia.testing.server import SandboxServer, ServerError

SHOP = "shop.example"


@pytest.mark.parametrize("_again", [1, 2])
def test_nothing_is_left_of_the_test_before(indicia: Sandbox, _again: int) -> None:
    """Identities, records and mail are gone when the next test begins."""
    sesv2 = indicia.client("sesv2")

    assert sesv2.list_email_identities()["EmailIdentities"] == []
    assert indicia.outbox == []
    sesv2.create_email_identity(EmailIdentity=SHOP)
    sesv2.create_email_identity(EmailIdentity="me@elsewhere.example")
    indicia.publish(SHOP)
    assert len(indicia.outbox) == 1


def test_publish_and_withdraw(indicia: Sandbox) -> None:
    """Once published a domain is verified in the next line; withdrawn for too long it no longer is."""
    sesv2 = indicia.client("sesv2")
    sesv2.create_email_identity(EmailIdentity=SHOP)

    def status() -> str:
        return str(sesv2.get_email_identity(EmailIdentity=SHOP)["VerificationStatus"])

    assert status() == "PENDING"
    indicia.publish(SHOP, only="dkim")
    assert status() == "SUCCESS"
    assert indicia.withdraw(SHOP) == 3
    indicia.advance("25h")
    assert status() == "TEMPORARY_FAILURE"
    indicia.advance("73h")
    assert status() == "FAILED"


def test_time_goes_forward(indicia: Sandbox) -> None:
    """`advance` moves the present by what it is told, and what was due on the way is done."""
    sesv2 = indicia.client("sesv2")
    sesv2.create_email_identity(EmailIdentity=SHOP)

    before = indicia.now
    after = indicia.advance("73h")

    assert dt.timedelta(hours=73) <= after - before < dt.timedelta(hours=73, minutes=1)
    assert sesv2.get_email_identity(EmailIdentity=SHOP)["VerificationStatus"] == "FAILED"


def test_mail_and_its_links(indicia: Sandbox) -> None:
    """The mail of an address is in the outbox, and following its link verifies the address."""
    sesv2 = indicia.client("sesv2")
    sesv2.create_email_identity(EmailIdentity="me@elsewhere.example")
    (mail,) = indicia.outbox

    assert isinstance(mail, Mail)
    assert mail.to == ("me@elsewhere.example",)
    assert indicia.follow(mail.links[0]) == 200
    assert sesv2.get_email_identity(EmailIdentity="me@elsewhere.example")["VerifiedForSendingStatus"]
    with pytest.raises(ValueError, match="leads elsewhere"):
        indicia.follow("https://elsewhere.example/verify/x")


def test_sdks_find_it_by_the_environment(indicia: Sandbox) -> None:
    """A client that is told nothing talks to the sandbox, whatever the machine says about AWS."""
    assert indicia.environment.items() <= os.environ.items()
    assert boto3.Session().client("sesv2").meta.endpoint_url == indicia.url
    assert boto3.Session().client("sts").get_caller_identity()["Account"] == "000000000000"


def test_other_accounts(indicia: Sandbox) -> None:
    """An access key id of twelve digits is an account of its own."""
    other = indicia.client("sesv2", aws_access_key_id="111122223333")
    other.create_email_identity(EmailIdentity=SHOP)

    assert indicia.client("sesv2").list_email_identities()["EmailIdentities"] == []
    with pytest.raises(SandboxError) as missing:
        indicia.publish(SHOP)
    assert (missing.value.status, SHOP in str(missing.value)) == (404, True)


@pytest.mark.parametrize(
    ("account", "region"), [("111122223333", "us-east-1"), ("000000000000", "eu-west-1")]
)
def test_identities_of_other_accounts_and_regions(indicia: Sandbox, account: str, region: str) -> None:
    """They are published and diagnosed where they are said to be, broken ones too."""
    client = indicia.client("sesv2", aws_access_key_id=account, region_name=region)
    for name in (SHOP, "other.example"):
        client.create_email_identity(EmailIdentity=name)

    indicia.publish(SHOP, account=account, region=region)
    indicia.publish("other.example", account=account, region=region, broken="DOUBLED_ZONE")

    assert client.get_email_identity(EmailIdentity=SHOP)["VerificationStatus"] == "SUCCESS"
    assert indicia.diagnosis(SHOP, account=account, region=region)["verdict"] == "verified"
    found = indicia.diagnosis("other.example", account=account, region=region)["records"]
    assert "DOUBLED_ZONE" in {record["finding"] for record in found}


def test_what_cannot_be_asked_for(indicia: Sandbox) -> None:
    """A service that is not there, and records that an identity has not, are mistakes with a sentence."""
    indicia.client("sesv2").create_email_identity(EmailIdentity="me@elsewhere.example")

    with pytest.raises(ValueError, match="there is no s3 here"):
        indicia.client("s3")
    with pytest.raises(ValueError, match="it has none"):
        indicia.publish("me@elsewhere.example")
    with pytest.raises(ValueError, match="NOPE is no finding: it is one of OK, MISSING, "):
        indicia.publish("me@elsewhere.example", broken="NOPE")


@pytest.mark.parametrize("values", ["one two", ["one two"]])
def test_a_single_value_needs_no_list(indicia: Sandbox, values: str | list[str]) -> None:
    """A text is one value, not one for each of its letters."""
    indicia.put("text.example", "TXT", values)

    host, _, port = indicia.dns.rpartition(":")
    answer = dns.query.udp(dns.message.make_query("text.example", "TXT"), host, port=int(port), timeout=5)
    assert [str(value) for rrset in answer.answer for value in rrset] == ['"one two"']


def test_its_dns_is_one(indicia: Sandbox) -> None:
    """What was put can be asked for over DNS, at the resolver and at the zone's own servers."""
    indicia.put("www.shop.example", "A", ["192.0.2.1"])
    host, _, port = indicia.dns.rpartition(":")

    def ask(server: str, name: str, rtype: str) -> list[str]:
        answer = dns.query.udp(dns.message.make_query(name, rtype), server, port=int(port), timeout=5)
        return sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)

    assert ask(host, "www.shop.example", "A") == ["192.0.2.1"]
    assert ask(host, SHOP, "NS") == ["ns1.shop.example.", "ns2.shop.example."]
    (first,) = ask(host, "ns1.shop.example", "A")
    assert ask(first, "www.shop.example", "A") == ["192.0.2.1"]


def run_pytest(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests of somebody else's project."""
    (folder / "test_theirs.py").write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_that_does_not_use_it_loads_nothing(tmp_path: Path) -> None:
    """Only the plugin itself is imported, which imports pytest and the standard library's `typing`."""
    text = (
        "import sys\n"
        "def test_it():\n"
        "    ours = {name for name in sys.modules if name.partition('.')[0] == 'indicia'}\n"
        "    assert ours == {'indicia', 'indicia.testing', 'indicia.testing.plugin'}\n"
        "    assert not {'boto3', 'botocore', 'msgspec', 'dns', 'sqlalchemy'} & sys.modules.keys()\n"
    )

    done = run_pytest(tmp_path, text)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "launched"), [((), True), (("-k", "not found_first"), True), (("--collect-only",), False)]
)
def test_it_starts_while_other_tests_are_looked_for(
    tmp_path: Path, arguments: tuple[str, ...], launched: bool
) -> None:
    """From the first test on that asks for it; not when tests are only listed; never beyond the run."""
    (tmp_path / "conftest.py").write_text(
        "from pathlib import Path\n"
        "from indicia.testing import plugin\n"
        "def pytest_sessionfinish(session):\n"
        "    server = session.config.stash.get(plugin._SERVER, None)\n"
        "    Path('pid').write_text('' if server is None else str(server._process.pid))\n"
    )
    (tmp_path / "test_a.py").write_text("def test_found_first(indicia): pass\n")
    text = (
        "import sys\n"
        f"assert ('indicia.testing.server' in sys.modules) is {launched}\n"
        "def test_found_later(): pass\n"
    )

    done = run_pytest(tmp_path, text, *arguments)
    pid = (tmp_path / "pid").read_text()

    assert done.returncode == 0, done.stdout
    assert bool(pid) is launched
    if launched:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_under_xdist_every_worker_has_its_own(tmp_path: Path) -> None:
    """Two workers talk to two servers, which are gone with them."""
    text = (
        "import json, pytest\n"
        "from pathlib import Path\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_it(indicia, number, worker_id):\n"
        "    indicia.client('sesv2').create_email_identity(EmailIdentity='shop.example')\n"
        "    Path(f'{number}.json').write_text(json.dumps([worker_id, indicia.url]))\n"
    )

    done = run_pytest(tmp_path, text, "-n", "2", "--dist", "loadscope", "--dist", "load")
    used = {tuple(json.loads(path.read_text())) for path in tmp_path.glob("*.json")}

    assert done.returncode == 0, done.stdout
    assert len({worker for worker, _ in used}) == len({url for _, url in used}) == len(used) == 2
    for _, url in used:
        with pytest.raises(OSError):
            Sandbox(url, "").reset()


def test_code_that_writes_the_names_of_ses(tmp_path: Path) -> None:
    """With its domain as that of the sandbox, records that nobody asked the API for are the right ones."""
    text = (
        "def test_it(indicia):\n"
        "    ses = indicia.client('ses')\n"
        "    tokens = ses.verify_domain_dkim(Domain='shop.example')['DkimTokens']\n"
        "    for token in tokens:\n"
        "        name = f'{token}._domainkey.shop.example'\n"
        "        indicia.put(name, 'CNAME', f'{token}.dkim.amazonses.com')\n"
        "    ses.set_identity_mail_from_domain(Identity='shop.example', MailFromDomain='b.shop.example')\n"
        "    indicia.put('b.shop.example', 'MX', '10 feedback-smtp.us-east-1.amazonses.com')\n"
        "    indicia.put('b.shop.example', 'TXT', 'v=spf1 include:amazonses.com ~all')\n"
        "    found = indicia.client('sesv2').get_email_identity(EmailIdentity='shop.example')\n"
        "    assert found['VerificationStatus'] == 'SUCCESS'\n"
        "    assert found['MailFromAttributes']['MailFromDomainStatus'] == 'SUCCESS'\n"
        "    looked = indicia.diagnosis('shop.example')['records']\n"
        "    wrong = [each for each in looked if each['facet'] != 'dmarc' and each['finding'] != 'OK']\n"
        "    assert wrong == []\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nindicia_service_domain = amazonses.com\n")

    done = run_pytest(tmp_path, text)

    assert done.returncode == 0, done.stdout


def test_a_service_domain_that_is_none_is_told(tmp_path: Path) -> None:
    """The start fails with the name of the setting and the reason."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nindicia_service_domain = not a domain\n")

    done = run_pytest(tmp_path, "def test_it(indicia): pass\n")

    assert done.returncode == 1
    assert "the sandbox did not start: indicia: --service-domain:" in done.stdout


def test_a_sandbox_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it wrote before it ended is in the error."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    server = SandboxServer()

    with pytest.raises(ServerError, match="the sandbox did not start: it said nothing"):
        server.start()
    server.stop()
