"""Where a request comes from, as trusted proxies say, and whoever writes before them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.call import UNKNOWN_ADDRESS
from indicia.wire.http.forwarded import MOST_HOPS, Origin, is_within, origin

PROXY = "10.0.0.1"
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def seen(peer: str = PROXY, **told: str | None) -> Origin:
    """Where a request comes from, as the peer says in its headers."""
    names = {"address": b"x-forwarded-for", "scheme": b"x-forwarded-proto"}
    headers = {names[name]: value.encode("latin-1") for name, value in told.items() if value is not None}
    return origin(Origin(peer, "http"), headers, TRUSTED)


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (None, PROXY),
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("  203.0.113.9:65535 ", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[203.0.113.9]:1", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
        # A trusted proxy has written the last one that is not trusted: nobody knows who wrote those before.
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("unknown, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9,10.0.0.2:1, [fd00::1]:2", "203.0.113.9"),
        ("203.0.113.9,, 10.0.0.2 ,", "203.0.113.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # What is no address is nobody's: least of all the proxy's.
        ("unknown", UNKNOWN_ADDRESS),
        ("_hidden", UNKNOWN_ADDRESS),
        ("203.0.113.9, unknown", UNKNOWN_ADDRESS),
        ("203.0.113.9, unknown, 10.0.0.2", UNKNOWN_ADDRESS),
        ("", UNKNOWN_ADDRESS),
        (" , ", UNKNOWN_ADDRESS),
        ("203.0.113.9:", UNKNOWN_ADDRESS),
        ("203.0.113.9:x", UNKNOWN_ADDRESS),
        ("203.0.113.9:123456", UNKNOWN_ADDRESS),
        ("203.0.113.9 10.0.0.2", UNKNOWN_ADDRESS),
        ("010.0.0.2", UNKNOWN_ADDRESS),
        ("203.0.113", UNKNOWN_ADDRESS),
        ("203.0.113.256", UNKNOWN_ADDRESS),
        ("203.0.113.9]", UNKNOWN_ADDRESS),
        ("[2001:db8::7", UNKNOWN_ADDRESS),
        ("2001:db8::7]:4711", UNKNOWN_ADDRESS),
        ("fe80::1%eth0", UNKNOWN_ADDRESS),
        ('"203.0.113.9"', UNKNOWN_ADDRESS),
        ("for=203.0.113.9", UNKNOWN_ADDRESS),
        ("example.com", UNKNOWN_ADDRESS),
        ("\xe9", UNKNOWN_ADDRESS),
    ],
)
def test_whom_a_trusted_proxy_names(told: str | None, address: str) -> None:
    """An address, alone or with a port, in any of its spellings; what is none is not the proxy's own."""
    assert seen(address=told).address == address


def test_a_chain_has_an_end() -> None:
    """As many trusted proxies as may stand in a row; beyond that nobody knows, and nothing is looked at."""
    chain = [f"10.0.1.{n}" for n in range(MOST_HOPS)]
    assert seen(address=",".join(chain)).address == chain[0]
    assert seen(address=",".join(["203.0.113.9", *chain[1:]])).address == "203.0.113.9"
    assert seen(address=",".join(["203.0.113.9", *chain])).address == UNKNOWN_ADDRESS


@pytest.mark.parametrize(
    ("told", "scheme"),
    [
        (None, "http"),
        ("https", "https"),
        ("HTTPS", "https"),
        (" https , https", "https"),
        ("http", "http"),
        ("https, http", "http"),
        ("http,https", "http"),
        ("https,", "https"),
        ("wss", "http"),
        ("https://", "http"),
        ("https;", "http"),
        ("", "http"),
    ],
)
def test_which_scheme_a_trusted_proxy_names(told: str | None, scheme: str) -> None:
    """Of several the worse counts: whoever sends the header along cannot make itself safer than it is."""
    assert seen(scheme=told).scheme == scheme


@pytest.mark.parametrize("told", ["wss", "", "http"])
def test_a_scheme_that_is_none_is_not_that_of_the_proxy(told: str) -> None:
    """The proxy may speak TLS to us, and its client not to it."""
    headers = {b"x-forwarded-proto": told.encode()}
    assert origin(Origin(PROXY, "https"), headers, TRUSTED).scheme == "http"
    assert origin(Origin(PROXY, "https"), {}, TRUSTED).scheme == "https"


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1", ""])
def test_who_is_not_trusted_says_nothing(peer: str) -> None:
    """Whatever its headers are."""
    assert seen(peer, address="203.0.113.9", scheme="https") == Origin(peer, "http")


HOPS = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["10.0.0.2", "10.0.0.3:1", "[fd00::2]", "unknown", "", "203.0.113.9:80", "_x", "a b"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)


@given(st.lists(HOPS, max_size=MOST_HOPS + 4), st.ip_addresses().map(str))
def test_what_a_client_writes_is_not_believed(before: list[str], client: str) -> None:
    """Behind whatever a client has sent, its proxy writes where it saw the client: that is what counts."""
    expected = ip_address(client)
    if is_within(client, TRUSTED) or getattr(expected, "scope_id", None):
        return
    mapped = getattr(expected, "ipv4_mapped", None)
    assert seen(address=",".join([*before, client])).address == str(mapped or expected)
