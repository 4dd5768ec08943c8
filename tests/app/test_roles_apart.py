"""Checking and delivering in processes of their own, several of each, on one PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from nameserver import NameServer
from receiver import Receiver
from serving import FREE, Running, run, serve, until
from smtpserver import SmtpServer, listening
from test_killed_redelivery import WEBHOOKS, receiving, signed

DOMAINS = 24
ADDRESSES = 24


def published(house: Running, dns: NameServer) -> set[str]:
    """Create the domains, and publish what proves them; return their names."""
    names = {f"d{number}.apart.example" for number in range(DOMAINS)}
    for name in names:
        attributes = house.client().create_email_identity(EmailIdentity=name)["DkimAttributes"]
        for token in attributes["Tokens"]:
            dns.put(f"{token}._domainkey.{name}", "CNAME", f"{token}.{attributes['SigningHostedZone']}")
    return names


def reported(house: Running, part: str) -> str:
    """What is reported of a part."""
    how: str = house.readiness()["reported"][part]
    return how


def delivered(mailer: Running) -> bool:
    """Nothing waits any more, neither a mail nor an event."""
    waiting = ("indicia_oldest_mail_seconds", "indicia_webhook_deliveries_waiting", "indicia_webhooks_behind")
    return sum(map(mailer.metric, waiting)) == 0


def test_two_verifiers_and_two_mailers_deliver_each_thing_once(
    tmp_path: Path, postgres_url: str, dns: NameServer
) -> None:
    """Verifiers that were told not to deliver leave mails and events to mailers, however many there are."""
    dns.zone("apart.example")
    hook, relay = Receiver(), SmtpServer()
    relaying = listening(relay)
    with receiving(hook) as loop, ExitStack() as processes:
        asyncio.run_coroutine_threadsafe(relaying.__aenter__(), loop).result(20)
        settings = {
            "INDICIA_DATABASE_URL": postgres_url,
            "INDICIA_RESOLVERS": "{}:{}".format(*dns.address),
            "INDICIA_MASTER_KEY_FILE": str(tmp_path / "master.key"),
            "INDICIA_RELAY": f"smtp://127.0.0.1:{relay.port}",
            "INDICIA_PRIVATE_ADDRESSES": "127.0.0.0/8",
            "INDICIA_CHECK_MIN": "1s",
            "INDICIA_LIMITS": "off",
        }
        assert run("master-key", "create", cwd=tmp_path, **settings | FREE).returncode == 0

        def begun(name: str, roles: str) -> Running:
            (tmp_path / name).mkdir()
            return processes.enter_context(serve(tmp_path / name, "--roles", roles, **settings))

        api = begun("api", "api,links")
        assert api.ready  # whoever is there first has the operator's key
        verifiers = [begun(name, "verifier,-mailer") for name in ("verifier-1", "verifier-2")]
        made = signed(api).json("POST", WEBHOOKS, {"url": hook.url})["webhook"]
        domains = published(api, dns)
        addresses = {f"reader{number}@apart.example" for number in range(ADDRESSES)}
        for address in addresses:
            api.client().create_email_identity(EmailIdentity=address)
        verified = {"VerificationStatus": "SUCCESS", "IdentityType": "DOMAIN"}
        until(
            lambda: len(_listed(api, verified)) == DOMAINS,
            "the domains to be verified",
            60,
        )
        assert reported(api, "role verifier") == "ok"
        assert reported(api, "role mailer") == "no process runs the role mailer"
        assert hook.posts == relay.letters == []

        mailers = [begun(name, "mailer") for name in ("mailer-1", "mailer-2")]
        until(lambda: len(relay.letters) >= ADDRESSES and delivered(mailers[0]), "all to be delivered", 60)
        assert reported(api, "role mailer") == "ok"
        assert api.metric('indicia_role_processes{role="mailer"}') == 2
        assert [house.stop() for house in (*mailers, *verifiers, api)] == [0] * 5
        asyncio.run_coroutine_threadsafe(relaying.__aexit__(None, None, None), loop).result(20)

    assert Counter(recipient for _, recipient, _ in relay.letters) == dict.fromkeys(addresses, 1)
    events = Counter(post.headers["webhook-id"] for post in hook.posts)
    assert events == dict.fromkeys(events, 1)
    told = Counter((post.event["type"], post.event["data"]["identity"]) for post in hook.posts)
    assert {name for kind, name in told if kind == "dkim.verified"} == domains
    assert made["enabled"]


def _listed(house: Running, wanted: dict[str, str]) -> set[str]:
    """The names of the identities that are listed so."""
    found = house.client().list_email_identities(PageSize=1000)["EmailIdentities"]
    return {each["IdentityName"] for each in found if wanted.items() <= each.items()}
