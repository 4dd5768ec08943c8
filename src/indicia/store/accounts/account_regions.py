"""What an account has in one region: its switch for sending, its details, and the review of them.

Production access and sending belong to a region, as the vendor has it (spec 1, Sandbox). A region without a
row is as the account is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.accounts.account import ReviewStatus
from indicia.domain.time import Instant
from indicia.store.accounts import tables
from indicia.store.engine.prepared import Cell, Prepared
from indicia.store.engine.session import Row, Session
from indicia.store.engine.upsert import insert_or_nothing, insert_or_replace

_r = tables.account_region.c
_STATUSES = {member.value: member for member in ReviewStatus}


@dataclass(frozen=True, slots=True)
class Review:
    """A request for production access. `at` is when it was made, or when it was decided."""

    status: ReviewStatus
    case: str
    at: Instant


@dataclass(frozen=True, slots=True)
class AccountRegion:
    """An account in a region.

    `production_access` is None where it is the account's. `details` is JSON as the operations wrote it, None
    where nobody gave any; it names people, so it is never shown in a log.
    """

    account: str
    region: str
    sending_enabled: bool = True
    production_access: bool | None = None
    details: str | None = field(default=None, repr=False)
    review: Review | None = None


_COLUMNS = (
    _r.account, _r.region, _r.sending_enabled, _r.production_access, _r.details, _r.review, _r.review_case,
    _r.reviewed_at,
)  # fmt: skip
_PUT = insert_or_replace(tables.account_region)
_BEGIN = insert_or_nothing(tables.account_region)
_GET = Prepared(
    sa.select(*_COLUMNS).where(_r.account == sa.bindparam("account"), _r.region == sa.bindparam("region"))
)
_LOCKED = Prepared(
    sa.select(*_COLUMNS)
    .where(_r.account == sa.bindparam("account"), _r.region == sa.bindparam("region"))
    .with_for_update()
)
_REVIEWS = Prepared(
    sa.select(*_COLUMNS).where(_r.review == sa.bindparam("review")).order_by(_r.account, _r.region)
)


def _account_region(row: Row) -> AccountRegion:
    account, region, sending, production, details, status, case, at = row
    return AccountRegion(
        account=account,
        region=region,
        sending_enabled=sending == 1,
        production_access=None if production is None else production == 1,
        details=details,
        review=None if status is None else Review(_STATUSES[status], case, at),
    )


def get(s: Session, account: str, region: str) -> AccountRegion:
    """Return the account in the region, as it begins where nothing is stored."""
    row = s.one(_GET, account=account, region=region)
    return AccountRegion(account, region) if row is None else _account_region(row)


def hold(s: Session, account: str, region: str) -> AccountRegion:
    """Return the account in the region, which nobody else changes before this transaction ends."""
    # A row that is not there cannot be locked.
    s.run(_BEGIN, **_row(AccountRegion(account, region)))
    row = s.one(_LOCKED, account=account, region=region)
    assert row is not None
    return _account_region(row)


def put(s: Session, value: AccountRegion) -> None:
    """Store the account in the region."""
    s.run(_PUT, **_row(value))


def _row(value: AccountRegion) -> dict[str, Cell]:
    review = value.review
    return {
        "account": value.account,
        "region": value.region,
        "sending_enabled": int(value.sending_enabled),
        "production_access": None if value.production_access is None else int(value.production_access),
        "details": value.details,
        "review": None if review is None else review.status.value,
        "review_case": None if review is None else review.case,
        "reviewed_at": None if review is None else review.at,
    }


def under_review(s: Session) -> list[AccountRegion]:
    """Return every account and region that waits for the operator's decision."""
    return [_account_region(row) for row in s.all(_REVIEWS, review=ReviewStatus.PENDING.value)]
