"""Invariant: nothing that one tenant calls changes what another reads, or shows up in it.

    python fuzz/tenants.py [SECONDS] [SEED]

Two tenants of one installation use the same names for everything, call whatever operation with members drawn
from its shape, right and wrong, and name each other's resources by ARN. In turn one of them makes a batch of
calls while the other makes none: every read of the other answers as before, and holds no mark of the first.
Stops at the first batch that breaks the invariant, printing its calls.
"""

# ruff: noqa: INP001, T201, S311 - a script, which prints; repeatable, not secret

from __future__ import annotations

import contextlib
import json
import logging
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "operations"))

from callers import Caller, Heard
from desk import Desk

from indicia.domain.identities.identity import Facet, Status
from indicia.operations.registry import REGISTRY
from indicia.store.engine import schema
from indicia.store.engine.database import Database
from indicia.store.engine.opening import open_database
from indicia.wire import shapes
from indicia.wire.shapes.kinds import Kind, ListOf, MapOf, Scalar, Structure, members

ACCOUNTS = ("111122223333", "444455556666")
REGION = "eu-west-1"
BATCH = 15
NAMES = (
    "shop.example",
    "SHOP.example",
    "mail.shop.example",
    "ann@shop.example",
    "Ann+x@shop.example",
    "b@c.org",
)
SETS = ("main", "Main")
TEMPLATES = ("brand", "Brand")
POLICIES = ("p", "q")
MEMBERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "EmailIdentity",
            "Identity",
            "Identities",
            "Domain",
            "EmailAddress",
            "FromEmailAddress",
            "FromAddress",
        ),
        NAMES,
    ),
    **dict.fromkeys(("ConfigurationSetName", "Name"), SETS),
    "TemplateName": TEMPLATES,
    **dict.fromkeys(("PolicyName", "PolicyNames"), POLICIES),
    **dict.fromkeys(("Key", "TagKeys"), ("team", "stage")),
    "MailFromDomain": ("bounce.shop.example", ""),
    "CustomRedirectDomain": ("click.shop.example",),
    **dict.fromkeys(
        ("SuccessRedirectionURL", "FailureRedirectionURL", "WebsiteURL"), ("https://shop.example/done",)
    ),
    "DomainSigningSelector": ("own",),
    "NextToken": ("",),
}
ODD: tuple[object, ...] = (None, True, 0, -1, "", "x", [], {}, "x" * 3000)
# What a request id is differs from answer to answer.
_IDS = re.compile(rb"<RequestId>[^<]*</RequestId>")
# Calls of our own have no shapes and ask for what only a running service has; what SES has is drawn.
CALLED = sorted(
    key
    for key, entry in REGISTRY.items()
    if key[0] in {"ses", "sesv2"} and entry.handling.handler is not None
)


class Tenant:
    """One account: a mark that is in all it writes, and what it may call."""

    def __init__(self, desk: Desk, other: str) -> None:
        self.desk = desk
        self.mark = f"of-{desk.account}-only"
        self.caller = Caller(desk)
        self._other = other
        arns = [f"arn:aws:ses:{REGION}:{account}:" for account in (desk.account, other)]
        self.arns = [
            arn + resource
            for arn in arns
            for resource in (
                *(f"identity/{name}" for name in NAMES),
                *(f"configuration-set/{name}" for name in SETS),
                *(f"custom-verification-email-template/{name}" for name in TEMPLATES),
            )
        ]

    def draw(self, chance: random.Random) -> tuple[str, str, dict[str, Any]]:
        """Return an operation with members for it."""
        service, name = chance.choice(CALLED)
        request = shapes.operations(service)[name].request
        return service, name, self._structure(request, chance)

    def _structure(self, shape: type, chance: random.Random) -> dict[str, Any]:
        return {
            member.name: self._value(member.kind, member.name, chance)
            for member in members(shape)
            if chance.random() < (0.97 if member.required else 0.5)
        }

    def _value(self, kind: Kind, name: str, chance: random.Random) -> Any:
        if chance.random() < 0.03:
            return chance.choice(ODD)
        match kind:
            case Structure(shape):
                return self._structure(shape, chance)
            case ListOf(item):
                return [self._value(item, name, chance) for _ in range(chance.randrange(1, 3))]
            case MapOf():
                return {}
            case Scalar(scalar, rule):
                if rule.one_of:
                    return chance.choice(rule.one_of)
                if scalar == "text":
                    return self._text(name, chance)
                return {"boolean": chance.random() < 0.5}.get(scalar, chance.randrange(1, 500))

    def _text(self, name: str, chance: random.Random) -> str:
        if name == "ResourceArn" or (name in {"Identity", "Identities"} and chance.random() < 0.3):
            return chance.choice(self.arns)
        if name == "SnsTopic":
            return f"arn:aws:sns:{REGION}:{self.desk.account}:{self.mark}"
        if name == "CertificateArn":
            return f"arn:aws:acm:{REGION}:{self.desk.account}:certificate/{self.mark}"
        if name == "Policy":
            return self._policy(chance)
        return chance.choice(MEMBERS.get(name, (self.mark,)))

    def _policy(self, chance: random.Random) -> str:
        return json.dumps(
            {
                "Statement": {
                    "Sid": self.mark,
                    "Effect": chance.choice(("Allow", "Deny")),
                    "Principal": {"AWS": self._other},
                    "Action": "SES:*",
                    "Resource": chance.choice(self.arns),
                }
            }
        )

    def prove(self, chance: random.Random) -> None:
        """Let one of its identities be verified, or no longer be."""
        name = chance.choice(NAMES)
        name = name if "@" in name else name.lower()
        facet = Facet.LINK if "@" in name else Facet.DKIM
        with contextlib.suppress(AssertionError):  # there is none of that name
            self.desk.find(name, facet, chance.choice((Status.SUCCESS, Status.PENDING, Status.FAILED)))

    def reads(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield every read, of everything it could have, and of what the other could have by ARN."""
        for name in NAMES:
            yield "sesv2", "GetEmailIdentity", {"EmailIdentity": name}
            yield "sesv2", "GetEmailIdentityPolicies", {"EmailIdentity": name}
            yield "sesv2", "ListEmailIdentityCertificates", {"EmailIdentity": name}
            yield "ses", "ListIdentityPolicies", {"Identity": name}
            yield "ses", "GetIdentityPolicies", {"Identity": name, "PolicyNames": list(POLICIES)}
        for operation in ("Verification", "Dkim", "MailFromDomain", "Notification"):
            yield "ses", f"GetIdentity{operation}Attributes", {"Identities": [*NAMES, *self.arns]}
        for name in SETS:
            yield "sesv2", "GetConfigurationSet", {"ConfigurationSetName": name}
        for name in TEMPLATES:
            yield "sesv2", "GetCustomVerificationEmailTemplate", {"TemplateName": name}
        for arn in self.arns:
            yield "sesv2", "ListTagsForResource", {"ResourceArn": arn}
            yield "ses", "ListIdentityPolicies", {"Identity": arn}
        for operation in (
            *("ListEmailIdentities", "ListConfigurationSets", "ListCustomVerificationEmailTemplates"),
            *("ListRecommendations", "GetAccount"),
        ):
            yield "sesv2", operation, {}
        for operation in ("ListIdentities", "ListVerifiedEmailAddresses", "GetSendQuota"):
            yield "ses", operation, {}

    def seen(self) -> list[tuple[str, dict[str, Any], int, bytes]]:
        """Return what every read answers."""
        return [
            (operation, asked, heard.status, _IDS.sub(b"", heard.body))
            for service, operation, asked in self.reads()
            for heard in (self.caller.call(service, operation, asked),)
        ]


def house(folder: str) -> tuple[Database, list[Tenant]]:
    """Return an installation in that folder, and its two tenants."""
    url = f"sqlite:///{folder}/fuzz.db"
    schema.migrate(url)
    database = open_database(url)
    desk = Desk(database)
    return database, [
        Tenant(desk.beside(account=account), other)
        for account, other in zip(ACCOUNTS, reversed(ACCOUNTS), strict=True)
    ]


def batch(acting: Tenant, chance: random.Random) -> list[tuple[str, str, dict[str, Any], Heard]]:
    """Make some calls as one tenant; return them with what was heard."""
    made = []
    for _ in range(BATCH):
        if chance.random() < 0.2:
            acting.prove(chance)
        service, operation, given = acting.draw(chance)
        made.append((service, operation, given, acting.caller.call(service, operation, given)))
    return made


def broken(acting: Tenant, watching: Tenant, chance: random.Random) -> tuple[str, list[Any]]:
    """Return how the invariant broke in one batch, empty where it held, and the batch."""
    before = watching.seen()
    made = batch(acting, chance)
    after = watching.seen()
    for was, now in zip(before, after, strict=True):
        if was != now:
            return f"{was[:2]} answered {was[2:]} before and {now[2:]} after", made
        if acting.mark.encode() in now[3]:
            return f"{now[:2]} shows {now[3]!r}", made
    return "", made


def main(seconds: float, seed: int) -> int:
    """Try until the time is up. Returns the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chance = random.Random(seed)
    end, calls, taken = time.monotonic() + seconds, 0, 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        database, tenants = house(folder)
        try:
            while time.monotonic() < end:
                acting, watching = chance.sample(tenants, 2)
                how, made = broken(acting, watching, chance)
                if how:
                    print(f"seed {seed}, after {calls} calls: {how}")
                    for service, operation, given, heard in made:
                        print(f"  {service} {operation} {given!r} -> {heard.status} {heard.code}")
                    return 1
                calls += len(made)
                taken += sum(heard.status == 200 for *_, heard in made)
        finally:
            for tenant in tenants:
                tenant.caller.close()
            database.close()
    print(f"{calls} calls, {taken} of them taken, the invariant holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["10"])[0]), int((sys.argv[2:] or ["1"])[0])))
