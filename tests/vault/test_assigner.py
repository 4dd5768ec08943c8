"""Whoever hands out keys: as long as there are some, one batch follows the other at once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from handing import queue_up
from lookout import rules

from indicia.domain.dkim.rotation import KeyPace
from indicia.runtime.clock import Clock
from indicia.store.dkim import key_requests, keys
from indicia.store.dkim.keys import PooledKey
from indicia.store.engine.database import Database
from indicia.store.engine.ids import new_id
from indicia.vault.assigner import KeyAssigner
from indicia.vault.assignment import BATCH
from indicia.verifier.engine import completion


@pytest.mark.parametrize("more", [0, 5])
def test_what_is_there_is_handed_out_without_a_pause(database: Database, more: int) -> None:
    """Keys gather where there are too few, for an hour here; where there are enough nobody waits for that."""
    enough = 3 * BATCH + more
    database.write(partial(queue_up, count=enough))
    database.write(
        lambda s: keys.add_pooled(
            s, *(PooledKey(new_id(), 1024, "public", b"sealed", 0) for _ in range(enough))
        )
    )
    complete = partial(completion.complete, rules=rules(1))

    async def story() -> None:
        assigner = KeyAssigner(database, Clock(), KeyPace(), complete=complete, company=3_600.0)
        running = asyncio.create_task(assigner.run())
        await assigner.settled()
        assigner.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())
    assert not database.read(key_requests.anybody_waits)
