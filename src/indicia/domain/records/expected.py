"""What should be published for an identity: one pure function, used by everyone who needs to know.

The verifier, the API, the console, the command line and the sandbox all ask `expected_records`; record text
is made nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from indicia.domain.identities.identity import Facet, Identity, IdentityKind, TokenSet, TokenSetKind
from indicia.domain.records.observation import Question, RecordType

# The console of SES proposed 1800 s for the legacy TXT; SES itself asks for no TTL (spec 4.1).
SUGGESTED_TTL = 1800
# Spec 4.1: any preference is accepted, 10 is the suggested value.
SUGGESTED_PREFERENCE = 10


class Purpose(Enum):
    """What a record is for. The first three prove something, DMARC is advice, a key decides over signing."""

    DKIM = "dkim"
    OWNERSHIP = "ownership"
    MAIL_FROM = "mail_from"
    DMARC = "dmarc"
    KEY = "key"  # what the CNAMEs of Easy DKIM lead to: published by us, never by the owner of the domain

    __hash__ = object.__hash__  # as RecordType


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """One record that should be published.

    `name` and `value` have no trailing dot; an MX value carries its preference, a TXT value is unquoted and
    in one piece. `required` says whether a facet's status depends on it. `also` are further names at which
    the same value is accepted, `hosts` further hosts that an MX may name. `questions` are those whose answers
    say whether the record is there; any one of them suffices.
    """

    purpose: Purpose
    name: str
    rtype: RecordType
    value: str
    required: bool
    ttl: int = SUGGESTED_TTL
    also: tuple[str, ...] = ()
    hosts: tuple[str, ...] = field(default=(), repr=False, compare=False)
    questions: tuple[Question, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Form the questions once: a check asks for them several times."""
        questions = (Question(self.name, self.rtype), *[Question(name, self.rtype) for name in self.also])
        object.__setattr__(self, "questions", questions)


def dkim_records(domain: str, token_set: TokenSet) -> tuple[ExpectedRecord, ...]:
    """Return the three CNAMEs of Easy DKIM, or the one TXT of BYODKIM (spec 4.1)."""
    if token_set.kind is TokenSetKind.EXTERNAL:
        selector = token_set.tokens[0]
        return (
            ExpectedRecord(
                Purpose.DKIM,
                f"{selector.lower()}._domainkey.{domain}",
                RecordType.TXT,
                f"p={token_set.public_key}",
                required=True,
            ),
        )
    return tuple(
        ExpectedRecord(
            Purpose.DKIM,
            f"{token}._domainkey.{domain}",
            RecordType.CNAME,
            f"{token}.{token_set.zone}",
            required=True,
        )
        for token in token_set.tokens
    )


def key_record(domain: str, selector: str, public_key: str) -> ExpectedRecord:
    """Return the key as receivers ask for it: at the name of its CNAME (RFC 6376 §3.6.2.1)."""
    name = f"{selector.lower()}._domainkey.{domain}"
    return ExpectedRecord(Purpose.KEY, name, RecordType.TXT, f"p={public_key}", required=False)


def ownership_record(domain: str, token: str) -> ExpectedRecord:
    """Return the legacy TXT. The bare domain is accepted for it too (spec 4.4)."""
    return ExpectedRecord(
        Purpose.OWNERSHIP, f"_amazonses.{domain}", RecordType.TXT, token, required=True, also=(domain,)
    )


_FEEDBACK = "feedback-smtp"


def feedback_host(region: str, service_domain: str) -> str:
    """Return the host that the MX of a custom MAIL FROM domain points to."""
    return f"{_FEEDBACK}.{region}.{service_domain}"


def mx_host(value: str) -> str:
    """Return the host of an MX value, as names are compared (RFC 4343)."""
    return value.rsplit(maxsplit=1)[-1].rstrip(".").lower()


def names_unserved_region(record: ExpectedRecord, value: str) -> bool:
    """Say whether an MX that is not right has the form of a feedback host of this service all the same."""
    _, _, service_domain = mx_host(record.value).split(".", 2)
    host = mx_host(value)
    return host.startswith(f"{_FEEDBACK}.") and host.endswith(f".{service_domain}")


def mail_from_records(
    identity: Identity, service_domain: str, regions: Collection[str] = ()
) -> tuple[ExpectedRecord, ...]:
    """Return the MX that decides the status, and the SPF record that never does (spec 3.5).

    One MX may serve several regions (spec 4.4): the host of any of these is as good as that of its own.
    """
    host = feedback_host(identity.region, service_domain)
    return (
        ExpectedRecord(
            Purpose.MAIL_FROM,
            identity.mail_from_domain,
            RecordType.MX,
            f"{SUGGESTED_PREFERENCE} {host}",
            required=True,
            hosts=tuple(feedback_host(region, service_domain) for region in regions),
        ),
        ExpectedRecord(
            Purpose.MAIL_FROM,
            identity.mail_from_domain,
            RecordType.TXT,
            f"v=spf1 include:{service_domain} ~all",
            required=False,
        ),
    )


def dmarc_record(domain: str) -> ExpectedRecord:
    """Return the weakest useful DMARC record (RFC 7489 §6.3): it asks receivers for nothing."""
    return ExpectedRecord(
        Purpose.DMARC, f"_dmarc.{domain}", RecordType.TXT, "v=DMARC1; p=none;", required=False
    )


def required_records(
    identity: Identity, token_set: TokenSet | None, service_domain: str, regions: Collection[str] = ()
) -> dict[Facet, tuple[ExpectedRecord, ...]]:
    """Return, facet by facet, the records whose presence proves it. `regions` are those that are served."""
    found: dict[Facet, tuple[ExpectedRecord, ...]] = {}
    if identity.kind is IdentityKind.DOMAIN:
        if token_set is not None:
            found[Facet.DKIM] = dkim_records(identity.name, token_set)
        if identity.legacy_requested:
            found[Facet.OWNERSHIP] = (ownership_record(identity.name, identity.legacy_token),)
    if identity.mail_from_domain:
        found[Facet.MAIL_FROM] = mail_from_records(identity, service_domain, regions)[:1]
    return found


def expected_records(
    identity: Identity, token_set: TokenSet | None, service_domain: str, regions: Collection[str] = ()
) -> tuple[ExpectedRecord, ...]:
    """Return every record that should be published for the identity, the required ones first.

    `regions` are those that are served: they matter to whoever judges what was found. An address has no
    record of its own unless it has a custom MAIL FROM domain.
    """
    required = required_records(identity, token_set, service_domain, regions)
    records = [record for group in required.values() for record in group]
    if identity.kind is IdentityKind.DOMAIN:
        records.append(dmarc_record(identity.name))
    if identity.mail_from_domain:
        records.extend(mail_from_records(identity, service_domain)[1:])
    return tuple(records)


def records_to_leave(
    identity: Identity, carried: TokenSet | None, expected: Sequence[ExpectedRecord]
) -> tuple[ExpectedRecord, ...]:
    """Return the records that proved the identity before a change, to stay until the new ones are seen.

    None of them is where an expected one has to be: that takes its place.
    """
    if carried is None:
        return ()
    taken = {(record.name, record.rtype) for record in expected}
    return tuple(
        record for record in dkim_records(identity.name, carried) if (record.name, record.rtype) not in taken
    )
