"""Nothing that is secret is written down: not in logs, not in answers that refuse, not in the database."""

from __future__ import annotations

import asyncio
import contextlib
import email
import json
import re
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from email import policy
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from serving import Running, get, run, serve, until
from smtpserver import SmtpServer, listening

from indicia.credentials import AccountCredentials
from indicia.vault import rsa

PASSWORD = "relay+pass/word%40-of-the-operator"


@contextlib.contextmanager
def relay() -> Iterator[tuple[SmtpServer, int]]:
    """A mail server that wants another password."""
    server = SmtpServer(login=("indicia", "another password"))
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()
    ready = threading.Event()

    async def serving() -> None:
        async with listening(server):
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serving(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield server, server.port
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()


class Story:
    """What was said in the course of a test: secrets that went in, and every refusal that came back."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.refusals: list[str] = []

    def tell(self, *secrets: str) -> None:
        """Remember what must not be found anywhere."""
        self.secrets.update(secret for secret in secrets if secret)

    def found_in(self, where: str | bytes) -> list[str]:
        """Return the beginnings of the secrets that are there, in any spelling a program might use."""
        text = where.decode("latin-1") if isinstance(where, bytes) else where
        return [secret[:12] for secret in self.secrets for form in _forms(secret) if form in text]


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], b64encode(secret.encode()).decode()}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written_down(tmp_path: Path, log_format: str) -> None:
    """Every operation with secrets in it, rightly and wrongly signed; links visited; keys made and ended."""
    story = Story()
    with relay() as (smtp, port):
        story.tell(PASSWORD)
        settings = {
            "INDICIA_LOG_FORMAT": log_format,
            "INDICIA_RELAY": f"smtp://indicia:{quote(PASSWORD, safe='')}@127.0.0.1:{port}",
        }
        with serve(tmp_path, **settings) as house:
            story.tell(house.key.secret)
            _call_everything(house, story)
            _sign_wrongly(house, story)
            _try_links(house, story)
            _make_and_end_keys(house, story)
            until(lambda: "mail.postponed" in house.log, "the relay's refusal of the password")
            story.tell(*(pem for pem in (house.data_dir / "master.key").read_text().split()))
            assert "AUTH" in smtp.verbs
            assert house.stop() == 0
        log = house.log

    assert "Traceback" not in log
    assert log.count("request") > 20
    assert story.found_in(log + PASSWORD) == [PASSWORD[:12]]  # what is there would be found
    assert story.found_in(log) == []
    assert len(story.refusals) > 8
    assert story.found_in("".join(story.refusals)) == []
    for path in sorted(house.data_dir.glob("indicia.db*")):
        assert story.found_in(path.read_bytes()) == [], path.name


def _call_everything(house: Running, story: Story) -> None:
    """Call what takes or makes secrets, in both versions."""
    pair = rsa.generate(1024)
    private = b64encode(pair.private_key).decode()
    story.tell(private, _pem_body(pair.private_key), private[64:128])
    v2, v1 = house.client(), house.client("ses")
    v2.create_email_identity(
        EmailIdentity="byodkim.example.com",
        DkimSigningAttributes={"DomainSigningSelector": "s1", "DomainSigningPrivateKey": private},
        Tags=[{"Key": "team", "Value": "mail"}],
    )
    v2.create_email_identity(EmailIdentity="easy.example.com")
    v2.create_email_identity(EmailIdentity="reader@example.org")
    v1.verify_domain_identity(Domain="legacy.example.com")
    v1.verify_domain_dkim(Domain="legacy.example.com")
    v1.verify_email_address(EmailAddress="old@example.org")
    v1.verify_email_identity(EmailAddress="reader@example.org")
    v2.put_email_identity_dkim_signing_attributes(
        EmailIdentity="easy.example.com",
        SigningAttributesOrigin="EXTERNAL",
        SigningAttributes={"DomainSigningSelector": "s2", "DomainSigningPrivateKey": private},
    )
    v1.get_identity_verification_attributes(Identities=["legacy.example.com"])
    v2.get_email_identity(EmailIdentity="byodkim.example.com")
    broken = private[:200] + "AAAA" + private[204:]
    story.tell(broken[100:260])
    for key in (broken, "x" + private, "not a key of anyone, really"):
        with contextlib.suppress(v2.exceptions.ClientError):
            v2.create_email_identity(
                EmailIdentity=f"broken{len(key)}.example.com",
                DkimSigningAttributes={"DomainSigningSelector": "s1", "DomainSigningPrivateKey": key},
            )
            continue
    raw = json.dumps(
        {
            "EmailIdentity": "raw.example.com",
            "DkimSigningAttributes": {"DomainSigningSelector": "s1", "DomainSigningPrivateKey": broken},
        }
    ).encode()
    story.refusals.append(_signed(house, "POST", "/v2/email/identities", raw, house.key)[1])


def _pem_body(der: bytes) -> str:
    key = load_der_private_key(der, None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem.splitlines()[3]


def _signed(
    house: Running, method: str, path: str, body: bytes, key: AccountCredentials, *, presigned: bool = False
) -> tuple[str, str]:
    """Send a request signed by botocore; return the signature and the body of the answer."""
    request = AWSRequest(method=method, url=house.ready.url + path, data=body)
    credentials = Credentials(key.id, key.secret)
    (SigV4QueryAuth if presigned else SigV4Auth)(credentials, "ses", "us-east-1").add_auth(request)
    prepared = request.prepare()
    asked = urllib.request.Request(  # noqa: S310 - our own server
        prepared.url, data=body or None, headers=dict(prepared.headers), method=method
    )
    signature = re.findall(r"Signature=([0-9a-f]{64})", str(dict(prepared.headers)) + prepared.url)[0]
    try:
        with urllib.request.urlopen(asked, timeout=20) as response:  # noqa: S310 - our own server
            return signature, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return signature, error.read().decode()


def _sign_wrongly(house: Running, story: Story) -> None:
    """Sign with a secret that is not the key's, with a key that nobody has, with the secret as the id."""
    wrong = [
        AccountCredentials(house.key.id, "wrong/secret+" + "w" * 27, ""),
        AccountCredentials("AKIANOBODYHASTHISKEY", "nobodys/secret" + "n" * 26, ""),
        AccountCredentials(house.key.secret.replace("/", "x"), house.key.id, ""),
    ]
    for key in wrong:
        story.tell(key.secret if key.secret != house.key.id else key.id)
        for method, path, presigned in (
            ("GET", "/v2/email/identities", False),
            ("GET", "/v2/email/identities", True),
            ("POST", "/", False),
            ("GET", "/indicia/v1/identities/easy.example.com/records", False),
        ):
            body = b"Action=ListIdentities" if method == "POST" else b""
            signature, answer = _signed(house, method, path, body, key, presigned=presigned)
            story.tell(signature)
            story.refusals.append(answer)
    signature, _ = _signed(house, "GET", "/v2/email/identities", b"", house.key)
    story.tell(signature)


def _try_links(house: Running, story: Story) -> None:
    """Visit links that nobody has issued: whoever guesses leaves no guess in the log."""
    guess = "G" * 21 + "uess_of-a-token" + "x" * 7
    story.tell(guess)
    for path in (f"/verify/{guess}", f"/verify/{guess}?stop", f"/verify/{guess}/more"):
        for method in ("GET", "POST"):
            assert "</html>" in get(house.ready.http[0], path, method)[1]


def _make_and_end_keys(house: Running, story: Story) -> None:
    """Make an access key and revoke it, rotate the master key; only what is made is shown, and once."""
    there = {"cwd": house.data_dir.parent, "INDICIA_DATA_DIR": str(house.data_dir)}
    made = json.loads(run("key", "create", "--json", **there).stdout)
    story.tell(made["secret_access_key"])
    signature, _ = _signed(
        house,
        "GET",
        "/v2/email/identities",
        b"",
        AccountCredentials(made["access_key_id"], made["secret_access_key"], ""),
    )
    story.tell(signature)
    story.tell(*(house.data_dir / "master.key").read_text().split())
    for command in (("key", "list"), ("key", "revoke", made["access_key_id"]), ("master-key", "rotate")):
        done = run(*command, **there)
        assert done.returncode == 0, done.stderr
        story.refusals.append(done.stdout + done.stderr)


def test_the_token_of_a_link_is_in_the_mail_alone(tmp_path: Path) -> None:
    """The mail is opened, the link is visited and used; database and log have not heard of its token."""
    story = Story()
    with serve(tmp_path) as house:
        house.client().create_email_identity(EmailIdentity="reader@example.org")
        outbox = house.data_dir / "outbox" / "new"
        (mail,) = until(lambda: list(outbox.glob("*")) if outbox.exists() else [], "the mail")
        links = set(re.findall(r"/verify/([A-Za-z0-9_-]{20,})", _text(mail)))
        assert len(links) == 1
        story.tell(*links)
        (token,) = links
        at = house.ready.http[0]

        assert get(at, f"/verify/{token}")[0] == 200
        assert get(at, f"/verify/{token}", "POST")[0] == 200
        identity = house.client().get_email_identity(EmailIdentity="reader@example.org")
        assert identity["VerificationStatus"] == "SUCCESS"
        assert get(at, f"/verify/{token}")[0] == 410
        assert house.stop() == 0

    assert story.found_in(house.log) == []
    for path in sorted(house.data_dir.glob("indicia.db*")):
        assert story.found_in(path.read_bytes()) == [], path.name


def _text(mail: Path) -> str:
    """Return the text of a mail file."""
    body = email.message_from_bytes(mail.read_bytes(), policy=policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())
