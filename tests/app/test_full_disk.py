"""A disk that is full: what callers are told, what readiness says, and that all goes on by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from serving import Running, serve, until

from indicia.store.engine.errors import DISK_FULL


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_to_be_full_and_recovered_from(small_disk: Path) -> None:
    """Creations say what is full, the process is not ready, reading goes on; with room again all is well."""
    ballast = small_disk / "ballast"
    with serve(small_disk) as house:
        house.client().create_email_identity(EmailIdentity="before.example")
        _fill(ballast)

        refused = until(lambda: _refusal(house, "meanwhile"), "a creation that finds no room")
        assert refused["Error"] == {"Message": DISK_FULL, "Code": "ServiceUnavailable"} | refused["Error"]
        assert refused["ResponseMetadata"]["HTTPStatusCode"] == 503
        until(lambda: house.get("/readyz")[0] == 503, "not ready")
        assert house.readiness()["parts"]["database"] == DISK_FULL
        assert _names(house) >= {"before.example"}

        ballast.unlink()
        until(lambda: house.get("/readyz")[0] == 200, "ready again")
        house.client().create_email_identity(EmailIdentity="after.example")
        assert _names(house) >= {"before.example", "after.example"}
        assert house.stop() == 0


def _fill(ballast: Path) -> None:
    """Write until the disk takes nothing more."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def _refusal(house: Running, label: str) -> dict[str, dict[str, object]] | None:
    """Create identities until one is refused, a hundred at most; return the refusal."""
    for number in range(100):
        try:
            house.client().create_email_identity(EmailIdentity=f"{label}-{number}.example")
        except house.client().exceptions.AlreadyExistsException:
            continue
        except ClientError as error:
            return error.response
    return None


def _names(house: Running) -> set[str]:
    return {each["IdentityName"] for each in house.client().list_email_identities()["EmailIdentities"]}
