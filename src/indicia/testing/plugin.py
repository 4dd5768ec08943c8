"""The pytest plugin: the fixture `indicia`. It imports nothing else until a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from indicia.testing.kit import Sandbox
    from indicia.testing.server import Server


@pytest.fixture(scope="session")
def _indicia_server() -> Iterator[Server]:
    """A sandbox in a process of its own, for the session; under xdist one for each worker."""
    from indicia.testing.server import Server

    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def indicia(_indicia_server: Server, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox in which there is nothing yet, and an environment in which AWS SDKs use it.

    Publish records with `indicia.publish(domain)`, pass time with `indicia.advance("73h")`, read mail in
    `indicia.outbox`. The clock goes on from where the test before left it: it only goes forward.
    """
    from indicia.testing.kit import Sandbox

    sandbox = Sandbox(_indicia_server.url, _indicia_server.dns)
    sandbox.reset()
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    for name in sandbox.removed:
        monkeypatch.delenv(name, raising=False)
    return sandbox
