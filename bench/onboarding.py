"""From the record being published to SUCCESS, on the default settings and through the whole service.

Identities are created through boto3; their records are published at different moments within the ten seconds
that follow, in a zone that keeps an absence for five. What counts begins when NSD serves them.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import boto3  # type: ignore[import-untyped]

from bench import nameserver, servers
from bench.house import ZONE, made
from bench.nameserver import HOST
from bench.plan import Plan
from bench.report import Aim, Section, spread
from bench.signing import REGION

# Seconds between creation and publication: just after the first look, between two, just before the second.
_DELAYS: Final = (0.2, 1.0, 2.5, 4.0, 5.5, 7.0, 8.5, 9.5)
_LOOK: Final = 0.02
_GIVE_UP: Final = 120.0
# Issue 4, item 11.
_WITHIN: Final = 12.0


@dataclass(slots=True)
class Onboarded:
    """One identity: when it was to be published after its creation, when it was, and when it was verified."""

    name: str
    delay: float
    lines: list[str]
    created: float
    published: float = 0.0
    verified: float = 0.0


def measure(plan: Plan) -> tuple[list[Section], list[Aim]]:
    """Create, publish, and wait."""
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="indicia-bench-")))
        zone = held.enter_context(nameserver.editable_nsd(made(folder / "nsd"), ZONE))
        server = held.enter_context(
            servers.indicia(made(folder / "house"), min(plan.sizes), resolver=f"{HOST}:{zone.port}")
        )
        client = boto3.client(
            "sesv2",
            region_name=REGION,
            endpoint_url=f"http://{HOST}:{server.port}",
            aws_access_key_id=server.key.id,
            aws_secret_access_key=server.key.secret,
        )
        plan.say(f"{len(_DELAYS)} identities are created and published")
        onboarded = [_created(client, delay) for delay in _DELAYS]
        _publish_and_wait(client, zone, onboarded)
    return _told(onboarded)


def _created(client: Any, delay: float) -> Onboarded:
    label = f"delayed-{delay:.1f}".replace(".", "-")
    created = time.perf_counter()
    dkim = client.create_email_identity(EmailIdentity=f"{label}.{ZONE}")["DkimAttributes"]
    lines = [
        f"{token}._domainkey.{label} 300 IN CNAME {token}.{dkim['SigningHostedZone']}.\n"
        for token in dkim["Tokens"]
    ]
    return Onboarded(f"{label}.{ZONE}", delay, lines, created)


def _publish_and_wait(client: Any, zone: nameserver.Zone, onboarded: list[Onboarded]) -> None:
    end = time.perf_counter() + _GIVE_UP
    while not all(each.verified for each in onboarded) and time.perf_counter() < end:
        now = time.perf_counter()
        due = [each for each in onboarded if not each.published and now - each.created >= each.delay]
        if due:
            already = [each for each in onboarded if each.published]
            zone.publish([line for each in already + due for line in each.lines])
            for each in due:
                each.published = time.perf_counter()
        for each in onboarded:
            if each.published and not each.verified:
                shown = client.get_email_identity(EmailIdentity=each.name)
                if shown["VerificationStatus"] == "SUCCESS":
                    each.verified = time.perf_counter()
        time.sleep(_LOOK)


def _told(onboarded: list[Onboarded]) -> tuple[list[Section], list[Aim]]:
    waits = [each.verified - each.published if each.verified else _GIVE_UP for each in onboarded]
    found = spread(waits)
    section = Section(
        "From published to SUCCESS, default settings, negative TTL 5 s",
        ("published after creation (s)", "SUCCESS after publication (s)"),
        [
            (f"{each.published - each.created:.1f}", f"{wait:.2f}")
            for each, wait in zip(onboarded, waits, strict=True)
        ],
        (),
        [asdict(each) for each in onboarded],
    )
    shown = f"{found.highest:.2f} s, median {found.median:.2f} s"
    return [section], [
        Aim("published to SUCCESS, worst", f"< {_WITHIN:.0f} s", shown, found.highest < _WITHIN)
    ]
