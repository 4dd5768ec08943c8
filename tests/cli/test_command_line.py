"""What holds for every command."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest
from cyclopts import App
from invocation import Run

from indicia import cli
from indicia.cli import COMMANDS, application
from indicia.cli.records import Form
from indicia.domain.records.forms import FORMS

# Every command, and what its help has to name: where it finds its settings, or the service that it speaks to.
SETTINGS, SERVICE = "--config", "--endpoint-url"
LEAVES = {
    ("serve",): SETTINGS,
    ("sandbox",): SETTINGS,
    ("sandbox", "publish"): SERVICE,
    ("sandbox", "withdraw"): SERVICE,
    ("sandbox", "clock"): SERVICE,
    ("sandbox", "clock", "advance"): SERVICE,
    ("sandbox", "outbox"): SERVICE,
    ("sandbox", "reset"): SERVICE,
    ("doctor",): SERVICE,
    ("records",): SERVICE,
    ("env",): SETTINGS,
    ("key", "create"): SETTINGS,
    ("key", "list"): SETTINGS,
    ("key", "revoke"): SETTINGS,
    ("account", "create"): SETTINGS,
    ("account", "list"): SETTINGS,
    ("account", "approve"): SETTINGS,
    ("account", "deny"): SETTINGS,
    ("config", "check"): SETTINGS,
    ("config", "show"): SETTINGS,
    ("migrate",): SETTINGS,
    ("master-key", "create"): SETTINGS,
    ("master-key", "rotate"): SETTINGS,
    ("audit", "export"): SETTINGS,
    ("demotions", "status"): SETTINGS,
    ("demotions", "pause"): SETTINGS,
    ("demotions", "resume"): SETTINGS,
}
# These go on running, and print log lines.
RUNNING = {("serve",), ("sandbox",)}


def test_the_version_is_the_one_that_is_installed(indicia: Run) -> None:
    """`--version` prints it alone."""
    done = indicia("--version")

    assert (done.status, done.out, done.err) == (0, f"{version('indicia')}\n", "")


def test_help_names_every_command(indicia: Run) -> None:
    """`--help`, and no arguments at all, list the commands."""
    for arguments in ((), ("--help",)):
        done = indicia(*arguments)

        assert done.status == 0
        assert [name for name, *_ in COMMANDS if f" {name} " not in done.out] == []


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_every_command_has_help(indicia: Run, leaf: tuple[str, ...]) -> None:
    """`--help` says what it does and what it works on, and names `--json` where it prints anything."""
    done = indicia(*leaf, "--help")

    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"Usage: indicia {' '.join(leaf)}")
    assert re.match(r"Usage: .*\n\n[A-Z]", done.out)
    assert LEAVES[leaf] in done.out
    if LEAVES[leaf] is SERVICE:
        assert "--region" in done.out
        assert "--profile" in done.out
    assert ("--json" in done.out) is (leaf not in RUNNING)


def leaves(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every command that does something."""
    names = [name for name in app if not name.startswith("-")]
    if path and (app.default_command is not None or not names):
        yield path
    for name in names:
        yield from leaves(app[name], (*path, name))


def test_the_list_above_is_complete() -> None:
    """No command escapes the test before this one."""
    assert set(leaves(application())) == LEAVES.keys(), "LEAVES has a line for each command"
    assert {leaf[0] for leaf in LEAVES} == {name for name, *_ in COMMANDS}


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("frobnicate",), 2, 'Unknown command "frobnicate".'),
        (("serve", "--frobnicate"), 2, "Unknown option: --frobnicate."),
        (
            ("serve", "--workers", "many"),
            2,
            'Invalid value for --workers: unable to convert "many" into int.',
        ),
        (("serve", "--workers", "0"), 2, "--workers: 0 is not from 1 to 64"),
        (
            ("serve", "--roles", "api,cook"),
            2,
            '--roles: "cook" is none of `api`, `links`, `verifier`, `mailer` or `dns`',
        ),
        (("serve", "--roles", "smtp"), 2, '--roles: the role "smtp" is reserved for a later version'),
        (("serve", "--listen-http", "x"), 2, '--listen-http: "x" has no port: host:port or [v6]:port'),
        (("serve", "--config", "no.toml"), 2, "no.toml: cannot be read: No such file or directory"),
        (("config", "check", "--quorum", "0"), 2, '--quorum: "0" is not a whole number from 1 to 1000000000'),
        (("env",), 1, "there is no access key in "),
        (("doctor",), 2, "there is no installation in "),
        (("doctor", "example.com", "--endpoint-url", "http://127.0.0.1:1"), 2, "nothing answers at "),
        (("records", "x.example", "--endpoint-url", "ftp://x"), 2, "the endpoint ftp://x is not http://"),
        (
            ("records", "x.example", "--endpoint-url", "http://x:port"),
            2,
            "the endpoint http://x:port is not ",
        ),
        (
            ("records", "x.example", "--endpoint-url", "http://x:99999"),
            2,
            "the endpoint http://x:99999 is not ",
        ),
        (("records", "x.example", "--endpoint-url", "http://[x"), 2, "the endpoint http://[x is not http://"),
        (("records", "x.example", "--profile", "nobody"), 2, "there is no profile nobody in the AWS shared"),
        (("sandbox", "reset", "--endpoint-url", "http://127.0.0.1:1"), 2, "nothing answers at "),
        (("key", "create", "--account", "1"), 2, '--account: "1" is not an account number of 12 digits'),
        (("key", "create", "--user", "a b"), 2, '--user: "a b" is not 1 to 64 letters, digits and +=,.@_-'),
        (("key", "create"), 2, "there is no operator's account yet: name one with --account"),
        (("key", "create", "--account", "123456789012"), 1, "there is no account 123456789012: make it with"),
        (("key", "revoke"), 2, 'Command "key revoke" parameter key-id requires an argument.'),
        (("key", "revoke", "AKIA"), 1, "there is no installation in "),
        (("key", "list", "--data-dir", "nowhere"), 1, "there is no installation in "),
        (("account", "approve", "123456789012"), 1, "there is no installation in "),
        (("demotions", "status"), 1, "there is no installation in "),
        (("master-key", "rotate"), 1, "there is no installation in "),
        (("serve", "api"), 2, '"api" is more than the command takes: see `indicia serve --help`'),
        (("doctor", ""), 2, "the identity is empty: name a domain or an address"),
        (("records", ""), 2, "the identity is empty: name a domain or an address"),
        (("records", "\udcff"), 2, "an argument is not UTF-8"),
        (("records", "x.example", "--format", "xml"), 2, 'Invalid value "xml" for --format.'),
        (("sandbox", "publish", "x.example", "--only", "spf"), 2, 'Invalid value "spf" for --only.'),
        (("sandbox", "clock", "advance", "1y"), 2, '"1y" is not a duration such as 10s, 15m, 72h or 5d'),
        (("account", "create", "12"), 2, '"12" is not an account number of 12 digits'),
        (("account", "create", "--contact", "x"), 2, '"x" is not a mail address'),
        (
            ("migrate", "--database-url", "mysql://x"),
            2,
            "--database-url: is neither sqlite:///PATH nor postgresql",
        ),
        (
            ("migrate", "--database-url", "postgresql://127.0.0.1:1/x"),
            1,
            "The database does not answer: connection refused: mend that, or name another one with INDICIA_",
        ),
        (("migrate", "--check"), 1, "There is no schema yet: `indicia migrate` makes it."),
        (("account", "create", "--data-dir", "/dev/null/x"), 1, "the data dir /dev/null/x cannot be used: "),
        (("account", "list", "--database-url", "sqlite:////dev/null/x"), 1, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_line_and_never_status_0(
    indicia: Run, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    """Standard error says what is wrong, standard output nothing, and no traceback shows."""
    done = indicia(*arguments)

    assert done.status == status
    assert done.out == ""
    assert done.err.startswith(f"indicia: {sentence}")
    assert done.err.count("\n") == 1


def test_a_command_that_makes_nothing_leaves_nothing(indicia: Run, tmp_path: Path) -> None:
    """In a folder without an installation, none is made by asking for what is in it."""
    for arguments in (
        ("key", "list"),
        ("account", "list"),
        ("demotions", "status"),
        ("master-key", "rotate"),
    ):
        assert indicia(*arguments).status == 1

    assert list(tmp_path.iterdir()) == []


def test_certificates_that_cannot_be_read_are_named(indicia: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_CA_BUNDLE with no certificates behind it is a mistake of whoever set it."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/dev/null/bundle.pem")

    done = indicia("records", "x.example", "--endpoint-url", "https://127.0.0.1:1")

    assert (done.status, done.err) == (
        2,
        "indicia: AWS_CA_BUNDLE: /dev/null/bundle.pem holds no certificates that can be read\n",
    )


def test_every_form_of_records_can_be_asked_for() -> None:
    """The command offers the forms that the service has."""
    assert {*get_args(Form)} == {"table", "json", *FORMS}


def loaded_by(*arguments: str) -> set[str]:
    """Return the modules that a process has loaded after one command."""
    code = (
        "import sys\nfrom indicia.cli import main\n"
        f"main({arguments!r})\nprint('MODULES', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.partition("MODULES ")[2].split())


def test_a_command_loads_only_what_it_needs() -> None:
    """The version takes no part of the house, help none of the commands, the settings no database."""
    database = {"sqlalchemy", "psycopg", "sqlite3", "httptools", "uvloop"}

    assert loaded_by("--version") & {"cyclopts", "indicia.settings", *database} == set()
    assert loaded_by("--help") & {"indicia.cli.serve", "indicia.cli.options", *database} == set()
    assert loaded_by("config", "show") & database == set()
    assert loaded_by("sandbox", "reset", "--endpoint-url", "http://127.0.0.1:1") & database == set()


def test_keys_of_documents_are_spelled_as_those_of_http() -> None:
    """What `--json` prints has keys in small letters and underscores, as the calls under `/indicia/v1/`."""
    commands = Path(cli.__file__).parent.glob("*.py")
    printed = [
        call
        for path in commands
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print_json"
    ]
    keys = {
        key.value
        for call in printed
        for part in ast.walk(call)
        if isinstance(part, ast.Dict)
        for key in part.keys
        if isinstance(key, ast.Constant)
    }

    assert {"access_key_id", "account", "paused_since"} <= keys
    assert [key for key in keys if not re.fullmatch(r"[a-z]+(_[a-z]+)*", key)] == []


def test_the_module_is_the_command() -> None:
    """`python -m indicia` does the same, exit status included."""
    shown = subprocess.run(
        [sys.executable, "-m", "indicia", "--version"], capture_output=True, text=True, check=True
    )
    wrong = subprocess.run([sys.executable, "-m", "indicia", "nonsense"], capture_output=True, check=False)

    assert shown.stdout == f"{version('indicia')}\n"
    assert wrong.returncode == 2


@pytest.mark.parametrize("arguments", ["config show", "--help"])
def test_output_that_cannot_be_written_is_told(arguments: str) -> None:
    """A full disk under standard output is one line, and no success."""
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m indicia {arguments} > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (1, "indicia: this cannot be written: No space left on device\n")


def test_output_that_nobody_wants_is_no_error() -> None:
    """Whoever closes standard output before the start gets nothing, and no complaint."""
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m indicia config show >&-"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("", "")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`indicia config show | head -1` ends without a complaint."""
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m indicia config show --json | head -c 1"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("{", "")
