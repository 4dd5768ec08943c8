"""The processes that make keys: as many as there is work for, each ended when it had none for a while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from indicia.vault import key_maker

log = structlog.get_logger(__name__)

# How many keys a process is asked for at a time, so that it never waits for an event loop that has much to
# do, nor for the transaction that stores those before: as many as it makes in so many seconds.
_AHEAD: Final = 0.5
_LEAST_AHEAD: Final = 6
_MOST_AHEAD: Final = 64
_LATEST: Final = 0.2  # of what a key takes, the weight of the last one
# A process takes 0.2 s of a core to start: another is started when each has as many as this to make.
_WORTH_A_START: Final = 2
_IDLE: Final = 10.0  # seconds after which a process without work is ended
_AFTER_FAILURE: Final = 5.0  # seconds before another is started in place of one that made nothing
_LONGEST: Final = 16384  # octets of a key; one of 2048 bits has 1,217
# All it needs to find its interpreter's libraries. What else is in the environment may be a secret.
_ENVIRONMENT: Final = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "VIRTUAL_ENV",
    "PYTHONHOME",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
)


def cores() -> int:
    """Return how many cores this process may use: those it is bound to, no more than its group has."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        granted = int(quota) / int(period)
    except (OSError, ValueError):  # no limit, or a system that has none
        return bound
    return max(1, min(bound, int(granted)))


class _Maker:
    """One process. `made` hears of each key it was asked for: the length, and the PKCS#8 DER."""

    def __init__(self, made: Callable[[int, bytes], None], ended: Callable[[_Maker], None]) -> None:
        self._made = made
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._loop = asyncio.get_running_loop()
        self.asked: deque[int] = deque()
        self.productive = False
        self.busy_at = self._began_at = self._loop.time()
        self._takes = _AHEAD / _LEAST_AHEAD  # seconds a key, of late
        self.task = self._loop.create_task(self._run(), name="key-maker")

    @property
    def room(self) -> int:
        """How many more keys it may be asked for."""
        ahead = min(_MOST_AHEAD, max(_LEAST_AHEAD, int(_AHEAD / self._takes)))
        return max(0, ahead - len(self.asked))

    def ask(self, bits: int) -> None:
        """Have a key made."""
        if not self.asked:
            self._began_at = self._loop.time()
        self.asked.append(bits)
        self._send(bits)

    def _send(self, bits: int) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(b"%d\n" % bits)

    async def _run(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", key_maker.__file__),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
            for bits in self.asked:
                self._send(bits)
            assert self._process.stdout is not None
            await self._listen(self._process.stdout)
            log.warning("keys.maker_ended")
        except OSError as error:
            log.error("keys.maker_not_started", reason=error.strerror or type(error).__name__)  # noqa: TRY400
        finally:
            await self._end()
            self._ended(self)

    async def _listen(self, answers: asyncio.StreamReader) -> None:
        """Pass its keys on until it says no more, or what nobody asked for."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            while 0 < (size := int.from_bytes(await answers.readexactly(4), "big")) <= _LONGEST:
                key = await answers.readexactly(size)
                if not self.asked:
                    return
                now = self._loop.time()
                self._takes += _LATEST * (now - self._began_at - self._takes)
                self.productive, self.busy_at, self._began_at = True, now, now
                self._made(self.asked.popleft(), key)

    async def _end(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it holds nothing that could be lost
            await process.wait()


class Makers:
    """At most `most` processes.

    `made` hears of each key, its length and its PKCS#8 DER; `changed` that a process has ended.
    """

    def __init__(self, most: int, made: Callable[[int, bytes], None], changed: Callable[[], None]) -> None:
        self._most = most
        self._made = made
        self._changed = changed
        self._living: set[_Maker] = set()  # those that may be asked
        self._ending: set[asyncio.Task[None]] = set()
        self._not_before = 0.0
        self._closed = False

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._living)

    @property
    def making(self) -> Counter[int]:
        """How many keys of each length have been asked for and are not there yet."""
        return Counter(bits for maker in self._living for bits in maker.asked)

    @property
    def room(self) -> int:
        """How many more keys may be asked for."""
        return sum(maker.room for maker in self._living) + _LEAST_AHEAD * self._to_start

    @property
    def _to_start(self) -> int:
        now = asyncio.get_running_loop().time()
        return 0 if self._closed or now < self._not_before else self._most - len(self._living)

    def ask(self, bits: int) -> None:
        """Have a key made by the process with the least to do; there is `room`."""
        maker = min(self._living, key=lambda maker: len(maker.asked), default=None)
        if maker is None or (len(maker.asked) >= _WORTH_A_START and self._to_start > 0):
            maker = _Maker(self._made, self._ended)
            self._living.add(maker)
        maker.ask(bits)

    def rest(self) -> None:
        """End those that have had nothing to do for a while."""
        now = asyncio.get_running_loop().time()
        for maker in list(self._living):
            if not maker.asked and now - maker.busy_at > _IDLE:
                self._dismiss(maker)

    async def close(self) -> None:
        """End all of them. What they were asked for is not made."""
        self._closed = True
        for maker in list(self._living):
            self._dismiss(maker)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _dismiss(self, maker: _Maker) -> None:
        self._living.discard(maker)
        self._ending.add(maker.task)
        maker.task.add_done_callback(self._ending.discard)
        maker.task.cancel()

    def _ended(self, maker: _Maker) -> None:
        if maker in self._living and not maker.productive:
            self._not_before = asyncio.get_running_loop().time() + _AFTER_FAILURE
        self._living.discard(maker)
        self._changed()
