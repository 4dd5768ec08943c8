"""Instants and spans, as the rest of the domain counts them.

An instant is a whole number of milliseconds since 1970-01-01T00:00:00Z; a span is a whole number of
milliseconds. Whole numbers compare, sort, store and serialise the same way everywhere, and have no time zone
to get wrong. Milliseconds are what SES shows (v2 timestamps carry a millisecond fraction).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias

Instant: TypeAlias = int
Span: TypeAlias = int

SECOND: Span = 1000
MINUTE: Span = 60 * SECOND
HOUR: Span = 60 * MINUTE
DAY: Span = 24 * HOUR


@lru_cache(maxsize=256)  # of one moment there are many: what is told of it, and when its window ends
def rfc3339(instant: Instant) -> str:
    """Return the instant as people and JSON have it: RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(instant / SECOND, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
