"""`indicia serve` as a process: it starts, says where, serves its roles, and ends."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import dns.message
import dns.query
import psutil
import pytest
import trustme
from botocore.exceptions import ClientError
from nameserver import NameServer
from serving import FREE, INDICIA, environment, get, run, serve, until

from indicia.credentials import read_credentials


def resolvers(server: NameServer) -> dict[str, str]:
    """Return the setting that has a service ask this server."""
    return {"INDICIA_RESOLVERS": "{}:{}".format(*server.address)}


def test_every_role_in_one_process(tmp_path: Path, dns: NameServer) -> None:
    """On defaults a domain becomes verified because the DNS says so, and its key is in the key zone."""
    dns.zone("proved.example")
    with serve(tmp_path, **resolvers(dns)) as house:
        created = house.client().create_email_identity(EmailIdentity="proved.example")
        tokens = created["DkimAttributes"]["Tokens"]
        zone = created["DkimAttributes"]["SigningHostedZone"]
        for token in tokens:
            dns.put(f"{token}._domainkey.proved.example", "CNAME", f"{token}.{zone}")
        diagnosis = run("doctor", "proved.example", cwd=tmp_path, INDICIA_DATA_DIR=str(house.data_dir))
        until(lambda: _status(house, "proved.example") == "SUCCESS", "SUCCESS", 30)

        keys = [_key_record(house.ready.dns[0], f"{token}.{zone}") for token in tokens]
        assert [key for key in keys if "p=" in key]
        assert diagnosis.returncode == 0, diagnosis.stdout + diagnosis.stderr
        assert house.stop() == 0
    assert "Traceback" not in house.log


def _status(house, name: str) -> str:
    return str(house.client().get_email_identity(EmailIdentity=name)["DkimAttributes"]["Status"])


def _key_record(address: str, name: str) -> str:
    host, _, port = address.rpartition(":")
    answer = dns_udp(name, host, int(port))
    return " ".join(rdata.to_text() for rrset in answer.answer for rdata in rrset)


def dns_udp(name: str, host: str, port: int):
    """Return the answer to a TXT question."""
    return dns.query.udp(dns.message.make_query(name, "TXT"), host, port=port, timeout=5)


def test_every_role_fits_into_a_hundred_mebibytes(tmp_path: Path) -> None:
    """All of them, in one process, when it is ready. How soon that is: `python -m bench --only starting`."""
    with serve(tmp_path) as house:
        assert house.ready.url
        resident = psutil.Process(house.process.pid).memory_info().rss
        assert house.stop() == 0

    assert resident < 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("roles", "api", "pages", "key_zone"),
    [
        ("api", True, False, False),
        ("links", False, True, False),
        ("api,links", True, True, False),
        ("verifier", False, False, False),
        ("verifier,-mailer", False, False, False),
        ("mailer", False, False, False),
        ("dns,verifier", False, False, True),
    ],
)
def test_a_process_is_its_roles_and_no_more(
    tmp_path: Path, roles: str, *, api: bool, pages: bool, key_zone: bool
) -> None:
    """What is not asked for is not listened for and not answered; health is everywhere."""
    with serve(tmp_path, "--roles", roles) as house:
        at = house.ready

        assert bool(at.http) is (api or pages)
        assert bool(at.dns) is key_zone
        assert house.get("/readyz")[0] == 200
        parts = house.readiness()["parts"]
        assert ("verifier" in parts) is ("verifier" in roles)
        assert ("mailer" in parts) is (roles in {"verifier", "dns,verifier", "mailer"})
        if at.http:
            assert get(at.http[0], "/healthz")[0] == 200
            assert get(at.http[0], "/v2/email/identities")[0] == (403 if api else 404)
            assert get(at.http[0], "/indicia/v1/openapi.json")[0] == (200 if api else 404)
            assert ("<html" in get(at.http[0], "/verify/x")[1]) is pages
            assert get(at.http[0], "/metrics")[0] == 404
        assert house.stop() == 0


def test_the_ready_file_is_told_apart_and_removed(tmp_path: Path) -> None:
    """It is written where `--ready-file` says too, and gone when the server is."""
    other = tmp_path / "elsewhere" / "ready.json"
    with serve(tmp_path, "--ready-file", str(other)) as house:
        at = house.ready
        assert json.loads(until(lambda: other.exists() and other.read_text())) == json.loads(
            (house.data_dir / "ready.json").read_text()
        )
        assert at.pid == house.process.pid
        assert house.stop(signal.SIGINT) == 0
    assert not other.exists()
    assert not (house.data_dir / "ready.json").exists()


def test_ipv6_and_names_are_listened_on(tmp_path: Path) -> None:
    """A v6 address in brackets and a host name are both reached."""
    settings = {"INDICIA_LISTEN_HTTP": "[::1]:0,localhost:0", "INDICIA_LISTEN_DNS": "[::1]:0"}
    with serve(tmp_path, **settings) as house:
        at = house.ready

        assert at.url.startswith("http://[::1]:")
        assert len(at.http) >= 2
        assert {get(address, "/healthz")[0] for address in at.http} == {200}
        port = int(at.dns[0].rpartition(":")[2])
        assert dns_udp("dkim.indicia.test", "::1", port).rcode() == 0
        assert house.client().list_email_identities()["EmailIdentities"] == []


@pytest.mark.parametrize("listener", ["HTTP", "ADMIN", "DNS"])
def test_a_busy_port_is_one_clear_line(tmp_path: Path, listener: str) -> None:
    """Standard error names the address and what to do; there is no traceback, and no success."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(
            "serve",
            cwd=tmp_path,
            **FREE | {"INDICIA_DATA_DIR": str(tmp_path / "data"), f"INDICIA_LISTEN_{listener}": address},
        )

    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"indicia: cannot listen on {address}")
    assert lines[0].endswith(
        ": Address already in use: something else does; end it, or choose another address with"
        f" INDICIA_LISTEN_{listener}"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"INDICIA_LISTEN_HTTP": "0.0.0.0:0"}, "indicia.test is under .test"),
        (
            {"INDICIA_LISTEN_HTTP": "0.0.0.0:0", "INDICIA_SERVICE_DOMAIN": "a.dev"},
            "neither TLS nor a trusted",
        ),
        ({"INDICIA_LISTEN_HTTPS": "x"}, "INDICIA_LISTEN_HTTPS: there is no such setting"),
        ({"INDICIA_MASTER_KEY_FILE": "/proc/x"}, "The keyring /proc/x cannot be created: "),
        ({"INDICIA_DATA_DIR": "/dev/null/x"}, "the data dir /dev/null/x cannot be used"),
        ({"INDICIA_DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "The database does not answer"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_is_one_clear_line(tmp_path: Path, settings: dict[str, str], sentence: str) -> None:
    """A refusal names its reason on standard error and ends with status 1 or 2."""
    done = run("serve", cwd=tmp_path, **FREE | {"INDICIA_DATA_DIR": str(tmp_path / "data")} | settings)

    assert done.returncode in {1, 2}
    assert done.stderr.startswith("indicia: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_ready_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Who waits for the file would wait for ever: the server says so and ends."""
    options = FREE | {"INDICIA_DATA_DIR": str(tmp_path / "data")}
    done = run("serve", "--ready-file", "/dev/null/ready.json", cwd=tmp_path, **options)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "indicia: /dev/null cannot be used: File exists"


def test_a_waived_refusal_is_logged_and_counted(tmp_path: Path) -> None:
    """`INDICIA_UNSAFE` lets it start, with a line in the log and a metric, and warnings beside."""
    unsafe = {"INDICIA_LISTEN_HTTP": "0.0.0.0:0", "INDICIA_UNSAFE": "service-domain,plain-http"}
    with serve(tmp_path, **unsafe) as house:
        assert house.ready.url.startswith("http://127.0.0.1:")
        assert house.metric('indicia_unsafe_waived{refusal="service-domain"} 1') == 1
        assert house.metric('indicia_unsafe_waived{refusal="plain-http"} 1') == 1
        events = [json.loads(line) for line in house.log.splitlines()]
    assert {event["refusal"] for event in events if event["event"] == "unsafe.waived"} == {
        "service-domain",
        "plain-http",
    }
    warned = " ".join(event["reason"] for event in events if event["event"] == "settings.warning")
    assert "INDICIA_RELAY is outbox" in warned
    assert "single perspective" in warned


def test_the_first_start_shows_the_key_on_a_terminal_only(tmp_path: Path) -> None:
    """A terminal sees the secret once; a pipe never; the files are the owner's alone."""
    seen = _on_a_terminal(tmp_path)
    key = read_credentials(tmp_path / "data" / "credentials")
    assert key is not None

    assert key.id in seen
    assert key.secret in seen
    assert key.secret not in _on_a_terminal(tmp_path)
    for name in ("credentials", "config", "master.key", "indicia.db"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o077 == 0, name
    assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"

    other = tmp_path / "other"
    other.mkdir()
    with serve(other) as house:
        key = house.key
        assert house.stop() == 0
        assert key.id not in house.log
        assert key.secret not in house.log


def _on_a_terminal(folder: Path) -> str:
    """Start a server on a terminal, end it when it is ready, and return what the terminal has shown."""
    ours, theirs = pty.openpty()
    ready = folder / "terminal.json"
    process = subprocess.Popen(
        [*INDICIA, "serve", "--data-dir", str(folder / "data"), "--ready-file", str(ready)],
        env=environment(**FREE),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
    )
    os.close(theirs)
    shown = b""
    try:
        deadline = time.monotonic() + 20
        told = False
        while time.monotonic() < deadline:
            if not told and ready.exists() and b"ready" in shown:
                process.terminate()
                told = True
            if select.select([ours], [], [], 0.05)[0]:
                try:
                    read = os.read(ours, 65536)
                except OSError:  # nobody holds the other end any more
                    break
                shown += read
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode()


def test_tls_and_a_certificate_that_is_replaced(tmp_path: Path) -> None:
    """After SIGHUP a new connection sees the new certificate, while an old one lives on.

    What cannot be used is said in the log, and the certificate in use stays.
    """
    authority = trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue() -> int:
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return _serial(issued.cert_chain_pems[0].bytes())

    context = ssl.create_default_context()
    authority.configure_trust(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    first = issue()
    settings = {
        "INDICIA_TLS_CERT_FILE": str(cert),
        "INDICIA_TLS_KEY_FILE": str(key),
        "INDICIA_LISTEN_HTTP": "localhost:0",
    }
    with serve(tmp_path, **settings) as house:
        assert house.ready.url.startswith("https://localhost:")
        port = int(house.ready.http[0].rpartition(":")[2])
        with _connect(context, port) as old:
            assert _serial_of(old) == first
            records = run(
                *("records", "nothing.example"),
                cwd=tmp_path,
                INDICIA_DATA_DIR=str(house.data_dir),
                AWS_CA_BUNDLE=str(bundle),
            )
            assert "does not exist" in records.stderr

            second = issue()
            house.process.send_signal(signal.SIGHUP)
            until(lambda: _served_serial(context, port) == second, "the new certificate")
            old.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in old.recv(65536).split(b"\r\n")[0]

            cert.write_text("nonsense")
            house.process.send_signal(signal.SIGHUP)
            until(lambda: "certificate.not_reloaded" in house.log)
            assert _served_serial(context, port) == second
            assert house.stop() == 0
            assert "answers.cut" not in house.log  # an idle connection holds nobody up

    done = run("serve", cwd=tmp_path, **FREE | {"INDICIA_DATA_DIR": str(tmp_path / "data")} | settings)
    assert done.returncode == 1
    assert f"indicia: the certificate {cert} with the key {key} cannot be used" in done.stderr


def test_a_certificate_for_the_public_name_is_enough(tmp_path: Path) -> None:
    """Where TLS listens on an address, clients on this machine go to the name that the certificate is for.

    The ready file, `indicia env` and the AWS shared files say it; `records` and `doctor` go there by it.
    """
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    cert, key, bundle = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    issued.private_key_pem.write_to_path(str(key))
    issued.cert_chain_pems[0].write_to_path(str(cert))
    authority.cert_pem.write_to_path(str(bundle))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "INDICIA_TLS_CERT_FILE": str(cert),
        "INDICIA_TLS_KEY_FILE": str(key),
        "INDICIA_LISTEN_HTTP": f"127.0.0.1:{port}",
    }
    public = f"https://localhost:{port}"
    with serve(tmp_path, **settings, INDICIA_PUBLIC_URL=public) as house:
        place = {"INDICIA_DATA_DIR": str(house.data_dir), "AWS_CA_BUNDLE": str(bundle)}
        assert house.ready.url == public
        assert f"endpoint_url = {public}\n" in (house.data_dir / "config").read_text()
        exports = run("env", cwd=tmp_path, **place).stdout
        assert f"export AWS_ENDPOINT_URL_SESV2={public}\n" in exports
        assert "does not exist" in run("records", "nothing.example", cwd=tmp_path, **place).stderr

        # The hint is about what is wrong: here the name, there the authority.
        by_address = ("--endpoint-url", f"https://127.0.0.1:{port}")
        other_name = run("records", "nothing.example", *by_address, cwd=tmp_path, **place).stderr
        assert "IP address mismatch" in other_name
        assert "use a name that it is for" in other_name
        assert "AWS_CA_BUNDLE" not in other_name
        unknown = run("records", "nothing.example", cwd=tmp_path, INDICIA_DATA_DIR=str(house.data_dir)).stderr
        assert "name the file of its authority's certificate in AWS_CA_BUNDLE" in unknown
    expected = run("env", cwd=tmp_path, **place | settings, INDICIA_PUBLIC_URL=public).stdout
    assert f"export AWS_ENDPOINT_URL_SESV2={public}\n" in expected


def _connect(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    made = socket.create_connection(("localhost", port), 10)
    return context.wrap_socket(made, server_hostname="localhost")


def _served_serial(context: ssl.SSLContext, port: int) -> int:
    """Return the serial number of the certificate that a new connection sees."""
    with _connect(context, port) as connection:
        return _serial_of(connection)


def _serial_of(connection: ssl.SSLSocket) -> int:
    found = connection.getpeercert()
    assert found is not None
    return int(str(found["serialNumber"]), 16)


def _serial(pem: bytes) -> int:
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem).serial_number


def test_what_is_being_answered_is_answered_before_the_end(tmp_path: Path) -> None:
    """A request whose body is still arriving when SIGTERM comes gets its answer, and no new one is taken."""
    with serve(tmp_path) as house:
        host, _, port = house.ready.http[0].rpartition(":")
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: 21\r\n\r\nAction=ListI"
            )
            until(lambda: house.metric("process_open_fds"))  # it has had time to read the head
            house.process.send_signal(signal.SIGTERM)
            until(lambda: "stopping" in house.log)
            connection.sendall(b"dentities")
            answer = connection.recv(65536)
        assert b" 403 " in answer.split(b"\r\n")[0]
        assert b"MissingAuthenticationToken" in answer
        assert house.process.wait(20) == 0


def test_a_second_verifier_or_mailer_on_one_embedded_database_is_refused(tmp_path: Path) -> None:
    """Two would void each other's leases; other roles may share the folder."""
    with serve(tmp_path) as house:
        assert house.ready
        settings = FREE | {"INDICIA_DATA_DIR": str(house.data_dir)}
        for arguments in ((), ("--roles", "mailer"), ("--roles", "verifier,-mailer")):
            done = run("serve", *arguments, cwd=tmp_path, **settings)
            assert done.returncode == 1
            assert done.stderr.splitlines()[-1] == (
                f"indicia: another process with the role verifier or mailer runs on {house.data_dir}: end it,"
                " give this one another --data-dir, or --roles without verifier and mailer"
            )

        beside = tmp_path / "beside.json"
        with subprocess.Popen(
            [*INDICIA, "serve", "--roles", "api", "--ready-file", str(beside)],
            env=environment(**settings),
            stderr=subprocess.DEVNULL,
        ) as other:
            try:
                assert until(beside.exists)
            finally:
                other.terminate()
            assert other.wait(20) == 0


def test_a_region_that_is_not_served_is_refused(tmp_path: Path) -> None:
    """The setting reaches the edge: the regions that are served are in the refusal."""
    with (
        serve(tmp_path, INDICIA_REGIONS="moon-1") as house,
        pytest.raises(ClientError, match="moon-1"),
    ):
        house.client().list_email_identities()
