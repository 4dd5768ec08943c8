"""The pool of key pairs that nobody uses yet, so that few requests wait for one to be made.

A key pair of 2048 bits takes 40 to 80 ms of a core. Other processes make them (`vault.makers`): on every core
while somebody waits for one, else one of them at half its pace, until there are as many as the demand of late
calls for (`domain.dkim.key_supply`). Several processes on one database exceed that by what each has under
way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from indicia.domain.dkim.key_supply import Stock, order
from indicia.domain.time import Instant
from indicia.runtime.clock import real_now
from indicia.store.dkim import key_supply, keys
from indicia.store.dkim.keys import PooledKey
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.store.engine.session import Session
from indicia.vault import rsa
from indicia.vault.keyring import Keyring
from indicia.vault.makers import Makers, cores
from indicia.vault.purposes import PRIVATE_KEY

# The fewest unused keys to have of each length, however little they are wanted.
TARGETS: Final[Mapping[int, int]] = {2048: 16, 1024: 4}
MOST: Final = 1000

# Others may have taken keys, or queued up: another process on the same database tells nobody.
_LOOK_AGAIN: Final = 2.0
_AFTER_FAILURE: Final = 5.0
# How long a key waits for company, since one transaction stores all that have come (seconds).
_COMPANY: Final = 0.02
# How often the demand is looked at where nobody has been waiting (seconds).
_FORGET_EVERY: Final = 60.0

log = structlog.get_logger(__name__)


class KeyPool:
    """Keeps the store's pool filled, from `run` until `stop`.

    `least` is how many unused keys there are at least of each length, in bits, `most` how many at most,
    `processes` how many make them at most, None for as many as there are cores. `stored` hears that there are
    new ones.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        now: Callable[[], Instant],
        least: Mapping[int, int] = TARGETS,
        *,
        most: int = MOST,
        processes: int | None = None,
        stored: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._now = now
        self._least = {bits: few for bits, few in least.items() if few > 0}
        self._most = most
        self._processes = processes or cores()
        self._stored = stored
        self._made: list[PooledKey] = []
        self._given: Counter[int] = Counter()
        self._recorded = float("-inf")
        self._unhurried_since: float | None = None  # when a key was asked for that nobody waits for
        self._resting_until = float("-inf")
        self._news = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._makers: Makers | None = None

    @property
    def processes(self) -> int:
        """How many processes make keys at this moment."""
        return 0 if self._makers is None else self._makers.processes

    def wake(self) -> None:
        """Look at once whether keys are wanted. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def gave(self, given: Mapping[int, int]) -> None:
        """Hear that so many keys of each length were given to those who waited. On the loop of `run`."""
        self._given.update(given)
        self._news.set()

    def stop(self) -> None:
        """Let `run` come to its end. Keys under way are not made. May be called from any thread."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Fill the pool until `stop`. Trouble with the database is waited out."""
        self._loop = asyncio.get_running_loop()
        self._makers = makers = Makers(self._processes, self._take_in, self._news.set)
        try:
            while not self._stopping:
                self._news.clear()
                pause = _AFTER_FAILURE
                try:
                    self._order(makers, await self._look())
                    pause = min(_LOOK_AGAIN, max(0.0, self._resting_until - self._loop.time()) or _LOOK_AGAIN)
                except Exception as error:  # noqa: BLE001 - a store that is away comes back; nothing is lost
                    log.warning("pool.not_filled", error=type(error).__name__)
                makers.rest()
                await self._rest(pause)
        finally:
            await makers.close()
            with contextlib.suppress(Exception):
                await self._look()  # what was made is not wasted

    def _take_in(self, bits: int, made: bytes) -> None:
        pair = rsa.made_here(made)
        assert pair.bits == bits
        sealed = self._keyring.seal(pair.private_key, PRIVATE_KEY)
        self._made.append(PooledKey(new_id(), bits, pair.public_key, sealed, self._now()))
        if self._unhurried_since is not None:
            now = asyncio.get_running_loop().time()
            self._resting_until = now + (now - self._unhurried_since)
            self._unhurried_since = None
        self._news.set()

    async def _look(self) -> list[Stock]:
        """Store what was made and was given, and return how it stands then."""
        loop = asyncio.get_running_loop()
        made, self._made = self._made, []
        given, self._given = self._given, Counter()
        record = bool(given) or loop.time() - self._recorded >= _FORGET_EVERY
        if not made and not record:
            return await self._database.reading(self._stocks)
        try:
            stocks = await self._database.writing(partial(self._store, made=made, given=given, record=record))
        except BaseException:
            self._made[:0] = made
            self._given.update(given)
            raise
        if record:
            self._recorded = loop.time()
        if made:
            self._stored()
        return stocks

    def _store(
        self, s: Session, *, made: list[PooledKey], given: Mapping[int, int], record: bool
    ) -> list[Stock]:
        keys.add_pooled(s, *made)
        if record:
            key_supply.record(s, given, self._least, self._most, real_now())
        return self._stocks(s)

    def _stocks(self, s: Session) -> list[Stock]:
        return key_supply.stocks(s, self._least, self._most)

    def _order(self, makers: Makers, stocks: list[Stock]) -> None:
        """Have made what is wanted. Where nobody waits, a key is made, and then as long nothing."""
        now = asyncio.get_running_loop().time()
        making = makers.making + Counter(key.bits for key in self._made)
        wanted = order(stocks, making, makers.room)
        if wanted.hurry:
            self._unhurried_since = None
        elif wanted.bits:
            if now < self._resting_until:
                return
            self._unhurried_since = now
        for bits in wanted.bits:
            makers.ask(bits)

    async def _rest(self, seconds: float) -> None:
        """Return when there is news, with a moment for more of it, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
                if not self._stopping:
                    await asyncio.sleep(_COMPANY)
