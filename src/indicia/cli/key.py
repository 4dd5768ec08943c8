"""`indicia key`: access keys. What runs honours a new one at once, and a revocation within seconds."""

from __future__ import annotations

import json as json_text
import re
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from indicia import operator_entries
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.opened import opened, opened_database
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.cli.output import print_columns, print_json
from indicia.cli.when import shown_instant
from indicia.credentials import AccountCredentials, new_access_key
from indicia.domain.faults import Fault
from indicia.domain.policies.document import without_white_space
from indicia.domain.time import Instant
from indicia.installation import ROOT_ACCOUNT
from indicia.runtime.clock import real_now
from indicia.settings.parsers import parse_account, quoted
from indicia.store.accounts import access, audit
from indicia.store.engine import meta
from indicia.store.engine.session import Session
from indicia.vault import purposes

app = App(name="key", help="Create, list and revoke access keys.")

_USER = re.compile(r"[\w+=,.@-]{1,64}\Z", re.ASCII)  # IAM user names

Account = Annotated[str | None, Parameter(name="--account", help="12 digits. The operator's when not given.")]


@app.command
def create(
    *,
    account: Account = None,
    user: Annotated[str | None, Parameter(help="User of the account. Its root when not given.")] = None,
    policy: Annotated[Path | None, Parameter(help="JSON file that says what the key may do.")] = None,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Create an access key and print it with its secret, which is not shown again."""
    if user is not None and not _USER.match(user):
        raise CommandError(f"--user: {quoted(user)} is not 1 to 64 letters, digits and +=,.@_-", status=USAGE)
    number, document = _account(account), _policy(policy)
    with opened(settings_of(config, place), may_be_first=True) as (database, ring):

        def work(s: Session) -> AccountCredentials:
            key = new_access_key(_known_account(s, number))
            access.create_key(
                s,
                access.AccessKey(
                    id=key.id,
                    account=key.account,
                    user_name=user,
                    secret=ring.seal(key.secret.encode(), purposes.access_key(key.id)),
                    policy=document,
                    created_at=real_now(),
                    revoked_at=None,
                ),
            )
            limited = "with a policy" if document else "without a policy"
            whose = f"user {user}" if user else "root"
            audit.append(
                s, operator_entries.made(key.id, key.account, real_now(), detail=f"{whose}, {limited}")
            )
            return key

        key = database.write(work)
    arn = _arn(key.account, user)
    if json:
        print_json(
            {"access_key_id": key.id, "secret_access_key": key.secret, "account": key.account, "arn": arn}
        )
        return
    print(f"access key id      {key.id}")
    print(f"secret access key  {key.secret}")
    print(f"for                {arn}")


@app.command(name="list")
def list_keys(
    *, account: Account = None, config: Config = None, json: Json = False, place: PlaceFlags = NO_PLACE
) -> None:
    """List access keys, revoked ones included."""
    number = _account(account)
    with opened_database(settings_of(config, place)) as database:
        keys = database.read(lambda s: access.list_keys(s, number))
    if json:
        print_json(
            [
                {
                    "access_key_id": key.id,
                    "account": key.account,
                    "arn": _arn(key.account, key.user_name),
                    "policy": key.policy is not None,
                    "created_at": shown_instant(key.created_at),
                    "revoked_at": None if key.revoked_at is None else shown_instant(key.revoked_at),
                }
                for key in keys
            ]
        )
        return
    print_columns(
        ("ACCESS KEY ID", "FOR", "CREATED", "REVOKED"),
        [
            (
                key.id,
                _arn(key.account, key.user_name),
                shown_instant(key.created_at),
                "" if key.revoked_at is None else shown_instant(key.revoked_at),
            )
            for key in keys
        ],
    )


@app.command
def revoke(
    key_id: Annotated[str, Parameter(name="key-id", help="The access key id.")],
    /,
    *,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Revoke an access key. It is of no use to anyone within five seconds."""
    with opened_database(settings_of(config, place)) as database:
        found = database.read(lambda s: access.get_key(s, key_id))
        if found is None:
            raise CommandError(f"there is no access key {quoted(key_id)}: see `indicia key list`")
        if not database.write(lambda s: _revoke(s, found, real_now())):
            raise CommandError(f"the access key {key_id} was revoked before")
    if json:
        print_json({"access_key_id": key_id, "revoked": True})
    else:
        print(f"{key_id} is revoked")


def _revoke(s: Session, key: access.AccessKey, now: Instant) -> bool:
    """End the validity of a key; return whether that was news."""
    if not access.revoke(s, key.id, now):
        return False
    audit.append(s, operator_entries.revoked(key.id, key.account, now))
    return True


def _arn(account: str, user: str | None) -> str:
    return f"arn:aws:iam::{account}:{'root' if user is None else f'user/{user}'}"


def _account(text: str | None) -> str | None:
    try:
        return None if text is None else parse_account(text)
    except ValueError as refused:
        raise CommandError(f"--account: {refused}", status=USAGE) from refused


def _known_account(s: Session, number: str | None) -> str:
    if number is None:
        number = meta.get(s, ROOT_ACCOUNT)
    if number is None:
        raise CommandError("there is no operator's account yet: name one with --account", status=USAGE)
    if access.get_account(s, number) is None:
        raise CommandError(f"there is no account {number}: make it with `indicia account create {number}`")
    return number


def _policy(path: Path | None) -> str | None:
    """Return the policy document of a file, on as few characters as it takes."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        json_text.loads(text)
    except OSError as error:
        raise CommandError(f"--policy: {path} cannot be read: {error.strerror}", status=USAGE) from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"--policy: {path} is not JSON: {error}", status=USAGE) from error
    from indicia.operations.policies.key_policies import check_key_policy

    document = without_white_space(text)
    try:
        check_key_policy(document)
    except Fault as fault:
        raise CommandError(f"--policy: {path}: {fault.message}", status=USAGE) from fault
    return document
