"""Check that the lock files fit what they were written from, without asking any index.

Every dependency that pyproject.toml (or tests/clients/strict/requirements.in) names is in its lock file, at a
version it allows and with a hash; and nothing in a lock file is an address, a host or a path.
"""

import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^ ;\\]+)")
ADDRESS = re.compile(r"://|^\s*-|(^|\s)/[A-Za-z]| @ ")


def pins(lines: list[str]) -> dict[str, str]:
    """Name to version of everything that a lock file pins."""
    found = (PIN.match(line) for line in lines)
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found if pin}


def complaints(lock: str, wanted: list[str]) -> list[str]:
    """What is wrong with one lock file, in sentences."""
    lines = (ROOT / lock).read_text().splitlines()
    found = pins(lines)
    problems = [
        f"{lock}:{number}: an address, a host or a path: {line.strip()[:100]}"
        for number, line in enumerate(lines, 1)
        if ADDRESS.search(line) and not line.lstrip().startswith("--hash=")
    ]
    for requirement in (Requirement(line) for line in wanted if not line.startswith("#")):
        version = found.get(canonicalize_name(requirement.name))
        if version is None:
            problems.append(f"{lock}: {requirement} is wanted and not here; run `make lock`")
        elif not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{lock}: {requirement.name} {version} is not {requirement}; run `make lock`")
    hashes = sum("--hash=sha256:" in line for line in lines)
    if hashes < len(found):
        problems.append(f"{lock}: {len(found)} packages and only {hashes} hashes; run `make lock`")
    return problems


def main() -> None:
    """Complain on standard error and exit with 1 when a lock file does not fit."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime: list[str] = project["project"]["dependencies"]
    development: list[str] = project["dependency-groups"]["dev"]
    problems = complaints("requirements.lock", runtime)
    problems += complaints("requirements-dev.lock", runtime + development)
    problems += complaints("requirements-docs.lock", project["dependency-groups"]["docs"])
    strict = "tests/clients/strict/requirements"
    problems += complaints(f"{strict}.lock", (ROOT / f"{strict}.in").read_text().splitlines())
    if problems:
        sys.exit("\n".join(problems))
    print("lock files fit pyproject.toml")


if __name__ == "__main__":
    main()
