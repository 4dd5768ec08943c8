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
    Render: TypeAlias = Callable[[Callable[[Call, Any], Awaitable[Any]]], Awaitable[bytes]]

_MOST_OCTETS: Final = 6 * 1024 * 1024
# What an answer takes besides its octets, and what a row and a cell do.
_ABOUT_OCTETS: Final = 800
_ROW_OCTETS: Final = 60
_CELL_OCTETS: Final = 50


class _Kept:
    """An answer, the moment of the store that it is of, and what was read for it."""

    __slots__ = ("moment", "octets", "reads", "size")

    def __init__(self, octets: bytes, reads: list[Read], moment: int) -> None:
        self.octets = octets
        self.reads = reads
        self.moment = moment
        self.size = _ABOUT_OCTETS + len(octets) + sum(map(_size, reads))

    def is_still_so(self, s: Session) -> bool:
        """Whether the same is found as when it was rendered."""
        return all(read.finds_the_same(s) for read in self.reads)


class KeptAnswers:
    """Rendered answers, for whoever asks the same of the same account.

    `dispatch` answers the others, and `meter`, which is its own, admits calls that are answered from here. At
    most about `most_octets` are kept.
    """

    def __init__(
        self, database: Database, dispatch: Dispatch, meter: Meter, *, most_octets: int = _MOST_OCTETS
    ) -> None:
        self._database = database
        self._dispatch = dispatch
        self._meter = meter
        self._answers: dict[tuple[str, str, str, Asked], _Kept] = {}
        self._room = most_octets

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
            self._keep(key, _Kept(made, reads, moment))
        return made

    async def _is_still_so(self, kept: _Kept, moment: int) -> bool:
        if not await self._database.reading(kept.is_still_so):
            return False
        if self._database.moment() == moment:
            kept.moment = moment
        return True

    def _keep(self, key: tuple[str, str, str, Asked], kept: _Kept) -> None:
        """Keep an answer in the place of those that were kept first."""
        former = self._answers.pop(key, None)
        self._room += former.size if former is not None else 0
        self._answers[key] = kept
        self._room -= kept.size
        while self._room < 0:
            self._room += self._answers.pop(next(iter(self._answers))).size


def _size(read: Read) -> int:
    """About how much of the memory a read takes."""
    cells = [cell for row in read.rows for cell in row]
    texts = sum(len(cell) for cell in cells if isinstance(cell, str | bytes))
    return texts + _ROW_OCTETS * (len(read.rows) + 4) + _CELL_OCTETS * len(cells)
