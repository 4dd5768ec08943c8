"""`indicia sandbox` as a process: for whom it listens, whom it believes, how it ends, what it keeps."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from serving import FREE, INDICIA, Running, client, environment, get, run, started, until

from indicia.credentials import AccountCredentials
from indicia.runtime import ready

ANYONE = AccountCredentials("any-key-will-do", "whatever", "000000000000")


def sandbox(folder: Path, *arguments: str, **settings: str) -> contextlib.AbstractContextManager[Running]:
    """`indicia sandbox` on free ports, with its data in the folder."""
    return started(folder, "sandbox", *arguments, **settings)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox that several tests use, each with domains of its own."""
    with sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        assert running.ready
        yield running
        assert running.stop() == 0


def asked(house: Running, method: str, place: str, body: object = None) -> Any:
    """Return the document that an unsigned steering call answers, which has to be a good one."""
    status, document = steered(house, method, place, body)
    assert status == 200, document
    return document


def steered(house: Running, method: str, place: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Return status and document of an unsigned steering call."""
    import http.client

    host, _, port = house.ready.http[0].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    with contextlib.closing(connection):
        connection.request(
            method,
            f"/indicia/v1/sandbox/{place}",
            json.dumps(body or {}),
            {"content-type": "application/json"} | headers,
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


def publish(house: Running, name: str, tokens: list[str]) -> None:
    """Publish the three CNAMEs over HTTP."""
    for token in tokens:
        record = {
            "name": f"{token}._domainkey.{name}",
            "type": "CNAME",
            "values": [f"{token}.dkim.indicia.test"],
        }
        asked(house, "PUT", "records", record)


def status_of(house: Running, name: str) -> str:
    """Return the identity's status, as the next call after any other sees it."""
    found = anyone(house).get_email_identity(EmailIdentity=name)
    return str(found["VerificationStatus"])


def anyone(house: Running, service: str = "sesv2") -> Any:
    """Return a client with a key that nobody has made."""
    name = f"anyone {service}"
    if name not in house.clients:
        house.clients[name] = client(service, house.ready.url, ANYONE)
    return house.clients[name]


def create(house: Running, name: str) -> list[str]:
    """Create a domain and return its tokens."""
    created = anyone(house).create_email_identity(EmailIdentity=name)
    return list(created["DkimAttributes"]["Tokens"])


def test_published_is_success_in_the_next_call(house: Running) -> None:
    """No waiting and no looking again: the publishing call has answered, and the status is SUCCESS."""
    tokens = create(house, "at-once.example.com")

    publish(house, "at-once.example.com", tokens)

    assert status_of(house, "at-once.example.com") == "SUCCESS"


def test_withdrawn_for_longer_than_the_window_is_failed(house: Running) -> None:
    """From SUCCESS by way of TEMPORARY_FAILURE, each where the clock says it is due."""
    name = "withdrawn.example.com"
    publish(house, name, create(house, name))
    assert status_of(house, name) == "SUCCESS"

    assert asked(house, "DELETE", "records", {"domain": name}) == {"removed": 3}
    assert status_of(house, name) == "SUCCESS"  # one look is not enough to take away
    asked(house, "POST", "clock", {"advance": "1h"})
    assert status_of(house, name) == "TEMPORARY_FAILURE"
    asked(house, "POST", "clock", {"advance": "73h"})
    assert status_of(house, name) == "FAILED"


def test_pending_for_longer_than_the_window_is_failed_and_can_start_anew(house: Running) -> None:
    """A domain whose records never came fails, and is proved after a new start only."""
    name = "never.example.com"
    tokens = create(house, name)
    asked(house, "POST", "clock", {"advance": "71h"})
    assert status_of(house, name) == "PENDING"
    asked(house, "POST", "clock", {"advance": "73h"})
    assert status_of(house, name) == "FAILED"

    publish(house, name, tokens)
    assert status_of(house, name) == "FAILED"
    anyone(house, "ses").verify_domain_dkim(Domain=name)
    asked(house, "POST", "clock", {"advance": "1m"})
    assert status_of(house, name) == "SUCCESS"


def test_the_clock_never_goes_back(house: Running) -> None:
    """It reads what it was moved to, and refuses nonsense and the past."""
    before = asked(house, "GET", "clock")["now"]
    after = asked(house, "POST", "clock", {"advance": "90m"})["now"]

    assert after > before
    for span in ("-1h", "0x", "", "1 year"):
        status, refusal = steered(house, "POST", "clock", {"advance": span})
        assert status == 400
        assert refusal["message"].startswith("advance ")
    assert asked(house, "GET", "clock")["now"] >= after


@pytest.mark.parametrize("ttl", [-1, 2**31])
def test_a_ttl_that_the_dns_cannot_hold_is_refused(house: Running, ttl: int) -> None:
    """It is from 0 to 2^31 - 1 seconds (RFC 2181 §8); nothing is published with another."""
    wanted = {"name": "ttl.example.com", "type": "TXT", "values": ["x"], "ttl": ttl}

    status, refusal = steered(house, "PUT", "records", wanted)

    assert status == 400
    assert "$.ttl" in refusal["message"]
    assert "ttl.example.com" not in json.dumps(asked(house, "GET", "records"))


@pytest.mark.parametrize(
    ("path", "allowed"), [("/healthz", "GET, HEAD"), ("/_aws/ses", "DELETE, GET"), ("/", "GET, POST")]
)
def test_a_wrong_method_is_told_the_right_ones(house: Running, path: str, allowed: str) -> None:
    """Wherever 405 is answered, Allow says what to use (RFC 9110 §15.5.6)."""
    connection = HTTPConnection(house.ready.http[0], timeout=10)
    with contextlib.closing(connection):
        connection.request("PUT", path)
        answer = connection.getresponse()

    assert answer.status == 405
    assert answer.getheader("Allow") == allowed


def test_mail_is_read_in_both_ways_and_its_link_works(house: Running) -> None:
    """The outbox has the link, `/_aws/ses` has the mail as LocalStack gives it, and both can be emptied."""
    asked(house, "DELETE", "outbox")  # other tests have had mail in it
    anyone(house).create_email_identity(EmailIdentity="reader@example.org")

    (mail,) = asked(house, "GET", "outbox")["mails"]
    (link,) = [link for link in mail["links"] if "?" not in link]
    usual = json.loads(get(house.ready.http[0], "/_aws/ses")[1])["messages"]
    assert mail["to"] == ["reader@example.org"]
    assert [each["Destination"]["ToAddresses"] for each in usual] == [["reader@example.org"]]
    assert usual[0]["Body"]["text_part"] == mail["text"]
    wanted = usual[0]["Id"]
    assert len(json.loads(get(house.ready.http[0], f"/_aws/ses?id={wanted}")[1])["messages"]) == 1
    assert json.loads(get(house.ready.http[0], "/_aws/ses?id=none")[1]) == {"messages": []}
    assert json.loads(get(house.ready.http[0], "/_aws/ses?email=nobody")[1]) == {"messages": []}

    path = link.removeprefix(house.ready.url)
    assert get(house.ready.http[0], path, "POST")[0] == 200
    assert status_of(house, "reader@example.org") == "SUCCESS"

    assert get(house.ready.http[0], f"/_aws/ses?id={wanted}", "DELETE")[0] == 204
    assert asked(house, "GET", "outbox") == {"mails": []}


def test_no_web_page_drives_it(house: Running) -> None:
    """What a page can make a browser send makes no webhook and reads no mail; a program's own does."""
    anyone(house).create_email_identity(EmailIdentity="driven@example.org")
    address = house.ready.http[0]
    claim = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/20260101/us-east-1/ses/aws4_request"
    claim += "&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=ab"
    hook = f"/indicia/v1/webhooks?{claim}"
    image = f"/?Action=VerifyEmailIdentity&EmailAddress=image%40example.org&{claim}"
    pages = [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}]

    for page in pages:
        for method, path in (("GET", "/_aws/ses"), ("DELETE", "/_aws/ses"), ("GET", image), ("POST", hook)):
            status, said = get(address, path, method, page)
            assert (status, "driven@" in said) == (403, False)

    assert "driven@example.org" in get(address, "/_aws/ses")[1]
    found = anyone(house).list_email_identities()["EmailIdentities"]
    assert "image@example.org" not in [each["IdentityName"] for each in found]
    assert get(address, image)[0] == 200


def test_one_that_listens_elsewhere_is_found_by_names_that_nobody_can_register(tmp_path: Path) -> None:
    """As containers name each other, by address, and by the name that it was given; and by no other."""
    url = "https://ses.corp.example"
    with started(tmp_path, "sandbox", "--listen-http", "0.0.0.0:0", INDICIA_PUBLIC_URL=url) as away:
        port = away.ready.http[0].rpartition(":")[2]
        for host, status in (
            ("indicia", 200),
            (f"192.0.2.1:{port}", 200),
            ("ses.corp.example", 200),
            (f"localhost:{port}", 200),
            ("evil.example", 403),
        ):
            assert get(f"127.0.0.1:{port}", "/_aws/ses", headers={"Host": host})[0] == status


def test_a_reset_leaves_nothing_but_keys_and_the_clock(house: Running) -> None:
    """Identities, records and mail are gone; the names can be used again; the time stays."""
    tokens = create(house, "again.example.com")
    publish(house, "again.example.com", tokens)
    anyone(house).create_email_identity(EmailIdentity="again@example.org")
    before = asked(house, "GET", "clock")["now"]

    asked(house, "POST", "reset")

    assert anyone(house).list_email_identities()["EmailIdentities"] == []
    assert asked(house, "GET", "records") == {"records": []}
    assert asked(house, "GET", "outbox") == {"mails": []}
    assert asked(house, "GET", "clock")["now"] >= before
    assert create(house, "again.example.com") != tokens


def test_steering_is_for_programs_of_this_machine(house: Running) -> None:
    """What a web page can make a browser send is refused: another content type, another Host."""
    for headers in ({"content-type": "text/plain"}, {"host": "evil.example:80"}):
        status, refusal = steered(house, "POST", "clock", {"advance": "1h"}, **headers)
        assert status == 403
        assert refusal["code"]


def test_any_credentials_will_do(house: Running) -> None:
    """An unknown key is account 000000000000, twelve digits are that account; a made key is checked."""
    assert anyone(house, "sts").get_caller_identity()["Account"] == "000000000000"
    other = client("sts", house.ready.url, AccountCredentials("123456789012", "x", ""))
    assert other.get_caller_identity()["Account"] == "123456789012"
    assert house.client("sts").get_caller_identity()["Account"] == "000000000000"

    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client("sts", house.ready.url, AccountCredentials(house.key.id, "wrong", "")).get_caller_identity()


def test_strict_auth_checks_everybody(tmp_path: Path) -> None:
    """Only made keys are believed, and steering stays unsigned."""
    with sandbox(tmp_path, "--strict-auth") as house:
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            anyone(house, "sts").get_caller_identity()
        assert house.client("sts").get_caller_identity()["Account"] == "000000000000"
        assert asked(house, "GET", "clock")["now"]
        assert house.stop() == 0


def test_it_listens_elsewhere_only_when_a_flag_says_so(tmp_path: Path) -> None:
    """The environment is not enough to open a server to others that believes anyone."""
    listeners = ("http", "admin", "dns")
    for listener in listeners:
        done = run("sandbox", cwd=tmp_path, **FREE | {f"INDICIA_LISTEN_{listener.upper()}": "0.0.0.0:0"})

        assert done.returncode == 2
        assert f"listens on loopback only, not on 0.0.0.0:0: give --listen-{listener}" in done.stderr
    flags = [word for listener in listeners for word in (f"--listen-{listener}", "0.0.0.0:0")]
    with sandbox(tmp_path, *flags) as house:
        assert house.ready.http[0].startswith("0.0.0.0:")
        assert house.stop() == 0


def test_a_data_dir_keeps_the_clock_the_records_and_the_identities(tmp_path: Path) -> None:
    """The next sandbox on it stands where the last one was killed, and nothing that was proved is lost."""
    name = "kept.example.com"
    with sandbox(tmp_path) as house:
        publish(house, name, create(house, name))
        moved = asked(house, "POST", "clock", {"advance": "9d"})["now"]
        records = asked(house, "GET", "records")
        assert status_of(house, name) == "SUCCESS"
        house.process.kill()
        house.process.wait()

    with sandbox(tmp_path) as house:
        assert asked(house, "GET", "clock")["now"] >= moved
        assert asked(house, "GET", "records") == records
        asked(house, "POST", "clock", {"advance": "3d"})
        assert status_of(house, name) == "SUCCESS"
        assert house.stop() == 0


def test_without_a_data_dir_nothing_is_left(tmp_path: Path) -> None:
    """The data are in a temporary folder that is gone at the end, here as there."""
    told = tmp_path / "ready.json"
    settings = FREE | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*INDICIA, "sandbox", "--ready-file", str(told)],
        env=environment(**settings),
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        found = until(lambda: ready.read(told))
        assert found.playground
        (folder,) = tmp_path.glob("indicia-sandbox-*")
        assert (folder / "indicia.db").exists()
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_by_itself_it_wants_the_default_ports(tmp_path: Path) -> None:
    """Without a command it is where everybody looks for it, or says that somebody else is."""
    try:
        held = socket.create_server(("127.0.0.1", 8465))
    except OSError:
        held = socket.socket()  # somebody else has it, which is as good
    with held:
        done = run("sandbox", cwd=tmp_path)

    said = [line for line in done.stderr.splitlines() if line.startswith("indicia: ")]
    assert done.returncode == 1
    assert len(said) == 1
    assert said[0].startswith("indicia: cannot listen on 127.0.0.1:8465: Address already in use")


SCRIPT = """
import boto3, json, os, sys
sesv2 = boto3.client("sesv2")
sesv2.create_email_identity(EmailIdentity="inside.example.com")
account = boto3.client("sts").get_caller_identity()["Account"]
print(json.dumps([account, sesv2.meta.endpoint_url, os.environ["INDICIA_DATA_DIR"]]))
sys.exit(int(sys.argv[1]))
"""


# Makes standard input the terminal that controls the session, and becomes the command.
ON_OUR_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_command_runs_in_it_and_ends_it(tmp_path: Path) -> None:
    """It finds the environment set, ports are free ones, and its exit status is passed on; two at once."""
    processes = [
        subprocess.Popen(
            [*INDICIA, "sandbox", "--", sys.executable, "-c", SCRIPT, str(status)],
            env=environment(
                TMPDIR=str(tmp_path),
                AWS_PROFILE="of-somebody",
                AWS_DEFAULT_PROFILE="of-somebody",
                AWS_SESSION_TOKEN="stale",
                AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        for status in (0, 42)
    ]
    told = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 42], told
    seen = [json.loads(out) for out, _ in told]
    assert [account for account, _, _ in seen] == ["000000000000"] * 2
    assert len({url for _, url, _ in seen}) == 2
    assert not any(Path(folder).exists() for _, _, folder in seen)
    assert [err for _, err in told] == ["", ""]


def test_a_command_finds_indicia(tmp_path: Path) -> None:
    """Also where the sandbox was called by its path; whatever else has that name goes before."""
    (own := tmp_path / "bin").mkdir()
    (own / "python").write_text("#!/bin/sh\necho mine\n")
    (own / "python").chmod(0o700)

    done = subprocess.run(
        [*INDICIA, "sandbox", "--", "sh", "-c", "python; indicia --version"],
        env=environment(PATH=f"{own}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )

    mine, version = done.stdout.splitlines()
    assert (mine, version.split()[-1]) == ("mine", importlib.metadata.version("indicia"))


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["no-such-program-here"], 127),
        (["/dev/null"], 126),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["sh", "-c", "exit 3"], 3),
    ],
)
def test_the_status_is_as_a_shell_has_it(tmp_path: Path, command: list[str], status: int) -> None:
    """127 for what is not there, 126 for what cannot be run, 128 and the number for a signal."""
    assert run("sandbox", "--", *command, cwd=tmp_path).returncode == status


def test_a_sandbox_that_is_ended_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM before there is a service: the temporary folder is removed all the same."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with subprocess.Popen(
        [*INDICIA, "sandbox"], env=environment(TMPDIR=str(folder), **FREE), cwd=tmp_path
    ) as process:
        until(lambda: any(folder.glob("indicia-sandbox-*")), "the folder of the data")
        process.terminate()
        assert process.wait(20) in {0, 128 + signal.SIGTERM}

    assert list(folder.glob("indicia-sandbox-*")) == []


def test_signals_are_passed_on_to_the_command(tmp_path: Path) -> None:
    """The command decides what SIGTERM means, and its status is that of the sandbox."""
    script = "trap 'echo told; exit 7' TERM; echo here; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [*INDICIA, "sandbox", "--", "bash", "-c", script],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "here\n"
        process.terminate()
        assert process.stdout.read() == "told\n"
        assert process.wait(20) == 7


def test_the_keyboard_interrupts_the_command_and_not_the_sandbox(tmp_path: Path) -> None:
    """Ctrl-C on a terminal reaches the command once; when it goes on, so does the sandbox."""
    script = (
        "trap 'echo caught; caught=1' INT; echo here; while [ -z \"$caught\" ]; do sleep 0.05; done; "
        'curl -sf "$AWS_ENDPOINT_URL_SES/healthz"; exit 5'
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_OUR_TERMINAL, *INDICIA, "sandbox", "--", "bash", "-c", script],
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        shown = _shown(ours, b"here")
        os.write(ours, b"\x03")
        shown += _shown(ours, b"alive")
        assert process.wait(20) == 5
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert shown.count(b"caught") == 1


def _shown(terminal: int, awaited: bytes) -> bytes:
    """Return what the terminal shows until it has shown that."""
    shown = b""
    deadline = time.monotonic() + 20
    while awaited not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:
                raise AssertionError(shown) from None
    return shown
