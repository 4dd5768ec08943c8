"""Whether a value found in somebody's DNS is one that this service gave out, be it long ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from indicia.domain.dkim.key_record import KEY_ZONE_LABEL, is_verification_token
from indicia.domain.records.observation import RecordType
from indicia.store.dkim import keys, zones
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session


def issued_in(database: Database) -> Callable[[str, RecordType, Sequence[str]], Awaitable[bool]]:
    """Return what says of values found in place of ours whether another identity was given them.

    Of no value does it say whose it is: nobody here could, of the token of an identity that is gone.
    """

    async def issued(_name: str, rtype: RecordType, values: Sequence[str]) -> bool:
        is_ours = _ISSUED.get(rtype)
        if is_ours is None:
            return False
        return await database.reading(lambda s: is_ours(s, values))

    return issued


def _any_key_token(s: Session, targets: Sequence[str]) -> bool:
    """Say whether a CNAME target is a token of ours, with a key or without: tokens are never reused."""
    served = zones.names(s)
    split = [target.lower().partition(".") for target in targets]
    return any(zone in served and keys.lookup(s, zone, token) is not None for token, _, zone in split)


def _any_verification_token(s: Session, texts: Sequence[str]) -> bool:
    """Say whether a text is a token for `_amazonses` of ours, under any service domain we ever had."""
    domains = [zone.removeprefix(KEY_ZONE_LABEL) for zone in zones.names(s)]
    return any(is_verification_token(text, domain) for text in texts for domain in domains)


_ISSUED: Final = {RecordType.CNAME: _any_key_token, RecordType.TXT: _any_verification_token}
