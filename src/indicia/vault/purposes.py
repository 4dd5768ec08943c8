"""What each sealed column is sealed for. Who seals and who opens name the same purpose, or nothing opens.

The words are those of the columns, where their tables are declared.
"""

from __future__ import annotations

from typing import Final

from indicia.store.accounts.tables import ACCESS_KEY_SECRET
from indicia.store.dkim import tables as dkim
from indicia.store.events.tables import WEBHOOK_SECRET

PRIVATE_KEY: Final = dkim.PRIVATE_KEY.purpose  # in the pool and published


def access_key(identifier: str) -> str:
    """Return the purpose of one access key's secret: it opens as no other key's."""
    return ACCESS_KEY_SECRET.purpose_of(identifier)


def webhook_secret(identifier: str) -> str:
    """Return the purpose of one webhook's secrets, this one and the one before."""
    return WEBHOOK_SECRET.purpose_of(identifier)
