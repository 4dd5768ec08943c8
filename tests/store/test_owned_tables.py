"""Every table belongs to a subject, and what is declared of it agrees with the table."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from values import token_set

from indicia.store.dkim import key_exports, keys
from indicia.store.dkim.key_exports import KeyExport
from indicia.store.engine.columns import metadata
from indicia.store.engine.database import Database
from indicia.store.engine.owned import table_of
from indicia.store.engine.session import Session
from indicia.store.identities.tables import identity
from indicia.store.installation import sandbox
from indicia.store.subjects import EMPTIED, SEALED, SUBJECTS, WITH_IDENTITY

# Octets that anybody may read who may read the table: hashes, and what mails show.
OPEN = {
    ("verification_link", "token_hash"),
    ("mail_sent", "token_hash"),
    ("verification_template", "harmless"),
}


def referring_to(table: sa.Table) -> set[sa.Table]:
    """The tables with a foreign key to this one."""
    return {
        each
        for each in metadata.tables.values()
        if any(key.column.table is table for key in each.foreign_keys)
    }


def test_every_table_belongs_to_one_subject() -> None:
    """None is forgotten, and none has two who say what becomes of it."""
    declared = Counter(table for subject in SUBJECTS for table in subject.tables)

    assert declared == dict.fromkeys(metadata.tables.values(), 1)


def test_subjects_declare_their_own_tables() -> None:
    """What is sealed, emptied, forgotten or stored in a way of its own is in a table of the same subject."""
    for subject in SUBJECTS:
        named = {
            *(table_of(each.column) for each in subject.sealed),
            *(each.table for each in subject.with_identity),
            *subject.emptied,
            *(table_of(each.column) for each in subject.forgotten),
            *subject.storage,
        }
        assert named <= set(subject.tables)


def test_octets_are_sealed_or_open_to_readers() -> None:
    """A new column of octets is one or the other, and says which; a rotated keyring reaches the first."""
    octets = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    }

    assert octets - OPEN == {(table_of(each.column).name, each.column.name) for each in SEALED}


def test_what_refers_to_an_identity_goes_with_it() -> None:
    """Nothing would be left that names an identity which is gone; and it could not be deleted."""
    assert referring_to(identity) <= {each.table for each in WITH_IDENTITY}


def test_what_refers_to_what_is_emptied_is_emptied_before() -> None:
    """The order is that of foreign keys."""
    for place, table in enumerate(EMPTIED):
        assert referring_to(table) <= set(EMPTIED[:place])


def test_a_sandbox_begins_again_after_keys_were_fetched(database: Database) -> None:
    """Who has fetched keys of a set goes with the set."""
    made = token_set()

    def fetched(s: Session) -> None:
        keys.insert_token_set(s, made, 1, domain="example.com")
        key_exports.note(s, KeyExport("AKIATESTTESTTESTTEST", made.id, 1, 1))

    database.write(fetched)
    database.write(sandbox.reset)

    assert database.read(lambda s: key_exports.of_set(s, made.id)) == []
