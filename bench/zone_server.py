"""The key zone by itself, without the limit on what one network is answered: `URL ZONE PORT`."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.nameserver import HOST
from indicia.keyzone.server import KeyZone
from indicia.store.dkim import keys
from indicia.store.dkim.keys import NoKeyYet
from indicia.store.engine.opening import open_database


async def _serve(url: str, zone: str, port: int) -> None:
    database = open_database(url)

    def lookup(of_zone: str, token: str) -> str | NoKeyYet | None:
        return database.read(lambda s: keys.lookup(s, of_zone, token))

    server = KeyZone(lookup=lookup, zones=lambda: [zone], nameservers=["ns1.example.net"], rate_limit=None)
    await server.start([(HOST, port)])
    await asyncio.Event().wait()


if __name__ == "__main__":
    _, given_url, given_zone, given_port = sys.argv
    uvloop.run(_serve(given_url, given_zone, int(given_port)))
