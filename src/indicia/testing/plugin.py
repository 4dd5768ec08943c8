"""The pytest plugin: the fixture `indicia`. It imports nothing else until a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from indicia.testing.kit import Sandbox
    from indicia.testing.server import SandboxServer


# The sandbox of this run, from when the first test was found that asks for one.
_SERVER = pytest.StashKey["SandboxServer"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have the setting of the sandbox that a suite may need otherwise."""
    parser.addini(
        "indicia_service_domain",
        "Service domain of the sandbox: amazonses.com for code that writes the names of SES by hand.",
        default="",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the sandbox start as soon as it is known to be needed: other tests are looked for meanwhile."""
    needed = "_indicia_server" in getattr(item, "fixturenames", ())
    if needed and _SERVER not in item.config.stash and not item.config.getoption("collectonly"):
        _launched(item.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing runs on, be it that no test came to use it."""
    if _SERVER in config.stash:
        config.stash[_SERVER].stop()


def _launched(config: pytest.Config) -> SandboxServer:
    from indicia.testing.server import SandboxServer

    server = config.stash[_SERVER] = SandboxServer(str(config.getini("indicia_service_domain")))
    server.launch()
    return server


@pytest.fixture(scope="session")
def _indicia_server(pytestconfig: pytest.Config) -> Iterator[SandboxServer]:
    """A sandbox in a process of its own, for the session; under xdist one for each worker."""
    server = pytestconfig.stash.get(_SERVER, None) or _launched(pytestconfig)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture
def indicia(_indicia_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
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
