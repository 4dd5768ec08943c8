"""`indicia records` says what is in the way of a record, in every form, before anybody publishes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from invocation import Run
from serving import Running, client, started

from indicia.cli.api import ServiceAccess, steer
from indicia.credentials import AccountCredentials

NAME = "busy.example.com"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox in which a wanted name has an address, and the MAIL FROM domain an SPF record."""
    with started(tmp_path_factory.mktemp("sandbox"), "sandbox") as running:
        anyone = AccountCredentials("000000000000", "sandbox", "000000000000")
        sesv2 = client("sesv2", running.ready.url, anyone)
        tokens = sesv2.create_email_identity(EmailIdentity=NAME)["DkimAttributes"]["Tokens"]
        sesv2.put_email_identity_mail_from_attributes(EmailIdentity=NAME, MailFromDomain=f"bounce.{NAME}")
        put(running, f"{tokens[0]}._domainkey.{NAME}", "A", "192.0.2.1")
        put(running, f"bounce.{NAME}", "TXT", "v=spf1 mx -all")
        yield running


def put(house: Running, name: str, kind: str, value: str) -> None:
    """Publish one record in the playground."""
    body = {"name": name, "type": kind, "values": [value]}
    steer(ServiceAccess(house.ready.url, "", "", ""), "PUT", "records", body)


@pytest.fixture
def here(house: Running, monkeypatch: pytest.MonkeyPatch, indicia: Run) -> Run:
    """Run a command where the sandbox is the installation."""
    monkeypatch.setenv("INDICIA_DATA_DIR", str(house.data_dir))
    return indicia


def test_the_table_says_it_below(here: Run) -> None:
    """The finding is in the row, and the sentence under the table."""
    done = here("records", NAME)
    rows, _, sentences = done.out.partition("\n\n")

    assert (done.status, done.err) == (0, "")
    assert " FLATTENED" in rows
    assert " SPF_MISSING_INCLUDE" in rows
    assert "answers with A 192.0.2.1 in place of a CNAME, beside which no CNAME can stand" in sentences
    assert "Change it to v=spf1 mx include:indicia.test -all" in sentences
    assert "one click" not in done.out


def test_programs_read_it_with_the_record(here: Run) -> None:
    """Each record has its conflict, or null; and nothing is said of a provider where there is none."""
    answer: Any = here("records", NAME, "--json").json
    told = {record["finding"] for record in answer["records"] if record["conflict"]}

    assert told == {"FLATTENED", "SPF_MISSING_INCLUDE"}
    assert answer["domain_connect"] is None


@pytest.mark.parametrize("form", ["zone", "terraform", "cloudflare", "octodns"])
def test_what_tools_read_stays_clean(here: Run, form: str) -> None:
    """Notes go to standard error, where they disturb nobody who reads the other."""
    done = here("records", NAME, "--format", form)

    assert done.status == 0
    assert "beside which" not in done.out
    assert done.err.count("indicia: note: ") == 2


def test_the_finding_of_the_last_verdict_is_the_explained_one(here: Run) -> None:
    """What the engine saw as missing is told in the history by what it turned out to be."""
    from indicia.cli import api

    history = api.find(api.HERE).json("GET", f"/indicia/v1/identities/{NAME}/history")
    records = [record for verdict in history["verdicts"] for record in verdict["evidence"]["records"]]

    assert "FLATTENED" in {record["finding"] for record in records}


def test_what_was_published_wrongly_is_named(house: Running, here: Run) -> None:
    """Created first and published wrongly after, as people do it: the table names the mistake."""
    anyone = AccountCredentials("000000000000", "sandbox", "000000000000")
    client("sesv2", house.ready.url, anyone).create_email_identity(EmailIdentity="wrong.example.net")
    before = here("records", "wrong.example.net").out
    here("sandbox", "publish", "wrong.example.net", "--only", "dkim", "--break", "DOUBLED_ZONE")
    here("sandbox", "clock", "advance", "1h")  # to the next check

    assert before.count(" MISSING") == 4
    assert here("records", "wrong.example.net").out.count(" DOUBLED_ZONE") == 3
