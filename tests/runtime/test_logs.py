"""Log lines: none is lost, they come in order, and a line about a request may wait a moment."""

import asyncio
import io
import json
import re
import subprocess
import sys

import pytest
import structlog
from structlog.testing import capture_logs

from indicia.runtime import logs
from indicia.settings import LogFormat
from indicia.wire.exchange import RequestLine, through

LINE = RequestLine("GET", "/x", "sesv2", "GetEmailIdentity", "1", "AKIA", "::1", 200, "", 0.5, 12, "id")


async def until(condition) -> None:
    """Wait for a condition, for as long as a test may take."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    """Return what was written, each line decoded."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_line_waits_and_is_written_soon() -> None:
    """It is not written at once, so that others may come along, and it is written without anything else."""
    stream = io.StringIO()
    lines = logs.Lines(stream, json=True, tells=True)

    async def scenario() -> str:
        lines.record(LINE)
        lines.record(LINE)
        at_once = stream.getvalue()
        await until(stream.getvalue)
        return at_once

    assert asyncio.run(scenario()) == ""

    first, second = lines_of(stream)
    assert first["event"] == second["event"] == "request"
    assert first["level"] == "info"
    assert first["operation"] == "GetEmailIdentity"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(first["timestamp"]))


def test_lines_stay_in_order() -> None:
    """A line that does not wait comes behind those that do."""
    stream = io.StringIO()
    lines = logs.Lines(stream, json=True, tells=True)

    async def scenario() -> None:
        lines.record(LINE)
        lines().info('{"event": "other"}')
        lines.record(LINE)
        lines.flush()

    asyncio.run(scenario())

    assert [line["event"] for line in lines_of(stream)] == ["request", "other", "request"]


def test_a_busy_server_does_not_keep_lines_back() -> None:
    """When many lines wait they are written, however little time has passed."""
    stream = io.StringIO()
    lines = logs.Lines(stream, json=True, tells=True)

    async def scenario() -> int:
        for _ in range(1000):
            lines.record(LINE)
        return len(lines_of(stream))

    assert asyncio.run(scenario()) >= 500
    lines.flush()
    assert len(lines_of(stream)) == 1000


def test_without_a_loop_nothing_waits() -> None:
    """A line recorded where no event loop runs is written at once: nobody would come back for it."""
    stream = io.StringIO()

    logs.Lines(stream, json=True, tells=True).record(LINE)

    assert len(lines_of(stream)) == 1


def test_lines_below_the_wanted_level_are_not_written() -> None:
    """Where only warnings are wanted, requests are not told."""
    stream = io.StringIO()
    lines = logs.Lines(stream, json=True, tells=False)

    lines.record(LINE)
    lines.flush()

    assert stream.getvalue() == ""


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """Writing to a closed stream raises nothing: the service goes on."""
    stream = io.StringIO()
    lines = logs.Lines(stream, json=True, tells=True)
    stream.close()

    lines.record(LINE)
    lines().error("gone")

    assert stream.closed


PROGRAM = """
import asyncio
from indicia.runtime import logs
from indicia.settings import LogFormat
from indicia.wire.exchange import RequestLine

async def main():
    logs.configure(LogFormat.JSON, colors=False)
    record = logs.request_log()
    for number in range(3):
        record(RequestLine("GET", "/x", "ses", "X", "", "", "", 200, "", 0.1, number, ""))

asyncio.run(main())
"""


def test_a_clean_exit_loses_nothing() -> None:
    """Lines that wait when the process ends are written before it is gone."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert [json.loads(line)["bytes"] for line in done.stderr.splitlines()] == [0, 1, 2]


FAILING = """
import structlog
from indicia.runtime import logs
from indicia.settings import LogFormat

logs.configure(LogFormat.{form}, colors=False)

def unlock(secret):
    raise RuntimeError("it does not fit")

try:
    unlock("-".join(["between", "us"]))
except RuntimeError:
    structlog.get_logger().exception("door.shut")
"""


@pytest.mark.parametrize("form", ["JSON", "CONSOLE"])
def test_a_traceback_says_where_and_not_with_what(form: str) -> None:
    """An exception that is logged names its places; what variables held there is left out."""
    program = FAILING.replace("{form}", form)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "door.shut" in done.stderr
    assert "it does not fit" in done.stderr
    assert "unlock" in done.stderr
    assert "between-us" not in done.stderr


def test_only_json_is_written_the_short_way() -> None:
    """On a terminal, and where a test looks, a request line goes through structlog with all its members."""
    former = structlog.get_config()
    try:
        logs.configure(LogFormat.CONSOLE, colors=False)
        assert logs.request_log() is None
        logs.configure(LogFormat.JSON, colors=False)
        assert logs.request_log() is not None
    finally:
        structlog.configure(**former)

    with capture_logs() as told:
        through(structlog.get_logger())(LINE)
    assert told[0]["event"] == "request"
    assert told[0]["log_level"] == "info"
    assert {*RequestLine.__struct_fields__} <= told[0].keys()
