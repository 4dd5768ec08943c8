"""`indicia account`: the accounts that identities belong to."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from indicia.cli.errors import USAGE, CommandError
from indicia.cli.opened import opened_database
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.cli.output import print_columns, print_json
from indicia.cli.when import shown_instant
from indicia.clock import real_now
from indicia.credentials import new_account
from indicia.installation import ensure_account
from indicia.settings.words import parse_account, parse_mailbox
from indicia.store import access

app = App(name="account", help="Create and list accounts.")


@app.command
def create(
    account: Annotated[str | None, Parameter(help="12 digits; chosen by chance when not given.")] = None,
    *,
    contact: Annotated[str | None, Parameter(help="Address of the people behind the account.")] = None,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Create an account and print its number."""
    try:
        number = parse_account(account) if account is not None else new_account()
        address = parse_mailbox(contact) if contact is not None else ""
    except ValueError as refused:
        raise CommandError(str(refused), status=USAGE) from refused
    tree = settings_of(config, place)
    with opened_database(tree) as database:
        made = database.write(lambda s: ensure_account(s, tree, number, real_now(), contact=address))
    if not made:
        raise CommandError(f"there is an account {number} already")
    if json:
        print_json({"Account": number, "Contact": address})
    else:
        print(number)


@app.command(name="list")
def list_accounts(*, config: Config = None, json: Json = False, place: PlaceFlags = NO_PLACE) -> None:
    """List the accounts."""
    with opened_database(settings_of(config, place)) as database:
        accounts = database.read(access.list_accounts)
    if json:
        print_json(
            [
                {
                    "Account": account.id,
                    "Contact": account.contact,
                    "CreatedAt": shown_instant(account.created_at),
                    "ProductionAccess": account.production_access,
                    "SendingEnabled": account.sending_enabled,
                }
                for account in accounts
            ]
        )
        return
    print_columns(
        ("ACCOUNT", "CREATED", "CONTACT"),
        [(account.id, shown_instant(account.created_at), account.contact) for account in accounts],
    )
