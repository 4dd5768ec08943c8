"""How much an account may ask for: three profiles, and single values that replace theirs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from indicia.settings.parsers import listed, parse_number, quoted


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The limits of one account in one region. None is no limit."""

    profile: str
    requests_per_second: int | None = None  # of all operations together
    requests_burst: int | None = None
    operation_requests_per_second: int | None = None  # of each operation that SES documents a rate for
    operation_requests_burst: int | None = None
    identities: int | None = None
    # Verification mails in a day, whoever asked for them; one account has a share of these two
    # (domain.mail_caps): so that it is never the share which binds it first, four times that are allowed.
    mails_per_mailbox: int | None = None
    mails_per_domain: int | None = None  # to all mailboxes of a domain
    mails_per_account: int | None = None  # asked for by one account
    checks_per_minute: int | None = None  # checks and diagnoses asked for by hand


PROFILES: dict[str, AccountLimits] = {
    "standard": AccountLimits(
        profile="standard",
        requests_per_second=50,
        requests_burst=100,
        identities=1_000_000,
        mails_per_mailbox=20,
        mails_per_domain=4_000,
        mails_per_account=1_000,
        checks_per_minute=60,
    ),
    # Amazon SES developer guide, service quotas: one request a second, 10,000 identities a region.
    "ses": AccountLimits(
        profile="ses",
        operation_requests_per_second=1,
        operation_requests_burst=10,
        identities=10_000,
        mails_per_mailbox=20,
        mails_per_domain=4_000,
        mails_per_account=1_000,
        checks_per_minute=60,
    ),
    "off": AccountLimits(profile="off"),
}

SINGLE: tuple[str, ...] = tuple(field.name for field in fields(AccountLimits) if field.name != "profile")


def parse_limit(text: str) -> int | None:
    """Return a single limit; `off` is none."""
    if text == "off":
        return None
    try:
        return parse_number(text)
    except ValueError as refused:
        raise ValueError(f"{refused}, nor `off`") from None


def shown_limit(limit: int | None) -> str:
    """Return a single limit as it is written."""
    return "off" if limit is None else str(limit)


def parse_profile(text: str) -> AccountLimits:
    """Return the limits of a profile."""
    if text not in PROFILES:
        raise ValueError(f"{quoted(text)} is none of {listed(PROFILES)}")
    return PROFILES[text]


def limits(profile: AccountLimits, **single: int | None) -> AccountLimits:
    """Return the profile with single values replaced."""
    return replace(profile, **single)  # type: ignore[arg-type]  # the names are those of `SINGLE`, all numbers
