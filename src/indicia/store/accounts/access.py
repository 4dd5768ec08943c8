"""Accounts and their access keys. The secret of a key arrives and leaves sealed by the keyring."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.accounts import tables
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Row, Session
from indicia.store.engine.upsert import insert_or_nothing, insert_or_replace


@dataclass(frozen=True, slots=True)
class Account:
    """Who identities belong to. `contact` is an address, or empty where none is known."""

    id: str
    contact: str
    created_at: Instant
    production_access: bool
    sending_enabled: bool


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key. `user_name` is None for the root of the account, `policy` None where there is none."""

    id: str
    account: str
    user_name: str | None
    secret: bytes = field(repr=False)
    policy: str | None
    created_at: Instant
    revoked_at: Instant | None


_a = tables.account.c
_ACCOUNT = (_a.id, _a.contact, _a.created_at, _a.production_access, _a.sending_enabled)
_CREATE_ACCOUNT = insert_or_nothing(tables.account)
_PUT_ACCOUNT = insert_or_replace(tables.account, keep=frozenset({"created_at"}))
_GET_ACCOUNT = Prepared(sa.select(*_ACCOUNT).where(_a.id == sa.bindparam("id")))
_CONTACTS = Prepared(
    sa.select(_a.id, _a.contact).where(_a.id.in_(sa.bindparam("ids", expanding=True)), _a.contact != "")
)
_LIST_ACCOUNTS = Prepared(sa.select(*_ACCOUNT).order_by(_a.id))

_k = tables.access_key.c
_KEY = (_k.id, _k.account, _k.user_name, _k.secret, _k.policy, _k.created_at, _k.revoked_at)
_CREATE_KEY = insert_or_nothing(tables.access_key)
_PUT_KEY = insert_or_replace(tables.access_key, keep=frozenset({"created_at"}))
_GET_KEY = Prepared(sa.select(*_KEY).where(_k.id == sa.bindparam("id")))
_LIST_KEYS = Prepared(sa.select(*_KEY).order_by(_k.account, _k.created_at, _k.id))
_LIST_KEYS_OF = Prepared(
    sa.select(*_KEY).where(_k.account == sa.bindparam("account")).order_by(_k.created_at, _k.id)
)
_HOLD_KEY = Prepared(sa.select(*_KEY).where(_k.id == sa.bindparam("id")).with_for_update(read=True))
_RECALL = insert_or_nothing(dkim_tables.key_recall)
_REVOKE = Prepared(
    sa.update(tables.access_key)
    .where(_k.id == sa.bindparam("of_id"), _k.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("revoked_at"))
)


def _account_columns(account: Account) -> dict[str, str | int | None]:
    return {
        "id": account.id,
        "contact": account.contact,
        "created_at": account.created_at,
        "production_access": int(account.production_access),
        "sending_enabled": int(account.sending_enabled),
    }


def _account(row: Row) -> Account:
    return Account(row[0], row[1], row[2], row[3] == 1, row[4] == 1)


def create_account(s: Session, account: Account) -> bool:
    """Add an account and return True; return False, with nothing changed, when there is one of that id."""
    return s.run(_CREATE_ACCOUNT, **_account_columns(account)) == 1


def put_account(s: Session, account: Account) -> None:
    """Store an account, over the one of that id, whose creation stays when it was."""
    s.run(_PUT_ACCOUNT, **_account_columns(account))


def get_account(s: Session, account_id: str) -> Account | None:
    """Return the account, None when there is none."""
    row = s.one(_GET_ACCOUNT, id=account_id)
    return None if row is None else _account(row)


def contacts(s: Session, account_ids: Collection[str]) -> dict[str, str]:
    """Return the contacts of those of the accounts that have one."""
    return {row[0]: row[1] for row in s.all(_CONTACTS, ids=sorted(account_ids))}


def list_accounts(s: Session) -> list[Account]:
    """Return every account in the order of their ids."""
    return [_account(row) for row in s.all(_LIST_ACCOUNTS)]


def _key_columns(key: AccessKey) -> dict[str, str | int | bytes | None]:
    return {
        "id": key.id,
        "account": key.account,
        "user_name": key.user_name,
        "secret": key.secret,
        "policy": key.policy,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }


def create_key(s: Session, key: AccessKey) -> bool:
    """Add an access key and return True; return False, with nothing changed, when the id is taken."""
    return s.run(_CREATE_KEY, **_key_columns(key)) == 1


def put_key(s: Session, key: AccessKey) -> None:
    """Store an access key, over the one of that id: settings decide the operator's at every start."""
    s.run(_PUT_KEY, **_key_columns(key))


def get_key(s: Session, key_id: str) -> AccessKey | None:
    """Return the access key, revoked or not; None when there never was one of that id."""
    row = s.one(_GET_KEY, id=key_id)
    return None if row is None else AccessKey(*row)


def hold_key(s: Session, key_id: str) -> AccessKey | None:
    """Return the access key; nobody revokes it before this transaction ends. None as for `get_key`."""
    row = s.one(_HOLD_KEY, id=key_id)
    return None if row is None else AccessKey(*row)


def list_keys(s: Session, account: str | None = None) -> list[AccessKey]:
    """Return every access key, or those of one account, revoked ones included."""
    rows = s.all(_LIST_KEYS) if account is None else s.all(_LIST_KEYS_OF, account=account)
    return [AccessKey(*row) for row in rows]


def revoke(s: Session, key_id: str, at: Instant) -> bool:
    """End the validity of a key. Return False when there is no such key or it was revoked before.

    The DKIM keys that it has fetched are rotated: whoever keeps the keys finds it by the mark that is set.
    """
    if s.run(_REVOKE, of_id=key_id, revoked_at=at) != 1:
        return False
    s.run(_RECALL, access_key=key_id)
    return True
