"""Says every few seconds that this process is alive and which roles it has, and sees who else is.

A heartbeat is a write, so it notices too when the database takes none, as on a full disk.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog

from indicia.domain.faults import Fault
from indicia.domain.installation.presence import BEAT_EVERY, Presence, absence, presences
from indicia.domain.time import DAY, SECOND
from indicia.runtime.clock import real_now
from indicia.runtime.health import Check
from indicia.settings import ALL_ROLES, Role
from indicia.store.engine.database import Database
from indicia.store.engine.session import Session
from indicia.store.installation import heartbeats

log = structlog.get_logger("indicia")

_REMEMBERED: Final = DAY  # a process that died: until then it is told when it was last seen
_AFTER_FAILURE: Final = 1.0  # seconds: what did not take a write may take the next one


class Heartbeats:
    """The heartbeats of one process, from `run` until that is cancelled."""

    def __init__(self, database: Database, roles: Iterable[Role]) -> None:
        self._database = database
        self._roles = tuple(role.value for role in roles)
        self._process = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._trouble: str | None = None

    async def begin(self) -> None:
        """Beat once: whoever looks from now on sees this process."""
        await self._beat()

    async def run(self) -> None:
        """Beat on. Trouble with the database is waited out, and told by `trouble` meanwhile."""
        while True:
            await asyncio.sleep(_AFTER_FAILURE if self._trouble else BEAT_EVERY / SECOND)
            await self._beat()

    async def leave(self) -> None:
        """Be gone: whoever looks need not wait until this process is found silent."""
        try:
            await self._database.writing(partial(heartbeats.leave, process=self._process))
        except Exception as error:  # noqa: BLE001 - they find out by themselves
            log.warning("heartbeat.not_left", error=type(error).__name__)

    async def trouble(self) -> str | None:
        """Return why the last write was not taken, None when it was."""
        return self._trouble

    def checks(self) -> dict[str, Check]:
        """Return a check a role: whether some process runs it."""

        def check_of(role: str) -> Check:
            async def check() -> str | None:
                found = await self._database.reading(partial(_presence, role=role))
                return absence(found, real_now())

            return check

        return {f"role {role.value}": check_of(role.value) for role in _in_order()}

    async def _beat(self) -> None:
        try:
            await self._database.writing(self._write)
        except Exception as error:  # noqa: BLE001 - whatever the database has, the process outlives it
            if self._trouble is None:
                log.warning("heartbeat.not_written", error=type(error).__name__)
            self._trouble = error.message if isinstance(error, Fault) else type(error).__name__
        else:
            self._trouble = None

    def _write(self, s: Session) -> None:
        now = real_now()
        heartbeats.beat(s, self._process, self._roles, now)
        heartbeats.prune(s, now - _REMEMBERED)


def everyone(s: Session) -> tuple[Presence, ...]:
    """Return who runs each role there is."""
    return presences([role.value for role in _in_order()], heartbeats.everyone(s), real_now())


def _presence(s: Session, role: str) -> Presence:
    return presences([role], heartbeats.everyone(s), real_now())[0]


def _in_order() -> list[Role]:
    return [role for role in Role if role in ALL_ROLES]
