"""What handlers need of the house around them: the settings that touch them, and its few sources and sinks.

Everything that would be a hidden input is here and is given in: randomness, the public suffix list, the
keyring. Time comes with each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from indicia.announcements.event_recorder import EventRecorder
from indicia.domain.accounts.account import UNLIMITED, Quota
from indicia.domain.dkim.key_record import RandomBytes, key_zone_of
from indicia.domain.dkim.rotation import KeyPace
from indicia.domain.events.identity_events import Event
from indicia.domain.proofs.transitions import Windows
from indicia.domain.time import Span
from indicia.operations.verification_mail.verification_mail import VerificationMails
from indicia.settings.replication_peers import Offered
from indicia.store.engine.session import Session
from indicia.vault.keyring import Keyring


class Wakes(Protocol):
    """Who may be told that there is something new to do. Each is a hint: whoever misses it looks by itself.

    During a writing call these are remembered, and passed on only when what was written is durable.
    """

    def engine(self) -> None:
        """An identity became due."""

    def outbox(self) -> None:
        """A mail or an event waits to be delivered."""

    def pool(self) -> None:
        """A key was taken from the pool."""


@dataclass(frozen=True, slots=True)
class OperationContext:
    """The parts that handlers use. Made once, by whoever puts the service together.

    `service_domain` is the operator's own; keys of new identities are published under `dkim.` it. `windows`
    are how long proofs may take, `first_check` is the interval with which checking begins. `is_public_suffix`
    says of a domain in lower case whether others register below it; `to_ascii` returns an internationalised
    domain in its ASCII form, None where it has none. `mails` is how addresses are written to. `instant` says
    that nothing is asked for its proof: whatever is begun is verified at once (INDICIA_VERIFICATION).
    `most_identities` is how many an account may have in a region, None for any number.
    `key_pace` is how long keys take from stage to stage, `regions` those in which a replica's parent can be.
    `production_access` is what an account begins with, and `quota` what one that has it may send. `announcer`
    writes down what changes. `may_reach_private` says that webhooks may lead to private places, some of them
    at least, where nobody needs TLS. `offered` is whose keys another installation may fetch.
    """

    service_domain: str
    windows: Windows
    first_check: Span
    keyring: Keyring = field(repr=False)
    is_public_suffix: Callable[[str], bool]
    to_ascii: Callable[[str], str | None]
    random: RandomBytes
    mails: VerificationMails
    wakes: Wakes
    instant: bool = False
    most_identities: int | None = None
    key_pace: KeyPace = field(default_factory=KeyPace)
    regions: frozenset[str] = frozenset()
    production_access: bool = True
    quota: Quota = UNLIMITED
    announcer: EventRecorder = field(default_factory=EventRecorder)
    may_reach_private: bool = False
    offered: frozenset[Offered] = frozenset()

    @property
    def signing_zone(self) -> str:
        """The SigningHostedZone of identities created from now on (contract, HTTP)."""
        return key_zone_of(self.service_domain)

    def tell(self, s: Session, events: Sequence[Event], *, only: str | None = None) -> None:
        """Write the events down with what they tell of; `only` is the one webhook that hears of them."""
        if self.announcer.announce(s, events, only=only):
            self.wakes.outbox()


class RememberedWakes:
    """The wakes of one writing call, until it is known whether it succeeded."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted: set[str] = set()

    def engine(self) -> None:
        """Remember that an identity became due."""
        self._wanted.add("engine")

    def outbox(self) -> None:
        """Remember that a mail waits."""
        self._wanted.add("outbox")

    def pool(self) -> None:
        """Remember that a key was taken."""
        self._wanted.add("pool")

    def pass_on(self, wakes: Wakes) -> None:
        """Tell everyone who was to be told, each once."""
        if "engine" in self._wanted:
            wakes.engine()
        if "outbox" in self._wanted:
            wakes.outbox()
        if "pool" in self._wanted:
            wakes.pool()
