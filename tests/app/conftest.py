"""What tests of whole processes share: a DNS of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from databases import database
from nameserver import NameServer
from postgres import postgres_server, postgres_url

__all__ = ["database", "postgres_server", "postgres_url"]


@pytest.fixture(scope="module")
def dns() -> Iterator[NameServer]:
    """A resolver on loopback whose records a test can edit."""
    with NameServer() as server:
        yield server
