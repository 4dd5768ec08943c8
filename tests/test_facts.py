"""A fact is written once: pages say the numbers that the code has, and the code has no number twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from indicia.app.doctor import local_checks
from indicia.domain.accounts.account import SANDBOX_ACCOUNT
from indicia.domain.call import CLOCK_SKEW
from indicia.domain.dkim.key_record import KEY_ZONE_LABEL
from indicia.domain.installation import presence
from indicia.domain.time import DAY, MINUTE, SECOND
from indicia.settings.table import BY_NAME
from indicia.store.events import tables as events
from indicia.store.verification_mail import tables as verification_mail
from indicia.wire.http import connection, framing, lingering, server

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "indicia"
CHECK_MIN, CHECK_MAX, LISTEN_HTTP = (
    BY_NAME[name].default or "" for name in ("check_min", "check_max", "listen_http")
)

TOLD = [
    ("docs/operate/doctor.md", f"more than {CLOCK_SKEW // MINUTE} min apart fails"),
    ("docs/spec/divergences.md", f"A date more than {CLOCK_SKEW // MINUTE} minutes off"),
    ("docs/operate/doctor.md", f"within the last {presence.SILENT_AFTER // SECOND} s"),
    ("docs/operate/doctor.md", f"below {local_checks.LITTLE_ROOM // local_checks.MIB} MiB is a warning"),
    ("docs/operate/doctor.md", f"below {local_checks.TOO_LITTLE_ROOM // local_checks.MIB} MiB a failure"),
    ("docs/operate/watching.md", f"given up | {verification_mail.LETTERS_KEPT // DAY} days"),
    ("docs/operate/watching.md", f"link it was sent | {verification_mail.MAILINGS_KEPT // DAY} days"),
    ("docs/operate/watching.md", f"delivery to webhooks | {events.EVENTS_KEPT // DAY} days"),
    ("docs/operate/connections.md", f"whole within {connection.HEAD_SECONDS:.0f} seconds"),
    ("docs/operate/connections.md", f"{connection.HEAD_OCTETS // 1024} KiB; trailers"),
    ("docs/operate/connections.md", f"refused beyond {framing.TRAILER_OCTETS // 1024} KiB"),
    ("docs/operate/connections.md", f"not read for {lingering.UNREAD_SECONDS:.0f} seconds"),
    ("docs/operate/connections.md", f"so do {server.KEEP_ALIVE_SECONDS} seconds without a request"),
    (
        "docs/explain/verification.md",
        f"after {CHECK_MIN.removesuffix('s')} seconds, each interval",
    ),
    ("docs/explain/verification.md", f"to every {CHECK_MAX.removesuffix('m')} minutes"),
]


@pytest.mark.parametrize(("page", "words"), TOLD)
def test_a_page_says_the_number_that_the_code_has(page: str, words: str) -> None:
    """Whoever changes a limit and not its page is told."""
    assert words in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("written", "where"),
    [
        (f'"{SANDBOX_ACCOUNT}"', "domain/accounts/account.py"),
        (f'"{KEY_ZONE_LABEL}', "domain/dkim/key_record.py"),
        (f"http://{LISTEN_HTTP.partition(',')[0]}", None),
        ("15 * MINUTE", "domain/call.py"),
    ],
)
def test_the_code_has_it_once(written: str, where: str | None) -> None:
    """What several parts must agree on stands in one of them, and the others ask it."""
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if "shapes" not in path.parts and _holds(path, written)
    }

    assert found - {"mail/notices/notice.py"} == ({where} if where else set())


def _holds(path: Path, written: str) -> bool:
    text = path.read_text(encoding="utf-8")
    return written in text
