"""How rows become values of the domain, one function a value. Columns are named once, beside it."""

from __future__ import annotations

from typing import Final

from indicia.domain.identities.identity import (
    ErrorType,
    Facet,
    FacetState,
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    Status,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.records.observation import Soa
from indicia.store.dkim import tables as dkim_tables
from indicia.store.engine.session import Row
from indicia.store.identities import tables as identities_tables
from indicia.store.proofs import tables as proofs_tables

# `Enum(value)` takes four times as long as a dictionary.
KINDS: Final = {member.value: member for member in IdentityKind}
STATUSES: Final = {member.value: member for member in Status}
ERRORS: Final = {member.value: member for member in ErrorType}
FACETS: Final = {member.value: member for member in Facet}
KEY_LENGTHS: Final = {member.value: member for member in KeyLength}
_BEHAVIORS: Final = {member.value: member for member in MxFailureBehavior}
_TOKEN_SET_KINDS: Final = {member.value: member for member in TokenSetKind}

_i = identities_tables.identity.c
IDENTITY: Final = (
    _i.id, _i.account, _i.region, _i.kind, _i.name, _i.created_at, _i.version, _i.generation, _i.origin,
    _i.signing_enabled, _i.next_key_length, _i.token_set_id, _i.legacy_token, _i.legacy_requested,
    _i.mail_from_domain, _i.mail_from_behavior, _i.feedback_forwarding, _i.configuration_set,
)  # fmt: skip


def identity(row: Row) -> Identity:
    """Return the identity whose columns, `IDENTITY`, the row begins with."""
    return Identity(
        row[0], row[1], row[2], KINDS[row[3]], row[4], row[5], row[6], row[7], row[8],
        row[9] == 1, KEY_LENGTHS[row[10]], row[11], row[12], row[13] == 1,
        row[14], _BEHAVIORS[row[15]], row[16] == 1, row[17],
    )  # fmt: skip


def identity_columns(value: Identity) -> dict[str, int | str | None]:
    """Return the row of an identity."""
    return {
        "id": value.id,
        "account": value.account,
        "region": value.region,
        "kind": value.kind.value,
        "name": value.name,
        "created_at": value.created_at,
        "version": value.version,
        "generation": value.generation,
        "origin": value.origin,
        "signing_enabled": int(value.signing_enabled),
        "next_key_length": value.next_key_length.value,
        "token_set_id": value.token_set_id,
        "legacy_token": value.legacy_token,
        "legacy_requested": int(value.legacy_requested),
        "mail_from_domain": value.mail_from_domain,
        "mail_from_behavior": value.mail_from_behavior.value,
        "feedback_forwarding": int(value.feedback_forwarding),
        "configuration_set": value.configuration_set,
    }


_t = dkim_tables.token_set.c
TOKEN_SET: Final = (
    _t.id, _t.kind, _t.zone, _t.token1, _t.token2, _t.token3, _t.key_length, _t.key_made_at, _t.has_key,
    _t.public_key, _t.wanted_length, _t.awaited,
)  # fmt: skip


def token_set(row: Row, at: int) -> TokenSet | None:
    """Return the token set whose columns, `TOKEN_SET`, stand at `at`; None where a join found none."""
    if row[at] is None:
        return None
    second = row[at + 4]
    length = row[at + 6]
    wanted = row[at + 10]
    return TokenSet(
        row[at],
        _TOKEN_SET_KINDS[row[at + 1]],
        (row[at + 3],) if second is None else (row[at + 3], second, row[at + 5]),
        row[at + 2],
        None if length is None else KEY_LENGTHS[length],
        row[at + 7],
        row[at + 8] == 1,
        row[at + 9],
        None if wanted is None else KEY_LENGTHS[wanted],
        row[at + 11] == 1,
    )


_f = proofs_tables.facet_state.c
FACET: Final = (
    _f.facet, _f.status, _f.generation, _f.since, _f.deadline, _f.absent_since, _f.error, _f.held_until,
)  # fmt: skip


def facet_state(row: Row) -> FacetState:
    """Return the state of a facet from its columns, `FACET`."""
    facet, status, generation, since, deadline, absent_since, error, held_until = row
    return FacetState(
        FACETS[facet],
        STATUSES[status],
        generation,
        since,
        deadline,
        absent_since,
        None if error is None else ERRORS[error],
        held_until,
    )


def facet_columns(identity_id: int, value: FacetState) -> dict[str, int | str | None]:
    """Return the row of a facet's state."""
    return {
        "identity_id": identity_id,
        "facet": value.facet.value,
        "status": value.status.value,
        "generation": value.generation,
        "since": value.since,
        "deadline": value.deadline,
        "absent_since": value.absent_since,
        "error": None if value.error is None else value.error.value,
        "carried": None,
        "held_until": value.held_until,
    }


def carried_columns(identity_id: int, token_set_id: int, value: FacetState) -> dict[str, int | str | None]:
    """Return the row of a proof that is carried."""
    return {
        "identity_id": identity_id,
        "token_set_id": token_set_id,
        "status": value.status.value,
        "generation": value.generation,
        "since": value.since,
        "deadline": value.deadline,
        "absent_since": value.absent_since,
        "error": None if value.error is None else value.error.value,
        "held_until": value.held_until,
    }


def soa_columns(value: Soa | None) -> dict[str, int | str | None]:
    """Return the columns of an SOA."""
    return {
        "soa_zone": None if value is None else value.zone,
        "soa_primary": None if value is None else value.primary,
        "soa_admin": None if value is None else value.admin,
        "soa_serial": None if value is None else value.serial,
        "soa_minimum": None if value is None else value.minimum,
    }
