"""The names that are asked for often: encoded records by wire name, bounded by memory, the oldest go first.

Nothing else of a name is held: a zone of a million keys costs what its hot names cost.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

# An entry beyond its octets: two bytes objects, a tuple, a float, and its slot in the ordered dictionary.
ENTRY_OVERHEAD: Final = 330


class HotNames:
    """The last asked names and their records, in at most so many octets of memory."""

    def __init__(self, octets: int) -> None:
        self._limit = octets
        self._held = 0
        self._names: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    @property
    def octets(self) -> int:
        """How much memory the entries take, as it is counted."""
        return self._held

    def get(self, name: bytes, now: float) -> bytes | None:
        """Return the records of a name, None when it is not held or too old."""
        entry = self._names.get(name)
        if entry is None or entry[0] <= now:
            return None
        self._names.move_to_end(name)
        return entry[1]

    def get_stale(self, name: bytes, since: float) -> bytes | None:
        """Return the records of a name however old, as long as they were fresh at `since`."""
        entry = self._names.get(name)
        return None if entry is None or entry[0] <= since else entry[1]

    def put(self, name: bytes, records: bytes, until: float) -> None:
        """Hold the records of a name until then."""
        self.drop(name)
        self._names[name] = (until, records)
        self._held += len(name) + len(records) + ENTRY_OVERHEAD
        while self._held > self._limit:
            oldest, (_, body) = self._names.popitem(last=False)
            self._held -= len(oldest) + len(body) + ENTRY_OVERHEAD

    def drop(self, name: bytes) -> None:
        """Hold nothing of a name."""
        entry = self._names.pop(name, None)
        if entry is not None:
            self._held -= len(name) + len(entry[1]) + ENTRY_OVERHEAD
