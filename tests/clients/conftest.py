"""Running servers, as subprocesses, for clients that know nothing of us."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running import Running, started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`indicia serve` with its own access key: every signature is checked."""
    with started("serve", tmp_path_factory.mktemp("serve")) as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`indicia sandbox`: any domain can be published, and checks are quick."""
    with started("sandbox", tmp_path_factory.mktemp("sandbox")) as running:
        yield running
