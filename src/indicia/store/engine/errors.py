"""What SQLite says of the file and the machine, told from what it says of a statement."""

from __future__ import annotations

import sqlite3

from indicia.domain.faults import Fault, FaultKind

# The primary result codes that are about the file and the machine, and not about the statement.
TROUBLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
DISK_FULL = (
    "The disk that holds the database is full, so nothing can be written. It goes on by itself once there is"
    " room again."
)
_SENTENCES = {
    sqlite3.SQLITE_FULL: DISK_FULL,
    sqlite3.SQLITE_READONLY: "The database may not be written to: its file or its folder is read-only.",
}
READ_TROUBLE = TROUBLE - {sqlite3.SQLITE_READONLY}  # a reading work that writes is a mistake of ours


def told(error: BaseException, trouble: frozenset[int] = TROUBLE) -> BaseException:
    """Return the fault that says the database does not answer, if that is what the error means."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in trouble:
        return error
    fault = Fault(
        FaultKind.UNAVAILABLE, _SENTENCES.get(code & 0xFF, f"The database does not answer: {error}.")
    )
    fault.__cause__ = error
    return fault
