"""The commands that speak to a service: `doctor`, `records`, `sandbox ...`, and how they find it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invocation import Run
from serving import Running, client, started

from indicia.cli.doctor import Report
from indicia.credentials import AccountCredentials

ANYONE = AccountCredentials("000000000000", "sandbox", "000000000000")
RED, GREEN = "\x1b[1;31m", "\x1b[1;32m"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox."""
    with started(tmp_path_factory.mktemp("sandbox"), "sandbox") as running:
        assert running.ready
        yield running
        assert running.stop() == 0


@pytest.fixture
def sesv2(house: Running) -> Any:
    """A client of the sandbox's account."""
    if "anyone" not in house.clients:
        house.clients["anyone"] = client("sesv2", house.ready.url, ANYONE)
    return house.clients["anyone"]


@pytest.fixture
def here(house: Running, monkeypatch: pytest.MonkeyPatch, indicia: Run) -> Iterator[Run]:
    """Run a command where the sandbox is the installation."""
    monkeypatch.setenv("INDICIA_DATA_DIR", str(house.data_dir))
    yield indicia
    assert indicia("sandbox", "reset").status == 0


def test_who_has_published_all_is_told_when_it_counts(
    here: Run, sesv2: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the records are right and the identity still waits, the next check is what it waits for."""
    sesv2.create_email_identity(EmailIdentity="waits.example.com")
    here("sandbox", "publish", "waits.example.com", "--only", "dkim")
    seen = here("doctor", "waits.example.com", "--json").json

    Report({**seen, "verdict": "pending", "next_check_at": "2027-01-02T03:04:05.678Z"}).print()

    assert capsys.readouterr().out.endswith(
        "All required records are right. The next check, at 2027-01-02 03:04:05 UTC, is to prove it.\n"
    )


def test_the_story_of_a_domain(here: Run, sesv2: Any) -> None:
    """Create, look, publish some, look, publish all, look: statuses 1, 1, 0, and what is missing is named."""
    tokens = sesv2.create_email_identity(EmailIdentity="story.example.com")["DkimAttributes"]["Tokens"]
    missing = here("doctor", "story.example.com")
    assert "through playground, 1 of 1 must agree" in missing.out
    assert missing.status == 1
    assert missing.out.count("  MISSING\n") == 4
    assert "3 of 3 required records are not right yet.\n" in missing.out

    published = here("sandbox", "publish", "story.example.com", "--only", "dkim")
    assert published.status == 0
    assert published.out.splitlines() == [
        f"published {token}._domainkey.story.example.com CNAME {token}.dkim.indicia.test" for token in tokens
    ]
    well = here("doctor", "story.example.com")
    assert well.status == 0
    assert well.out.startswith("story.example.com  verified\n")
    assert "• _dmarc.story.example.com  TXT  DMARC, advice  MISSING\n" in well.out
    assert well.out.endswith("All required records are right.\n")
    assert sesv2.get_email_identity(EmailIdentity="story.example.com")["VerificationStatus"] == "SUCCESS"
    assert here("sandbox", "withdraw", "story.example.com").out == (
        "withdrew the records of 3 names at and below story.example.com\n"
    )
    moved = here("sandbox", "clock", "advance", "73h")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n", moved.out)
    assert here("sandbox", "clock").out >= moved.out
    failed = here("doctor", "story.example.com")
    assert failed.status == 1
    assert failed.out.startswith("story.example.com  failed: nobody looks for its records any more\n")

    here("sandbox", "publish", "story.example.com")
    late = here("doctor", "story.example.com")
    assert late.status == 1
    assert "Start anew: VerifyDomainDkim (v1), or PutEmailIdentityDkimSigningAttributes (v2)." in late.out


def test_one_wrong_record_is_told_from_the_right_ones(here: Run, sesv2: Any, house: Running) -> None:
    """What is right is one line; what is wrong has what was expected, what was found, and what to do."""
    tokens = sesv2.create_email_identity(EmailIdentity="wrong.example.com")["DkimAttributes"]["Tokens"]
    here("sandbox", "publish", "wrong.example.com")
    wrong = f"{tokens[1]}._domainkey.wrong.example.com"
    _put(house, wrong, "CNAME", "somewhere.example.net")

    done = here("doctor", "wrong.example.com")

    assert done.status == 1
    assert f"  ✓ {tokens[0]}._domainkey.wrong.example.com  CNAME  DKIM\n" in done.out
    told = done.out[done.out.index(f"  ✗ {wrong}  CNAME  DKIM  WRONG_TARGET\n") :].splitlines()
    assert told[1:3] == [
        f"      expected  {tokens[1]}.dkim.indicia.test",
        "      found     somewhere.example.net",
    ]
    assert any(line.startswith("      → ") for line in told)
    assert "1 of 3 required records is not right yet." in done.out


def _put(house: Running, name: str, kind: str, value: str) -> None:
    from indicia.cli.api import ServiceAccess, steer

    steer(
        ServiceAccess(house.ready.url, "", "", ""),
        "PUT",
        "records",
        {"name": name, "type": kind, "values": [value]},
    )


def test_an_address_is_proved_by_its_mail(here: Run, sesv2: Any) -> None:
    """There is nothing to publish, which is no success; the outbox has the link."""
    sesv2.create_email_identity(EmailIdentity="reader@example.org")

    done = here("doctor", "reader@example.org")
    assert done.status == 1
    assert done.out.endswith(
        "There is nothing to publish: an address is proved by the link in the mail to it.\n"
    )
    assert "There is nothing to publish" in here("records", "reader@example.org").out
    refused = here("sandbox", "publish", "reader@example.org")
    assert (refused.status, refused.out) == (1, "")
    assert "reader@example.org has nothing to publish" in refused.err

    mail = here("sandbox", "outbox")
    assert "To: reader@example.org\n" in mail.out
    assert "/verify/" in mail.out
    assert len(here("sandbox", "outbox", "--json").json["mails"]) == 1


def test_every_answer_is_there_for_programs_too(here: Run, sesv2: Any) -> None:
    """With `--json` standard output is one document, and exit statuses are the same."""
    sesv2.create_email_identity(EmailIdentity="json.example.com")

    records = here("records", "json.example.com", "--json").json
    assert records.keys() == here("records", "json.example.com", "--format", "json").json.keys()
    assert {record["facet"] for record in records["records"]} == {"dkim", "dmarc"}
    diagnosis = here("doctor", "json.example.com", "--json")
    assert (diagnosis.status, diagnosis.json["verdict"]) == (1, "pending")
    assert len(here("sandbox", "publish", "json.example.com", "--json").json["published"]) == 4
    assert here("doctor", "json.example.com", "--json").status == 0
    assert here("sandbox", "withdraw", "json.example.com", "--json").json == {"removed": 4}
    assert set(here("sandbox", "clock", "--json").json) == {"now"}
    assert set(here("sandbox", "clock", "advance", "1s", "--json").json) == {"now"}
    assert here("sandbox", "outbox", "--json").json == {"mails": []}
    assert here("sandbox", "reset", "--json").json == {}


def test_the_records_are_a_table_without_wrapping(here: Run, sesv2: Any) -> None:
    """One line a record under headings, however wide, with what the last look saw of it."""
    tokens = sesv2.create_email_identity(EmailIdentity="table.example.com")["DkimAttributes"]["Tokens"]
    here("sandbox", "publish", "table.example.com")

    lines = here("records", "table.example.com").out.splitlines()

    assert lines[0].split() == ["NAME", "TYPE", "VALUE", "LAST", "SEEN"]
    assert lines[1].split() == [
        f"{tokens[0]}._domainkey.table.example.com",
        "CNAME",
        f"{tokens[0]}.dkim.indicia.test",
        "required",
        "OK",
    ]
    assert len(lines) == 5


def test_the_records_are_lines_of_a_zone(here: Run, sesv2: Any) -> None:
    """A zone file parses them."""
    import dns.zone

    sesv2.create_email_identity(EmailIdentity="zone.example.com")

    done = here("records", "zone.example.com", "--format", "zone")

    zone = dns.zone.from_text(done.out, origin="zone.example.com", relativize=False, check_origin=False)
    assert len(list(zone.iterate_rdatas("CNAME"))) == 3


def test_the_zone_of_a_form_can_be_named(here: Run, sesv2: Any) -> None:
    """`--zone` reaches the service; without a form that tools read it is a mistake."""
    sesv2.create_email_identity(EmailIdentity="deep.form.example.com")
    found = here("records", "deep.form.example.com", "--format", "octodns")
    named = here("records", "deep.form.example.com", "--format", "octodns", "--zone", "form.example.com")
    wrong = here("records", "deep.form.example.com", "--format", "octodns", "--zone", "example.org")
    loose = here("records", "deep.form.example.com", "--zone", "example.com")

    assert '"_dmarc.deep.form":' in found.out
    assert '"_dmarc.deep":' in named.out
    assert (wrong.status, wrong.out) == (2, "")
    assert "The zone example.org cannot hold the records of deep.form.example.com" in wrong.err
    assert (loose.status, loose.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("form", ["terraform", "cloudflare", "octodns"])
def test_every_form_has_every_record(here: Run, sesv2: Any, form: str) -> None:
    """What a tool reads names the three targets, and nothing is printed beside it."""
    created = sesv2.create_email_identity(EmailIdentity="form.example.com")

    done = here("records", "form.example.com", "--format", form)

    assert (done.status, done.err) == (0, "")
    tokens = created["DkimAttributes"]["Tokens"]
    assert [token for token in tokens if f"{token}.dkim.indicia.test" not in done.out] == []


def test_what_is_not_there_is_a_mistake(here: Run) -> None:
    """A name that was never created, a span that is none."""
    told = "indicia: Email identity <nobody.example.com> does not exist in us-east-1.\n"
    for command in (
        ("doctor", "nobody.example.com"),
        ("doctor", "nobody.example.com", "--json"),
        ("records", "nobody.example.com"),
        ("records", "nobody.example.com", "--json"),
        ("records", "nobody.example.com", "--format", "zone"),
        ("sandbox", "publish", "nobody.example.com"),
    ):
        done = here(*command)
        assert (done.status, done.out, done.err) == (2, "", told), command
    assert here("sandbox", "clock", "advance", "-5h").status == 2
    assert here("sandbox", "clock", "advance", "tomorrow").status == 2


def test_a_terminal_has_colours_and_wrapped_prose_and_a_pipe_has_neither(
    here: Run, sesv2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is red and what is right green, on a terminal that has not asked for no colours."""
    sesv2.create_email_identity(EmailIdentity="colours.example.com")
    here("sandbox", "publish", "colours.example.com", "--only", "dkim")

    assert "\x1b" not in here("doctor", "colours.example.com").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    coloured = here("doctor", "colours.example.com").out
    assert GREEN in coloured
    assert RED not in coloured
    here("sandbox", "withdraw", "colours.example.com")
    assert RED in here("doctor", "colours.example.com").out


def test_the_environment_of_the_sdks_is_enough(
    house: Running, indicia: Run, sesv2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`AWS_ENDPOINT_URL_SESV2`, keys and region are those of the AWS CLI; the region is where it looks."""
    sesv2.create_email_identity(EmailIdentity="environment.example.com")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", house.ready.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ANYONE.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ANYONE.secret)

    assert indicia("records", "environment.example.com").status == 0
    elsewhere = indicia("records", "environment.example.com", "--region", "eu-west-1")
    assert elsewhere.status == 2
    assert "does not exist in eu-west-1" in elsewhere.err
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert "eu-west-1" in indicia("doctor", "environment.example.com").err
    assert indicia("doctor", "environment.example.com", "--region", "us-east-1").status == 1
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
    assert indicia("records", "environment.example.com", "--region", "us-east-1").status == 2


def test_a_profile_is_read_as_the_aws_cli_reads_it(
    house: Running, indicia: Run, sesv2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, region and endpoint come from the shared files, over what is in the environment."""
    sesv2.create_email_identity(EmailIdentity="profile.example.com")
    (tmp_path / "credentials").write_text(
        "[mail]\naws_access_key_id = 000000000000\naws_secret_access_key = x\n"
    )
    (tmp_path / "config").write_text(
        "[profile mail]\nregion = us-east-1\nservices = ours\n"
        f"[services ours]\nsesv2 =\n  endpoint_url = {house.ready.url}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another account")

    assert indicia("records", "profile.example.com", "--profile", "mail").status == 0
    assert indicia("records", "profile.example.com").status == 2
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "mail")
    assert indicia("records", "profile.example.com").status == 0


def test_the_files_of_the_data_dir_are_enough(
    house: Running, indicia: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`DATA_DIR/credentials` and `DATA_DIR/config`, named as the AWS shared files, are all it takes."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(house.data_dir / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(house.data_dir / "config"))

    done = indicia("records", "nobody.example.com")

    assert "does not exist" in done.err


def test_the_data_dir_can_be_named(
    house: Running, indicia: Run, sesv2: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--data-dir` is all it takes, goes before the environment, and finds nothing in an empty folder."""
    sesv2.create_email_identity(EmailIdentity="folder.example.com")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of another account")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    place = ("--data-dir", str(house.data_dir))

    assert indicia("records", "folder.example.com", *place).status == 0
    assert indicia("doctor", "folder.example.com", *place).status == 1
    assert indicia("sandbox", "clock", *place).status == 0
    nowhere = indicia("doctor", "folder.example.com", "--data-dir", str(tmp_path))
    assert nowhere.status == 2
    assert f"nothing is running on {tmp_path}" in nowhere.err
    mixed = indicia("doctor", "folder.example.com", "--master-key-file", "x")
    assert (mixed.status, mixed.err.count("\n")) == (2, 1)


def test_a_sandbox_that_is_named_needs_no_key(house: Running, indicia: Run, sesv2: Any) -> None:
    """An endpoint alone is enough for one that believes anybody."""
    sesv2.create_email_identity(EmailIdentity="keyless.example.com")

    assert indicia("records", "keyless.example.com", "--endpoint-url", house.ready.url).status == 0
    assert indicia("sandbox", "clock", "--endpoint-url", house.ready.url).status == 0


def test_without_anything_it_says_what_to_give(indicia: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No service, no key: one line that names the ways."""
    monkeypatch.setattr(
        "indicia.cli.api._default_url", lambda: "http://127.0.0.1:1"
    )  # none runs on the default port

    done = indicia("doctor", "example.com")

    assert done.status == 2
    assert "nothing is running on indicia-data; start `indicia serve`" in done.err


def test_what_is_no_sandbox_cannot_be_steered(indicia: Run, tmp_path: Path, monkeypatch) -> None:
    """`indicia serve` has no such calls, and the command says so."""
    folder = tmp_path / "serve"
    folder.mkdir()
    with started(folder, "serve", "--roles", "api") as house:
        monkeypatch.setenv("INDICIA_DATA_DIR", str(house.data_dir))
        assert house.ready
        done = indicia("sandbox", "clock", "advance", "1h")
        assert indicia("records", "nobody.example.com").status == 2
    assert done.status == 2
    assert "is not a sandbox: start one with `indicia sandbox`" in done.err


@pytest.mark.parametrize("domain", ["indicia.test", "mail.example.net"])
def test_records_that_would_lead_nowhere_are_warned_of(
    indicia: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    """A service domain that no DNS holds is told of by `serve` and `records`; a real one is not."""
    folder = tmp_path / "serve"
    folder.mkdir()
    with started(folder, "serve", "--roles", "api", INDICIA_SERVICE_DOMAIN=domain) as house:
        monkeypatch.setenv("INDICIA_DATA_DIR", str(house.data_dir))
        house.client().create_email_identity(EmailIdentity="shop.example.com")
        told = [indicia("records", "shop.example.com", *more) for more in ((), ("--format", "zone"))]

    note = (
        "indicia: note: indicia.test is in no DNS, so these records will lead nowhere: set"
        " INDICIA_SERVICE_DOMAIN to a domain of yours first, and add the identity again\n"
    )
    unreal = domain == "indicia.test"
    assert [(done.status, done.err) for done in told] == [(0, note if unreal else "")] * 2
    assert ("the service domain indicia.test is under .test" in house.log) is unreal
