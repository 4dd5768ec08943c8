"""Templates of custom verification mails, one kind for v1 and v2.

Their content is kept as it was given, and beside it what was left of it when it was made harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from indicia.domain.time import Instant
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.engine.upsert import insert_or_nothing
from indicia.store.identities import tags
from indicia.store.verification_mail import tables

_t = tables.verification_template.c


@dataclass(frozen=True, slots=True)
class Template:
    """A custom verification mail: who sends it, what it says, and where its reader ends up.

    `harmless` is what of the content goes into a mail (`HarmlessHtml.packed`); None where nobody has made it
    yet, of a template from before that was kept.
    """

    name: str
    from_address: str
    subject: str
    content: str
    success_url: str
    failure_url: str
    created_at: Instant
    harmless: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template as a list shows it: without its content, which may be long."""

    name: str
    from_address: str
    subject: str
    success_url: str
    failure_url: str


_HOME = (_t.account == sa.bindparam("account"), _t.region == sa.bindparam("region"))
_BY_NAME = (*_HOME, _t.name == sa.bindparam("name"))
_CREATE = insert_or_nothing(tables.verification_template)
_TEMPLATE = sa.select(
    _t.name,
    _t.from_address,
    _t.subject,
    _t.content,
    _t.success_url,
    _t.failure_url,
    _t.created_at,
    _t.harmless,
).where(*_BY_NAME)
_GET = Prepared(_TEMPLATE)
_LOCKED = Prepared(_TEMPLATE.with_for_update())
_PAGE = Prepared(
    sa.select(_t.name, _t.from_address, _t.subject, _t.success_url, _t.failure_url)
    .where(*_HOME, _t.name > sa.bindparam("after"))
    .order_by(_t.name)
    .limit(sa.bindparam("limit"))
)
_COUNT = Prepared(sa.select(sa.func.count()).select_from(tables.verification_template).where(*_HOME))
_UPDATE = Prepared(
    sa.update(tables.verification_template)
    .where(
        _t.account == sa.bindparam("of_account"),
        _t.region == sa.bindparam("of_region"),
        _t.name == sa.bindparam("of_name"),
    )
    .values(
        from_address=sa.bindparam("from_address"),
        subject=sa.bindparam("subject"),
        content=sa.bindparam("content"),
        success_url=sa.bindparam("success_url"),
        failure_url=sa.bindparam("failure_url"),
        harmless=sa.bindparam("harmless"),
    )
)
_KEEP_HARMLESS = Prepared(
    sa.update(tables.verification_template)
    .where(
        _t.account == sa.bindparam("of_account"),
        _t.region == sa.bindparam("of_region"),
        _t.name == sa.bindparam("of_name"),
        _t.content == sa.bindparam("of_content"),
        _t.harmless.is_(None),
    )
    .values(harmless=sa.bindparam("harmless"))
)
_DELETE = Prepared(sa.delete(tables.verification_template).where(*_BY_NAME))


def create(s: Session, account: str, region: str, template: Template) -> bool:
    """Add a template and return True; return False when the name is taken."""
    return (
        s.run(
            _CREATE,
            account=account,
            region=region,
            name=template.name,
            from_address=template.from_address,
            subject=template.subject,
            content=template.content,
            success_url=template.success_url,
            failure_url=template.failure_url,
            created_at=template.created_at,
            harmless=template.harmless,
        )
        == 1
    )


def get(s: Session, account: str, region: str, name: str, *, to_change: bool = False) -> Template | None:
    """Return the template, None when there is none of that name.

    With `to_change` nobody else changes it before this transaction ends.
    """
    row = s.one(_LOCKED if to_change else _GET, account=account, region=region, name=name)
    return None if row is None else Template(*row)


def count(s: Session, account: str, region: str) -> int:
    """Return how many templates the account has in the region."""
    row = s.one(_COUNT, account=account, region=region)
    return 0 if row is None else int(row[0])


def page(s: Session, account: str, region: str, *, after: str, limit: int) -> list[TemplateRow]:
    """Return the next templates in the order of their names, beginning behind `after`."""
    rows = s.all(_PAGE, account=account, region=region, after=after, limit=limit)
    return [TemplateRow(*row) for row in rows]


def update(s: Session, account: str, region: str, template: Template) -> bool:
    """Store all of the template but its creation. Return whether there is one of that name."""
    return (
        s.run(
            _UPDATE,
            of_account=account,
            of_region=region,
            of_name=template.name,
            from_address=template.from_address,
            subject=template.subject,
            content=template.content,
            success_url=template.success_url,
            failure_url=template.failure_url,
            harmless=template.harmless,
        )
        == 1
    )


def keep_harmless(s: Session, account: str, region: str, template: Template) -> None:
    """Store what was left of the content, unless that is another one by now, or was made harmless before."""
    s.run(
        _KEEP_HARMLESS,
        of_account=account,
        of_region=region,
        of_name=template.name,
        of_content=template.content,
        harmless=template.harmless,
    )


def delete(s: Session, account: str, region: str, name: str) -> bool:
    """Remove the template with its tags. Return whether there was one."""
    tags.remove_all(s, account, region, f"custom-verification-email-template/{name}")
    return s.run(_DELETE, account=account, region=region, name=name) == 1
