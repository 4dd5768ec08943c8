"""Invariant: any HTML is made harmless or refused in bounded time and memory, and whoever asked lives on.

    python fuzz/harmless_html.py [SECONDS] [SEED]

Splices, nests and repeats what browsers disagree about, and stops at the first document of which
something is left that runs, loads or covers, or more than may be; printing the document.
"""

# ruff: noqa: INP001, T201 - a script, which prints

import random
import re
import sys
import time
from html.parser import HTMLParser

from indicia.domain.faults import Fault
from indicia.mail.html.harmless import MOST_IMAGES, MOST_OCTETS, UnsuitableHtmlError
from indicia.mail.html.sanitizer import Sanitizer

DOMAIN = "mail.example.org"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
PIECES = [
    "<p>", "</p>", "<b id={n}>", "</b>", "<a href='https://a.example/{n}'>", "</a>", "<table>", "<tr><td>",
    "</table>", "<div style='color:red;position:fixed;background:url(//e)'>", "<script>", "</script>",
    "<svg><style>", "<math><mtext><table><mglyph>", "<noscript><p title='</noscript><img src=x onerror=y>'>",
    "<!--", "-->", "<![CDATA[", "]]>", f"<img src='{PIXEL}'>", "<img src=//e.example/x onload=z>", "&",
    "&lt;", "<a href='java&#10;script:x'>", "<a href='data:text/html,x'>", "<form action=x><button>",
    "<base href=//e>",
    "<font size=7>", "<i>", "<span title='", "'>", '"><', "<textarea>", "</textarea>", "<template>", "ü", "x",
    "<iframe srcdoc='<script>'>", "<title>", "<meta http-equiv=refresh>", "</body></html>", "<li>", "<dd>",
    "<p style='margin:-9em'>", "<select><option>", "<frameset>", "<plaintext>", "\x00", "\r\n", "<b/x=1>",
]  # fmt: skip
FORBIDDEN = {"script", "style", "iframe", "object", "form", "button", "input", "base", "meta", "link", "svg"}


class Tags(HTMLParser):
    """Collects every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.seen.append((tag, attrs))


def document(chance: random.Random) -> str:
    """A document of some pieces, a few of them repeated until it is long, or much too long."""
    parts = []
    for _ in range(chance.randrange(1, 12)):
        piece = chance.choice(PIECES)
        times = chance.choice([1, 1, 1, 2, 5, chance.randrange(1, 300), chance.randrange(1, 3000)])
        parts.append("".join(piece.replace("{n}", str(n)) for n in range(times)))
    return "".join(parts)[: chance.choice([100, 4000, 20_000, 200_000])]


def trouble(sanitizer: Sanitizer, html: str) -> str:
    """What is wrong with what is left of the document, nothing where the invariant holds."""
    try:
        left = sanitizer(html, DOMAIN)
    except UnsuitableHtmlError:
        return ""
    if len(left.packed()) > MOST_OCTETS + 1024 or len(left.images) > MOST_IMAGES:
        return "too much is left"
    parser = Tags()
    parser.feed(left.fragment)
    for tag, attributes in parser.seen:
        if tag in FORBIDDEN or any(name.startswith("on") for name, _ in attributes):
            return f"<{tag}> {attributes} is left"
        for name, value in attributes:
            if name == "src" and not (value or "").startswith("cid:image"):
                return f"{name}={value!r} is left"
            if name == "href" and not re.match(r"(https?|mailto):|[^:]*\Z", value or ""):
                return f"{name}={value!r} is left"
            if name == "style" and re.search(r"url\(|position|-\s*\d", value or ""):
                return f"style={value!r} is left"
    return ""


def main(seconds: float, seed: int) -> int:
    """Try until the time is up. Returns the exit code."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    sanitizer, end, tried = Sanitizer(within=600.0), time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            html = document(chance)
            try:
                found = trouble(sanitizer, html)
            except Fault as fault:
                found = f"no answer: {fault.message}"
            if found:
                print(f"seed {seed}, document {tried}: {found}\n{html[:2000]!r} ({len(html)} characters)")
                return 1
            tried += 1
    finally:
        sanitizer.close()
    print(f"{tried} documents, the invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1"])[0])))
