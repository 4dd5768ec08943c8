"""Which addresses are public, row by row, and how the table and the registries are told apart."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from indicia.domain.address_space import NOT_PUBLIC, Block, is_public, unmapped
from indicia.settings.places import public_only

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2a00:1450::5efe:8.8.8.8",
)
PRIVATE = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.9",
    "192.88.99.1",
    "192.168.1.1",
    "198.19.255.255",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::10.0.0.1",
    "::8.8.8.8",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:ffff::1",
    "64:ff9b:2::1",
    "2001::1",
    "2001:0:808:808::f7f7:f7f7",
    "2001:db8::1",
    "2002:a00:1::1",
    "2002:7f00:1::1",
    "2a00:1450::5efe:10.0.0.1",
    "2a00:1450::200:5efe:127.0.0.1",
    "2a00:1450::1%1",
    "3ffe::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
)


@pytest.mark.parametrize("text", PUBLIC)
def test_a_place_on_the_internet_is_public(text: str) -> None:
    """The neighbours of every block are, and so is what a gateway takes to a public address."""
    assert is_public(unmapped(text))
    assert public_only((), everything=False)(text)


@pytest.mark.parametrize("text", PRIVATE)
def test_what_may_lead_into_a_network_is_not(text: str) -> None:
    """Deprecated blocks included, and addresses that have a private one inside."""
    assert not is_public(unmapped(text))
    assert not public_only((), everything=False)(text)


@pytest.mark.parametrize("text", ["::ffff:10.0.0.1", "::ffff:127.0.0.1"])
def test_a_mapped_address_is_the_one_in_it(text: str) -> None:
    """Whether or not somebody has taken it out before."""
    assert not is_public(ip_address(text))
    assert not is_public(unmapped(text))
    assert is_public(ip_address("::ffff:8.8.8.8"))


@pytest.mark.parametrize("block", NOT_PUBLIC, ids=lambda block: str(block.network))
def test_every_row_says_what_for_and_where_it_is_said(block: Block) -> None:
    """From its first address to its last nothing in a row is public."""
    assert block.purpose
    assert block.reference.startswith("RFC ")
    assert not is_public(block.network[0])
    assert not is_public(block.network[-1])


def test_nothing_is_public_that_python_calls_private() -> None:
    """The standard library's table, where it has a row, agrees: ours only has more."""
    for block in NOT_PUBLIC:
        if block.network.is_global:
            continue
        assert not is_public(block.network[1])
    for text in PUBLIC:
        assert ip_address(text).is_global, text


def test_what_the_operator_allows_may_be_reached() -> None:
    """A private network by name, mapped or not; what is no address never."""
    allowed = public_only([block.network for block in NOT_PUBLIC[1:2]], everything=False)

    assert allowed("10.0.0.1")
    assert allowed("::ffff:10.0.0.1")
    assert not allowed("192.168.0.1")
    assert not allowed("example.com")
    assert public_only((), everything=True)("fec0::1")
