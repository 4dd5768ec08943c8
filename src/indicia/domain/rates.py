"""How often something may be done: a bucket that fills at a steady rate and holds a burst. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# Fractions of a token without fractions: a token is a million parts.
TOKEN = 1_000_000
_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many a period, in milliseconds, and at most so many at once."""

    count: int
    period: int
    burst: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left at an instant of real time, in parts of a token."""

    parts: int
    at: int


def full(allowance: Allowance, now: int) -> Bucket:
    """Return the bucket of somebody who has not been seen yet."""
    return Bucket(allowance.burst * TOKEN, now)


def refilled(bucket: Bucket, allowance: Allowance, now: int) -> Bucket:
    """Return the bucket as it stands at `now`. A clock that was set back neither fills nor empties it."""
    passed = max(0, now - bucket.at)
    parts = bucket.parts + passed * allowance.count * TOKEN // allowance.period
    return Bucket(min(parts, allowance.burst * TOKEN), max(now, bucket.at))


def take(bucket: Bucket, allowance: Allowance, now: int, wanted: int = 1) -> tuple[Bucket, int]:
    """Return the bucket after taking up to `wanted` whole tokens, and how many there were to take."""
    filled = refilled(bucket, allowance, now)
    granted = min(wanted, filled.parts // TOKEN)
    return Bucket(filled.parts - granted * TOKEN, filled.at), granted
