"""An identity: what an account may put in From, what people set on it, and what the verifier found.

Two writers, two values. `Identity` is what people set, with a version number; `FacetState` is what the
verifier found about one facet, fenced by the expectation's generation. Nothing is both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from indicia.domain.time import Instant


class IdentityKind(Enum):
    """SES v2 `IdentityType`. MANAGED_DOMAIN is declared unsupported by the vendor and never exists here."""

    DOMAIN = "DOMAIN"
    EMAIL_ADDRESS = "EMAIL_ADDRESS"


class Status(Enum):
    """SES v2 spelling of a verification status; v1 spells the same states in camel case."""

    NOT_STARTED = "NOT_STARTED"
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    TEMPORARY_FAILURE = "TEMPORARY_FAILURE"
    FAILED = "FAILED"

    __hash__ = object.__hash__  # as RecordType


class ErrorType(Enum):
    """SES v2 `VerificationInfo.ErrorType`. For people: it never decides a state."""

    INVALID_VALUE = "INVALID_VALUE"
    TYPE_NOT_FOUND = "TYPE_NOT_FOUND"
    HOST_NOT_FOUND = "HOST_NOT_FOUND"
    DNS_SERVER_ERROR = "DNS_SERVER_ERROR"
    SERVICE_ERROR = "SERVICE_ERROR"
    REPLICATION_ACCESS_DENIED = "REPLICATION_ACCESS_DENIED"
    REPLICATION_PRIMARY_NOT_FOUND = "REPLICATION_PRIMARY_NOT_FOUND"
    REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED = "REPLICATION_PRIMARY_BYO_DKIM_NOT_SUPPORTED"
    REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED = "REPLICATION_REPLICA_AS_PRIMARY_NOT_SUPPORTED"
    REPLICATION_PRIMARY_INVALID_REGION = "REPLICATION_PRIMARY_INVALID_REGION"


class Facet(Enum):
    """An independently tracked proof (spec, glossary). The value is what is stored and shown."""

    LINK = "link"  # an address: the link in the mail was used
    OWNERSHIP = "ownership"  # a domain: the legacy `_amazonses` TXT record
    DKIM = "dkim"  # a domain: three CNAMEs, or the BYODKIM TXT record
    MAIL_FROM = "mail_from"  # the MX of the custom MAIL FROM domain
    REPLICATION = "replication"  # a replica: its parent's tokens and keys were found and are shared
    # A domain: the records that proved it before its owner changed the method or the key. They prove it for
    # as long as they are there, and no new ones are.
    CARRIED_DKIM = "carried_dkim"

    __hash__ = object.__hash__  # as RecordType


class KeyLength(Enum):
    """RSA modulus lengths that Easy DKIM offers (SES v2 `DkimSigningKeyLength`)."""

    RSA_1024_BIT = "RSA_1024_BIT"
    RSA_2048_BIT = "RSA_2048_BIT"

    @property
    def bits(self) -> int:
        """The modulus length in bits."""
        return 1024 if self is KeyLength.RSA_1024_BIT else 2048


class MxFailureBehavior(Enum):
    """What sending does while MAIL FROM is not SUCCESS (SES v2 `BehaviorOnMxFailure`)."""

    USE_DEFAULT_VALUE = "USE_DEFAULT_VALUE"
    REJECT_MESSAGE = "REJECT_MESSAGE"


class TokenSetKind(Enum):
    """Who made the keys of a token set."""

    EASY = "AWS_SES"  # Easy DKIM: three tokens, keys are ours
    EXTERNAL = "EXTERNAL"  # BYODKIM: one selector, the key was uploaded


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The selectors an identity is published under, and the zone that holds their keys.

    `tokens` are three Easy DKIM tokens, or the one BYODKIM selector. `zone` is the SigningHostedZone pinned
    when the set was made; empty for BYODKIM. `key_length` and `key_made_at` are those of the key in use, or,
    while the set has no key yet, the chosen length and the set's creation; `has_key` tells the two apart.
    `public_key` is the base64 SubjectPublicKeyInfo of the key in use, empty while there is none.
    `wanted_length` is that of the key made next, None for BYODKIM. `awaited` says that some key of the set is
    not seen by the quorum, or was not last time, so that its CNAME is not all there is to look at.
    """

    id: int
    kind: TokenSetKind
    tokens: tuple[str, ...]
    zone: str
    key_length: KeyLength | None
    key_made_at: Instant
    has_key: bool
    public_key: str = ""
    wanted_length: KeyLength | None = None
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What people set.

    `version` grows with every change made by a caller, `generation` with every change of what should be
    published: evidence gathered for an older generation is dropped.
    `origin` is the wire value of SigningAttributesOrigin: `AWS_SES`, `EXTERNAL`, or `AWS_SES_<REGION>` on a
    replica. `legacy_token` is the value of the `_amazonses` TXT record; every domain identity has one from
    its creation, and `legacy_requested` says whether anybody asked for it to be searched.
    """

    id: int
    account: str
    region: str
    kind: IdentityKind
    name: str
    created_at: Instant
    version: int
    generation: int
    origin: str
    signing_enabled: bool
    next_key_length: KeyLength
    token_set_id: int | None
    legacy_token: str
    legacy_requested: bool
    mail_from_domain: str
    mail_from_behavior: MxFailureBehavior
    feedback_forwarding: bool
    configuration_set: str


@dataclass(frozen=True, slots=True)
class FacetState:
    """What the verifier found about one facet.

    `since` is when the status was entered; `deadline` when its window ends (None where no window runs);
    `absent_since` the first absence of the present run of absences (None while the last conclusive sight was
    of the right record). `generation` is that of the expectation the state is found for: each facet has its
    own, so that what is found of one lands whatever its owner changes about another. `held_until` is until
    when the brake on mass demotion keeps the status in the present run of absences, None where it never did
    (`domain.verification.brake`).
    """

    facet: Facet
    status: Status
    generation: int
    since: Instant
    deadline: Instant | None = None
    absent_since: Instant | None = None
    error: ErrorType | None = None
    held_until: Instant | None = None


@dataclass(frozen=True, slots=True)
class CarriedProof:
    """What proved a domain before its owner changed what should be published, and under what it was.

    Changing the method does not revoke an identity that is verified (spec 3.4). `state`, of the facet
    CARRIED_DKIM, is what DKIM's was, with the absence it remembers and the deadline it has.
    """

    state: FacetState
    token_set: TokenSet
