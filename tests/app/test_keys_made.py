"""Keys through a whole process: more domains than the pool has keys, made by other processes, and kills."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from nameserver import NameServer
from serving import Running, serve, until

DOMAINS = 24


def makers_of(process: int) -> list[int]:
    """Return the processes that make keys for this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text(encoding="ascii").rpartition(")")[2].split()[1])
            if parent == process and b"key_maker" in status.with_name("cmdline").read_bytes():
                found.append(int(status.parent.name))
    return found


def living(process: int) -> bool:
    """Say whether there is such a process, and it is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    return False


def settings(dns: NameServer) -> dict[str, str]:
    """A service that asks this name server, as often as it likes."""
    return {
        "INDICIA_RESOLVERS": "{}:{}".format(*dns.address),
        "INDICIA_LIMITS": "off",
        "INDICIA_ZONE_RATE": "100000",
        "INDICIA_CHECK_MIN": "1s",
    }


def create_and_publish(house: Running, dns: NameServer, names: list[str]) -> None:
    """Create the domains with keys of 1024 bits, of which the pool has four, and publish their records."""
    for name in names:
        created: dict[str, Any] = house.client().create_email_identity(
            EmailIdentity=name, DkimSigningAttributes={"NextSigningKeyLength": "RSA_1024_BIT"}
        )["DkimAttributes"]
        for token in created["Tokens"]:
            dns.put(f"{token}._domainkey.{name}", "CNAME", f"{token}.{created['SigningHostedZone']}")


def verified(house: Running) -> set[str]:
    """Return the domains that are verified."""
    page = house.client().list_email_identities(PageSize=1000)["EmailIdentities"]
    return {each["IdentityName"] for each in page if each["VerificationStatus"] == "SUCCESS"}


def test_what_was_seen_is_verified_after_a_kill_at_any_moment(tmp_path: Path, dns: NameServer) -> None:
    """Killed again and again while keys are made and handed out: all are verified, each by one key.

    The processes that make keys end with the service, which has no time to tell them.
    """
    chance = random.Random(20261201)
    dns.zone("example.com", minimum=1)
    names = [f"d{number}.example.com" for number in range(DOMAINS)]
    with serve(tmp_path, **settings(dns)) as house:
        create_and_publish(house, dns, names)
        _kill(house)
    while True:
        with serve(tmp_path, **settings(dns)) as house:
            wanted = min(DOMAINS, len(verified(house)) + chance.randrange(1, 8))
            until(lambda house=house, wanted=wanted: len(verified(house)) >= wanted, "some more", 60)
            if wanted == DOMAINS:
                break
            _kill(house)

    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "indicia.db")) as connection:
        given = Counter(row[0] for row in connection.execute("SELECT token_set_id FROM published_key"))
        public = [row[0] for row in connection.execute("SELECT public_key FROM published_key")]
        public += [row[0] for row in connection.execute("SELECT public_key FROM pooled_key")]
        waiting = connection.execute("SELECT count(*) FROM key_request").fetchone()[0]
    assert (len(given), set(given.values()), waiting) == (DOMAINS, {1}, 0)
    assert len(set(public)) == len(public)


def _kill(house: Running) -> None:
    process = house.ready.pid
    makers = until(lambda: makers_of(process), "a process that makes keys")
    os.kill(process, signal.SIGKILL)
    house.process.wait()
    until(lambda: not any(map(living, makers)), "the end of those that make keys")


def test_a_service_that_ends_leaves_nobody_behind(tmp_path: Path, dns: NameServer) -> None:
    """SIGTERM ends those that make keys too, however much there is to make."""
    with serve(tmp_path, **settings(dns)) as house:
        makers = until(lambda: makers_of(house.ready.pid), "a process that makes keys")
        house.process.terminate()
        house.process.wait()
        assert not any(map(living, makers))
    assert "Traceback" not in house.log
