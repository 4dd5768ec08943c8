"""Every operation that is built: the tables of the subjects, composed. The list is the API.

The gateway, the documentation and the tests read it. An operation of the service models that is not here
answers NOT_IMPLEMENTED by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from threading import RLock
from typing import Any, Final, TypeAlias

from indicia.operations.entry import Entry

AnyEntry: TypeAlias = "Entry[Any, Any]"
# Each has `operations/SUBJECT/table.py`. What is called first by most comes first.
SUBJECTS: Final = (
    "identities",
    "dkim",
    "verification",
    "policies",
    "accounts",
    "configuration_sets",
    "verification_mail",
    "events",
    "diagnosis",
)


class Registry(Mapping[tuple[str, str], AnyEntry]):
    """Entries by service and operation.

    Most programs call a handful of operations, and every start would pay for all of them: the table of a
    subject is imported when an operation is asked for that those before it do not have.
    """

    def __init__(self, subjects: Sequence[str] = SUBJECTS) -> None:
        self._left = list(subjects)
        self._entries: dict[tuple[str, str], AnyEntry] = {}
        self._lock = RLock()

    def __getitem__(self, key: tuple[str, str]) -> AnyEntry:
        """Return the entry. Raises: KeyError when the operation is not built."""
        while key not in self._entries and self._left:
            self._take_in_another()
        return self._entries[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield every key."""
        self.complete()
        return iter(self._entries)

    def __len__(self) -> int:
        """Return how many operations are built."""
        self.complete()
        return len(self._entries)

    def complete(self) -> None:
        """Every subject has been taken in: nobody waits for an import any more."""
        while self._left:
            self._take_in_another()

    def _take_in_another(self) -> None:
        with self._lock:
            if not self._left:
                return
            entries: Sequence[AnyEntry] = import_module(f"{__package__}.{self._left[0]}.table").ENTRIES
            self._entries |= {(entry.service, entry.operation): entry for entry in entries}
            # Afterwards: who finds none left finds every entry.
            del self._left[0]


REGISTRY: Final = Registry()
