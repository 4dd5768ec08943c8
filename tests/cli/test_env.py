"""`indicia env`: what a shell has after eval."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invocation import Run

from indicia.credentials import AccountCredentials, write_credentials
from indicia.runtime.ready import Ready

KEY = AccountCredentials("AKIAABCDEFGHIJKLMNOP", "se+cret/with'quote$and space" + "x" * 12, "123456789012")
NAMES = [
    "AWS_ENDPOINT_URL_SES",
    "AWS_ENDPOINT_URL_SESV2",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data dir with credentials."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_credentials(folder / "credentials", KEY)
    return folder


def test_a_shell_has_it_after_eval(data_dir: Path) -> None:
    """Eval "$(indicia env)" sets every variable, whatever characters are in the secret."""
    script = (
        f"eval \"$('{sys.executable}' -m indicia env --data-dir '{data_dir}')\"\n"
        f"'{sys.executable}' -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    environment = {"PATH": os.environ["PATH"], "AWS_SESSION_TOKEN": "of another key"}
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True, env=environment, cwd=data_dir
    )
    seen = json.loads(done.stdout)

    assert [seen[name] for name in NAMES] == [
        *["http://127.0.0.1:8465"] * 3,
        KEY.id,
        KEY.secret,
        "us-east-1",
        "us-east-1",
    ]
    assert "AWS_SESSION_TOKEN" not in seen


def test_the_running_servers_address_counts(indicia: Run, data_dir: Path) -> None:
    """What the ready file says wins over what the settings expect."""
    Ready(1, "https://127.0.0.1:34567", ("127.0.0.1:34567",), (), (), "moon-1").write(data_dir / "ready.json")

    variables = indicia("env", "--json", "--data-dir", str(data_dir), "--listen-http", "127.0.0.1:0").json

    assert list(variables) == NAMES
    assert variables["AWS_ENDPOINT_URL_SES"] == "https://127.0.0.1:34567"
    assert variables["AWS_REGION"] == "moon-1"


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
        ("localhost:1,10.0.0.1:2", "http://localhost:1"),
    ],
)
def test_without_a_running_server_the_settings_say_where_it_will_be(
    indicia: Run, data_dir: Path, listen: str, url: str
) -> None:
    """The first address of the list, as this machine reaches it."""
    done = indicia("env", "--json", "--data-dir", str(data_dir), "--listen-http", listen)

    assert done.json["AWS_ENDPOINT_URL_SESV2"] == url


def test_a_port_that_is_not_chosen_yet_is_an_error(indicia: Run, data_dir: Path) -> None:
    """Port 0 names nothing until a server has started."""
    done = indicia("env", "--data-dir", str(data_dir), "--listen-http", "127.0.0.1:0")

    assert (done.status, done.out) == (1, "")
    assert done.err.endswith("its port is chosen when it starts: run `indicia serve` first\n")


def test_a_key_that_is_set_is_the_one_printed(
    indicia: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operator sets is authoritative here as well."""
    monkeypatch.setenv("INDICIA_ROOT_ACCESS_KEY_ID", "AKIAZZZZZZZZZZZZZZZZ")
    monkeypatch.setenv("INDICIA_ROOT_SECRET_ACCESS_KEY", "z" * 40)

    done = indicia("env", "--json", "--data-dir", str(data_dir))

    assert done.json["AWS_ACCESS_KEY_ID"] == "AKIAZZZZZZZZZZZZZZZZ"
    assert done.json["AWS_SECRET_ACCESS_KEY"] == "z" * 40


SOMEBODY = 54_321  # nobody has this number
_WITHOUT = "--bounding-set=-dac_override,-dac_read_search"
kept_out = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can give files away, and setpriv of util-linux keeps it out of them",
)


def kept_out_of(folder: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may not look into the folder, which is somebody else's."""
    os.chown(folder, SOMEBODY, -1)
    folder.chmod(0o700)
    return subprocess.run(
        ["setpriv", _WITHOUT, sys.executable, "-m", "indicia", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@kept_out
def test_a_key_that_may_not_be_read_is_no_missing_key(data_dir: Path) -> None:
    """Whoever runs it as somebody else is told that, and not that there is none."""
    done = kept_out_of(data_dir, "env", "--data-dir", str(data_dir), cwd=Path("/"))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"indicia: {data_dir / 'credentials'} cannot be read (Permission denied):"
        " run this as the user whose installation it is\n"
    )


@kept_out
@pytest.mark.parametrize("command", ["env", "doctor", "sandbox"])
def test_a_folder_that_may_not_be_looked_into_is_said(data_dir: Path, command: str) -> None:
    """The home of whoever became the user of the service is one; a file that is named is read."""
    done = kept_out_of(data_dir, command, cwd=data_dir)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "indicia: nobody may look for ./indicia.toml here as this user (Permission denied):"
        " go to another folder, or name the file with --config\n"
    )
    named = kept_out_of(data_dir, command, "--config", "/none.toml", cwd=data_dir)
    assert "/none.toml" in named.stderr
