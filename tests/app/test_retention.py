"""The audit log of a service that runs is kept as long as its setting says, and no longer."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import sqlalchemy as sa
from serving import serve, until

from indicia.domain.time import DAY
from indicia.runtime.clock import real_now
from indicia.store.accounts import audit, tables
from indicia.store.accounts.audit import AuditEntry, AuditSelection
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.ids import first_at
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session

EVERYTHING = partial(audit.page, wanted=AuditSelection(), after=0, limit=1000)


def entry(days: int) -> AuditEntry:
    """One that is so old."""
    return AuditEntry(real_now() - days * DAY, "1", "", "", "", "ses:X", f"r{days}", "success", "")


def with_entries(data_dir: Path, *days: int) -> Database:
    """A database with an entry of each age."""
    data_dir.mkdir(mode=0o700)
    url = f"sqlite:///{data_dir / 'indicia.db'}"
    schema.migrate(url)
    database = open_database(url)

    def add(s: Session) -> None:
        for each in days:
            audit.append(s, entry(each))

    def age(s: Session) -> None:
        for each in days:
            older = sa.update(tables.audit).where(tables.audit.c.resource == f"r{each}")
            s.run(Prepared(older.values(id=first_at(real_now() - each * DAY))))

    database.write(add)
    database.write(age)
    return database


def test_what_is_older_than_the_setting_is_forgotten(tmp_path: Path) -> None:
    """By a service that was started with it; what is younger stays."""
    database = with_entries(tmp_path / "data", 11, 9)
    with serve(tmp_path, INDICIA_AUDIT_RETENTION="10d") as house:
        assert house.ready

        def left() -> list[str]:
            found = database.read(EVERYTHING)
            return [each.resource for _, each in found if each.operation == "ses:X"]

        until(lambda: left() == ["r9"], "an end of what is older")
        assert house.stop() == 0
    database.close()
