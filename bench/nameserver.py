"""NSD with the records of a whole store in it, and two ways to ask it that are not ours."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dns.message
import dns.query
import dns.resolver

from bench import servers

HOST: Final = "127.0.0.1"
_SOA: Final = "ns1.example.net. hostmaster.example.net. {} 3600 600 86400 5"


class NoNameServerError(Exception):
    """NSD or dnsperf is not installed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody else reached: questions a second, and how many were lost."""

    rate: float
    lost: int


def program(name: str, package: str) -> str:
    """Return where a program is. Raises: `NoNameServerError` with the line that installs it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise NoNameServerError(f"{name} is not installed: apt-get install {package}")
    return found


@dataclass(slots=True)
class Zone:
    """A zone that NSD serves."""

    name: str
    port: int
    folder: Path
    serial: int = 2026112201
    pid: int = 0

    def write(self, lines: Iterable[str]) -> None:
        """Write the zone file with these lines below its SOA, by which an absence is kept for 5 seconds."""
        with (self.folder / "zone").open("w", encoding="ascii") as file:
            file.write(f"$ORIGIN {self.name}.\n@ 3600 IN SOA {_SOA.format(self.serial)}\n")
            file.write("@ 3600 IN NS ns1.example.net.\n")
            file.writelines(lines)

    def publish(self, lines: Iterable[str]) -> None:
        """Serve these lines from now on; return once they are served."""
        self.serial += 1
        self.write(lines)
        os.kill(self.pid, signal.SIGHUP)  # nsd(8): looks for zone files that changed
        question = dns.message.make_query(self.name, "SOA")
        while dns.query.udp(question, HOST, port=self.port, timeout=5).answer[0][0].serial != self.serial:
            time.sleep(0.01)


@contextmanager
def nsd(folder: Path, zone: str, lines: Iterable[str]) -> Iterator[int]:
    """Serve a zone with these lines below its SOA, and give the port."""
    with editable_nsd(folder, zone, lines) as serving:
        yield serving.port


@contextmanager
def editable_nsd(folder: Path, zone: str, lines: Iterable[str] = ()) -> Iterator[Zone]:
    """Serve a zone that can be changed meanwhile."""
    port = servers.free_port()
    serving = Zone(zone, port, folder)
    serving.write(lines)
    (folder / "nsd.conf").write_text(
        f'server:\n  ip-address: {HOST}@{port}\n  zonesdir: "{folder}"\n  database: ""\n  username: ""\n'
        f'  pidfile: ""\n  zonelistfile: "{folder}/zone.list"\n  xfrdfile: "{folder}/xfrd.state"\n'
        f'  xfrdir: "{folder}"\n  server-count: 1\n  rrl-ratelimit: 0\n'
        f'remote-control:\n  control-enable: no\nzone:\n  name: "{zone}"\n  zonefile: "zone"\n'
    )
    command = [program("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]
    with servers.process(command, folder / "nsd.log") as running:
        servers.wait_for(running, folder / "nsd.log", lambda: answers(port, zone))
        serving.pid = running.pid
        yield serving


def answers(port: int, zone: str) -> bool:
    """Say whether somebody serves the zone there."""
    try:
        answer = dns.query.udp(dns.message.make_query(zone, "SOA"), HOST, port=port, timeout=0.5)
    except (OSError, dns.exception.DNSException):
        return False
    return bool(answer.answer)


def dnsperf(port: int, folder: Path, questions: Sequence[tuple[str, str]], seconds: int) -> Asked:
    """Ask these questions with dnsperf, over and over for so long."""
    file = folder / "questions"
    file.write_text("".join(f"{name} {rtype}\n" for name, rtype in questions), encoding="ascii")
    command = [
        program("dnsperf", "dnsperf"),
        "-s",
        HOST,
        "-p",
        str(port),
        "-d",
        str(file),
        "-l",
        str(seconds),
    ]
    done = subprocess.run([*command, "-c", "8", "-q", "400"], capture_output=True, text=True, check=True)
    rate = re.search(r"Queries per second:\s+([\d.]+)", done.stdout)
    lost = re.search(r"Queries lost:\s+(\d+)", done.stdout)
    assert rate is not None, done.stdout
    return Asked(float(rate[1]), int(lost[1]) if lost else 0)


def plain_loop(port: int, questions: Sequence[tuple[str, str]], seconds: float) -> Asked:
    """Ask them one after the other with dnspython's resolver, as a script would."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [HOST], port
    began = time.perf_counter()
    count = 0
    while (spent := time.perf_counter() - began) < seconds:
        name, rtype = questions[count % len(questions)]
        resolver.resolve(name, rtype, raise_on_no_answer=False)
        count += 1
    return Asked(count / spent, 0)
