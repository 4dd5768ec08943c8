"""What a verification mail says, and that it is well-formed whatever the address."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from correspondence import read, text_of
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.faults import Fault
from indicia.domain.names import parse_address
from indicia.domain.time import DAY, HOUR, MINUTE
from indicia.mail.message.compose import (
    VerificationRequest,
    envelope_address,
    recipient_of,
    shown_moment,
    shown_span,
    verification_mail,
)

TOKEN = "Zk3Q9v_2pWd0yB7mXc4RtUeLs8NhJg1aFi6Ko5-VxTw"
REQUEST = VerificationRequest(
    address="Someone+news@Example.com",
    region="us-east-1",
    account="123456789012",
    service="mail.example.org",
    link=f"https://mail.example.org/verify/{TOKEN}",
    stop_link=f"https://mail.example.org/verify/{TOKEN}?stop",
    asked_at=1_795_323_960_000,
    expires_at=1_795_323_960_000 + DAY,
)

TEXT = f"""\
Hello,

someone wants to send email in the name of this address:

    Address   Someone+news@Example.com
    Service   mail.example.org
    Region    us-east-1
    Account   123456789012
    Asked     22 November 2026, 05:06 UTC

IF YOU EXPECTED THIS

Open this page. It shows the request again and has one button:

    https://mail.example.org/verify/{TOKEN}

Pressing the button allows account 123456789012 to send email with
your address as the sender, through mail.example.org. Opening the page alone
allows nothing. The link works once, for 24 hours: until
23 November 2026, 05:06 UTC.

IF YOU DID NOT

You need not do anything. Unless the button is pressed, this request comes
to nothing, and the link stops working by itself. Please do not pass this
mail on: whoever has the link can answer in your place.

If you want no such mails any more, say that this was not you:

    https://mail.example.org/verify/{TOKEN}?stop

The page has one button again; it ends this request and stops verification
mails from mail.example.org to your mailbox.

--\N{SPACE}
Sent automatically by mail.example.org. Nobody reads replies.
We never ask for a password.
"""


def composed(request: VerificationRequest = REQUEST, sender: str = "no-reply@mail.example.org") -> bytes:
    """The mail for a request."""
    return verification_mail(request, sender=sender, message_id="5f0c", window=DAY)


class Page(HTMLParser):
    """What of an HTML text matters here: its tags with their attributes, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        self.words += data


def test_the_text_is_exactly_this() -> None:
    """Whoever changes what a stranger reads changes it here too."""
    assert text_of(read(composed())) == TEXT


def test_the_headers_say_what_the_mail_is() -> None:
    """From, To, Subject, Date and Message-ID are as asked, and machines are told not to answer."""
    mail = read(composed())

    assert mail["From"] == "no-reply@mail.example.org"
    assert mail["To"] == "Someone+news@Example.com"
    assert mail["Subject"] == "Confirm Someone+news@Example.com as a sender at mail.example.org (us-east-1)"
    assert mail["Date"] == "Sun, 22 Nov 2026 05:06:00 +0000"
    assert mail["Message-ID"] == "<5f0c@mail.example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.defects == []


def test_the_same_request_makes_the_same_octets() -> None:
    """A mail is a function of its arguments, so that one sent twice is one mail to its receivers."""
    assert composed() == composed()


def test_the_html_says_what_the_text_says() -> None:
    """Both alternatives have every fact and both links; neither says more."""
    page = Page(text_of(read(composed()), "html"))
    words = " ".join(page.words.split())
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]

    assert set(links) == {REQUEST.link, REQUEST.stop_link}
    for fact in (REQUEST.address, REQUEST.service, REQUEST.region, REQUEST.account, "24 hours"):
        assert fact in words
    for sentence in (
        "Opening the page alone allows nothing.",
        "until 23 November 2026, 05:06 UTC.",
        "You need not do anything.",
        "whoever has the link can answer in your place.",
        "stops verification mails from mail.example.org to your mailbox.",
        "We never ask for a password.",
    ):
        assert sentence in words
        assert sentence in " ".join(TEXT.split())


def test_the_html_loads_nothing() -> None:
    """No image, script, style sheet or font is fetched: reading the mail tells nobody that it was read."""
    html = text_of(read(composed()), "html")
    page = Page(html)

    assert not {tag for tag, _ in page.tags} & {"img", "script", "link", "iframe", "object", "video", "audio"}
    assert not any(
        name in {"src", "srcset", "background", "poster"}
        for _, attributes in page.tags
        for name in attributes
    )
    assert "url(" not in html
    assert "@import" not in html


def test_every_octet_survives_transport() -> None:
    """Seven bits, CRLF, no line over 998 octets, none that begins with `From ` or is a single dot."""
    octets = composed(replace(REQUEST, address="a" * 250 + "@" + "b" * 60 + ".com"))
    lines = octets.split(b"\r\n")

    assert octets.isascii()
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 998
    assert not any(line.startswith(b"From ") or line == b"." for line in lines)


printable = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


@given(st.text(printable, min_size=1, max_size=80))
def test_an_address_is_text_and_nothing_else(local: str) -> None:
    """Whatever a caller puts before the `@`, the mail goes to that one mailbox and gains no header or tag."""
    address = f"{local}@example.com"
    try:
        parse_address(address)
    except Fault:
        return
    recipient = recipient_of(address)
    if recipient is None:
        return
    octets = composed(replace(REQUEST, address=address))
    mail = read(octets)
    plain = read(composed())

    assert mail.keys() == plain.keys()
    assert f"\r\nTo: {recipient.addr_spec}\r\n".encode() in octets
    assert f"    Address   {address}\n" in text_of(mail)
    html, plain_html = (Page(text_of(each, "html")) for each in (mail, plain))
    assert html.tags == plain_html.tags
    assert address in html.words


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0"])
def test_a_line_break_makes_no_header(break_: str) -> None:
    """An address or sender with a line break in it is refused rather than cleaned."""
    evil = f"a{break_}Bcc: everyone@example.com"

    assert recipient_of(f"{evil}@example.com") is None
    with pytest.raises(ValueError, match="addressed"):
        composed(replace(REQUEST, address=f"{evil}@example.com"))
    with pytest.raises(ValueError, match=r".+"):
        envelope_address(f"{evil}@example.com")
    if break_ != "\0":
        with pytest.raises(ValueError, match=r".+"):
            composed(sender=f"{evil}@example.com")


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("a@example.com", "a@example.com"),
        ("a@EXAMPLE.com", "a@EXAMPLE.com"),
        ("a..b@example.com", "a..b@example.com"),
        ('"a b"@example.com', '"a b"@example.com'),
        (r'"a\b"@example.com', "ab@example.com"),
        ("a@localhost", "a@localhost"),
    ],
)
def test_where_a_mail_goes(address: str, sent_to: str) -> None:
    """Every address that RFC 5321 can say is written to, and so are dots in odd places, which exist."""
    recipient = recipient_of(address)

    assert recipient is not None
    assert recipient.addr_spec == sent_to


@pytest.mark.parametrize(
    "address",
    [
        "<a>@example.com",
        "a,b@example.com",
        "http://x/@example.com",
        'a"b@example.com',
        "=?utf-8?q?a=0D=0ABcc=3A_everyone=40example.com?=@example.com",
        r'"=\?utf-8\?q\?a=0D=0A\?="@example.com',
    ],
)
def test_what_no_mail_can_be_addressed_to(address: str) -> None:
    """Text that is an identity name to nobody but a caller gets no mail."""
    assert recipient_of(address) is None


def test_a_sender_that_nests_too_deeply_is_none() -> None:
    """It is refused like any other text that is no address."""
    for text in ("(" * 2000, "a:" * 1000, "a" * 3000 + "@example.com"):
        with pytest.raises(ValueError, match=r".+"):
            envelope_address(text)


def test_the_request_shows_no_link() -> None:
    """The links open a door: whatever prints the request prints neither."""
    assert TOKEN not in repr(REQUEST)


def test_a_sender_may_have_a_name() -> None:
    """INDICIA_MAIL_SENDER may be an address or a name with one; the envelope has the address."""
    assert envelope_address("Example Mail <no-reply@example.org>") == "no-reply@example.org"
    assert envelope_address("no-reply@example.org") == "no-reply@example.org"
    assert (
        read(composed(sender="Example Mail <no-reply@example.org>"))["From"].addresses[0].username
        == "no-reply"
    )


def test_time_is_told_in_words() -> None:
    """Instants are given to the minute in UTC, spans in the largest unit that is exact."""
    assert shown_moment(0) == "1 January 1970, 00:00 UTC"
    assert [shown_span(span) for span in (DAY, 5 * DAY, HOUR, 90 * MINUTE, 1500)] == [
        "24 hours",
        "5 days",
        "1 hour",
        "90 minutes",
        "1.5 seconds",
    ]
