"""Whatever a command changes is in the audit log."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cyclopts import App

from indicia.cli import application, main
from indicia.installation import Installation
from indicia.runtime.clock import Clock
from indicia.settings import load
from indicia.store.accounts import audit
from indicia.store.accounts.audit import AuditEntry, AuditSelection
from indicia.store.engine import schema
from indicia.store.engine.opening import open_database
from indicia.store.engine.sqlite import connect

ACCOUNT = "111122223333"
EVERYTHING = partial(audit.page, wanted=AuditSelection(), after=0, limit=100_000)

# Commands that change nothing that is kept, or nothing of an installation.
LOOK_ONLY = {
    "account list",
    "config check",
    "config show",
    "demotions status",
    "doctor",
    "env",
    "key list",
    "records",
    # They end in what the processes do that they run, which is on record where it is done.
    "serve",
    "sandbox",
    # They steer a sandbox over HTTP: its DNS, its clock and its mailbox are no installation's.
    "sandbox publish",
    "sandbox withdraw",
    "sandbox clock",
    "sandbox clock advance",
    "sandbox outbox",
    "sandbox reset",
}


class Commands:
    """Runs commands on an installation, and says what they left in the audit log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"

    def run(self, *arguments: str) -> None:
        """Run one to its end."""
        assert main([*arguments, "--data-dir", str(self.data_dir)]) == 0

    def entries(self) -> list[AuditEntry]:
        """Everything in the audit log, the oldest first."""
        tree = load(environment={"INDICIA_DATA_DIR": str(self.data_dir)})
        if schema.check(tree.database_url.text) is not schema.Schema.UP_TO_DATE:
            return []
        database = open_database(tree.database_url.text)
        try:
            return [entry for _, entry in database.read(EVERYTHING)]
        finally:
            database.close()

    def added(self, *arguments: str) -> list[str]:
        """The operations that one command puts on record."""
        before = len(self.entries())
        self.run(*arguments)
        return [entry.operation for entry in self.entries()[before:]]

    def key(self) -> str:
        """An access key that was just made."""
        self.run("key", "create", "--account", ACCOUNT)
        return self.entries()[-1].resource.removeprefix("access-key/")

    def older(self) -> None:
        """Let the database be one of the version before."""
        for beside in self.data_dir.glob("indicia.db*"):
            beside.unlink()
        connection = connect(str(self.data_dir / "indicia.db"))
        schema.upgrade("sqlite", connection, schema.REVISIONS[-2])
        connection.close()


# What each command that changes something is tried with, and what it is on record as.
CHANGES: dict[str, tuple[Callable[[Commands], tuple[str, ...]], str]] = {
    "account create": (lambda _: ("444455556666",), "operator:CreateAccount"),
    "account approve": (lambda _: (ACCOUNT, "--region", "us-east-1"), "operator:ApproveProductionAccess"),
    "account deny": (lambda _: (ACCOUNT, "--region", "us-east-1"), "operator:DenyProductionAccess"),
    "audit export": (lambda _: (), "operator:ExportAuditLog"),
    "demotions pause": (lambda _: (), "operator:PauseDemotions"),
    "demotions resume": (lambda _: (), "operator:ResumeDemotions"),
    "key create": (lambda _: ("--account", ACCOUNT), "operator:CreateAccessKey"),
    "key revoke": (lambda commands: (commands.key(),), "operator:RevokeAccessKey"),
    "master-key create": (lambda _: (), "operator:RecordMasterKey"),
    "master-key rotate": (lambda _: (), "operator:RotateMasterKey"),
    "migrate": (lambda commands: (commands.older(), ())[1], "operator:MigrateSchema"),
}


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """An installation with an account and a keyring."""
    monkeypatch.chdir(tmp_path)
    made = Commands(tmp_path)
    made.run("account", "create", ACCOUNT)
    made.key()
    return made


def every_command(app: App, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the name of every command that can be run, with those it is under."""
    found = [(name, app[name]) for name in app if not name.startswith("-")]
    if before and app.default_command is not None:
        yield " ".join(before)
    for name, each in found:
        yield from every_command(each, (*before, name))


def test_every_command_is_known_to_change_something_or_not() -> None:
    """A new one has to say which, here: whatever changes something is tried below."""
    found = set(every_command(application()))
    assert found == LOOK_ONLY | CHANGES.keys()


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "master-key create"])
def test_every_command_that_changes_something_is_on_record(commands: Commands, name: str) -> None:
    """By whom on which machine, in the transaction of what it does."""
    prepare, operation = CHANGES[name]
    arguments = prepare(commands)

    added = commands.added(*name.split(), *arguments)

    assert operation in added
    line = next(each for each in reversed(commands.entries()) if each.operation == operation)
    assert line.principal.startswith("os-user/")
    assert (line.outcome, line.access_key) == ("success", "")


def test_a_first_keyring_is_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no database yet when it is made: it is with the first one that is encrypted under it."""
    monkeypatch.chdir(tmp_path)
    commands = Commands(tmp_path)
    commands.run("master-key", "create")
    commands.run("account", "create", ACCOUNT)
    commands.key()
    operations = [entry.operation for entry in commands.entries()]
    assert operations == [
        "operator:MigrateSchema",
        "operator:CreateAccount",
        "operator:RecordMasterKey",
        "operator:CreateAccessKey",
    ]


def test_no_secret_is_on_record(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither that of a key nor anything of the keyring."""
    capsys.readouterr()
    commands.run("key", "create", "--account", ACCOUNT, "--json")
    secret = json.loads(capsys.readouterr().out)["secret_access_key"]
    ring = (commands.data_dir / "master.key").read_text().strip()

    log = repr(commands.entries())

    for each in (secret, ring, base64.b64decode(ring).hex()):
        assert each not in log


def test_the_operators_own_key_is_on_record_when_it_changes(tmp_path: Path) -> None:
    """Settings name it at every start: news is the first, another one, and the end of the one before."""

    def start(number: int) -> list[tuple[str, str]]:
        key = {"INDICIA_ROOT_ACCESS_KEY_ID": f"AKIA{number:016d}", "INDICIA_ROOT_ACCOUNT": ACCOUNT}
        secret = {"INDICIA_ROOT_SECRET_ACCESS_KEY": f"{number:040d}"}
        settings = load(environment={"INDICIA_DATA_DIR": str(tmp_path / "data"), **key, **secret})
        opened = Installation(settings, Clock())
        try:
            found = [entry for _, entry in opened.database.read(EVERYTHING)]
        finally:
            opened.close()
        return [(each.operation, each.resource) for each in found if each.resource != "*"]

    first = start(1)
    assert first == [("operator:CreateAccessKey", "access-key/AKIA0000000000000001")]
    assert start(1) == first
    assert start(2) == [
        *first,
        ("operator:RevokeAccessKey", "access-key/AKIA0000000000000001"),
        ("operator:CreateAccessKey", "access-key/AKIA0000000000000002"),
    ]
