"""Answers of reads, kept as they were rendered until the store says that what they say has changed.

Reading an identity and rendering it is what most calls ask for, of the same identities over and over. An
answer is kept with the moment of the store that it is of, and with what was read for it. While the moment is
the same, so is the answer. When it is another, the same is read again, and nothing more is done where the
same is found. So no write has to say what it makes stale, whichever process it comes from.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from indicia.operations.authorization import needs_policy
from indicia.operations.dispatch import entry_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from indicia.operations.call import Call
    from indicia.operations.dispatch import Dispatch
    from indicia.operations.rate_limiting import Meter
    from indicia.store.engine.database import Database
    from indicia.store.engine.session import Read, Session

    Asked: TypeAlias = tuple[bytes, bytes, bytes]
    _Key: TypeAlias = tuple[str, str, str, Asked]  # operation, account, region
    Render: TypeAlias = Callable[[Callable[[Call, Any], Awaitable[Any]]], Awaitable[bytes]]

_MOST_OCTETS: Final = 6 * 1024 * 1024
# What an answer takes besides its octets, and what a row and a cell do.
_ABOUT_OCTETS: Final = 800
_ROW_OCTETS: Final = 60
_CELL_OCTETS: Final = 50


class _Kept:
    """An answer, the moment of the store that it is of, and what was read for it."""

    __slots__ = ("moment", "octets", "reads", "size")

    def __init__(self, octets: bytes, reads: list[Read], moment: int, asked: Asked) -> None:
        self.octets = octets
        self.reads = reads
        self.moment = moment
        self.size = _ABOUT_OCTETS + len(octets) + sum(map(len, asked)) + sum(map(_size, reads))

    def is_still_so(self, s: Session) -> bool:
        """Whether the same is found as when it was rendered."""
        return all(read.finds_the_same(s) for read in self.reads)


class KeptAnswers:
    """Rendered answers, for whoever asks the same of the same account.

    `dispatch` answers the others, and `meter`, which is its own, admits calls that are answered from here. At
    most about `most_octets` are kept. Where there is no room for more, an account that has more than its
    share, which is that of each that has any, loses what it asked for first; any other, what anybody did.
    """

    def __init__(
        self, database: Database, dispatch: Dispatch, meter: Meter, *, most_octets: int = _MOST_OCTETS
    ) -> None:
        self._database = database
        self._dispatch = dispatch
        self._meter = meter
        self._answers: dict[_Key, _Kept] = {}
        self._accounts: dict[str, _OfAccount] = {}
        self._most = most_octets
        self._octets = 0

    async def answer(self, call: Call, asked: Asked, render: Render) -> bytes:
        """Return the answer, rendered now where none is kept.

        `asked` is all that the caller has said: path, query and body. `render` makes octets of what
        a dispatch answers. Raises what both raise.
        """
        entry = entry_of(call)
        moment = self._database.moment() if entry.kept else None
        if moment is None or call.policy is not None or needs_policy(entry.permission):
            return await render(self._dispatch)
        key = (call.operation, call.account, call.region, asked)
        kept = self._answers.get(key)
        if kept is not None and (kept.moment == moment or await self._is_still_so(kept, moment)):
            if not self._meter.idle:
                await self._meter.admit(call, entry)
            return kept.octets
        reads: list[Read] = []
        made = await render(partial(self._dispatch, reads=reads))
        # What was read meanwhile is of this moment, if it still is the moment now: it never comes again.
        if self._database.moment() == moment:
            self._keep(key, _Kept(made, reads, moment, asked))
        return made

    async def _is_still_so(self, kept: _Kept, moment: int) -> bool:
        if not await self._database.reading(kept.is_still_so):
            return False
        if self._database.moment() == moment:
            kept.moment = moment
        return True

    def _keep(self, key: _Key, kept: _Kept) -> None:
        """Keep an answer, and evict others where there is no room for it."""
        if key in self._answers:
            self._evict(key)
        if kept.size > self._most:
            return
        account = key[1]
        own = self._accounts.setdefault(account, _OfAccount())
        self._answers[key] = kept
        own.keys[key] = None
        own.octets += kept.size
        self._octets += kept.size
        while self._octets > self._most:
            above = own.octets * len(self._accounts) >= self._octets
            self._evict(next(iter(own.keys if above else self._answers)))

    def _evict(self, key: _Key) -> None:
        account = key[1]
        own, size = self._accounts[account], self._answers.pop(key).size
        del own.keys[key]
        own.octets -= size
        self._octets -= size
        if not own.keys:
            del self._accounts[account]


class _OfAccount:
    """What is kept for one account: the keys, those kept first at the beginning, and how much it takes."""

    __slots__ = ("keys", "octets")

    def __init__(self) -> None:
        self.keys: dict[_Key, None] = {}
        self.octets = 0


def _size(read: Read) -> int:
    """About how much of the memory a read takes."""
    cells = [cell for row in read.rows for cell in row]
    texts = sum(len(cell) for cell in cells if isinstance(cell, str | bytes))
    return texts + _ROW_OCTETS * (len(read.rows) + 4) + _CELL_OCTETS * len(cells)
