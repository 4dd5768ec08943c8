"""Instants and spans, as the rest of the domain counts them.

An instant is a whole number of milliseconds since 1970-01-01T00:00:00Z; a span is a whole number of
milliseconds. Whole numbers compare, sort, store and serialise the same way everywhere, and have no time zone
to get wrong. Milliseconds are what SES shows (v2 timestamps carry a millisecond fraction).
"""

from typing import TypeAlias

Instant: TypeAlias = int
Span: TypeAlias = int

SECOND: Span = 1000
MINUTE: Span = 60 * SECOND
HOUR: Span = 60 * MINUTE
DAY: Span = 24 * HOUR
