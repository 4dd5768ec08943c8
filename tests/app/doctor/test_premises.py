"""What the doctor says of the clock, and what it asks the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from lookout import REGION, Lookout
from nameserver import NameServer

from indicia.app.doctor.local_checks import clock, kernel_follows_a_time_server, stored
from indicia.domain.installation.soundness import State
from indicia.domain.time import MINUTE, SECOND, Span
from indicia.runtime.clock import real_now
from indicia.settings import load
from indicia.store.engine.database import Database
from indicia.store.engine.prepared import POSTGRESQL
from indicia.store.installation import examination
from indicia.vault import keyring
from indicia.wire.aws.sigv4 import SKEW


@pytest.mark.parametrize(
    ("service", "database", "synchronised", "state", "seen"),
    [
        (0, None, True, State.OK, "with that of the service; the kernel follows a time server"),
        (4 * SECOND, 0, True, State.OK, "with that of the service and the database"),
        (0, None, False, State.WARN, "the kernel follows no time server"),
        (0, None, None, State.OK, "the kernel does not say"),
        (None, None, None, State.WARN, "nothing to compare it with"),
        (30 * SECOND, None, True, State.WARN, "30 s behind that of the service"),
        (0, -16 * MINUTE, True, State.FAIL, "960 s ahead of that of the database"),
        (6 * MINUTE, None, True, State.WARN, "360 s behind that of the service"),
        (16 * MINUTE, None, True, State.FAIL, "960 s behind that of the service"),
    ],
)
def test_the_clock_is_compared(
    service: Span | None, database: Span | None, synchronised: bool | None, state: State, seen: str
) -> None:
    """A few seconds are nothing, more are a warning, and more than a signature allows breaks every one."""
    check = clock(service, database, synchronised)

    assert check.state is state
    assert seen in check.seen
    if state is State.FAIL:
        assert check.fix.endswith(f": signatures count for {SKEW // MINUTE} minutes only.")


def test_the_kernel_is_asked() -> None:
    """It answers, or says that it does not know; it is not set."""
    assert kernel_follows_a_time_server() in (True, False, None)


def test_what_the_database_is_asked(database: Database) -> None:
    """Regions with a MAIL FROM domain, and on PostgreSQL what time it is there."""
    with NameServer() as server:
        lookout = Lookout(database, server)
        lookout.add("plain.example.com", due=False)
        none = database.read(examination.mail_from_regions)
        lookout.add("example.com", mail_from_domain="bounce.example.com", due=False)

    assert none == []
    assert database.read(examination.mail_from_regions) == [REGION]
    if database.dialect == POSTGRESQL:
        assert abs(database.read(examination.server_clock) - real_now()) < MINUTE


def test_a_postgresql_installation(postgres_url: str, tmp_path: Path) -> None:
    """Without a schema the command that makes it is named; with one the clocks are compared."""
    found = load(
        environment={"INDICIA_DATABASE_URL": postgres_url, "INDICIA_DATA_DIR": str(tmp_path / "data")}
    )
    states = {check.name: check.state for check in stored(found, ["local"]).checks}
    keyring.create(tmp_path / "data" / "master.key")
    whole = stored(found, ["local"])

    assert states == {"database": State.OK, "schema": State.OK, "master key": State.FAIL}
    assert {check.name: check.state for check in whole.checks}["master key"] is State.UNKNOWN
    assert whole.apart is not None
    assert abs(whole.apart) < MINUTE


def test_databases_that_cannot_be_worked_with(tmp_path: Path) -> None:
    """One that does not answer, and one that has no schema: nothing is made on the way."""
    away = stored(load(environment={"INDICIA_DATABASE_URL": "postgresql://127.0.0.1:1/x"}), ["local"])
    (tmp_path / "data").mkdir()
    empty = stored(load(environment={"INDICIA_DATA_DIR": str(tmp_path / "data")}), ["local"])

    assert (away.checks[0].name, away.checks[0].state) == ("database", State.FAIL)
    assert away.checks[0].fix == "Start it, or mend INDICIA_DATABASE_URL."
    assert [check.state for check in empty.checks] == [State.OK, State.FAIL, State.FAIL]
    assert list((tmp_path / "data").iterdir()) == []
