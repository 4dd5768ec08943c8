"""Answers of reads, kept as they were rendered until the store says that it has changed.

Reading an identity and rendering it is what most calls ask for, of the same identities over and over. What is
kept is good for one moment of the store; when that is another, everything is forgotten. So no write has to
say what it makes stale, whichever process it comes from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from indicia.operations.authorization import needs_policy
from indicia.operations.dispatch import entry_of

if TYPE_CHECKING:
    from indicia.operations.call import Call
    from indicia.operations.rate_limiting import Meter

    Asked: TypeAlias = tuple[bytes, bytes, bytes]
    Render: TypeAlias = Callable[[], Awaitable[bytes]]

_MOST_OCTETS: Final = 4 * 1024 * 1024
# What an answer takes besides its octets: its key, and places in tables.
_ABOUT_OCTETS: Final = 500


class KeptAnswers:
    """Rendered answers of one moment of the store.

    `moment` returns what stands for the state of the store that a read would see now, None where nobody can
    tell (`Database.moment`). `meter` admits calls that are answered from here as any others. At most
    `most_octets` are kept. `given` is how many answers were kept ones.
    """

    def __init__(
        self, moment: Callable[[], int | None], meter: Meter, *, most_octets: int = _MOST_OCTETS
    ) -> None:
        self._moment = moment
        self._meter = meter
        self._most = most_octets
        self._of: int | None = None  # the moment
        self._answers: dict[tuple[str, str, str, Asked], bytes] = {}
        self._room = most_octets
        self.given = 0

    async def answer(self, call: Call, asked: Asked, render: Render) -> bytes:
        """Return the answer, rendered now where none is kept.

        `asked` is all that the caller has said: path, query and body. Raises what `render` raises, and
        `Fault` THROTTLED.
        """
        entry = entry_of(call)
        if not entry.kept or call.policy is not None or needs_policy(entry.permission):
            return await render()
        moment = self._moment()
        if moment is None:
            return await render()
        if moment != self._of:
            self._forget(moment)
        key = (call.operation, call.account, call.region, asked)
        found = self._answers.get(key)
        if found is not None:
            self.given += 1
            if not self._meter.idle:
                await self._meter.admit(call, entry)
            return found
        made = await render()
        # What was read meanwhile is of this moment, if it still is the moment now: it never comes again.
        if self._moment() == moment == self._of:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[str, str, str, Asked], answer: bytes) -> None:
        """Keep an answer; where there is no room for it, what is asked for now counts more than what was."""
        size = len(answer) + sum(map(len, key[-1])) + _ABOUT_OCTETS
        if key in self._answers or size > self._most:
            return
        if size > self._room:
            self._forget(self._of)
        self._answers[key] = answer
        self._room -= size

    def _forget(self, moment: int | None) -> None:
        self._of = moment
        self._answers.clear()
        self._room = self._most
