"""What a sandbox can be told to do. Each call answers when every check that became due is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from indicia.domain.time import Instant, Span
from indicia.runtime.clock import Clock
from indicia.sandbox.mailbox import MaildirReader
from indicia.sandbox.playground import TTL, Playground
from indicia.store.engine import meta
from indicia.store.engine.database import Database
from indicia.store.installation import sandbox as sandbox_rows

# What changes with them, or with what they took the place of, are the names below theirs.
_REDIRECTING = frozenset({"CNAME", "DNAME"})
CLOCK_OFFSET = "clock_offset"  # in the table `meta`: a clock that was moved stays moved


class Settles(Protocol):
    """A part that can say when it has nothing left to do at this moment."""

    async def settled(self) -> None:
        """Return when nothing that is due is undone."""

    def wake(self) -> None:
        """Look for due work now."""


class Steering:
    """Moves the clock, edits the DNS, reads the mail. One call at a time: the next one waits.

    `parts` returns what has to come to rest, in the order in which one causes work for the next;
    `corroborate` is CHECK_MAX. `keep` is called when what is published has changed.
    """

    def __init__(
        self,
        playground: Playground,
        database: Database,
        clock: Clock,
        mailbox: MaildirReader,
        *,
        parts: Callable[[], Sequence[Settles]],
        corroborate: Span,
        keep: Callable[[], None],
    ) -> None:
        self.playground = playground
        self.mailbox = mailbox
        self._database = database
        self._clock = clock
        self._parts = parts
        self._corroborate = corroborate
        self._keep = keep
        self._turn = asyncio.Lock()

    def now(self) -> Instant:
        """Return the present of the sandbox."""
        return self._clock.now()

    async def advance(self, span: Span) -> Instant:
        """Move the clock forward and return the new present.

        It stops on the way wherever a status could change, so that a status which ends after another one does
        so as if the time had passed.
        """
        async with self._turn:
            target = self._clock.now() + span
            while (now := self._clock.now()) < target:
                turn = await self._database.reading(
                    partial(sandbox_rows.next_turn, now=now, until=target, apart=self._corroborate)
                )
                self._clock.advance(max(1, (turn or target) - now))
                # Before anything is done at the new present: a clock that was moved never goes back.
                offset = str(self._clock.offset)
                await self._database.writing(partial(meta.put, key=CLOCK_OFFSET, value=offset))
                await self._settle()
            return self._clock.now()

    async def put(
        self, name: str, rtype: str, values: list[str], ttl: int = TTL, shown_by: Sequence[str] = ()
    ) -> None:
        """Publish a record set, and have everyone whom it concerns looked at."""
        self.playground.put(name, rtype, values, ttl, shown_by)
        await self._look_at([name], below=rtype.upper() in _REDIRECTING)

    async def misbehave(self, name: str, rcode: str) -> None:
        """Let every question for the name fail like this."""
        self.playground.misbehave(name, rcode)
        await self._look_at([name])

    async def remove(self, name: str, rtype: str | None) -> int:
        """Withdraw a record set, or all of a name; return how many sets there were."""
        removed = self.playground.remove(name, rtype)
        await self._look_at([name], below=rtype is None or rtype.upper() in _REDIRECTING)
        return removed

    async def remove_under(self, domain: str) -> int:
        """Withdraw everything of a domain; return how many names had something."""
        removed = self.playground.remove_under(domain)
        await self._look_at([domain], below=True)
        return removed

    async def reset(self) -> None:
        """Forget identities, records and mail. Keys, accounts and the clock stay as they are."""
        async with self._turn:
            await self._settle()  # a mail that is being handed over would arrive afterwards
            self.playground.clear()
            self._keep()
            await self._database.writing(sandbox_rows.reset)
            await self._settle()
            self.mailbox.clear()

    async def settle(self) -> None:
        """Return when nothing that is due is unchecked, and no mail undelivered."""
        async with self._turn:
            await self._settle()

    async def _look_at(self, changed: Sequence[str], *, below: bool = False) -> None:
        """Have everyone looked at whom a change at these names concerns; with all that is `below` them.

        That is whoever has records there, and whoever has aliases that lead there.
        """
        self._keep()
        reached = self.playground.reached_from(changed, below=below)
        names = sorted({parent for name in reached for parent in _itself_and_parents(name)})
        async with self._turn:
            now = self._clock.now()
            wide = sorted(name for name, all_below in reached.items() if all_below)
            make_due = partial(sandbox_rows.make_due, names=names, below=wide, now=now)
            await self._database.writing(make_due)
            await self._settle()

    async def _settle(self) -> None:
        for part in self._parts():
            part.wake()
            await part.settled()


def _itself_and_parents(name: str) -> list[str]:
    labels = name.rstrip(".").split(".")
    return [".".join(labels[depth:]) for depth in range(len(labels))]
