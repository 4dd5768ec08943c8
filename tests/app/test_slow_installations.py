"""Installations that take their time: what one account waits for there keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indicia.app.replication_client import installations
from indicia.operations.dkim.replicating import Fetch
from indicia.settings import load
from indicia.store.dkim.replications import Replication
from indicia.vault.keyring import Keyring

HOSTILE, HONEST = "111122223333", "444455556666"
MANY = 200


@dataclass
class Tarpit:
    """Takes every request and answers none. `asked` has the names of the parents."""

    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear one request, until the other end hangs up."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b" ")[1].decode().partition("?")[0].rpartition("/")[2])
        await reader.read()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Tarpit]:
    """A tarpit on loopback."""
    tarpit = Tarpit()
    server = await asyncio.start_server(tarpit.serve, "127.0.0.1", 0)
    tarpit.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield tarpit
    finally:
        server.close()


def fetching(folder: Path, **places: str) -> Fetch:
    """What asks the installations for the regions, each at its URL."""
    tables = [
        f'[replication.{region}]\nurl = "{url}"\naccess_key_id = "AKIATESTTESTTESTTEST"\n'
        'secret_access_key = "secret"\n'
        for region, url in places.items()
    ]
    path = folder / "indicia.toml"
    path.write_text('regions = ["us-east-1"]\n' + "".join(tables))
    path.chmod(0o600)
    made = installations(load(path), Keyring((bytes(32),)), within=20.0)
    assert made is not None
    return made.fetch


def parent(account: str, number: int, region: str) -> Replication:
    """A replica whose parent is in the region."""
    return Replication(number, account, f"d{number}.example.com", "us-east-1", region, "", "")


async def until(condition: Any) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_replicas_of_one_account_keep_no_other_waiting(tmp_path: Path) -> None:
    """Of two hundred that are waited for, a few are asked for at a time.

    The replica of another account is asked for beside them, so is a parent in another place, and no thread
    is held that others do their work in.
    """

    async def story() -> None:
        async with listening() as slow, listening() as other:
            fetch = fetching(tmp_path, **{"eu-west-1": slow.url, "eu-west-2": other.url})

            def begin(*asked: Replication) -> list[asyncio.Task[Any]]:
                return [asyncio.create_task(fetch(each)) for each in asked]  # type: ignore[arg-type]

            hostile = begin(*(parent(HOSTILE, number, "eu-west-1") for number in range(MANY)))
            await until(lambda: len(slow.asked) == 2)
            honest = begin(parent(HONEST, 901, "eu-west-1"), parent(HOSTILE, 902, "eu-west-2"))
            await until(lambda: "d901.example.com" in slow.asked and other.asked == ["d902.example.com"])
            async with asyncio.timeout(20):
                await asyncio.gather(*(asyncio.to_thread(int) for _ in range(50)))

            assert len(slow.asked) == 3
            assert not any(each.done() for each in (*hostile, *honest))
            for each in (*hostile, *honest):
                each.cancel()
            await asyncio.gather(*hostile, *honest, return_exceptions=True)

    asyncio.run(story())


def test_who_finds_no_room_learns_nothing(tmp_path: Path) -> None:
    """Of thousands of one account those that find no room end at once, and are looked at another time."""

    async def story() -> None:
        async with listening() as slow:
            fetch = fetching(tmp_path, **{"eu-west-1": slow.url})
            tasks = [
                asyncio.create_task(fetch(parent(HOSTILE, number, "eu-west-1")))  # type: ignore[arg-type]
                for number in range(2 + 256 + 10)
            ]
            await until(lambda: sum(each.done() for each in tasks) == 10)

            assert [each.result() for each in tasks if each.done()] == [None] * 10
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(story())
