"""What only a sandbox asks of the store: what a moved clock passes, who is concerned, and to begin again."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from indicia.domain.identities.identity import Facet, Status
from indicia.domain.time import Instant, Span
from indicia.store.diagnosis import tables as diagnosis_tables
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine.prepared import Prepared
from indicia.store.engine.session import Session
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables as proofs_tables
from indicia.store.subjects import EMPTIED
from indicia.store.verification import checks
from indicia.store.verification import tables as verification_tables

_i, _v, _f = identities_tables.identity.c, verification_tables.verification.c, proofs_tables.facet_state.c

# An address is concerned by what becomes of its custom MAIL FROM domain.
_NAMED = sa.or_(
    *(column.like(sa.bindparam("pattern"), escape="\\") for column in (_i.name, _i.mail_from_domain)),
)
_CONCERNED = Prepared(
    sa.update(verification_tables.verification)
    .where(_v.due_at > sa.bindparam("at"), _v.identity_id.in_(sa.select(_i.id).where(_NAMED)))
    .values(**checks.BROUGHT_FORWARD)
)
_ADVICE_CONCERNED = Prepared(
    sa.update(diagnosis_tables.advice)
    .where(
        diagnosis_tables.advice.c.due_at > sa.bindparam("now"),
        diagnosis_tables.advice.c.identity_id.in_(sa.select(_i.id).where(_NAMED)),
    )
    .values(due_at=sa.bindparam("now"))
)
_now, _until = sa.bindparam("now", type_=sa.BigInteger), sa.bindparam("until", type_=sa.BigInteger)
_DEADLINE = Prepared(sa.select(sa.func.min(_f.deadline)).where(_f.deadline > _now, _f.deadline <= _until))
_CORROBORATED = Prepared(
    sa.select(sa.func.min(_f.absent_since)).where(
        _f.absent_since > _now - sa.bindparam("apart", type_=sa.BigInteger),
        _f.absent_since <= _until - sa.bindparam("apart", type_=sa.BigInteger),
        _f.status == "SUCCESS",
    )
)


_t, _k = dkim_tables.token_set.c, dkim_tables.published_key.c
_STEP = Prepared(sa.select(sa.func.min(_t.due_at)).where(_t.due_at > _now, _t.due_at <= _until))
# During a rotation, and once a domain is verified, the next look decides when the new key may sign.
_KEY_LOOKED_FOR = Prepared(
    sa.select(sa.func.min(_v.due_at))
    .select_from(
        verification_tables.verification.join(identities_tables.identity, _i.id == _v.identity_id).join(
            dkim_tables.token_set, _t.id == _i.token_set_id
        )
    )
    .where(
        _v.due_at > _now,
        _v.due_at <= _until,
        _t.awaited == 1,
        sa.or_(
            sa.exists().where(_k.token_set_id == _t.id, _k.signing_at.is_not(None), _k.retired_at.is_(None)),
            sa.exists().where(
                _f.identity_id == _i.id, _f.facet == Facet.DKIM.value, _f.status == Status.SUCCESS.value
            ),
        ),
    )
)


def make_due(s: Session, names: Sequence[str], below: Sequence[str], now: Instant) -> int:
    """Make the identities due that have one of these names, or any name below those of `below`.

    In every account and region; return how many were not due. What is recommended to their owners is looked
    into as well. Whoever is being looked at meanwhile is looked at once more: that look may have seen what
    was there before.
    """
    patterns = [*map(_literal, names), *(f"%.{_literal(domain)}" for domain in below)]
    for pattern in patterns:
        s.run(_ADVICE_CONCERNED, pattern=pattern, now=now)
    return sum(s.run(_CONCERNED, pattern=pattern, at=now) for pattern in patterns)


def _literal(text: str) -> str:
    """Return the pattern of LIKE that matches this text alone."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def next_turn(s: Session, now: Instant, until: Instant, apart: Span) -> Instant | None:
    """Return the first instant after `now`, `until` at the latest, at which a status or a key could change.

    That is the end of a window, the moment at which an absence would be corroborated by a second look, a step
    in the life of a key, or a look that it waits for.
    """
    deadline = s.one(_DEADLINE, now=now, until=until)
    absent = s.one(_CORROBORATED, now=now, until=until, apart=apart)
    step = s.one(_STEP, now=now, until=until)
    looked_for = s.one(_KEY_LOOKED_FOR, now=now, until=until)
    found = ((deadline, 0), (absent, apart), (step, 0), (looked_for, 0))
    turns = [row[0] + added for row, added in found if row and row[0] is not None]
    return min(turns, default=None)


_EMPTIED = tuple(Prepared(sa.delete(table)) for table in EMPTIED)


def reset(s: Session) -> None:
    """Forget every identity and everything that belongs to one.

    Access keys, accounts, zones, pooled keys and the audit log outlive it.
    """
    for statement in _EMPTIED:
        s.run(statement)
