"""unbound in front of the bench's own name servers, and NSD with a zone for each of thousands of domains."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import dns.message
import dns.query

from bench import servers
from bench.nameserver import HOST, answers, program

_SOA: Final = "ns1.{0}. hostmaster.{0}. {1} 3600 600 86400 5"  # an absence is kept for 5 seconds


@contextmanager
def unbound(folder: Path, stubs: Mapping[str, int], known: str) -> Iterator[int]:
    """Run a resolver that asks for these zones on these ports of this machine, and give its port.

    `known` is a name below one of them that answers by now.
    """
    port = servers.free_port()
    stub_zones = "".join(
        f'stub-zone:\n  name: "{zone}"\n  stub-addr: {HOST}@{at}\n  stub-prime: no\n'
        for zone, at in stubs.items()
    )
    (folder / "unbound.conf").write_text(
        f'server:\n  directory: "{folder}"\n  username: ""\n  chroot: ""\n  pidfile: ""\n  use-syslog: no\n'
        f'  logfile: ""\n  do-daemonize: no\n  interface: {HOST}\n  port: {port}\n  do-ip6: no\n'
        '  access-control: 127.0.0.0/8 allow\n  do-not-query-localhost: no\n  module-config: "iterator"\n'
        # The control question: who is cut off from the root is in trouble of its own.
        '  local-zone: "." transparent\n  local-data: ". 3600 IN NS ns1.example."\n'
        "  num-threads: 1\n  outgoing-range: 4096\n  num-queries-per-thread: 2048\n  so-rcvbuf: 1m\n"
        f"  msg-cache-size: 64m\n  rrset-cache-size: 128m\n  infra-cache-numhosts: 1000\n{stub_zones}"
    )
    command = [program("unbound", "unbound"), "-d", "-c", str(folder / "unbound.conf")]
    with servers.process(command, folder / "unbound.log") as running:
        servers.wait_for(running, folder / "unbound.log", lambda: answers(port, known))
        yield port


@dataclass(slots=True)
class Farm:
    """An NSD with many zones, each of them a domain's own."""

    port: int
    folder: Path
    zones: Sequence[str]
    pid: int = 0
    serials: dict[str, int] = field(default_factory=dict)

    def write(self, zone: str, lines: Iterable[str] = ()) -> None:
        """Write a zone with these lines below its SOA; it is served after `reload`."""
        serial = self.serials[zone] = self.serials.get(zone, 0) + 1
        head = f"$ORIGIN {zone}.\n@ 300 IN SOA {_SOA.format(zone, serial)}\n@ 300 IN NS ns1.{zone}.\n"
        (self.folder / zone).write_text(head + "".join(lines), encoding="ascii")

    def reload(self, last: str) -> None:
        """Serve what was written; return once the zone that was written last is served."""
        os.kill(self.pid, signal.SIGHUP)  # nsd(8): looks for zone files that changed
        question = dns.message.make_query(last, "SOA")
        while not self._is_served(question, self.serials[last]):
            time.sleep(0.02)

    def _is_served(self, question: dns.message.Message, serial: int) -> bool:
        answer = dns.query.udp(question, HOST, port=self.port, timeout=10).answer
        return bool(answer) and answer[0][0].serial == serial


@contextmanager
def farm(folder: Path, zones: Sequence[str]) -> Iterator[Farm]:
    """Serve these zones, in which there is nothing yet."""
    serving = Farm(servers.free_port(), folder, zones)
    for zone in zones:
        serving.write(zone)
    (folder / "nsd.conf").write_text(
        f'server:\n  ip-address: {HOST}@{serving.port}\n  zonesdir: "{folder}"\n  database: ""\n'
        f'  username: ""\n  pidfile: ""\n  zonelistfile: "{folder}/zone.list"\n'
        f'  xfrdfile: "{folder}/xfrd.state"\n  xfrdir: "{folder}"\n  server-count: 1\n  rrl-ratelimit: 0\n'
        "remote-control:\n  control-enable: no\n"
        + "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{zone}"\n' for zone in zones)
    )
    command = [program("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]
    with servers.process(command, folder / "nsd.log") as running:
        servers.wait_for(running, folder / "nsd.log", lambda: answers(serving.port, zones[-1]))
        serving.pid = running.pid
        yield serving
