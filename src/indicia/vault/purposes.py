"""What each sealed column is sealed for. Who seals and who opens name the same purpose, or nothing opens."""

from __future__ import annotations

from typing import Final

from indicia.store.engine.sealed_columns import Place

PRIVATE_KEY: Final = "dkim private key"  # in the pool and published: a key moves from one to the other sealed
OUTBOX_PAYLOAD: Final = "outbox.payload"


def access_key(identifier: str) -> str:
    """Return the purpose of one access key's secret: it opens as no other key's."""
    return f"access key {identifier}"


def webhook_secret(identifier: str) -> str:
    """Return the purpose of one webhook's secrets, this one and the one before."""
    return f"webhook secret {identifier}"


def purpose_of(place: Place, row: int | str) -> str:
    """Return what the sealed value in a row was sealed for."""
    if place is Place.ACCESS_KEY:
        return access_key(str(row))
    if place in {Place.WEBHOOK, Place.WEBHOOK_BEFORE}:
        return webhook_secret(str(row))
    return OUTBOX_PAYLOAD if place is Place.OUTBOX else PRIVATE_KEY
