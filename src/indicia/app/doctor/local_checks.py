"""What an installation has on its own machine: settings, database, keyring, the running service, the clock.

Each is looked at without being made, mended or brought up to date on the way.
"""

from __future__ import annotations

import ctypes
import email.utils
import http.client
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from indicia.app.controlling import passed_before
from indicia.app.processes import heartbeat
from indicia.domain.call import CLOCK_SKEW
from indicia.domain.faults import Fault
from indicia.domain.installation.presence import of_roles
from indicia.domain.installation.soundness import Check, State
from indicia.domain.time import MINUTE, SECOND, Span
from indicia.installation import FINGERPRINT, exposures
from indicia.outbound.request import HttpRequest
from indicia.runtime.clock import real_now
from indicia.runtime.ready import Ready
from indicia.settings import Settings, refusals, warnings
from indicia.store.engine import meta, schema
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import POSTGRESQL
from indicia.store.engine.schema import Schema
from indicia.store.installation import examination
from indicia.vault import keyring
from indicia.vault.keyring import KeyringError
from indicia.verifier.engine.controls import Passed

_SERVICE_WITHIN: Final = 5.0  # seconds
_SERVICE_MOST: Final = 1024 * 1024  # octets: what is ready and what is not takes a few hundred
_CLOCK_DRIFTS: Final[Span] = 5 * SECOND
MIB: Final = 1024 * 1024
# The log of SQLite alone grows to some MiB, and a migration copies the file.
TOO_LITTLE_ROOM: Final = 32 * MIB
LITTLE_ROOM: Final = 512 * MIB
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
_TIMEX: Final = 256  # octets, more than the structure has


def of_settings(settings: Settings) -> list[Check]:
    """Return what stands against starting with these settings, and what deserves a word."""
    found = [
        Check(
            "settings",
            State.WARN if refusal.waived else State.FAIL,
            refusal.reason,
            "" if refusal.waived else "`indicia serve` refuses to start so.",
        )
        for refusal in refusals(settings)
    ]
    found += [Check("settings", State.WARN, reason) for reason in warnings(settings)]
    perspectives = f"{settings.quorum} of {settings.perspective_count} perspectives must agree"
    return found or [Check("settings", State.OK, f"whole; {perspectives}")]


@dataclass(frozen=True, slots=True)
class Stored:
    """How database and keyring are, which regions are used, and how far off the database's clock is.

    `passed` are the control questions that perspectives have passed before.
    """

    checks: tuple[Check, ...]
    regions: tuple[str, ...] = ()
    apart: Span | None = None
    roles: tuple[Check, ...] = ()
    passed: tuple[Passed, ...] = ()


def stored(settings: Settings, perspectives: Sequence[str]) -> Stored:
    """Look at the files, and at database, schema and keyring where nobody else could have changed them.

    `perspectives` are the names of those that look at the DNS.
    """
    exposed = exposures(settings)
    if exposed:
        return Stored(tuple(Check("files", State.FAIL, each.reason, _told(each.remedy)) for each in exposed))
    url = settings.database_url
    try:
        found = schema.check(url.text)
    except Fault as fault:
        down = Check("database", State.FAIL, fault.message, "Start it, or mend INDICIA_DATABASE_URL.")
        return Stored((down, _key_alone(settings)))
    answers = Check("database", State.OK, f"{url} answers")
    if found is Schema.EMPTY:
        start = "`indicia serve` makes it" if url.dialect == "sqlite" else "Run `indicia migrate`"
        empty = Check("schema", State.FAIL, "there is none yet", f"{start}.")
        return Stored((answers, empty, _key_alone(settings)))
    if found is not Schema.UP_TO_DATE:
        fix = "Run `indicia migrate`." if found is Schema.OLDER else "Run the newer version of Indicia."
        other = Check("schema", State.FAIL, f"{found.value} than this version of Indicia works on", fix)
        return Stored((answers, other, _key_alone(settings)))
    database = open_database(url.text)
    try:
        right = Check("schema", State.OK, found.value)
        recorded = database.read(lambda s: meta.get(s, FINGERPRINT))
        return Stored(
            (answers, right, *_room(settings), _master_key(settings, recorded)),
            tuple(database.read(examination.mail_from_regions)),
            database.read(examination.server_clock) - real_now() if database.dialect == POSTGRESQL else None,
            of_roles(database.read(heartbeat.everyone), real_now()),
            tuple(database.read(lambda s: passed_before(s, settings.signing_zone, perspectives))),
        )
    finally:
        database.close()


def _told(remedy: str) -> str:
    return f"{remedy[:1].upper()}{remedy[1:]}."


def _room(settings: Settings) -> tuple[Check, ...]:
    """Return how much room the disk has that holds the embedded database; of a server nothing is known."""
    path = settings.database_url.path
    if path is None:
        return ()
    left = shutil.disk_usage(path.parent).free
    seen = f"{left // MIB} MiB are free where the database is"
    if left < TOO_LITTLE_ROOM:
        return (Check("disk", State.FAIL, seen, "Make room: soon nothing can be written."),)
    if left < LITTLE_ROOM:
        return (Check("disk", State.WARN, seen, "Make room before it is full."),)
    return (Check("disk", State.OK, seen),)


def _key_alone(settings: Settings) -> Check:
    """Return how the keyring is where no database says which it must be."""
    return _master_key(settings, None)


def _master_key(settings: Settings, recorded: str | None) -> Check:
    name, path = "master key", settings.master_key_file
    if not path.exists():
        fix = "Put the keyring back, or name it with INDICIA_MASTER_KEY_FILE."
        if recorded is None:
            fix = "Make one with `indicia master-key create`; on SQLite `indicia serve` makes it."
        wanted = "" if recorded is None else f", and the database was encrypted under {recorded}"
        return Check(name, State.FAIL, f"there is no keyring {path}{wanted}", fix)
    try:
        ring = keyring.load(path)
        if recorded is not None:
            ring.require(recorded)
    except KeyringError as error:
        return Check(
            name, State.FAIL, str(error).rstrip("."), "Nothing sealed can be opened until it is right."
        )
    others = len(ring.fingerprints) - 1
    older = f", and {others} older" if others else ""
    seen = f"{ring.fingerprint} in {path}{older}"
    if recorded is None:
        return Check(name, State.UNKNOWN, f"{seen}; no database says whether it is the right one")
    return Check(name, State.OK, seen)


@dataclass(frozen=True, slots=True)
class Running:
    """How the service that runs here is, and how far its clock is from ours."""

    check: Check
    answers: bool = False
    apart: Span | None = None


def service(running: Ready | None) -> Running:
    """Ask the service of which the ready file tells."""
    name = "service"
    if running is None or not running.admin:
        return Running(
            Check(name, State.WARN, "none runs on this data dir", "Start it: `indicia serve`."),
        )
    at = running.admin[0]
    try:
        status, date, body = _asked(at, "/readyz?verbose")
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        fix = "Start it anew: `indicia serve`."
        return Running(Check(name, State.FAIL, f"nothing answers at {at} ({reason})", fix))
    told = email.utils.parsedate_to_datetime(date) if date else None
    # A Date has whole seconds: the middle of the second is the best guess.
    apart = None if told is None else int(told.timestamp() * 1000) + 500 - real_now()
    parts = body.get("parts", {})
    wrong = "; ".join(f"{part}: {how}" for part, how in parts.items() if how != "ok")
    if status != http.client.OK:
        check = Check(name, State.FAIL, f"{at} is not ready: {wrong}", "Its log says more.")
    else:
        check = Check(name, State.OK, f"ready at {running.url or at}: {', '.join(parts)}")
    return Running(check, answers=True, apart=apart)


def _asked(at: str, path: str) -> tuple[int, str, dict[str, Any]]:
    """Return status, Date and body of an answer from a `host:port` on this machine."""
    response = HttpRequest(f"http://{at}", within=_SERVICE_WITHIN, most=_SERVICE_MOST).send("GET", path)
    return response.status, response.headers.get("date", ""), json.loads(response.body)


def clock(service: Span | None, database: Span | None, synchronised: bool | None) -> Check:
    """Return how the clock is: against those of the service and the database, and as the kernel keeps it.

    There is no time server to ask without another protocol and another party to trust: the kernel knows
    whether one is followed.
    """
    name = "clock"
    apart = {"the service": service, "the database": database}
    known = {whose: span for whose, span in apart.items() if span is not None}
    for whose, span in known.items():
        if abs(span) > _CLOCK_DRIFTS:
            breaks = abs(span) > CLOCK_SKEW
            return Check(
                name,
                State.FAIL if breaks else State.WARN,
                f"{abs(span) / SECOND:.0f} s {'behind' if span > 0 else 'ahead of'} that of {whose}",
                "Let both machines follow a time server"
                + (f": signatures count for {CLOCK_SKEW // MINUTE} minutes only." if breaks else "."),
            )
    seen = f"with that of {' and '.join(known)}" if known else "nothing to compare it with"
    if synchronised is False:
        return Check(name, State.WARN, f"{seen}; the kernel follows no time server", "Run chrony or ntpd.")
    if synchronised is None:
        return Check(
            name, State.OK if known else State.WARN, f"{seen}; the kernel does not say how it is kept"
        )
    return Check(name, State.OK, f"{seen}; the kernel follows a time server")


def kernel_follows_a_time_server() -> bool | None:
    """Say whether the kernel takes its clock for synchronised (adjtimex(2)), None where it does not say."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)
