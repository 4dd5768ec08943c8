"""What an installation is before any part of it runs: folder, schema, keyring, the operator's key.

`serve` and the commands that work on the database go through here, so that the first of them to come makes
the same installation.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from indicia import operator_entries
from indicia.credentials import (
    AccountCredentials,
    new_access_key,
    new_account,
    read_credentials,
    write_credentials,
)
from indicia.domain.time import Instant
from indicia.private_files import Exposure, exposure, is_own, make_folder, write_file
from indicia.runtime.clock import Clock, real_now
from indicia.settings import Settings
from indicia.store.accounts import access, audit
from indicia.store.dkim import zones
from indicia.store.engine import file_lock, meta, schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.store.engine.schema import Migration, NewerSchemaError, Schema
from indicia.store.engine.session import Session
from indicia.vault import keyring, purposes
from indicia.vault.keyring import Keyring, KeyringError

# Names in the table `meta`.
FINGERPRINT: Final = "keyring_fingerprint"
ROOT_KEY: Final = "root_access_key_id"
ROOT_ACCOUNT: Final = "root_account"

# What SQLite (sqlite.org/tempfiles.html) and the queue of its writers (store.turns) keep beside a database.
DATABASE_COMPANIONS: Final = ("-wal", "-shm", "-journal", *(f"-{name}" for name in file_lock.FILES))


class InstallationError(Exception):
    """What is there cannot be worked with. The sentence says what it is and what to do."""


class CredentialOrigin(Enum):
    """Where the operator's access key came from at this start."""

    GIVEN = "given"  # by the settings
    FOUND = "found"  # made at an earlier start
    MADE = "made"  # just now: the one moment at which it may be shown


def exposures(settings: Settings) -> list[Exposure]:
    """Return which files of the installation others could have made or changed.

    A start is refused then (contract, Settings). Those that are not there yet are made for this user alone.
    """
    folder, ring, path = settings.data_dir, settings.master_key_file, settings.database_url.path
    files = [(settings.credentials_file, True), (ring, True)]
    if path is not None:
        files += [(path.with_name(path.name + ending), False) for ending in ("", *DATABASE_COMPANIONS)]
    if not is_own(folder):
        # What is in it is mostly that one's too, and one sentence is enough.
        files = [(file, secret) for file, secret in files if file.parent != folder]
    found = [exposure(folder), *(exposure(file, secret=secret) for file, secret in files)]
    # A folder that is not the data dir may be one where others have files of their own.
    found += [
        exposure(above, shared=True)
        for above in {ring.parent, ring.parent if path is None else path.parent} - {folder}
    ]
    return [each for each in found if each is not None]


def require_own_files(settings: Settings) -> None:
    """Nobody else could have made or changed what is there.

    Raises: `InstallationError` with every file of which that is not so, and what mends it.
    """
    found = exposures(settings)
    if found:
        raise InstallationError("; ".join(map(str, found)))


def prepare_folder(data_dir: Path) -> None:
    """Make the data dir: for its owner only, and nothing in it for version control."""
    try:
        make_folder(data_dir)
        ignore = data_dir / ".gitignore"
        if not ignore.exists():
            write_file(ignore, "*\n")
    except OSError as error:
        raise InstallationError(f"the data dir {data_dir} cannot be used: {error.strerror}") from error


def open_with_schema(settings: Settings) -> Database:
    """Return the database with the present schema.

    On SQLite the schema is brought up to date, after a copy of the file. On PostgreSQL, where other
    processes may still be running on the older one, only `indicia migrate` does that.

    Raises: `InstallationError`; `Fault` UNAVAILABLE when the database does not answer.
    """
    url = settings.database_url
    found = schema.check(url.text)
    require_schema(settings, found)
    done = None if found is Schema.UP_TO_DATE else schema.migrate(url.text)
    database = open_database(url.text)
    if done is not None:
        database.write(partial(record_migration, done=done))
    return database


def record_migration(s: Session, *, done: Migration) -> None:
    """Put on record that the schema is another one by now, or the first."""
    if done.before != done.after:
        detail = f"{done.before or 'nothing'} to {done.after}"
        audit.append(s, operator_entries.entry("MigrateSchema", real_now(), detail=detail))


def require_schema(settings: Settings, found: Schema) -> None:
    """Return when a start goes on with what was found: an older or no schema on SQLite is brought up to date.

    Raises: `InstallationError` otherwise.
    """
    url = settings.database_url
    if found is Schema.NEWER:
        try:
            schema.require_known(url.text)
        except NewerSchemaError as error:
            raise InstallationError(str(error)) from error
    if url.dialect == "postgresql" and found in {Schema.EMPTY, Schema.OLDER}:
        what = "has no schema yet" if found is Schema.EMPTY else "has an older schema"
        raise InstallationError(f"the database {url} {what}: run `indicia migrate` first")


def open_keyring(settings: Settings, database: Database) -> Keyring:
    """Return the keyring that the database belongs to, made if this is the first start.

    Raises: `InstallationError`.
    """
    path = settings.master_key_file
    recorded = database.read(lambda s: meta.get(s, FINGERPRINT))
    ring = recorded_keyring(settings, database.dialect, recorded)
    try:
        ring = ring or keyring.create(path)
        ring.require(database.write(partial(_record_keyring, ring=ring)))
    except KeyringError as error:
        raise InstallationError(str(error)) from error
    return ring


def _record_keyring(s: Session, *, ring: Keyring) -> str:
    """Return the fingerprint that the database belongs to: this ring's, where it belonged to none."""
    if meta.get(s, FINGERPRINT) is None:
        entry = operator_entries.entry("RecordMasterKey", real_now(), detail=ring.fingerprint)
        audit.append(s, entry)
    return meta.put_once(s, FINGERPRINT, ring.fingerprint)


def recorded_keyring(settings: Settings, dialect: str, recorded: str | None) -> Keyring | None:
    """Return the keyring that was recorded with the database, None when a start is to make it.

    It is made at the first start on SQLite only: of several machines with one database, each would make its
    own. Raises: `InstallationError` for one that is missing, cannot be used or belongs to another database.
    """
    path = settings.master_key_file
    if not path.exists() and recorded is not None:
        raise InstallationError(
            f"the database was encrypted under the master key {recorded}, and there is no keyring {path}: "
            "put it back, or name it with INDICIA_MASTER_KEY_FILE"
        )
    if not path.exists() and dialect == "postgresql":
        raise InstallationError(
            f"there is no keyring {path}: make one with `indicia master-key create`, and give every machine "
            "the same file"
        )
    try:
        ring = keyring.load(path) if path.exists() else None
        if ring is not None and recorded is not None:
            ring.require(recorded)
    except KeyringError as error:
        raise InstallationError(str(error)) from error
    return ring


def ensure_root(
    settings: Settings, database: Database, ring: Keyring, now: Instant
) -> tuple[AccountCredentials | None, CredentialOrigin]:
    """Return the operator's access key and where it came from.

    One that is set counts from this start on, and the one before it no longer. Otherwise it is made at the
    first start and written to the credentials file; None where it was made at an earlier one and that file
    is not there (any more): secrets are not taken out of the database again.
    """
    root = settings.root
    if root.access_key_id is not None and root.secret_access_key is not None:
        given = AccountCredentials(root.access_key_id, root.secret_access_key, root.account or "")
        return database.write(lambda s: _become_root(s, settings, ring, given, now)), CredentialOrigin.GIVEN
    recorded = database.read(lambda s: meta.get(s, ROOT_KEY))
    written = read_credentials(settings.credentials_file)
    if recorded is not None:
        return (written if written and written.id == recorded else None), CredentialOrigin.FOUND
    # A folder that lost its database keeps its key: whoever has it need not learn another.
    made = written or new_access_key("")
    if root.account is not None:
        made = replace(made, account=root.account)

    def become_first(s: Session) -> AccountCredentials | None:
        # Several processes may start on one new database: one of them makes the key.
        if meta.put_once(s, ROOT_KEY, made.id) != made.id:
            return None
        return _become_root(s, settings, ring, made, now)

    key = database.write(become_first)
    if key is None:
        return None, CredentialOrigin.FOUND
    write_credentials(settings.credentials_file, key)
    return key, CredentialOrigin.FOUND if written else CredentialOrigin.MADE


def _become_root(
    s: Session, settings: Settings, ring: Keyring, key: AccountCredentials, now: Instant
) -> AccountCredentials:
    """Make this the operator's key, in the account it names, else the operator's so far, else a new one."""
    account = key.account or meta.get(s, ROOT_ACCOUNT) or new_account()
    key = replace(key, account=account)
    ensure_account(s, settings, account, now)
    before = meta.get(s, ROOT_KEY)
    if before is not None and before != key.id and access.revoke(s, before, now):
        audit.append(s, operator_entries.revoked(before, account, now))
    if _is_news(s, ring, key):
        audit.append(s, operator_entries.made(key.id, account, now, detail="the operator's"))
    access.put_key(
        s,
        access.AccessKey(
            id=key.id,
            account=account,
            user_name=None,
            secret=ring.seal(key.secret.encode(), purposes.access_key(key.id)),
            policy=None,
            created_at=now,
            revoked_at=None,
        ),
    )
    meta.put(s, ROOT_KEY, key.id)
    meta.put(s, ROOT_ACCOUNT, account)
    return key


def _is_news(s: Session, ring: Keyring, key: AccountCredentials) -> bool:
    """Say whether the key counts from now on and did not before: settings name one at every start."""
    stored = access.get_key(s, key.id)
    if stored is None or stored.revoked_at is not None or stored.account != key.account:
        return True
    try:
        return ring.open(stored.secret, purposes.access_key(key.id)) != key.secret.encode()
    except KeyringError:
        return True


def ensure_account(s: Session, settings: Settings, account: str, now: Instant, *, contact: str = "") -> bool:
    """Add the account if there is none of that number; return whether it was added."""
    added = access.create_account(
        s,
        access.Account(
            id=account,
            contact=contact,
            created_at=now,
            production_access=settings.production_access,
            sending_enabled=True,
        ),
    )
    if added:
        audit.append(s, operator_entries.entry("CreateAccount", now, account=account))
    return added


class Installation:
    """What every role works on: settings, database, keyring, the operator's key. All of it is there."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Open it; make it if this is the first start. Raises: `InstallationError`."""
        require_own_files(settings)
        prepare_folder(settings.data_dir)
        self.settings = settings
        self.database: Database = open_with_schema(settings)
        try:
            self.keyring: Keyring = open_keyring(settings, self.database)
            self.root, self.root_origin = ensure_root(settings, self.database, self.keyring, clock.now())
            zone, now = settings.signing_zone, clock.now()
            self.database.write(lambda s: zones.add(s, zone, now))
        except BaseException:
            self.database.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
