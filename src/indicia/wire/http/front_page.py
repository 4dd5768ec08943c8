"""Where somebody is who has opened the API in a browser: a page that says what it is."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from indicia.wire.aws.faults import HttpAnswer
from indicia.wire.http.browsers import host_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
{text}
</main>
</body>
</html>
"""
_API = """<p>This is the address of Indicia, which speaks the Amazon SES API. It is for programs: the AWS CLI,
the AWS SDKs and whatever uses them send signed requests to it.</p>
<p>They find it when <code>AWS_ENDPOINT_URL_SES</code>, <code>AWS_ENDPOINT_URL_SESV2</code> and
<code>AWS_ENDPOINT_URL_STS</code> are {url}. <code>indicia env</code> prints these, and the keys.</p>
<p><a href="/readyz?verbose">How it is</a>.
<a href="/indicia/v1/openapi.json">What it answers besides the SES API</a>, in OpenAPI.</p>"""
_PAGES_ONLY = """<p>This is Indicia. Here it shows the pages behind the links of its mails, and nothing else.
The API has another address.</p>"""
_HTTPS = """<p>This port speaks HTTPS, and was asked over HTTP. Use {url}.</p>"""


def wants_page(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks: no program that speaks the API wants HTML."""
    return b"text/html" in headers.get(b"accept", b"").lower()


def front_page(headers: Mapping[bytes, bytes], scheme: str, *, api: bool) -> HttpAnswer:
    """The page at `/`, of a server with the API or without."""
    url = url_of(headers.get(b"host", b""), scheme)
    shown = f"<code>{escape(url)}</code>" if url else "the address that you have used"
    return _page(200, "Indicia", _API.format(url=shown) if api else _PAGES_ONLY)


def https_page(url: str) -> HttpAnswer:
    """The page for a browser that speaks plain HTTP where TLS is spoken. `url` is "" where it is unknown."""
    shown = f'<a href="{escape(url)}">{escape(url)}</a>' if url else "https://"
    return _page(400, "HTTPS is spoken here", _HTTPS.format(url=shown))


def url_of(host: bytes, scheme: str) -> str:
    """The URL of what a Host header names, "" when it names nothing that could be one."""
    said = host.decode("latin-1").strip().lower()
    return f"{scheme}://{said}" if host_of(said) else ""


def _page(status: int, title: str, text: str) -> HttpAnswer:
    body = _PAGE.format(title=title, text=text).encode()
    return HttpAnswer(status, b"text/html; charset=utf-8", body, _HEADERS)
