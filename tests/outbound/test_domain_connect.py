"""The provider of a zone's DNS is found by Domain Connect: over TLS, where it may be reached, and once."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import dns.asyncresolver
import pytest
import trustme
from nameserver import NameServer

from indicia.domain.records.domain_connect import Provider
from indicia.outbound.client import OutboundClient, Patience
from indicia.outbound.domain_connect import Providers
from indicia.outbound.names import Names
from indicia.settings.places import public_only

ZONE, SERVICE, HOST = "example.com", "mail.example.org", "dc.provider.example"
ACCOUNT, OTHER = "111122223333", "444455556666"
AUTHORITY = trustme.CA()


@dataclass
class Api:
    """A provider's API on loopback. `answers` has a status and a body for each path; 404 for others."""

    port: int
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    silent: bool = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://{HOST}:{self.port}"

    def offer(self, **more: object) -> None:
        """Answer for the zone, and know the template."""
        offered = {
            "providerId": "provider.example",
            "providerName": "provider",
            "providerDisplayName": "The Provider",
            "urlSyncUX": f"{self.url}/sync/",
            "urlAPI": f"{self.url}/api",
        }
        self.answers[f"/v2/{ZONE}/settings"] = 200, json.dumps(offered | more).encode()
        template = f"/api/v2/domainTemplates/providers/{SERVICE}/services/sending"
        self.answers[template] = 200, b"{}"


@asynccontextmanager
async def providing() -> AsyncIterator[Api]:
    """An API over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(HOST).configure_cert(context)
    api = Api(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        api.asked.append(path)
        if api.silent:
            await reader.read()
        status, body = api.answers.get(path, (404, b""))
        moved = "Location: https://elsewhere.example/\r\n" if status == 302 else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{moved}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server that has the provider's host."""
    with NameServer() as running:
        running.put(HOST, "A", "127.0.0.1")
        yield running


def asking(server: NameServer, *allowed: str, patience: float) -> OutboundClient:
    """A client that knows names by the server, and reaches the places that are allowed."""
    host, port = server.address

    def resolver() -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port = [host], port
        return made

    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return OutboundClient(
        Names(resolver, hosts=Path("/nonexistent")),
        public_only([ip_network(each) for each in allowed], everything=False),
        user_agent="test",
        context=context,
        patience=Patience(connect=patience, whole=patience),
    )


def told(
    server: NameServer,
    story: Callable[[Api, Callable[[Sequence[str]], Providers]], Awaitable[None]],
    *allowed: str,
) -> None:
    """Tell a story of an API and of `Providers` for which the zone has these texts."""
    client = asking(server, *allowed, patience=1.0)

    async def tell() -> None:
        async with providing() as api:

            def those(published: Sequence[str]) -> Find:
                async def texts(name: str) -> Sequence[str]:
                    assert name == f"_domainconnect.{ZONE}"
                    return published

                return partial(Providers(client, SERVICE).of, ZONE, texts, ACCOUNT)

            await story(api, those)

    asyncio.run(asyncio.wait_for(tell(), 30))


Find = Callable[[], Awaitable[Provider | None]]
Those = Callable[[Sequence[str]], Find]


def test_the_provider_is_found_and_asked_once(server: NameServer) -> None:
    """From the locator to its settings to our template: once, for all who ask together or later."""

    async def story(api: Api, those: Those) -> None:
        api.offer()
        providers = those([f"{HOST}:{api.port}"])
        found = await asyncio.gather(*(providers() for _ in range(100)))
        again = await providers()

        wanted = Provider("provider.example", "The Provider", f"{api.url}/sync", f"{api.url}/api")
        assert set(found) == {wanted}
        assert again == wanted
        assert len(api.asked) == 2

    told(server, story, "127.0.0.0/8")


def test_a_locator_with_a_path(server: NameServer) -> None:
    """The settings are below the path that the TXT names."""

    async def story(api: Api, those: Those) -> None:
        api.offer()
        api.answers[f"/client/v4/dc/v2/{ZONE}/settings"] = api.answers[f"/v2/{ZONE}/settings"]

        assert await those([f"{HOST}:{api.port}/client/v4/dc"])() is not None

    told(server, story, "127.0.0.0/8")


@pytest.mark.parametrize("texts", [[], ["v=spf1 -all"], ["https://x/"], ["user@host"], ["a b"], [""]])
def test_without_a_locator_nobody_is_asked(server: NameServer, texts: list[str]) -> None:
    """No TXT, or one that names no place: absent, and no connection was made."""

    async def story(api: Api, those: Those) -> None:
        assert await those(texts)() is None
        assert api.asked == []

    told(server, story, "127.0.0.0/8")


def test_a_private_place_is_not_reached(server: NameServer) -> None:
    """A locator that leads into our network, by name or by address, finds nobody."""

    async def story(api: Api, those: Those) -> None:
        api.offer()

        assert await those([f"{HOST}:{api.port}"])() is None
        assert await those([f"127.0.0.1:{api.port}"])() is None
        assert api.asked == []

    told(server, story)


def test_a_redirect_is_not_followed_and_absence_is_kept(server: NameServer) -> None:
    """What is not there, or elsewhere, is absent; and for a while it is not asked for again."""

    async def story(api: Api, those: Those) -> None:
        api.answers[f"/v2/{ZONE}/settings"] = 302, b""
        providers = those([f"{HOST}:{api.port}"])

        assert await providers() is None
        assert await providers() is None
        assert api.asked == [f"/v2/{ZONE}/settings"]

    told(server, story, "127.0.0.0/8")


@pytest.mark.parametrize(
    "settings",
    [
        b"",
        b"[]",
        b"not JSON",
        b"[" * 100_000,
        json.dumps({"providerId": "p", "providerName": "p", "urlAPI": "https://x"}).encode(),
        json.dumps(
            {"providerId": "p", "providerName": "p", "urlAPI": "https://x", "urlSyncUX": "javascript:x"}
        ).encode(),
        json.dumps(
            {"providerId": "p", "providerName": "p", "urlAPI": "https://x", "urlSyncUX": "http://x"}
        ).encode(),
        b" " * 70_000,
    ],
)
def test_settings_that_are_no_offer(server: NameServer, settings: bytes) -> None:
    """No JSON, too much of it, no synchronous flow, a link that no person should follow: absent."""

    async def story(api: Api, those: Those) -> None:
        api.answers[f"/v2/{ZONE}/settings"] = 200, settings

        assert await those([f"{HOST}:{api.port}"])() is None

    told(server, story, "127.0.0.0/8")


def test_a_provider_that_does_not_know_the_template(server: NameServer) -> None:
    """A link would lead its user to an error: there is none."""

    async def story(api: Api, those: Those) -> None:
        api.offer(urlAPI=f"{api.url}/other")

        assert await those([f"{HOST}:{api.port}"])() is None
        assert len(api.asked) == 2

    told(server, story, "127.0.0.0/8")


def test_a_provider_that_says_nothing(server: NameServer) -> None:
    """Silence ends within the patience, and whoever stopped waiting before has ended nothing."""

    async def story(api: Api, those: Those) -> None:
        api.silent = True
        providers = those([f"{HOST}:{api.port}"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await providers()

        assert await providers() is None
        assert len(api.asked) == 1

    told(server, story, "127.0.0.0/8")


def test_hosts_that_say_nothing_take_no_other_account_the_link(server: NameServer) -> None:
    """An account whose zones name a tarpit has a quarter of what is asked at once.

    Beside it the provider of another account's zone is found; and that there was no room is not kept.
    """

    async def story() -> None:
        client = asking(server, "127.0.0.0/8", patience=20.0)
        async with providing() as tarpit, providing() as api:
            tarpit.silent = True
            api.offer()
            providers = Providers(client, SERVICE)
            held = [
                asyncio.create_task(providers.of(f"d{number}.example", at(tarpit), ACCOUNT))
                for number in range(40)
            ]
            while len(tarpit.asked) < 4:
                await asyncio.sleep(0.005)

            assert sum(each.done() for each in held) == 36
            assert await providers.of(ZONE, at(api), OTHER) is not None
            assert await providers.of("d99.example", at(api), ACCOUNT) is None
            for each in providers._asking.values():
                each.cancel()
            await asyncio.gather(*held, return_exceptions=True)
            assert await providers.of("d99.example", at(api), ACCOUNT) is None
            assert "/v2/d99.example/settings" in api.asked

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_host_is_asked_by_many_accounts_within_its_share(server: NameServer) -> None:
    """Half of what is asked at once goes to one host at most, whoever names it."""

    async def story() -> None:
        client = asking(server, "127.0.0.0/8", patience=20.0)
        server.put("other.provider.example", "A", "127.0.0.1")
        async with providing() as tarpit:
            tarpit.silent = True
            providers = Providers(client, SERVICE)
            held = [
                asyncio.create_task(providers.of(f"d{number}.example", at(tarpit), f"account {number}"))
                for number in range(12)
            ]
            while len(tarpit.asked) < 8:
                await asyncio.sleep(0.005)
            elsewhere = asyncio.create_task(providers.of(ZONE, at(tarpit, "other.provider.example"), OTHER))
            # The name is another one, so a connection is made: its certificate is refused.
            assert await elsewhere is None
            assert len(tarpit.asked) == 8
            assert ZONE in providers._kept
            for each in providers._asking.values():
                each.cancel()
            await asyncio.gather(*held, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 30))


def at(api: Api, host: str = HOST) -> Callable[[str], Awaitable[Sequence[str]]]:
    """The texts of a zone that names the API."""

    async def texts(_: str) -> Sequence[str]:
        return [f"{host}:{api.port}"]

    return texts
