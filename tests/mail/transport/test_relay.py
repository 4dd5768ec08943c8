"""Handing a letter to a mail server: what counts as taken, as refused for good, as later."""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
import traceback
from pathlib import Path

import pytest
import trustme
from smtpserver import SmtpServer, listening

from indicia.mail.message.compose import Letter
from indicia.mail.transport.carrier import DeliveryError, PermanentDeliveryError, TemporaryDeliveryError
from indicia.mail.transport.maildir import Maildir
from indicia.mail.transport.relay import SmtpCarrier, carrier_for
from indicia.settings.urls import parse_relay

TOKEN = "Zk3Q9v_2pWd0yB7mXc4RtUeLs8NhJg1aFi6Ko5-VxTw"
LETTER = Letter(
    identity="5f0c@mail.example.org",
    sender="no-reply@mail.example.org",
    recipient="reader@example.com",
    message=f"To: reader@example.com\r\n\r\nhttps://x/verify/{TOKEN}\r\n.dot\r\n".encode(),
    until=10**15,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that only these tests believe."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server on 127.0.0.1 shows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def believing(authority: trustme.CA) -> ssl.SSLContext:
    """What a client believes that knows the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def handed_over(
    server: SmtpServer,
    scheme: str = "smtp",
    *,
    login: str = "",
    tls: ssl.SSLContext | None = None,
    from_the_start: bool = False,
) -> None:
    """Hand the letter to the server by the relay setting that a URL is."""
    async with listening(server, tls_from_the_start=from_the_start):
        relay = parse_relay(f"{scheme}://{login}127.0.0.1:{server.port}")
        carrier = SmtpCarrier(relay, helo="mail.example.org", tls=tls)
        await carrier.deliver(LETTER)
        await carrier.close()


def test_a_letter_arrives_whole() -> None:
    """Envelope and octets are what was handed over, a line that begins with a dot included."""
    server = SmtpServer()
    asyncio.run(handed_over(server))

    assert server.letters == [(LETTER.sender, LETTER.recipient, LETTER.message)]
    assert server.verbs[-1] == "QUIT"


@pytest.mark.parametrize(
    ("replies", "failure"),
    [
        ({"CONNECT": "421 4.3.2 too busy"}, TemporaryDeliveryError),
        ({"CONNECT": "554 no mail here"}, TemporaryDeliveryError),
        ({"CONNECT": "hang up"}, TemporaryDeliveryError),
        ({"MAIL": "451 later"}, TemporaryDeliveryError),
        ({"MAIL": "553 5.7.1 not your name"}, TemporaryDeliveryError),
        ({"MAIL": "530 5.7.0 log in first"}, TemporaryDeliveryError),
        ({"RCPT": "450 4.2.1 greylisted"}, TemporaryDeliveryError),
        ({"RCPT": "554 5.7.1 relay access denied"}, TemporaryDeliveryError),
        ({"RCPT": "530 authentication required"}, TemporaryDeliveryError),
        ({"RCPT": "550 5.1.1 no such user"}, PermanentDeliveryError),
        ({"DATA": "451 later"}, TemporaryDeliveryError),
        ({".": "452 4.3.1 disk full"}, TemporaryDeliveryError),
        ({".": "hang up"}, TemporaryDeliveryError),
        ({".": "554 5.6.0 not this mail"}, PermanentDeliveryError),
    ],
)
def test_what_a_refusal_means(replies: dict[str, str], failure: type[DeliveryError]) -> None:
    """Only a 5xx about the recipient or the mail is for good; what an operator can mend is tried again."""
    with pytest.raises(failure):
        asyncio.run(handed_over(SmtpServer(replies)))


def test_a_refusal_quotes_the_reply_and_no_link() -> None:
    """The operator reads what the server said; a link that the server quotes back is cut out."""
    said = f"554 5.7.1 blocked:\thttps://x/verify/{TOKEN}?stop is on a list"
    with pytest.raises(
        PermanentDeliveryError, match=r"554 5\.7\.1 blocked: https://x/verify/\[\.\.\.\]"
    ) as caught:
        asyncio.run(handed_over(SmtpServer({".": said})))

    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_nobody_there_is_temporary() -> None:
    """A relay that does not listen is waited for."""

    async def deliver() -> None:
        server = SmtpServer()
        async with listening(server):
            pass
        await SmtpCarrier(parse_relay(f"smtp://127.0.0.1:{server.port}"), helo="x").deliver(LETTER)

    with pytest.raises(TemporaryDeliveryError, match=r"the relay smtp://127\.0\.0\.1:\d+ cannot be used"):
        asyncio.run(deliver())


def test_starttls_encrypts_before_the_letter(server_tls: ssl.SSLContext, believing: ssl.SSLContext) -> None:
    """smtp+starttls:// hands nothing over before the connection is encrypted."""
    server = SmtpServer(offers_starttls=True, tls=server_tls)
    asyncio.run(handed_over(server, "smtp+starttls", tls=believing))

    assert server.encrypted == [True]
    assert server.verbs.index("STARTTLS") < server.verbs.index("MAIL")


def test_starttls_is_not_given_up(believing: ssl.SSLContext) -> None:
    """A server, or somebody between, that does not offer STARTTLS gets no letter (RFC 3207 §5)."""
    server = SmtpServer()
    with pytest.raises(TemporaryDeliveryError):
        asyncio.run(handed_over(server, "smtp+starttls", tls=believing))

    assert "MAIL" not in server.verbs
    assert server.letters == []


def test_smtps_encrypts_from_the_first_octet(server_tls: ssl.SSLContext, believing: ssl.SSLContext) -> None:
    """smtps:// speaks TLS at once."""
    server = SmtpServer(tls=server_tls)
    asyncio.run(handed_over(server, "smtps", tls=believing, from_the_start=True))

    assert server.encrypted == [True]
    assert "STARTTLS" not in server.verbs


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_certificate_has_to_verify(scheme: str, server_tls: ssl.SSLContext) -> None:
    """A server whose certificate nobody vouches for gets neither a login nor a letter."""
    server = SmtpServer(offers_starttls=True, tls=server_tls, login=("user", "secret"))
    with pytest.raises(TemporaryDeliveryError, match="certificate"):
        asyncio.run(handed_over(server, scheme, login="user:secret@", from_the_start=scheme == "smtps"))

    assert "AUTH" not in server.verbs
    assert server.letters == []


def test_a_login_opens_the_relay() -> None:
    """User and password of the setting are what the server is told."""
    server = SmtpServer(login=("indicia", "p@ss word"))
    asyncio.run(handed_over(server, login="indicia:p%40ss%20word@"))

    assert len(server.letters) == 1
    assert "AUTH" in server.verbs


def test_a_wrong_password_is_waited_out_and_told_to_nobody() -> None:
    """A refused login is the operator's to mend, so the letter waits; the password is in no text of ours."""
    server = SmtpServer(login=("indicia", "right"))
    password = secrets.token_hex(8)
    with pytest.raises(TemporaryDeliveryError, match="535") as caught:
        asyncio.run(handed_over(server, login=f"indicia:{password}@"))

    told = "".join(traceback.format_exception(caught.value))
    carrier = SmtpCarrier(parse_relay(f"smtp://indicia:{password}@127.0.0.1:25"), helo="x")
    assert password not in told + repr(carrier)


def test_the_outbox_is_a_maildir(tmp_path: Path) -> None:
    """The relay `outbox` leaves a whole file in `new`, for its owner's eyes, with the envelope on top."""
    carrier = carrier_for(parse_relay("outbox"), outbox=tmp_path / "data" / "outbox", helo="x")
    asyncio.run(carrier.deliver(LETTER))

    (file,) = (tmp_path / "data" / "outbox" / "new").iterdir()
    assert list((tmp_path / "data" / "outbox" / "tmp").iterdir()) == []
    assert file.stat().st_mode & 0o777 == 0o600
    assert re.search(r"[:/]", file.name) is None
    assert file.read_bytes() == (
        b"Return-Path: <no-reply@mail.example.org>\nDelivered-To: reader@example.com\n"
        + LETTER.message.replace(b"\r\n", b"\n")
    )


def test_a_letter_delivered_twice_is_one_file(tmp_path: Path) -> None:
    """Delivery happens at least once; in a Maildir that shows as once."""
    carrier = Maildir(tmp_path)
    asyncio.run(carrier.deliver(LETTER))
    asyncio.run(carrier.deliver(LETTER))

    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_maildir_that_cannot_be_written_is_waited_for(tmp_path: Path) -> None:
    """A disk that takes nothing is temporary trouble, and the sentence names the folder."""
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(TemporaryDeliveryError, match=re.escape(str(tmp_path / "outbox"))):
        asyncio.run(Maildir(tmp_path / "outbox").deliver(LETTER))


def test_a_letter_shows_nothing_of_itself() -> None:
    """Whatever prints a letter prints its name and no link."""
    assert repr(LETTER) == "<Letter 5f0c@mail.example.org>"
