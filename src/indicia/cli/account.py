"""`indicia account`: the accounts that identities belong to, and who of them may write to anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from cyclopts import App, Parameter

from indicia import operator_entries
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.opened import opened_database
from indicia.cli.options import NO_PLACE, Config, Json, PlaceFlags, settings_of
from indicia.cli.output import print_columns, print_json
from indicia.cli.when import shown_instant
from indicia.credentials import new_account
from indicia.domain.accounts.account import ReviewStatus
from indicia.domain.time import Instant
from indicia.installation import ensure_account
from indicia.runtime.clock import real_now
from indicia.settings import Settings
from indicia.settings.parsers import parse_account, parse_mailbox
from indicia.store.accounts import access, account_regions, audit
from indicia.store.accounts.account_regions import AccountRegion, Review
from indicia.store.engine.session import Session

app = App(name="account", help="Create and list accounts; decide who may write to anybody.")

Region = Annotated[str | None, Parameter(help="Only there; every region that waits when not given.")]


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
    with opened_database(tree, may_be_first=True) as database:
        made = database.write(lambda s: ensure_account(s, tree, number, real_now(), contact=address))
    if not made:
        raise CommandError(f"there is an account {number} already")
    if json:
        print_json({"account": number, "contact": address})
    else:
        print(number)


@app.command
def approve(
    account: Annotated[str, Parameter(help="12 digits.")],
    *,
    region: Region = None,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Give an account production access: it may write to anybody, not to verified recipients alone.

    Answers what the account asked for with PutAccountDetails. With --region it need not have asked.
    """
    _decide(account, region, ReviewStatus.GRANTED, settings_of(config, place), json=json)


@app.command
def deny(
    account: Annotated[str, Parameter(help="12 digits.")],
    *,
    region: Region = None,
    config: Config = None,
    json: Json = False,
    place: PlaceFlags = NO_PLACE,
) -> None:
    """Deny an account production access, or take it away again.

    Answers what the account asked for with PutAccountDetails. With --region it need not have asked.
    """
    _decide(account, region, ReviewStatus.DENIED, settings_of(config, place), json=json)


def _decide(account: str, region: str | None, status: ReviewStatus, tree: Settings, *, json: bool) -> None:
    try:
        number = parse_account(account)
    except ValueError as refused:
        raise CommandError(str(refused), status=USAGE) from refused
    if region is not None and region not in tree.regions:
        raise CommandError(f"{region} is not a region served here: {', '.join(tree.regions)}", status=USAGE)
    with opened_database(tree) as database:
        decided = database.write(lambda s: _decided(s, number, region, status, real_now()))
    if decided is None:
        raise CommandError(f"there is no account {number}")
    if not decided:
        raise CommandError(f"account {number} has asked for nothing; name a region to decide all the same")
    if json:
        print_json({"account": number, "regions": decided, "status": status.value})
        return
    for each in decided:
        print(f"{number} {each} {status.value}")


def _decided(
    s: Session, account: str, region: str | None, status: ReviewStatus, now: Instant
) -> list[str] | None:
    """Store the decision and return for which regions; None when there is no such account."""
    if access.get_account(s, account) is None:
        return None
    waiting = [each.region for each in account_regions.under_review(s) if each.account == account]
    regions = waiting if region is None else [region]
    for each in regions:
        stored = account_regions.hold(s, account, each)
        review = Review(status, stored.review.case, now) if stored.review else None
        granted = status is ReviewStatus.GRANTED
        account_regions.put(s, replace(stored, production_access=granted, review=review))
        operation = "ApproveProductionAccess" if granted else "DenyProductionAccess"
        audit.append(s, operator_entries.entry(operation, now, account=account, detail=each))
    return regions


@app.command(name="list")
def list_accounts(*, config: Config = None, json: Json = False, place: PlaceFlags = NO_PLACE) -> None:
    """List the accounts, and what waits for a decision (`indicia account approve|deny`)."""
    with opened_database(settings_of(config, place)) as database:
        accounts = database.read(access.list_accounts)
        reviews = database.read(account_regions.under_review)
    if json:
        print_json(
            [
                {
                    "account": account.id,
                    "contact": account.contact,
                    "created_at": shown_instant(account.created_at),
                    "production_access": account.production_access,
                    "sending_enabled": account.sending_enabled,
                    "under_review": _waiting(account.id, reviews),
                }
                for account in accounts
            ]
        )
        return
    print_columns(
        ("ACCOUNT", "CREATED", "CONTACT", "UNDER REVIEW"),
        [
            (
                account.id,
                shown_instant(account.created_at),
                account.contact,
                " ".join(_waiting(account.id, reviews)),
            )
            for account in accounts
        ],
    )


def _waiting(account: str, reviews: list[AccountRegion]) -> list[str]:
    return [each.region for each in reviews if each.account == account]
