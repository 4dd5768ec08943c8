"""`indicia audit export`: who did what, line by line."""

from __future__ import annotations

import json
import os
import pwd
from functools import partial
from typing import Any

import pytest
from invocation import Run

from indicia.cli import audit as command
from indicia.domain.time import DAY, rfc3339
from indicia.settings import load
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry
from indicia.store.engine.opening import open_database

ACCOUNT = "111122223333"
T0 = 1_790_000_000_000


def entry(number: int, account: str = ACCOUNT) -> AuditEntry:
    """One of a day each."""
    return AuditEntry(
        T0 + number * DAY,
        account,
        "arn:aws:iam::1:root",
        "AKIA",
        "192.0.2.1",
        "ses:X",
        f"r{number}",
        "success",
        "id",
    )


@pytest.fixture
def log(indicia: Run) -> None:
    """An installation with ten days of entries, and one of another account."""
    assert indicia("account", "create", ACCOUNT, "--data-dir", "data").status == 0
    database = open_database(load(environment={"INDICIA_DATA_DIR": "data"}).database_url.text)
    for number in range(10):
        database.write(partial(audit.append, entry=entry(number)))
    database.write(partial(audit.append, entry=entry(3, "444455556666")))
    database.close()


def exported(indicia: Run, *arguments: str) -> list[dict[str, Any]]:
    """The lines of an export."""
    done = indicia("audit", "export", "--data-dir", "data", *arguments)
    assert (done.status, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


def days(lines: list[dict[str, Any]]) -> list[str]:
    """The resources of what was put there, which are numbers of days."""
    return [line["resource"] for line in lines if line["operation"] == "ses:X"]


@pytest.mark.usefixtures("log")
def test_all_of_it_in_the_order_it_came(indicia: Run) -> None:
    """One JSON object a line with everything that is known; that it was exported is the next entry."""
    first = exported(indicia)
    again = exported(indicia, "--json")

    assert days(first) == [*(f"r{number}" for number in range(10)), "r3"]
    made = next(line for line in first if line["operation"] == "operator:CreateAccount")
    assert (made["account"], made["principal"]) == (
        ACCOUNT,
        f"os-user/{pwd.getpwuid(os.geteuid()).pw_name}",
    )
    assert first[-1] == {
        "id": first[-1]["id"],
        "at": rfc3339(T0 + 3 * DAY),
        "account": "444455556666",
        "principal": "arn:aws:iam::1:root",
        "access_key": "AKIA",
        "address": "192.0.2.1",
        "operation": "ses:X",
        "resource": "r3",
        "outcome": "success",
        "calls": 1,
        "detail": "",
        "request_id": "id",
    }
    assert again[:-1] == first
    assert (again[-1]["operation"], again[-1]["detail"]) == ("operator:ExportAuditLog", "all of it")
    assert [line["id"] for line in again] == sorted(line["id"] for line in again)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--account", "444455556666"), ["r3"]),
        (("--since", rfc3339(T0 + 8 * DAY)), ["r8", "r9"]),
        (("--until", rfc3339(T0 + 2 * DAY)), ["r0", "r1"]),
        (("--since", rfc3339(T0 + 3 * DAY), "--until", rfc3339(T0 + 4 * DAY), "--account", ACCOUNT), ["r3"]),
        (("--since", "2126-01-01"), []),
        (("--until", "2001-01-01"), []),
        (("--until", "3650d"), []),
    ],
)
def test_a_part_of_it(indicia: Run, arguments: tuple[str, ...], found: list[str]) -> None:
    """Of one account; from an instant on, and before one; both as instants, as dates, or as so long ago."""
    assert days(exported(indicia, *arguments)) == found


@pytest.mark.usefixtures("log")
def test_it_is_read_page_by_page(indicia: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a page is in memory at a time, and nothing is missed or told twice between two."""
    whole = exported(indicia)
    monkeypatch.setattr(command, "_PAGE", 3)

    paged = exported(indicia)

    assert paged[: len(whole)] == whole


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--since", "yesterday"),
            '--since: "yesterday" is none of 2026-11-22T05:06:00Z, 2026-11-22 (UTC) and 30d',
        ),
        (("--until", "2026-11-22T05:06:00"), '--until: "2026-11-22T05:06:00" is none of'),
        (("--account", "12"), "--account: "),
    ],
)
def test_what_cannot_be_meant_is_refused(indicia: Run, arguments: tuple[str, ...], said: str) -> None:
    """An instant without an offset could be any of a day."""
    done = indicia("audit", "export", *arguments)
    assert done.status == 2
    assert said in done.err
