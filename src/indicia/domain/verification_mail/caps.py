"""How many verification mails go out: to one mailbox, to one domain, for one account.

They go to people who asked for nothing, on the word of whoever has an account. So a mailbox and a domain are
protected from the sum of all accounts. But what all share, one can use up: of these caps an account has a
share, and never more than it leaves to all others. To keep a newcomer from a mailbox it takes half a dozen
accounts that act together, from a domain a dozen; who owns the domain can always verify that instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from indicia.domain.fairness import may_take
from indicia.domain.time import DAY, HOUR, MINUTE, Instant, Span, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CAP_SPAN: Final[Span] = DAY
ACCOUNT_PART: Final = 4  # of a cap that all share an account has one part in so many


class Scope(Enum):
    """Whose mails a cap counts."""

    MAILBOX = "mailbox"
    DOMAIN = "domain"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many verification mails in any `CAP_SPAN`."""

    scope: Scope
    at_most: int

    @property
    def share(self) -> int:
        """How many of them are one account's at most."""
        return self.at_most if self.scope is Scope.ACCOUNT else max(1, self.at_most // ACCOUNT_PART)


@dataclass(frozen=True, slots=True)
class Sent:
    """How many mails went out within `CAP_SPAN`: for all accounts, and for the one that asks."""

    total: int
    own: int


def caps(*, mailbox: int | None, domain: int | None, account: int | None) -> tuple[Cap, ...]:
    """Return the caps on verification mails a day; None is no cap.

    A mailbox is capped whoever asks. So is a domain, over all accounts, so that a catch-all domain cannot be
    flooded by inventing local parts.
    """
    given = ((Scope.MAILBOX, mailbox), (Scope.DOMAIN, domain), (Scope.ACCOUNT, account))
    return tuple(Cap(scope, at_most) for scope, at_most in given if at_most is not None)


def permits(cap: Cap, sent: Sent) -> bool:
    """Say whether one more mail may go out for the account."""
    if cap.scope is Scope.ACCOUNT:  # which nobody shares
        return sent.own < cap.at_most
    return may_take(sent.own, share=cap.share, left=cap.at_most - sent.total)


def exceeded(limits: Iterable[Cap], sent: Mapping[Scope, Sent]) -> Cap | None:
    """Return the first cap that one more mail would break, None when it may be sent."""
    return next((cap for cap in limits if not permits(cap, sent[cap.scope])), None)


def again_at(cap: Cap, sent: Sent, oldest: Iterable[tuple[Instant, bool]]) -> Instant:
    """Return the whole minute in UTC from which the cap permits one more, if nobody else is faster.

    `oldest` are the mails that count, the oldest first: when each was sent, and whether for this account.
    """
    total, own, at = sent.total, sent.own, 0
    for at, mine in oldest:  # noqa: B007 - the last one counts
        total, own = total - 1, own - mine
        if permits(cap, Sent(total, own)):
            break
    # A mail counts to the end of its span.
    return -(-(at + CAP_SPAN + 1) // MINUTE) * MINUTE


def refusal(cap: Cap, sent: Sent, address: str, again: Instant) -> str:
    """Return the sentence for a caller who has met the cap: what was counted, how many, and when again."""
    domain = address.rpartition("@")[2].lower()
    where, advice = {
        Scope.MAILBOX: (" to this mailbox", "Look for the earlier ones, in the spam folder too."),
        Scope.DOMAIN: (f" to addresses at {domain}", f"Or verify the domain {domain} instead."),
        Scope.ACCOUNT: ("", "Or verify domains instead of single addresses."),
    }[cap.scope]
    within = f"within {CAP_SPAN // HOUR} hours"
    if sent.own >= cap.share:
        counted = f"at most {cap.share} are sent{where} for one account {within}"
    elif sent.total >= cap.at_most:
        counted = f"at most {cap.at_most} are sent{where} for all accounts together {within}"
    else:
        counted = (
            f"at most {cap.at_most} are sent{where} for all accounts together {within},"
            " and the last of them are for accounts that had fewer"
        )
    minute = f"{rfc3339(again)[:16]}Z"
    return f"Verification email not sent: {counted}. The next one may be sent from {minute} on. {advice}"
