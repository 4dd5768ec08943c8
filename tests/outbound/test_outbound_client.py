"""What a tenant names leads only where it may: as resolved, once, and never by a redirect."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import ip_network
from pathlib import Path

import dns.asyncresolver
import pytest
from nameserver import NameServer
from receiver import receiving

from indicia.domain.events.webhooks import parse_url
from indicia.outbound.client import OutboundClient, Patience, PostError
from indicia.outbound.names import Names
from indicia.settings.places import public_only


def asking(server: NameServer) -> Names:
    """Names as one name server has them, and no file."""
    host, port = server.address

    def resolver() -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port = [host], port
        return made

    return Names(resolver, hosts=Path("/nonexistent"))


def client(names: Names, *allowed: str) -> OutboundClient:
    """A client that may reach these networks and what is public."""
    networks = [ip_network(each) for each in allowed]
    may_reach = public_only(networks, everything=False)
    return OutboundClient(names, may_reach, user_agent="test", patience=Patience(connect=1.0, whole=3.0))


def test_a_name_that_answers_otherwise_a_moment_later_gains_nothing() -> None:
    """The connection goes to the address that was judged; the second answer is judged too, and refused."""

    async def story(server: NameServer) -> None:
        async with contextlib.AsyncExitStack() as stack:
            allowed = await stack.enter_async_context(receiving(host="127.0.0.2"))
            private = await stack.enter_async_context(receiving(host="127.0.0.1", port=allowed.port))
            sender = client(asking(server), "127.0.0.2/32")
            place = parse_url(f"http://hook.example.com:{allowed.port}/x")
            server.put("hook.example.com", "A", "127.0.0.2", ttl=0)
            status = await sender.post(place, {}, b"{}")
            asked = server.asked("hook.example.com", "A")
            server.put("hook.example.com", "A", "127.0.0.1", ttl=0)
            with pytest.raises(PostError, match="leads to no place"):
                await sender.post(place, {}, b"{}")

            assert status == 204
            assert asked == 1
            assert len(allowed.posts) == 1
            assert private.posts == []

    with NameServer() as server:
        server.zone("example.com")
        asyncio.run(story(server))


def test_a_private_address_among_others_is_not_tried() -> None:
    """Of a name with an allowed and a private address only the allowed one is connected to."""

    async def story(server: NameServer) -> None:
        async with receiving(host="127.0.0.1") as private:
            server.put("both.example.com", "A", ["127.0.0.3", "127.0.0.1"])
            with pytest.raises(PostError):
                await client(asking(server), "127.0.0.3/32").post(
                    parse_url(f"http://both.example.com:{private.port}/"), {}, b"{}"
                )
            assert private.posts == []

    with NameServer() as server:
        server.zone("example.com")
        asyncio.run(story(server))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::a00:1]",
    ],
)
def test_private_places_are_refused(host: str) -> None:
    """Loopback, private, link-local and what is such a one inside: none is connected to."""

    async def story() -> None:
        with pytest.raises(PostError, match="leads to no place"):
            await client(Names()).post(parse_url(f"https://{host}/"), {}, b"{}")

    asyncio.run(story())


def test_a_public_place_is_not_spoken_to_in_clear_text() -> None:
    """Without TLS nothing leaves for the Internet, whatever is allowed."""
    everything = OutboundClient(Names(), public_only((), everything=True), user_agent="test")

    async def story() -> None:
        with pytest.raises(PostError, match="leads to no place"):
            await everything.post(parse_url("http://8.8.8.8/"), {}, b"{}")

    asyncio.run(story())


def test_a_redirect_is_an_answer() -> None:
    """The status is returned and the other place hears nothing."""

    async def story() -> None:
        async with receiving() as other, receiving(redirect_to=other.url) as first:
            first.answer = lambda _: "redirect"
            status = await client(Names(), "127.0.0.0/8").post(parse_url(first.url), {}, b"{}")
            assert status == 302
            assert other.posts == []

    asyncio.run(story())


def test_a_name_without_an_address_is_told() -> None:
    """The refusal names it."""

    async def story(server: NameServer) -> None:
        with pytest.raises(PostError, match=r"nobody\.example\.com"):
            await client(asking(server)).post(parse_url("https://nobody.example.com/"), {}, b"{}")

    with NameServer() as server:
        server.zone("example.com")
        asyncio.run(story(server))
