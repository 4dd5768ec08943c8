"""Many connections at a process that may open few files: whoever asks is answered."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import psutil
import pytest
from serving import Running, get, serve, started, until

FILES = 100


def connect(address: str, source: str = "127.0.0.1") -> socket.socket:
    """Return a connection to `host:port`."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), 20, source_address=(source, 0))


@contextlib.contextmanager
def idle(
    address: str, count: int, source: str = "127.0.0.1", said: bytes = b""
) -> Iterator[list[socket.socket]]:
    """So many connections on which nothing is said, or not enough."""
    connections = []
    try:
        for _ in range(count):
            connections.append(connect(address, source))
            if said:
                with contextlib.suppress(OSError):
                    connections[-1].sendall(said)
        yield connections
    finally:
        for each in connections:
            each.close()


def lives(connection: socket.socket) -> bool:
    """Whether the other side has not closed it."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def soa(address: str, zone: str = "dkim.indicia.test") -> bool:
    """Whether the key zone answers over TCP."""
    host, _, port = address.rpartition(":")
    query = dns.message.make_query(zone, "SOA")
    return bool(dns.query.tcp(query, host, port=int(port), timeout=20).answer)


def sample(house: Running, name: str, *labels: str) -> float:
    """Return the sum of a metric's samples that have these labels."""
    page = house.get("/metrics")[1]
    lines = [line for line in page.splitlines() if line.startswith(name) and all(x in line for x in labels)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


@pytest.mark.parametrize("said", [b"", b"GET /v2/email/account HTTP/1.1\r\nHost: x\r\n"])
def test_a_crowd_that_says_nothing_keeps_nobody_out(tmp_path: Path, said: bytes) -> None:
    """130 connections to each listener, at 100 files: API, admin and key zone answer all the same."""
    with serve(tmp_path, files=FILES) as house:
        ready = house.ready
        with contextlib.ExitStack() as crowd:
            for address in (ready.http[0], ready.admin[0], ready.dns[0]):
                crowd.enter_context(idle(address, 130, said=said if address != ready.dns[0] else b""))
            for address in (ready.http[0], ready.admin[0]):
                until(lambda address=address: get(address, "/healthz")[0] == 200, "an answer")
            house.client().create_email_identity(EmailIdentity="crowded.example.com")
            assert json.loads(house.get("/readyz")[1]) == {"status": "ready"}
            assert soa(ready.dns[0])
            assert sample(house, "indicia_connections{", 'listener="http"') <= FILES - 64
            evicted = sample(house, "indicia_connections_evicted_total")
            assert evicted + sample(house, "indicia_connections_refused_total") > 200
        until(lambda: sample(house, "indicia_connections{", 'listener="http"') <= 1, "nobody but us")
        assert house.client().get_email_identity(EmailIdentity="crowded.example.com")
        assert house.log.count("connections.few") == 1
        assert "Traceback" not in house.log


def test_one_client_has_no_more_than_its_share(tmp_path: Path) -> None:
    """Requests that are under way are cut for nobody: who has its share is told, others come in."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nAuthorization: AWS4-HMAC-SHA256 Credential="
    head += b"AKIAEXAMPLEKEYEXAMPL/20260101/us-east-1/ses/aws4_request, SignedHeaders=host, Signature=ab\r\n"
    head += b"X-Amz-Date: 20260101T000000Z\r\n\r\n"
    with started(tmp_path, "sandbox", files=FILES) as house:
        address = house.ready.http[0]
        with idle(address, 60, "127.0.0.2", said=head) as crowd:
            told = []
            for each in crowd:
                each.settimeout(0.2)
                with contextlib.suppress(OSError):
                    told.append(each.recv(65536))
            refused = [answer for answer in told if answer]
            assert refused
            for answer in refused:
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nretry-after: 1\r\n" in answer
                assert b"This server has as many connections as it can have." in answer
            assert get(address, "/healthz")[0] == 200
            assert sample(house, "indicia_connections_refused_total", 'reason="client"') >= len(refused)
        assert house.log.count("connections.full") == 1


def test_workers_have_rooms_of_their_own(tmp_path: Path) -> None:
    """Each of them, and the process that speaks for them; the metrics are those of all."""
    with serve(tmp_path, "--workers", "2", files=FILES) as house:
        with idle(house.ready.http[0], 130), idle(house.ready.admin[0], 130):
            for _ in range(8):  # one that has only just been let in need not make room yet
                until(lambda: get(house.ready.http[0], "/healthz")[0] == 200, "an answer")
            assert house.readiness()["parts"]["worker-1"] == "ok"
            assert 0 < sample(house, "indicia_connections{", 'listener="http"') <= 2 * (FILES - 64)
        assert "Traceback" not in house.log


def test_a_process_without_files_says_so_once_and_recovers(tmp_path: Path) -> None:
    """Idle connections go first; with none left it takes nobody, waits, and goes on when it can."""
    with serve(tmp_path) as house:
        address, process = house.ready.http[0], psutil.Process(house.process.pid)
        with idle(address, 20):
            until(lambda: sample(house, "indicia_connections{", 'listener="http"') == 20, "a crowd")
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds(), 20_000))
            assert get(address, "/healthz")[0] == 200
            assert sample(house, "indicia_connections_evicted_total", 'listener="http"') > 0
        until(lambda: sample(house, "indicia_connections{", 'listener="http"') == 0, "nobody")
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, 20_000))  # whatever closes makes no room
        with connect(address) as waiting:
            waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            woken = process.num_ctx_switches().voluntary
            until(lambda: process.num_ctx_switches().voluntary > woken + 5, "a few tries")
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (20_000, 20_000))
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")
        tries = sample(house, "indicia_connections_refused_total", 'reason="files"')
        assert 0 < tries < 100  # it paused between them
        assert house.log.count("connections.no_files") == 1
        assert "Traceback" not in house.log


def test_who_is_reset_before_it_is_taken_keeps_nobody_out(tmp_path: Path) -> None:
    """A client that is gone when its turn comes is nobody's trouble."""
    with serve(tmp_path) as house:
        for _ in range(50):
            with connect(house.ready.http[0]) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert get(house.ready.http[0], "/healthz")[0] == 200
        until(lambda: sample(house, "indicia_connections{", 'listener="http"') == 0, "nobody")
        assert "Traceback" not in house.log
