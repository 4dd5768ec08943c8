"""The fuzz target for HTTP is one: it finds nothing now, and finds what breaks its invariant."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import Any

import pytest
from places import ROOT

TARGET = ROOT / "fuzz" / "http_requests.py"


@pytest.fixture(scope="module")
def target() -> dict[str, Any]:
    """What the target is made of."""
    source: dict[str, Any] = {"__name__": "target", "__file__": str(TARGET)}
    sys.modules["target"] = type(sys)("target")  # dataclasses look there for what they are made in
    try:
        exec(compile(TARGET.read_text(), TARGET, "exec"), source)  # noqa: S102 - it is ours
    finally:
        del sys.modules["target"]
    return source


def test_it_states_its_invariant_in_the_first_line() -> None:
    """Whoever reads it knows at once what must never happen."""
    first, _, _ = TARGET.read_text().partition("\n")
    assert first.startswith('"""Invariant: what the server takes for a request')


def test_the_invariant_holds() -> None:
    """Requests of every kind, whole and damaged, other ones every time: h11 takes each for the same."""
    seed = str(random.SystemRandom().randrange(1 << 32))
    tried = subprocess.run(
        [sys.executable, str(TARGET), "3", seed], capture_output=True, text=True, check=False
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert int(tried.stdout.partition(" ")[0]) > 10


OCTETS = (
    b"POST /x HTTP/1.1\r\nHost: host\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n"
    b"GET /y HTTP/1.1\r\nHost: host\r\n\r\n"
)
FIRST = ((b"host", b"host"), (b"transfer-encoding", b"chunked"))


@pytest.mark.parametrize(
    ("fields", "body", "second", "answers", "told"),
    [
        (FIRST, b"ab", True, 2, ""),
        ((*FIRST, (b"x", b"y")), b"ab", True, 2, "request 0 is another to h11"),
        (FIRST, b"", True, 2, "request 0 is another to h11"),
        (FIRST, b"ab", False, 1, "1 requests of 2 that were made"),
        (FIRST, b"ab", True, 5, "5 answers to 2 requests"),
    ],
)
def test_what_breaks_it_is_found(
    target: dict[str, Any],
    fields: tuple[tuple[bytes, bytes], ...],
    body: bytes,
    second: bool,
    answers: int,
    told: str,
) -> None:
    """A trailer among the headers, a body that is lost, a request that is, an answer to nothing."""
    taken, served, case = target["Taken"], target["Served"], target["Case"]
    last = taken(b"GET", b"/y", ((b"host", b"host"),), b"")
    made = case(OCTETS, [taken(b"POST", b"/x", FIRST, b"ab"), last], whole=True)
    outcome = served(
        [taken(b"POST", b"/x", fields, body), *([last] if second else [])], b"HTTP/1.1 200 OK\r\n" * answers
    )

    assert target["trouble"](made, outcome).startswith(told)
    assert bool(target["trouble"](made, outcome)) is bool(told)


def test_a_request_that_h11_refuses_is_found(target: dict[str, Any]) -> None:
    """What only we take for a request is told."""
    octets = b"GET /y HTTP/1.1\r\nHost: host\r\nX : y\r\n\r\n"
    outcome = target["Served"]([target["Taken"](b"GET", b"/y", (), b"")], b"HTTP/1.1 200 OK\r\n")

    told = target["trouble"](target["Case"](octets, [], whole=False), outcome)

    assert told.startswith("request 0 is refused to h11")
