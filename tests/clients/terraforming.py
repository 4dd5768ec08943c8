"""Terraform with the provider for AWS, as somebody who runs it would.

One process of the provider serves every command: that saves loading its seven hundred megabytes each time. It
listens to whoever has `TF_REATTACH_PROVIDERS` (Terraform, "Debugging Providers"), and nothing is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).with_name("terraform")
_WITHIN = 120.0  # seconds, to start on a machine that is busy with other tests
_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_BINARY = f"*/hashicorp/aws/*/{platform.system().lower()}_{_MACHINE}/terraform-provider-aws_v*"
# Less of the time goes into collecting garbage, for some memory.
_QUICKLY = {"GOGC": "400"}


def terraform() -> str:
    """Return the program; the test is skipped where there is none."""
    found = shutil.which("terraform")
    if found is None:
        pytest.skip("terraform is not installed: see https://developer.hashicorp.com/terraform/install")
    return found


def provider() -> Path:
    """Return the newest provider for AWS in a mirror here; the test is skipped where there is none."""
    found = [binary for mirror in _mirrors() for binary in mirror.glob(_BINARY) if os.access(binary, os.X_OK)]
    if not found:
        pytest.skip(
            "no mirror of Terraform's provider for AWS: `terraform providers mirror FOLDER` in"
            f" {FOLDER} makes one, which `filesystem_mirror` in ~/.terraformrc names (unpacked)"
        )
    return max(
        found, key=lambda binary: [int(part) for part in re.findall(r"\d+", binary.parent.parent.name)]
    )


def _mirrors() -> Iterable[Path]:
    """Yield the folders that the configuration names, those that Terraform looks into, and add-ons."""
    configuration = Path(os.environ.get("TF_CLI_CONFIG_FILE", Path.home() / ".terraformrc"))
    with contextlib.suppress(OSError):
        named = re.findall(r'^\s*path\s*=\s*"([^"]+)"', configuration.read_text(), flags=re.MULTILINE)
        yield from map(Path, named)
    # Terraform, "Implied Local Mirror Directories".
    data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    yield Path.home() / ".terraform.d" / "plugins"
    for shared in (data, Path("/usr/local/share"), Path("/usr/share")):
        yield shared / "terraform" / "plugins"
    # FHS 3.0 §3.13: add-on software, a folder each.
    with contextlib.suppress(OSError):
        yield from sorted(Path("/opt").iterdir())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did: its exit status and the lines that it told in JSON."""

    status: int
    told: tuple[Mapping[str, Any], ...]
    stderr: str

    @property
    def errors(self) -> list[str]:
        """What went wrong, or was warned of, in words."""
        return [
            f"{line['@message']}\n{line.get('diagnostic', {}).get('detail', '')}"
            for line in self.told
            if line["@level"] in {"error", "warn"}
        ]

    @property
    def changes(self) -> dict[str, str]:
        """The action planned for each resource, by address; data sources are read whenever they like."""
        return {
            line["change"]["resource"]["addr"]: line["change"]["action"]
            for line in self.told
            if line["type"] == "planned_change" and line["change"]["action"] != "read"
        }

    @property
    def summary(self) -> dict[str, int]:
        """How many are added, changed, imported and removed, as the last line about it says."""
        counts = [line["changes"] for line in self.told if line["type"] == "change_summary"][-1]
        return {name: counts[name] for name in ("add", "change", "import", "remove")}


class Workspace:
    """A folder with configuration and state."""

    def __init__(self, program: str, folder: Path, environ: Mapping[str, str]) -> None:
        self._program = program
        self._folder = folder
        self._environ = {**environ, "PATH": os.environ["PATH"]}

    def use(self, *files: str) -> None:
        """Have just these files of ours as the configuration."""
        for old in self._folder.glob("*.tf"):
            old.unlink()
        for name in files:
            shutil.copy(FOLDER / name, self._folder)

    def run(self, *command: str) -> Outcome:
        """Run a command that tells what it does in JSON."""
        done = subprocess.run(
            [self._program, *command, "-json", "-input=false"],
            cwd=self._folder, env=self._environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        told = tuple(json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
        return Outcome(done.returncode, told, done.stderr)

    def shown(self) -> str:
        """Return what `plan` says to a person: for the message of a test that fails."""
        done = subprocess.run(
            [self._program, "plan", "-no-color", "-input=false"],
            cwd=self._folder, env=self._environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    def schemas(self) -> Mapping[str, Any]:
        """Return what the provider has: its resources and data sources, by name."""
        done = subprocess.run(
            [self._program, "providers", "schema", "-json"],
            cwd=self._folder, env=self._environ, capture_output=True, text=True, check=True,
        )  # fmt: skip
        (schemas,) = json.loads(done.stdout)["provider_schemas"].values()
        return schemas  # type: ignore[no-any-return]

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the last apply."""
        state = json.loads((self._folder / "terraform.tfstate").read_text())
        return {name: output["value"] for name, output in state["outputs"].items()}


@contextlib.contextmanager
def attached() -> Iterator[dict[str, str]]:
    """Run the provider; yields the environment in which Terraform uses it, without a word about AWS."""
    binary = provider()
    # The path of a socket has at most 108 octets, and that of a test's folder may have more.
    with tempfile.TemporaryDirectory(prefix="tf-") as short:
        environ = {"HOME": short, "TMPDIR": short, "TF_CLI_CONFIG_FILE": os.devnull, **_QUICKLY}
        told, log = Path(short, "told"), Path(short, "log")
        with told.open("wb") as out, log.open("wb") as err:
            process = subprocess.Popen(
                [binary, "-debug"], env=environ, stdout=out, stderr=err, stdin=subprocess.DEVNULL
            )
        try:
            yield {
                **environ,
                "TF_REATTACH_PROVIDERS": _address(told, process, log),
                "CHECKPOINT_DISABLE": "1",
                "TF_IN_AUTOMATION": "1",
            }
        finally:
            process.terminate()
            process.wait()


def _address(told: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _WITHIN
    while time.monotonic() < end:
        found = re.search(r"TF_REATTACH_PROVIDERS='(.+)'", told.read_text())
        if found is not None:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"the provider is not ready: {log.read_text()}")
