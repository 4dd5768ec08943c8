"""The world round a rotation: the domain's DNS, the real key zone behind it, receivers, a sender."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import dkim
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
from nameserver import NameServer, Zone

from indicia.domain.dkim.signing import Unsigned
from indicia.domain.time import SECOND
from indicia.keyzone.lookup import in_database, zones_of
from indicia.keyzone.server import KeyZone
from indicia.mail.dkim.signing import sign
from indicia.operations.dkim.signing_keys import SigningKey, signing_key_for
from indicia.runtime.clock import real_now
from indicia.store.engine.database import Database
from indicia.store.identities import identities
from indicia.vault.keyring import Keyring
from indicia.vault.loaded import LoadedKeys

DOMAIN = "example.com"
MESSAGE = b"From: ann@example.com\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nbody\r\n"


class RealKeyZone:
    """The service's own key zone on a free port, in a thread, on a database that others write to."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        zone = KeyZone(
            lookup=in_database(self._database),
            zones=zones_of(self._database),
            nameservers=["ns1.example.net"],
            rate_limit=None,
        )
        ((_, self.port),) = self._loop.run_until_complete(zone.start([("127.0.0.1", 0)]))
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        self._loop.run_until_complete(zone.stop())
        self._loop.close()

    def ask(self, name: str, rtype: str) -> dns.message.Message:
        """What it answers now."""
        return dns.query.udp(dns.message.make_query(name, rtype, use_edns=True), "127.0.0.1", 5, self.port)


class World(Zone):
    """The DNS as a resolver sees it: what the test publishes, and below the key zone what that answers."""

    def __init__(self, key_zone: RealKeyZone, apex: str) -> None:
        self._key_zone = key_zone
        self._apex = f".{apex}"
        super().__init__()

    def find(self, name: str, rtype: str) -> dns.rrset.RRset | None:
        """The record set at the name."""
        if not name.endswith(self._apex):
            return super().find(name, rtype)
        return next(iter(self._key_zone.ask(name, rtype).answer), None)

    def covered(self, name: str) -> bool:
        """Whether the name is there."""
        if not name.endswith(self._apex):
            return super().covered(name)
        return self._key_zone.ask(name, "TXT").rcode() is not dns.rcode.NXDOMAIN


def txt(server: NameServer, name: str) -> tuple[bytes | None, int]:
    """What a resolver gets for a TXT question, through any CNAME, and for how many seconds it is good."""
    query = dns.message.make_query(name, "TXT", use_edns=True)
    response = dns.query.udp(query, *server.address[:1], 5, server.port)
    for rrset in response.answer:
        if rrset.rdtype is dns.rdatatype.TXT:
            return b"".join(rrset[0].strings), rrset.ttl
    return None, 60


@dataclass
class Receiver:
    """A mail server far away, with a resolver that holds every answer, good or bad, as long as it may.

    `now` is its clock. Without `holds` it asks every time.
    """

    server: NameServer
    now: Callable[[], int]
    holds: bool = True
    cache: dict[str, tuple[bytes | None, int]] = field(default_factory=dict)

    def look(self, name: str) -> bytes | None:
        """The key record at a name, None where there is none."""
        held = self.cache.get(name)
        if self.holds and held is not None and held[1] > self.now():
            return held[0]
        found, ttl = txt(self.server, name)
        self.cache[name] = (found, self.now() + ttl * SECOND)
        return found

    def accepts(self, message: bytes) -> bool:
        """What it says of the signature."""

        def dns(name: bytes, timeout: int = 5) -> bytes:
            return self.look(name.decode().rstrip(".")) or b""

        return bool(dkim.verify(message, dnsfunc=dns))


class Sender:
    """Whoever sends mail for the domain: signs with the key that may sign, or says why none may."""

    def __init__(self, database: Database, keyring: Keyring, account: str, region: str) -> None:
        self._database = database
        self._keys = LoadedKeys(keyring)
        self._who = account, region

    def key(self) -> SigningKey | Unsigned:
        """The key that may sign now."""

        def find(s):
            view = identities.view(s, *self._who, DOMAIN)
            assert view is not None
            return signing_key_for(s, view)

        return self._database.read(find)

    def send(self) -> bytes | None:
        """A signed message, None where it goes without a signature. Receivers refuse a t= in the future."""
        key = self.key()
        if isinstance(key, Unsigned):
            return None
        private = self._keys.load(key.id, key.private_key)
        return sign(MESSAGE, domain=key.domain, selector=key.selector, key=private, now=real_now()) + MESSAGE
