"""Verification mails in somebody else's words: what of them gets in, and what stands below them always."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from correspondence import read, text_of
from hypothesis import example, given
from hypothesis import strategies as st

from indicia.domain.time import DAY
from indicia.mail.html.harmless import HarmlessHtml
from indicia.mail.html.restricted import restricted
from indicia.mail.message.compose import VerificationRequest
from indicia.mail.notices.custom import DISCLAIMER, CustomWords, custom_mail

TOKEN = "Zk3Q9v_2pWd0yB7mXc4RtUeLs8NhJg1aFi6Ko5-VxTw"
LINK = f"https://mail.example.org/verify/{TOKEN}"
REQUEST = VerificationRequest(
    address="Reader@example.com",
    region="eu-west-1",
    account="123456789012",
    service="mail.example.org",
    link=LINK,
    stop_link=f"{LINK}?stop",
    asked_at=1_795_323_960_000,
    expires_at=1_795_323_960_000 + DAY,
)
PIXEL = base64.b64encode(b"GIF89a\x01\x00\x01\x00").decode()
MESSAGE_ID = "01020000000000000-x-000000"


def mail(content: str, subject: str = "Welcome", sender: str = "hello@brand.example") -> bytes:
    """Compose one."""
    words = CustomWords(sender, subject, restricted(content, domain=REQUEST.service))
    return custom_mail(REQUEST, words, message_id=MESSAGE_ID, window=DAY)


class Tags(HTMLParser):
    """Notes every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.seen.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every tag of the HTML."""
    parser = Tags()
    parser.feed(html)
    return parser.seen


def test_their_words_come_first_and_ours_last() -> None:
    """Sender and subject are the template's; below its words stand the link and the disclaimer."""
    message = read(mail("<h1>Grüße</h1><p>Please <b>confirm</b>.</p>", "Willkommen, Ä"))

    assert message["From"] == "hello@brand.example"
    assert message["To"] == "Reader@example.com"
    assert message["Subject"] == "Willkommen, Ä"
    assert message["Message-ID"] == f"<{MESSAGE_ID}@mail.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        body = text_of(message, kind)
        theirs, ours = body.index("Grüße"), body.index(LINK)
        assert theirs < ours < body.index(DISCLAIMER) < body.index(f"{LINK}?stop")
        assert "account 123456789012" in " ".join(body.split())
    assert text_of(message).startswith("Grüße\nPlease confirm.\n")
    assert DISCLAIMER == (
        "If you did not request to verify this email address, please disregard this message."
    )


def test_an_octet_of_a_mail_is_a_function_of_what_it_was_made_from() -> None:
    """Composed twice it is the same mail, 7-bit, in lines that every server takes."""
    octets = mail(f'<p>ü</p><img src="data:image/gif;base64,{PIXEL}">' + "long " * 1000)

    assert octets == mail(f'<p>ü</p><img src="data:image/gif;base64,{PIXEL}">' + "long " * 1000)
    assert octets.isascii()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert b"\n" not in octets.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("given_html", "left"),
    [
        ("<script>alert(1)</script>x", "x"),
        ("<style>p{}</style><title>t</title>x", "x"),
        ("<svg onload=alert(1)><script>1</script></svg>x", "x"),
        ("<iframe src=https://e.example></iframe>x", "x"),
        ('<p onclick="x()">a</p>', "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', '<a rel="noopener noreferrer">a</a>'),
        ('<a href="data:text/html,x">a</a>', '<a rel="noopener noreferrer">a</a>'),
        (
            '<a href="https://a.example/?a=1&b=2">a</a>',
            '<a href="https://a.example/?a=1&amp;b=2" rel="noopener noreferrer">a</a>',
        ),
        ("<form action=/x><input name=a><button>b</button></form>", "b"),
        ('<img src="https://tracker.example/p.gif" alt="a">', '<img alt="a">'),
        ('<img src="data:image/svg+xml;base64,PHN2Zz4=">', "<img>"),
        ('<img src="data:image/gif;base64,####">', "<img>"),
        (
            '<h1 class="a" id="b" title="t" style="color:red;position:fixed;top:0">x</h1>',
            '<h1 class="a" id="b" title="t" style="color:red">x</h1>',
        ),
        ('<p style="background-color:url(https://t.example)">x</p>', "<p>x</p>"),
        ('<p style="margin-bottom:-500px">x</p>', "<p>x</p>"),
        ("<table><tr><td width=5>x", '<table><tbody><tr><td width="5">x</td></tr></tbody></table>'),
        ("</div></body></html><b>x", "<b>x</b>"),
        ("<!-- c -->x<!--", "x"),
    ],
)
def test_html_is_what_the_list_allows(given_html: str, left: str) -> None:
    """No script, no form, nothing from elsewhere, nothing that covers what is below; the rest stays."""
    assert restricted(given_html, domain="mail.example.org").fragment == left


def test_an_image_in_the_html_is_an_attachment() -> None:
    """A data URI becomes a part of the mail, beside the HTML that shows it (RFC 2387, RFC 2392)."""
    message = read(mail(f'<p>x</p><img alt="logo" src="data:image/gif;base64,{PIXEL}">'))

    (image,) = [part for part in message.walk() if part.get_content_type() == "image/gif"]
    assert image.get_content() == b"GIF89a\x01\x00\x01\x00"
    assert image["Content-ID"] == "<image1@mail.example.org>"
    assert '<img alt="logo" src="cid:image1@mail.example.org">' in text_of(message, "html")
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/gif",
    ]


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("Hello\r\nBcc: victim@example.com", "Hello Bcc: victim@example.com"),
        ("=?utf-8?q?a=0D=0ABcc:_victim@example.com?=", "=?utf-8?q?a=0D=0ABcc:_victim@example.com?="),
        (" \t\u2028\x07", "Confirm your email address"),
    ],
)
def test_a_subject_is_one_line(subject: str, shown: str) -> None:
    """A line break in a subject begins no other header, whether it is written out or encoded."""
    message = read(mail("x", subject))

    assert message["Subject"] == shown
    assert message.keys() == read(mail("x")).keys()


def test_a_long_content_goes_too() -> None:
    """A megabyte of words is encoded as base64, and arrives whole."""
    message = read(mail("<p>" + "word " * 200_000 + "</p>"))
    assert text_of(message).count("word") == 200_000
    assert text_of(message, "html").count("word ") == 200_000


def test_who_cannot_send_or_be_written_to_is_refused() -> None:
    """An address that no header can hold makes no mail."""
    with pytest.raises(ValueError, match="no mail can be sent"):
        mail("x", sender="two words@brand.example")
    with pytest.raises(ValueError, match="no mail can be addressed"):
        custom_mail(
            replace(REQUEST, address="a b@c.example"),
            CustomWords("a@b.example", "s", HarmlessHtml("c", "c", ())),
            message_id=MESSAGE_ID,
            window=DAY,
        )


SNIPPETS = st.sampled_from(
    [
        "<script>", "</script>", "<svg/onload=x>", "<img src=x onerror=y>", "<a href='java&#10;script:x'>",
        "<style>@import 'x'", "</textarea>", "<math><mtext><table><mglyph><style>", "<!--", "-->", "]]>",
        "<p style='x:expression(1)'>", '"><', "<base href=//e>", "<meta http-equiv=refresh>", "&lt;b&gt;",
        "<link rel=stylesheet href=x>", "<object data=x>", "<noscript><p title='</noscript><img>'>", "ü",
    ]
)  # fmt: skip


@given(st.lists(st.one_of(SNIPPETS, st.text(max_size=20)), max_size=12).map("".join))
@example('<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>')
def test_nothing_that_runs_or_loads_gets_in(content: str) -> None:
    """Whatever the content is, the mail has no element that runs, posts, or fetches, and ours stands last."""
    html = text_of(read(mail(re.sub("[\x00\ud800-\udfff]", "", content) or "x")), "html")

    for tag, attributes in tags(html[html.index("<body>") :]):
        assert tag not in {"script", "style", "iframe", "object", "form", "input", "base", "meta", "link"}
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "src", "action", "background"):
            target = attributes.get(name)
            assert target is None or re.match(r"(https?|mailto):|cid:image", target)
        assert "url(" not in (attributes.get("style") or "")
    assert html.index(DISCLAIMER, html.rindex("<hr>")) < html.rindex(f"{LINK}?stop")
