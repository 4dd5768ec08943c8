"""What handlers are given beside the call: the rules that decide, the ports to the outside, and hints.

Everything that would be a hidden input is here and is given in: randomness, the public suffix list, the
keyring. Time comes with each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.accounts.account import UNLIMITED, Quota
from indicia.domain.dkim.key_record import RandomBytes, key_zone_of
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import Event
from indicia.domain.proofs.transitions import Windows
from indicia.domain.time import Span
from indicia.operations.hints import Hints
from indicia.operations.verification_mail.verification_mail import VerificationMails
from indicia.settings.replication_peers import Offered
from indicia.store.engine.session import Session
from indicia.vault.keyring import Keyring


@dataclass(frozen=True, slots=True)
class OperationRules:
    """The settings that decide what a call may do and what comes of it: plain values.

    `service_domain` is the operator's own; keys of new identities are published under `dkim.` it. `windows`
    are how long proofs may take, `first_check` is the interval with which checking begins. `instant` says
    that nothing is asked for its proof: whatever is begun is verified at once (INDICIA_VERIFICATION).
    `most_identities` is how many an account may have in a region, None for any number.
    `key_pace` is how long keys take from stage to stage, `regions` those in which a replica's parent can be.
    `production_access` is what an account begins with, and `quota` what one that has it may send.
    `may_reach_private` says that webhooks may lead to private places, some of them at least, where nobody
    needs TLS. `offered` is whose keys another installation may fetch.
    """

    service_domain: str
    windows: Windows
    first_check: Span
    instant: bool = False
    most_identities: int | None = None
    key_pace: KeyPace = field(default_factory=KeyPace)
    regions: frozenset[str] = frozenset()
    production_access: bool = True
    quota: Quota = UNLIMITED
    may_reach_private: bool = False
    offered: frozenset[Offered] = frozenset()

    @property
    def signing_zone(self) -> str:
        """The SigningHostedZone of identities created from now on (contract, HTTP)."""
        return key_zone_of(self.service_domain)


@dataclass(frozen=True, slots=True)
class OperationPorts:
    """What a handler reaches of the outside through: its sources and its sinks.

    `is_public_suffix` says of a domain in lower case whether others register below it; `to_ascii` returns an
    internationalised domain in its ASCII form, None where it has none. `mails` is how addresses are written
    to, `announcer` writes down what changes.
    """

    keyring: Keyring = field(repr=False)
    random: RandomBytes
    is_public_suffix: Callable[[str], bool]
    to_ascii: Callable[[str], str | None]
    mails: VerificationMails
    announcer: EventRecorder = field(default_factory=EventRecorder)


@dataclass(frozen=True, slots=True)
class OperationContext:
    """The three parts that a handler is given. Made once, by whoever puts the service together."""

    rules: OperationRules
    ports: OperationPorts
    hints: Hints

    def tell(self, s: Session, events: Sequence[Event], *, only: str | None = None) -> None:
        """Write the events down with what they tell of; `only` is the one webhook that hears of them."""
        if self.ports.announcer.announce(s, events, only=only):
            self.hints.outbox()
