"""An identity, and the rules by which looks at it are judged."""

from __future__ import annotations

from indicia.domain.identities.identity import (
    Identity,
    IdentityKind,
    KeyLength,
    MxFailureBehavior,
    TokenSet,
    TokenSetKind,
)
from indicia.domain.proofs.transitions import Windows
from indicia.domain.records.observation import Soa
from indicia.domain.time import DAY, HOUR, MINUTE, SECOND
from indicia.domain.verification.check import Rules
from indicia.domain.verification.quorum import default_quorum
from indicia.domain.verification.schedule import Pace

NOW = 1_800_000_000_000


ZONE = "dkim.mail.example"


TOKENS = ("aaaa", "bbbb", "cccc")


SOA = Soa("example.com", "ns1.example.com", "hostmaster.example.com", 7, 300)


TOKEN_SET = TokenSet(1, TokenSetKind.EASY, TOKENS, ZONE, KeyLength.RSA_2048_BIT, NOW, has_key=True)


IDENTITY = Identity(
    id=1,
    account="000000000000",
    region="us-east-1",
    kind=IdentityKind.DOMAIN,
    name="example.com",
    created_at=NOW,
    version=1,
    generation=1,
    origin="AWS_SES",
    signing_enabled=True,
    next_key_length=KeyLength.RSA_2048_BIT,
    token_set_id=1,
    legacy_token="t" * 44,
    legacy_requested=False,
    mail_from_domain="",
    mail_from_behavior=MxFailureBehavior.USE_DEFAULT_VALUE,
    feedback_forwarding=True,
    configuration_set="",
)


def rules_of(perspectives: int) -> Rules:
    """Return the rules for so many perspectives."""
    return Rules(
        "mail.example",
        default_quorum(perspectives),
        Windows(72 * HOUR, 24 * HOUR, 15 * MINUTE),
        Pace(10 * SECOND, 15 * MINUTE, DAY),
        frozenset({"us-east-1", "eu-west-1"}),
    )
