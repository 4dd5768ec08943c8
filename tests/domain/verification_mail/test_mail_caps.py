"""Verification mails are capped, and what all accounts share none of them uses up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicia.domain.time import HOUR, MINUTE, Instant
from indicia.domain.verification_mail.caps import (
    CAP_SPAN,
    Cap,
    Scope,
    Sent,
    again_at,
    caps,
    exceeded,
    permits,
    refusal,
)
from indicia.settings.limits import PROFILES

NOW: Instant = 1_795_000_000_000
SHARED = [Scope.MAILBOX, Scope.DOMAIN]


def sent_by(accounts: str, own: str) -> Sent:
    """What was sent, a letter for each mail of an account, as one account sees it."""
    return Sent(len(accounts), accounts.count(own))


def greedy(cap: Cap, accounts: int, taken: str = "") -> str:
    """Let so many accounts send all they can, one after the other."""
    for number in range(accounts):
        name = chr(ord("a") + number)
        while permits(cap, sent_by(taken, name)):
            taken += name
    return taken


@given(st.sampled_from(SHARED), st.integers(1, 200), st.text("abcdefgh", max_size=400))
def test_the_sum_and_the_shares_hold(scope: Scope, at_most: int, wishes: str) -> None:
    """Whoever asks in whatever order: all together have the cap at most, each a quarter, and one at least."""
    cap, taken = Cap(scope, at_most), ""
    for account in wishes:
        if permits(cap, sent_by(taken, account)):
            taken += account
        else:
            assert account in taken or len(taken) == at_most
    assert len(taken) <= at_most
    assert max(Counter(taken).values(), default=0) <= max(1, at_most // 4)


@pytest.mark.parametrize("scope", SHARED)
@pytest.mark.parametrize("profile", ["standard", "ses"])
def test_no_account_locks_another_out(profile: str, scope: Scope) -> None:
    """One that sends all it can leaves three quarters; to leave nothing it takes half a dozen together."""
    limits = PROFILES[profile]
    found = caps(mailbox=limits.mails_per_mailbox, domain=limits.mails_per_domain, account=None)
    cap = next(each for each in found if each.scope is scope)
    alone = greedy(cap, 1)

    assert len(alone) == cap.at_most // 4
    assert len(greedy(cap, 2, alone.replace("a", "z"))) == len(alone) * 3
    assert permits(cap, sent_by(greedy(cap, 5), "new"))


@pytest.mark.parametrize("profile", ["standard", "ses"])
def test_a_share_does_not_bind_before_the_account(profile: str) -> None:
    """An account that writes to one domain alone has as many mails as it has in all."""
    limits = PROFILES[profile]
    assert limits.mails_per_domain is not None
    assert Cap(Scope.DOMAIN, limits.mails_per_domain).share == limits.mails_per_account


def test_a_cap_is_met_by_the_mail_that_would_break_it() -> None:
    """The fifth of an account goes out and the sixth does not; nor one more than all may have."""
    limits = caps(mailbox=20, domain=400, account=None)
    sent = {Scope.MAILBOX: Sent(4, 4), Scope.DOMAIN: Sent(99, 99), Scope.ACCOUNT: Sent(10_000, 10_000)}

    assert exceeded(limits, sent) is None
    assert exceeded(limits, sent | {Scope.MAILBOX: Sent(5, 5)}) == Cap(Scope.MAILBOX, 20)
    assert exceeded(limits, sent | {Scope.MAILBOX: Sent(20, 0)}) == Cap(Scope.MAILBOX, 20)
    assert exceeded(limits, sent | {Scope.DOMAIN: Sent(100, 100)}) == Cap(Scope.DOMAIN, 400)
    assert exceeded((), sent | {Scope.MAILBOX: Sent(10**9, 10**9)}) is None
    assert exceeded(caps(mailbox=None, domain=None, account=7), sent | {Scope.ACCOUNT: Sent(6, 6)}) is None
    assert caps(mailbox=None, domain=None, account=None) == ()


@given(
    st.sampled_from(list(Scope)),
    st.integers(1, 24),
    st.lists(st.tuples(st.integers(0, CAP_SPAN), st.booleans()), min_size=1, max_size=40),
)
def test_when_again_is_when_it_is_permitted(scope: Scope, at_most: int, ages: list[tuple[int, bool]]) -> None:
    """At the minute that is named one more may go out, and not a minute and a half before."""
    cap = Cap(scope, at_most)
    mails = sorted((NOW - age, mine or scope is Scope.ACCOUNT) for age, mine in ages)

    def sent(now: Instant) -> Sent:
        counting = [mine for at, mine in mails if at >= now - CAP_SPAN]
        return Sent(len(counting), sum(counting))

    if permits(cap, sent(NOW)):
        return
    again = again_at(cap, sent(NOW), mails)
    assert again % MINUTE == 0
    assert permits(cap, sent(again))
    assert not permits(cap, sent(again - MINUTE - MINUTE // 2)) or again - 2 * MINUTE <= NOW


@pytest.mark.parametrize(
    ("scope", "sent", "counted", "way_on"),
    [
        (
            *(Scope.MAILBOX, Sent(7, 5), "at most 5 are sent to this mailbox for one account"),
            "Look for the earlier ones, in the spam folder too.",
        ),
        (
            *(Scope.MAILBOX, Sent(20, 4), "at most 20 are sent to this mailbox for all accounts together"),
            "Look for the earlier ones, in the spam folder too.",
        ),
        (
            *(Scope.DOMAIN, Sent(20, 0), "at most 20 are sent to addresses at example.com for all accounts"),
            "Or verify the domain example.com instead.",
        ),
        (
            *(Scope.ACCOUNT, Sent(20, 20), "at most 20 are sent for one account within 24 hours."),
            "Or verify domains instead of single addresses.",
        ),
    ],
)
def test_a_refusal_says_what_was_counted_and_when_again(
    scope: Scope, sent: Sent, counted: str, way_on: str
) -> None:
    """It tells which cap was met, whose mails it counts, in which time, when again, and a way on."""
    sentence = refusal(Cap(scope, 20), sent, "a@Example.com", NOW + HOUR)

    assert sentence.startswith(f"Verification email not sent: {counted}")
    assert " within 24 hours" in sentence
    assert sentence.endswith(f" The next one may be sent from 2026-11-18T12:06Z on. {way_on}")


def test_a_refusal_of_the_last_ones_says_for_whom_they_are() -> None:
    """An account that has some may not have the last, and reads why."""
    sentence = refusal(Cap(Scope.MAILBOX, 20), Sent(17, 3), "a@example.com", NOW)

    assert "and the last of them are for accounts that had fewer." in sentence
