"""Write the lock files anew from pyproject.toml.

`requirements.lock` is what Indicia needs to run, `requirements-dev.lock` what it takes to work on it,
`requirements-docs.lock` what builds the documentation as a site, and
`tests/clients/strict/requirements.lock` the Python programs that the tests use it with: every package of
each, pinned, with the hashes of all of its files, for every Python and machine that pyproject.toml allows.
No index address, host or path of a machine gets into them: whoever installs chooses where from, and the
hashes say whether it is the right thing.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS: dict[str, list[str]] = {
    "requirements.lock": ["pyproject.toml"],
    "requirements-dev.lock": ["pyproject.toml", "--group", "dev"],
    "requirements-docs.lock": ["--group", "docs"],
    "tests/clients/strict/requirements.lock": ["tests/clients/strict/requirements.in"],
}


def write(name: str, selection: list[str], *, upgrade: bool) -> None:
    """Write one lock file. Versions already in it stay unless `upgrade`."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", *selection),
        *("--universal", "--python-version", "3.11", "--generate-hashes"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--quiet"),
        *("--output-file", name),
    ]
    if upgrade:
        command.append("--upgrade")
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Write all of them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--upgrade", action="store_true", help="take newer versions where allowed")
    upgrade = arguments.parse_args().upgrade
    for name, selection in LOCKS.items():
        write(name, selection, upgrade=upgrade)
        print(f"{name} written")


if __name__ == "__main__":
    main()
