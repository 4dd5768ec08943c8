"""How log lines leave this process: one line an event, on standard error, in the order in which they came.

A line about a request may wait for others, for a tenth of a second at most, so that a busy server writes once
for hundreds of them. Every other line is written at once, behind those that wait. Nothing is lost but by what
ends the process without a word (SIGKILL, power): the record of who changed what is the audit log, in the
database, and not here.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TextIO, TypeAlias

import msgspec
import structlog

from indicia.settings import LogFormat

Record: TypeAlias = Callable[[msgspec.Struct], None]

WAIT_SECONDS: Final = 0.1
_MOST_WAITING: Final = 512  # lines, some 200 KiB


def configure(log_format: LogFormat, *, colors: bool, least: int = logging.INFO) -> None:
    """Send every log line of level `least` and above, ours and that of libraries, to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Locals in a traceback could hold what must not be written down.
    if log_format is LogFormat.JSON:
        renderer: Any = structlog.processors.JSONRenderer()
        without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shared.append(structlog.processors.ExceptionRenderer(without_locals))
    else:
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)
    lines = Lines(sys.stderr, json=log_format is LogFormat.JSON, tells=least <= logging.INFO)
    atexit.register(lines.flush)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lines,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def request_log() -> Record | None:
    """Return what writes down a request at little cost; None where every line has to go through structlog.

    A terminal wants colours, a test wants to see what was logged.
    """
    lines = structlog.get_config()["logger_factory"]
    return lines.record if isinstance(lines, Lines) and lines.json else None


def flush() -> None:
    """Everything that was logged has been written."""
    lines = structlog.get_config()["logger_factory"]
    if isinstance(lines, Lines):
        lines.flush()


class Lines:
    """Lines on their way out. Any thread may write; lines that wait are an event loop's.

    It is the factory of structlog's loggers: all of them are one, which writes here.
    """

    def __init__(self, stream: TextIO, *, json: bool, tells: bool) -> None:
        self.json = json
        self._tells = tells
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, msgspec.Struct]] = []
        self._logger = _Logger(self)
        self._encode = msgspec.json.Encoder().encode
        self._second = 0
        self._stamp = b""

    def __call__(self, *_: object) -> _Logger:
        """Return the logger that writes here."""
        return self._logger

    def write(self, line: str) -> None:
        """Write what waits, and then this line."""
        with self._lock:
            self._put(line + "\n")

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._put("")

    def record(self, event: msgspec.Struct) -> None:
        """Write a line of level `info` with the event's members, at once or within `WAIT_SECONDS`."""
        if not self._tells:
            return
        with self._lock:
            self._waiting.append((time.time(), event))
            count = len(self._waiting)
        if count == 1:
            try:
                asyncio.get_running_loop().call_later(WAIT_SECONDS, self.flush)
            except RuntimeError:
                self.flush()  # there is no loop to come back
        elif count >= _MOST_WAITING:
            self.flush()

    def _put(self, text: str) -> None:
        if self._waiting:
            # Encoded one after the other: a hundred in a row cost half of what each costs by itself.
            text = b"".join([self._encoded(*each) for each in self._waiting]).decode() + text
            self._waiting.clear()
        # Where the log cannot be written, there is no other place to say so; the service goes on.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()

    def _encoded(self, at: float, event: msgspec.Struct) -> bytes:
        """Return the line. The time is as structlog writes it; all but microseconds is made once a second."""
        second = int(at)
        if second != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
            self._second = second
        micros = int((at - second) * 1e6)
        return b'{"timestamp":"%s.%06dZ","level":"info",%s\n' % (self._stamp, micros, self._encode(event)[1:])


class _Logger:
    """What structlog hands a rendered line to, under the name of its level."""

    def __init__(self, lines: Lines) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg = lines.write
        self.warn = self.exception = self.fatal = self.log = lines.write
