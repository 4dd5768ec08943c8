"""Real name servers on loopback for tests: NSD for zones, unbound as a recursive resolver.

Each is a context manager that gives the address to ask, once the server answers there. A test whose server is
not installed is skipped with the line that installs it.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import dns.exception
import dns.message
import dns.query
import dns.zone
import pytest

Address: TypeAlias = tuple[str, int]

HOST = "127.0.0.1"
_READY_WITHIN = 20.0


def program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test with the line that installs it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


def free_port() -> int:
    """Return a port that is free for UDP and TCP on loopback at this moment."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind((HOST, 0))
            port = int(stream.getsockname()[1])
            try:
                datagrams.bind((HOST, port))
            except OSError:
                continue
            return port


@dataclass(frozen=True, slots=True)
class Nsd:
    """NSD that runs: where to ask it, and how to change a zone while it does."""

    address: Address
    _files: Mapping[str, Path]
    _process: subprocess.Popen[bytes]

    def edit(self, zone: str, text: str) -> None:
        """Serve this text for the zone, whose serial it must raise; return once the new serial is served."""
        serial = dns.zone.from_text(text, zone).get_soa().serial
        self._files[zone].write_text(text)
        self._process.send_signal(signal.SIGHUP)  # nsd(8): checks the zone files for changes
        question = dns.message.make_query(zone, "SOA")
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end:
            answer = dns.query.udp(question, self.address[0], port=self.address[1], timeout=5)
            if answer.answer and answer.answer[0][0].serial == serial:
                return
            time.sleep(0.02)
        raise AssertionError(f"NSD does not serve serial {serial} of {zone}")

    def stop(self) -> None:
        """Be gone: nobody answers there any more."""
        self._process.terminate()
        self._process.wait(10)


@contextlib.contextmanager
def nsd(zones: Mapping[str, str]) -> Iterator[Address]:
    """NSD serving these zones, by name, from their zone files' text."""
    with editable_nsd(zones) as running:
        yield running.address


@contextlib.contextmanager
def editable_nsd(zones: Mapping[str, str]) -> Iterator[Nsd]:
    """As `nsd`, with zones that can be changed."""
    executable = program("nsd", "nsd")
    with tempfile.TemporaryDirectory(prefix="nsd-") as place:
        folder = Path(place)
        port = free_port()
        for number, text in enumerate(zones.values()):
            (folder / f"{number}.zone").write_text(text)
        served = "".join(
            f'zone:\n  name: "{name}"\n  zonefile: "{number}.zone"\n' for number, name in enumerate(zones)
        )
        (folder / "nsd.conf").write_text(
            f'server:\n  ip-address: {HOST}@{port}\n  zonesdir: "{folder}"\n  database: ""\n  username: ""\n'
            f'  pidfile: ""\n  zonelistfile: "{folder}/zone.list"\n  xfrdfile: "{folder}/xfrd.state"\n'
            f'  xfrdir: "{folder}"\n  server-count: 1\n  refuse-any: no\n  rrl-ratelimit: 0\n'
            f"remote-control:\n  control-enable: no\n{served}"
        )
        command = [executable, "-d", "-c", str(folder / "nsd.conf")]
        with _running(command, folder, port, next(iter(zones))) as process:
            files = {name: folder / f"{number}.zone" for number, name in enumerate(zones)}
            yield Nsd((HOST, port), files, process)


@contextlib.contextmanager
def unbound(stubs: Mapping[str, Address], settings: Sequence[str] = ()) -> Iterator[Address]:
    """Unbound as a recursive resolver that asks these servers for these zones, and nobody for anything else.

    `settings` are further lines of its `server:` section.
    """
    executable = program("unbound", "unbound")
    with tempfile.TemporaryDirectory(prefix="unbound-") as place:
        folder = Path(place)
        port = free_port()
        lines = [
            f"interface: {HOST}", f"port: {port}", 'username: ""', 'chroot: ""', 'pidfile: ""',
            f'directory: "{folder}"',
            "use-syslog: no", "num-threads: 1", "do-not-query-localhost: no", 'module-config: "iterator"',
            "do-ip6: no", "use-caps-for-id: yes", *(f'local-zone: "{zone}" nodefault' for zone in stubs),
            *(f'private-domain: "{zone}"' for zone in stubs), *settings,
        ]  # fmt: skip
        stub_zones = "".join(
            f'stub-zone:\n  name: "{zone}"\n  stub-addr: {host}@{at}\n' for zone, (host, at) in stubs.items()
        )
        (folder / "unbound.conf").write_text(
            "server:\n"
            + "".join(f"  {line}\n" for line in lines)
            # Whatever is no stub goes to a port on which nobody answers: no test leaves the machine.
            + f'forward-zone:\n  name: "."\n  forward-addr: {HOST}@1\n{stub_zones}'
            + "remote-control:\n  control-enable: no\n"
        )
        with _running([executable, "-d", "-c", str(folder / "unbound.conf")], folder, port, "localhost"):
            yield HOST, port


@contextlib.contextmanager
def shipped_unbound(
    configuration: Path, stubs: Mapping[str, Address], settings: Sequence[str] = ()
) -> Iterator[Address]:
    """Unbound with a configuration as it is shipped, but for its port and folder, and whom it asks.

    `settings` are further lines of its `server:` section, which go before those of the same name.
    """
    executable = program("unbound", "unbound")
    with tempfile.TemporaryDirectory(prefix="unbound-") as place:
        folder = Path(place)
        port = free_port()
        text = re.sub(r"(?m)^(\s*port:) \d+$", rf"\g<1> {port}", configuration.read_text())
        lines = ['username: ""', 'chroot: ""', 'pidfile: ""', f'directory: "{folder}"', "use-syslog: no"]
        text += "server:\n" + "".join(f"  {line}\n" for line in [*lines, *settings])
        text += f'forward-zone:\n  name: "."\n  forward-addr: {HOST}@1\n'
        for zone, (host, at) in stubs.items():
            text += f'stub-zone:\n  name: "{zone}"\n  stub-addr: {host}@{at}\n'
        (folder / "unbound.conf").write_text(text)
        with _running([executable, "-d", "-c", str(folder / "unbound.conf")], folder, port, "localhost"):
            yield HOST, port


@contextlib.contextmanager
def _running(
    command: Sequence[str], folder: Path, port: int, known: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The program running, from when it answers a question for a name it knows until it was told to end."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder
        )
    try:
        _wait_until_ready(process, folder / "log", port, known)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, port: int, known: str) -> None:
    question = dns.message.make_query(known, "SOA")
    end = time.monotonic() + _READY_WITHIN
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args!r} ended: {log.read_text()}"
        with contextlib.suppress(dns.exception.Timeout, OSError):
            dns.query.udp(question, HOST, port=port, timeout=0.2)
            return
    raise AssertionError(f"{process.args!r} does not answer: {log.read_text()}")
