"""What of somebody's HTML may go into a mail that we send: an allow-list, applied by a parser.

The vendor's guide (creating identities, FAQ) allows text, tables and images that are part of the mail, with
`class`, `id`, `style` and `title`. Here as there: no script, no form, nothing that is loaded from elsewhere,
so that nobody is tracked, and nothing that could cover the words that we put below.

The parser takes memory and time out of all proportion to what it is given: formatting elements that are left
open are opened again in every paragraph (HTML, "reconstruct the active formatting elements"), so that 16 KB
become 24 MB, 50 KB end the process, and a megabyte of ampersands takes a quarter of a minute. So nobody but
`html_child` calls it, in a process that may take neither of them without end.
"""

from __future__ import annotations

import base64
import binascii
import re
from html import unescape
from typing import Final

import nh3

from indicia.mail.html.harmless import (
    MOST_IMAGES,
    MOST_OCTETS,
    NESTED,
    HarmlessHtml,
    Image,
    UnsuitableHtmlError,
)

_GROWS_BY: Final = 256 * 1024
_GROWS_TIMES: Final = 2

_TEXT_TAGS: Final = frozenset((
    "a", "abbr", "acronym", "address", "b", "bdo", "big", "blockquote", "br", "center", "cite", "code",
    "dd", "del", "dfn", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "tt", "u", "ul", "var",
))  # fmt: skip
_TABLE_TAGS: Final = frozenset((
    "caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
))  # fmt: skip
_TAGS: Final = _TEXT_TAGS | _TABLE_TAGS | {"img"}
_ATTRIBUTES: Final = {
    "*": {"class", "id", "style", "title", "dir", "lang"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "font": {"color", "face", "size"},
    "table": {"align", "bgcolor", "border", "cellpadding", "cellspacing", "width"},
    **{tag: {"align", "bgcolor", "colspan", "rowspan", "valign", "width"} for tag in ("td", "th", "tr")},
}
# Gone with everything in them.
_DROPPED: Final = frozenset((
    "script", "style", "title", "head", "noscript", "template", "iframe", "object", "svg", "math",
))  # fmt: skip
# Nothing that loads, nothing that lays itself over something else.
_STYLES: Final = frozenset((
    "background-color", "border", "border-bottom", "border-collapse", "border-color", "border-left",
    "border-radius", "border-right", "border-spacing", "border-style", "border-top", "border-width",
    "color", "direction", "display", "font", "font-family", "font-size", "font-style", "font-variant",
    "font-weight", "height", "letter-spacing", "line-height", "list-style-type", "margin",
    "margin-bottom", "margin-left", "margin-right", "margin-top", "max-width", "min-width", "padding",
    "padding-bottom", "padding-left", "padding-right", "padding-top", "text-align", "text-decoration",
    "text-indent", "text-transform", "vertical-align", "white-space", "width", "word-break",
    "word-spacing",
))  # fmt: skip
_BAD_STYLE: Final = re.compile(r"url\s*\(|expression|[\\@<>]|-\s*[\d.]", re.IGNORECASE)
_DATA_IMAGE: Final = re.compile(r"data:image/(png|jpeg|gif);base64,([A-Za-z0-9+/=\s]+)\Z", re.ASCII)
_BLOCK_END: Final = re.compile(r"</(?:p|div|h[1-6]|li|tr|table|blockquote|pre|dd|dt)>|<br>|<hr>")


def restricted(html: str, *, domain: str) -> HarmlessHtml:
    """Return what is left of the HTML. `domain` is the right side of its images' content ids.

    Raises: `UnsuitableHtmlError`.
    """
    images: list[Image] = []

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return None if _BAD_STYLE.search(value) else value
        if (tag, name) == ("a", "href"):
            return None if value.strip().lower().startswith("data:") else value
        if (tag, name) != ("img", "src"):
            return value
        image = _image(value, f"image{len(images) + 1}@{domain}")
        if image is None:
            return None
        images.append(image)
        return f"cid:{image.content_id}"

    fragment = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED),
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        filter_style_properties=set(_STYLES),
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )
    if len(images) > MOST_IMAGES:
        raise UnsuitableHtmlError(f"it has more than {MOST_IMAGES} images")
    kept = tuple(image for image in images if f"cid:{image.content_id}" in fragment)
    size = len(fragment.encode()) + sum(len(image.octets) for image in kept)
    # Well formed it may be longer. What grows by more than that is nested, and grows by the square.
    if size > _GROWS_BY + _GROWS_TIMES * len(html.encode()):
        raise UnsuitableHtmlError(NESTED)
    text = _text(fragment) if size <= MOST_OCTETS else ""
    if size + len(text.encode()) > MOST_OCTETS:
        raise UnsuitableHtmlError(f"more than {MOST_OCTETS >> 20} MiB would be left of it")
    return HarmlessHtml(fragment, text, kept)


def _text(fragment: str) -> str:
    bare = unescape(nh3.clean(_BLOCK_END.sub("\n", fragment), tags=set()))
    lines = [" ".join(line.split()) for line in bare.splitlines()]
    return "\n".join(line for line, before in zip(lines, ["", *lines], strict=False) if line or before)


def _image(url: str, content_id: str) -> Image | None:
    """Return the image that a data URI (RFC 2397) holds, None where it is none or stands elsewhere."""
    found = _DATA_IMAGE.match(url)
    if found is None:
        return None
    try:
        octets = base64.b64decode("".join(found[2].split()), validate=True)
    except binascii.Error:
        return None
    return Image(content_id, found[1], octets)
