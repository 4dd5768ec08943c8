"""Where a browser may be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.verification_mail.redirects import is_redirect, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTP://Example.com:8080/a?b=c#d", "http://example.com:8080"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1/ok", "http://127.0.0.1"),
        ("https://sub_domain.example/%20", "https://sub_domain.example"),
    ],
)
def test_a_url_with_a_host_is_a_place_to_go(url: str, origin: str) -> None:
    """Absolute, http or https, with a plain host; its origin is what a policy names."""
    assert is_redirect(url)
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/x",
        "/x",
        "javascript:alert(1)",
        "ftp://example.com",
        "data:text/html,x",
        "https://",
        "https:///path",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://bücher.example",
        "https://user:secret@example.com",
        "https://example.com:port",
        "https://example.com:99999",
        "https://*.example.com",
        "https://example.com;script-src",
        "https://[::1",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_anything_else_is_not(url: str) -> None:
    """Other schemes, no host, a host that a header or a policy could be broken with, or too long."""
    assert not is_redirect(url)
    assert origin_of(url) == ""


@given(st.text(max_size=40).map("https://".__add__) | st.text(max_size=60))
def test_an_origin_fits_into_a_header(url: str) -> None:
    """Whatever the text, what comes out of it has no space, comma, semicolon, quote or control character."""
    origin = origin_of(url)
    assert not set(origin) & set(" ,;'\"\r\n\t*@")
    assert origin.isascii()
    assert bool(origin) is is_redirect(url)
