"""Two installations, one of which has the parent's keys: over TLS, and over whatever else may answer."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme
from nameserver import NameServer
from serving import client, run, serve, until

from indicia.app.replication_client import installations
from indicia.credentials import AccountCredentials
from indicia.domain.identities.identity import ErrorType
from indicia.settings import load
from indicia.store.dkim.replications import Replication
from indicia.vault.keyring import Keyring

NAME = "shop.example.com"
ACCOUNT = "111122223333"
KEYRING = Keyring((bytes(range(32)),))
ASKED = Replication(1, ACCOUNT, NAME, "us-east-1", "eu-west-1", "", "")
Answers = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority that nobody knows, and its certificate in a file."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def elsewhere(folder: Path, url: str, key: AccountCredentials) -> Path:
    """A settings file for an installation whose parents are in eu-west-1, at the URL."""
    folder.mkdir(exist_ok=True)
    (folder / "secret").write_text(key.secret)
    path = folder / "indicia.toml"
    path.write_text(
        f'regions = ["us-east-1"]\n[replication.eu-west-1]\nurl = "{url}"\n'
        f'access_key_id = "{key.id}"\nsecret_access_key_file = "secret"\n'
    )
    return path


def fetching_key(folder: Path) -> AccountCredentials:
    """An access key of the installation in the folder, which may fetch keys for us-east-1 and do no more."""
    policy = folder / "replication.json"
    allowed = {
        "Effect": "Allow",
        "Action": "indicia:ReplicateIdentity",
        "Resource": "*",
        "Condition": {"StringEquals": {"ses:ReplicaRegion": "us-east-1"}},
    }
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    arguments = ("--account", ACCOUNT, "--user", "replication", "--policy", str(policy), "--json")
    done = run("key", "create", *arguments, cwd=folder, INDICIA_DATA_DIR=str(folder / "data"))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return AccountCredentials(made["access_key_id"], made["secret_access_key"], ACCOUNT)


def test_a_replica_of_a_parent_in_another_installation(
    tmp_path: Path, dns: NameServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the parent's tokens and zone, asked for over TLS; the parent is told who has them, and stays."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    shared = {"INDICIA_ROOT_ACCOUNT": ACCOUNT, "INDICIA_RESOLVERS": "{}:{}".format(*dns.address)}
    (tmp_path / "parent").mkdir()
    with serve(
        tmp_path / "parent",
        **shared,
        INDICIA_REGIONS="eu-west-1",
        INDICIA_REPLICATION_OFFERS=f"{ACCOUNT}/us-east-1",
        INDICIA_SERVICE_DOMAIN="parent.test",
        INDICIA_TLS_CERT_FILE=str(tmp_path / "cert.pem"),
        INDICIA_TLS_KEY_FILE=str(tmp_path / "key.pem"),
    ) as parent:
        theirs = client("sesv2", parent.ready.url, parent.key, region="eu-west-1")
        created = theirs.create_email_identity(EmailIdentity=NAME)["DkimAttributes"]
        place = elsewhere(tmp_path / "replica", parent.ready.url, fetching_key(tmp_path / "parent"))
        with serve(
            tmp_path / "replica",
            "--config",
            str(place),
            **shared,
            SSL_CERT_FILE=str(tmp_path / "ca.pem"),
            INDICIA_SERVICE_DOMAIN="replica.test",
        ) as replica:
            ours = replica.client()
            origin = {"DomainSigningAttributesOrigin": "AWS_SES_EU_WEST_1"}
            ours.create_email_identity(EmailIdentity=NAME, DkimSigningAttributes=origin)

            def shown() -> Any:
                found = ours.get_email_identity(EmailIdentity=NAME)["DkimAttributes"]
                return found if found.get("Tokens") else None

            found = until(shown, "the tokens of the parent")

        assert found["Tokens"] == created["Tokens"]
        assert found["SigningHostedZone"] == created["SigningHostedZone"] == "dkim.parent.test"
        with pytest.raises(theirs.exceptions.BadRequestException, match="us-east-1"):
            theirs.delete_email_identity(EmailIdentity=NAME)


async def whole(fetching: Coroutine[Any, Any, Any]) -> Any:
    """Wait until it ends."""
    return await asyncio.wait_for(fetching, 5)


def fetched(
    folder: Path,
    answers: Answers,
    tls: ssl.SSLContext | None = None,
    within: float = 0.5,
    wait: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]] = whole,
) -> Any:
    """What is made of an installation that answers so."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answers(reader, writer)
        finally:
            writer.close()

    async def story() -> Any:
        server = await asyncio.start_server(answered, "127.0.0.1", 0, ssl=tls, family=socket.AF_INET)
        port = server.sockets[0].getsockname()[1]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        settings = load(elsewhere(folder, url, AccountCredentials("AKIATESTTESTTESTTEST", "secret", ACCOUNT)))
        abroad = installations(settings, KEYRING, within=within)
        assert abroad is not None
        try:
            return await wait(abroad.fetch(ASKED))
        finally:
            server.close()

    return asyncio.run(story())


def saying(answer: bytes) -> Answers:
    """Answer every request with these octets, and say no more."""

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return answers


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one octet at a time, for ever, each well before anybody would give up."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


def reply(status: str, body: bytes, head: str = "") -> bytes:
    """An answer as HTTP has it."""
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answers", "made"),
    [
        pytest.param(saying(b""), None, id="hung up"),
        pytest.param(saying(b"SSH-2.0-x\r\n"), None, id="not HTTP"),
        pytest.param(saying(reply("200 OK", b"{")), None, id="not JSON"),
        pytest.param(saying(reply("200 OK", b'{"obstacle": "NONSENSE"}')), None, id="no obstacle"),
        pytest.param(saying(reply("200 OK", b" " * 70_000)), None, id="endless"),
        pytest.param(saying(reply("503 Busy", b"{}")), None, id="not now"),
        pytest.param(
            saying(reply("302 Found", b"", "Location: http://127.0.0.1:1/\r\n")), None, id="a redirect"
        ),
        pytest.param(drips, None, id="an octet at a time"),
        pytest.param(
            saying(reply("403 Forbidden", b"{}")), ErrorType.REPLICATION_ACCESS_DENIED, id="not allowed"
        ),
        pytest.param(
            saying(reply("200 OK", b'{"obstacle": "REPLICATION_PRIMARY_NOT_FOUND"}')),
            ErrorType.REPLICATION_PRIMARY_NOT_FOUND,
            id="no parent",
        ),
    ],
)
def test_what_is_made_of_answers(tmp_path: Path, answers: Answers, made: ErrorType | None) -> None:
    """What cannot be understood is nobody's answer, within its time; what is said is an obstacle."""
    assert fetched(tmp_path / "house", answers) is made


def test_a_look_that_is_given_up_hangs_up(tmp_path: Path) -> None:
    """Whoever is asked hears the end at once: no thread goes on reading for a check that is over."""
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        assert await reader.read() == b""
        hung_up.set()

    async def given_up(fetching: Coroutine[Any, Any, Any]) -> bool:
        task = asyncio.create_task(fetching)
        await asyncio.wait_for(asked.wait(), 5)
        task.cancel()
        await asyncio.wait_for(hung_up.wait(), 5)
        return task.cancelled()

    assert fetched(tmp_path / "house", answers, within=60, wait=given_up)


def test_a_certificate_that_nobody_knows_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    """Nothing is asked of whoever has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    heard: list[bytes] = []

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))

    assert fetched(tmp_path / "house", answers, context) is None
    assert b"".join(heard) == b""
