"""What users install: the wheel in an environment of its own, the container file, the unit for systemd."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from indicia.settings.table import BY_NAME

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "deploy" / "indicia.service"
CONTAINERFILE = ROOT / "deploy" / "Containerfile"


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("INDICIA_", "PYTEST_"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=bare | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment with the wheel, and with the libraries it depends on.

    The libraries are those of this environment, so that nothing is fetched; Indicia itself is the wheel's.
    """
    folder = tmp_path_factory.mktemp("wheel")
    # Built from a copy: a build leaves files where it works.
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    built = _run(*pip, "wheel", *offline, "-w", folder / "dist", ".", cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").glob("indicia-*.whl")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    put = _run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert put.returncode == 0, put.stderr
    (place,) = (folder / "env" / "lib").glob("python*/site-packages")
    # The .pth files in a folder that a .pth file names are not read: that of this checkout does not count.
    (place / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


def test_what_is_installed_says_that_it_is_typed(installed: Path) -> None:
    """A type checker takes the types of a package from it when it says so (PEP 561)."""
    (package,) = (installed.parent / "lib").glob("python*/site-packages/indicia")

    assert (package / "py.typed").is_file()


def test_the_wheel_is_all_there_is_to_install(installed: Path, tmp_path: Path) -> None:
    """From the wheel alone: the command, a whole sandbox with a domain in it, and every page and template."""
    where = _run(installed / "python", "-c", "import indicia; print(indicia.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(installed.parent))

    script = (
        "import boto3; ses = boto3.client('sesv2'); ses.create_email_identity(EmailIdentity='shop.example');"
        "ses.create_email_identity(EmailIdentity='ann@shop.example');"
        "import subprocess, sys;"
        "run = lambda *a: subprocess.run([sys.executable, '-m', 'indicia', *a], check=True);"
        "run('sandbox', 'publish', 'shop.example'); run('sandbox', 'outbox', '--json');"
        "print(ses.get_email_identity(EmailIdentity='shop.example')['VerificationStatus'])"
    )
    done = _run(
        *(installed / "indicia", "sandbox", "--", installed / "python", "-c", script),
        cwd=tmp_path,
        PATH=f"{installed}:{os.environ['PATH']}",
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("SUCCESS")
    assert "ann@shop.example" in done.stdout
    packed = {
        path.relative_to(ROOT / "src")
        for path in (ROOT / "src" / "indicia").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    (place,) = installed.parent.glob("lib/python*/site-packages")
    assert [str(path) for path in sorted(packed) if not (place / path).exists()] == []


def test_a_client_without_boto3_says_what_to_install(installed: Path, tmp_path: Path) -> None:
    """Where boto3 is missing, asking the plugin for a client of it ends in the line that installs it."""
    script = (
        "import sys; sys.modules['boto3'] = None\n"
        "from indicia.testing.kit import Sandbox\n"
        "Sandbox('http://127.0.0.1:1', '127.0.0.1:1').client('sesv2')\n"
    )
    done = _run(installed / "python", "-c", script, cwd=tmp_path)

    assert (
        "which is not installed: `pip install boto3`, or install Indicia as `indicia[testing]`" in done.stderr
    )


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    """Not a line of it is unknown or misread, and it lets the service do nothing that it need not."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("apt-get install systemd")
    text = UNIT.read_text(encoding="utf-8").replace("/opt/indicia/bin/indicia", sys.executable)
    unit = tmp_path / "indicia.service"
    unit.write_text(text)

    verified = _run("systemd-analyze", "verify", "--man=no", unit, cwd=tmp_path)
    exposure = _run("systemd-analyze", "security", "--offline=true", "--threshold=30", unit, cwd=tmp_path)

    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposure.returncode == 0, exposure.stdout


def _instructions() -> list[tuple[str, str]]:
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def test_the_container_has_settings_that_serve_takes(installed: Path, tmp_path: Path) -> None:
    """What it copies is there, and serve would start with its environment and what its page demands."""
    found = _instructions()
    copied = [word for kind, rest in found if kind == "COPY" for word in shlex.split(rest)[:-1]]
    given = dict(part.split("=", 1) for kind, rest in found if kind == "ENV" for part in shlex.split(rest))

    assert {each for each in copied if not each.startswith("dist/") and not (ROOT / each).exists()} == set()
    assert {each for each in given if each.removeprefix("INDICIA_").lower() not in BY_NAME} == set()
    assert [rest for kind, rest in found if kind in {"ENTRYPOINT", "CMD"}] == ['["indicia"]', '["serve"]']
    assert re.fullmatch(r"indicia", dict(found)["USER"])
    demanded = {"INDICIA_SERVICE_DOMAIN": "mail.example.com", "INDICIA_TRUSTED_PROXIES": "10.88.0.1"}
    checked = _run(
        *(installed / "indicia", "config", "check"),
        cwd=tmp_path,
        **given | demanded | {"INDICIA_DATA_DIR": str(tmp_path / "data")},
    )
    assert checked.returncode == 0, checked.stderr
