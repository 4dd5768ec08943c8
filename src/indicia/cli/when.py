"""Instants as commands print them."""

from datetime import UTC, datetime

from indicia.domain.time import Instant


def shown_instant(instant: Instant) -> str:
    """Return the instant in UTC, to the second (RFC 3339)."""
    return datetime.fromtimestamp(instant // 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
