"""Alive, ready, counted: what a process says of itself, with every part of it real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nameserver import NameServer, Trick
from serving import FREE, get

from indicia.app.service import ServiceProcess, Variant
from indicia.domain.time import HOUR
from indicia.installation import Installation
from indicia.runtime.clock import Clock
from indicia.runtime.ready import Ready
from indicia.settings import ALL_ROLES, load
from indicia.store.verification import brakes


@asynccontextmanager
async def serving(folder: Path, dns: NameServer, **given: str) -> AsyncIterator[tuple[ServiceProcess, Ready]]:
    """A whole service in this process."""
    resolver = "local={}:{}".format(*dns.address)
    settings = load(
        environment=FREE | {"INDICIA_DATA_DIR": str(folder), "INDICIA_RESOLVERS": resolver} | given
    )
    clock = Clock()
    installation = Installation(settings, clock)
    service = ServiceProcess(installation, ALL_ROLES, Variant(clock, pool={1024: 1}))
    try:
        yield service, await service.start()
    finally:
        await service.stop()
        installation.close()


async def ask(address: str, path: str) -> tuple[int, dict[str, Any]]:
    """Return status and document."""
    status, body = await asyncio.to_thread(get, address, path)
    return status, json.loads(body)


def test_a_process_whose_parts_work_is_ready(tmp_path: Path, dns: NameServer) -> None:
    """On both listeners; what others' machines do is reported beside the parts."""

    async def scenario() -> None:
        dns.put("dkim.indicia.test", "NS", "ns1.indicia.test.")
        async with serving(tmp_path, dns) as (_, at):
            for address in (at.admin[0], at.http[0]):
                assert (200, {"status": "alive"}) == await ask(address, "/healthz")
                assert (200, {"status": "ready"}) == await ask(address, "/readyz")
            status, told = await ask(at.admin[0], "/readyz?verbose")
            assert status == 200
            assert told["parts"] == {"database": "ok", "mailer": "ok", "verifier": "ok"}
            roles = {f"role {name}": "ok" for name in ("api", "links", "verifier", "mailer", "dns")}
            others = dict.fromkeys(("resolvers local", "delegation", "demotions"), "ok")
            assert told["reported"] == others | roles

    asyncio.run(scenario())


def test_trouble_elsewhere_is_told_and_gates_nothing(tmp_path: Path, dns: NameServer) -> None:
    """Resolvers that fail and a zone that is not delegated are in the report of a process that is ready."""

    async def scenario() -> None:
        dns.misbehave(Trick.SERVFAIL, ".")
        dns.put("dkim.away.example", "NS", ["ns.other.example.", "ns1.away.example."])
        async with serving(tmp_path, dns, INDICIA_SERVICE_DOMAIN="away.example") as (_, at):
            status, told = await ask(at.admin[0], "/readyz?verbose")
        dns.behave()
        assert status == 200
        assert told["reported"]["resolvers local"] == (
            "it cannot say the name servers of the root (. NS: servfail)"
        )
        assert told["reported"]["delegation"] == (
            "dkim.away.example is delegated to ns.other.example, ns1.away.example, not to ns1.away.example"
        )

    asyncio.run(scenario())


def test_a_resolver_that_lies_is_told(tmp_path: Path, dns: NameServer) -> None:
    """NXDOMAIN to everything, the root included, is not well: the report and a metric say so."""

    async def scenario() -> None:
        async with serving(tmp_path, dns) as (_, at):
            dns.misbehave(Trick.DENIED)
            status, told = await ask(at.admin[0], "/readyz?verbose")
            _, metrics = await asyncio.to_thread(get, at.admin[0], "/metrics")
        dns.behave()
        assert status == 200
        assert told["reported"]["resolvers local"] == (
            "it denies the name servers of the root (. NS: nxdomain)"
        )
        assert 'indicia_perspective_believed{perspective="local"} 0.0' in metrics

    asyncio.run(scenario())


def test_the_brake_is_told_and_gates_nothing(tmp_path: Path, dns: NameServer) -> None:
    """That accounts wait, and that everything does; a process that waits for a person is ready."""

    async def scenario() -> None:
        async with serving(tmp_path, dns) as (service, at):
            database, now = service.installation.database, service.clock.now()
            told = []
            for work in (
                lambda s: brakes.wait(s, "111122223333", now, now + HOUR),
                lambda s: brakes.pause(s, now),
            ):
                database.write(work)
                status, page = await ask(at.admin[0], "/readyz?verbose")
                told.append(page["reported"]["demotions"])
                assert status == 200
            _, metrics = await asyncio.to_thread(get, at.admin[0], "/metrics")

            assert told[0] == "those of 1 account(s) wait; `indicia demotions status` tells until when"
            assert told[1].startswith("paused since 20")
            assert "indicia_demotions_delayed_accounts 1.0" in metrics
            assert "indicia_demotions_paused 1.0" in metrics

    asyncio.run(scenario())


def test_a_part_that_ended_makes_the_process_not_ready(tmp_path: Path, dns: NameServer) -> None:
    """When the engine's task is gone, /readyz is 503 and names it; the process is alive all the same."""

    async def scenario() -> None:
        async with serving(tmp_path, dns) as (_, at):
            (engine,) = [task for task in asyncio.all_tasks() if task.get_name() == "engine"]
            engine.cancel()
            await asyncio.wait([engine])

            status, told = await ask(at.admin[0], "/readyz")
            assert status == 503
            assert told == {
                "status": "not ready",
                "parts": {
                    "database": "ok",
                    "mailer": "ok",
                    "verifier": "engine ended; start this process again",
                },
            }
            assert (503, told) == await ask(at.http[0], "/readyz")
            assert (200, {"status": "alive"}) == await ask(at.admin[0], "/healthz")

    asyncio.run(scenario())


def test_a_database_that_is_away_makes_the_process_not_ready(tmp_path: Path, dns: NameServer) -> None:
    """The sentence of the store is told, and metrics are still given."""

    async def scenario() -> None:
        async with serving(tmp_path, dns) as (service, at):
            service.installation.database.close()

            status, told = await ask(at.admin[0], "/readyz")
            assert status == 503
            assert told["parts"]["database"] == "The database is closed."
            assert (await asyncio.to_thread(get, at.admin[0], "/metrics"))[0] == 200

    asyncio.run(scenario())


def test_everything_that_an_operator_watches_is_counted(tmp_path: Path, dns: NameServer) -> None:
    """Checks, the oldest due one, the pool, the key zone, the process itself, the version."""

    async def scenario() -> None:
        async with serving(tmp_path, dns) as (_, at):
            status, page = await asyncio.to_thread(get, at.admin[0], "/metrics")
            assert status == 200
            names = {
                line.split(" ")[2].removesuffix("_total")
                for line in page.splitlines()
                if line.startswith("# HELP")
            }
            assert names >= {
                *("indicia_requests", "indicia_request_seconds", "indicia_checks", "indicia_check_seconds"),
                *("indicia_verdicts", "indicia_transitions", "indicia_unsafe_waived", "indicia_build_info"),
                *("indicia_checks_in_hand", "indicia_oldest_due_check_seconds", "indicia_key_pool_keys"),
                *("indicia_key_zone_questions", "indicia_key_zone_answers", "indicia_key_zone_held_back"),
                *("indicia_key_zone_lookups", "indicia_perspective_records", "indicia_demotions"),
                *("indicia_demotions_paused", "indicia_demotions_delayed_accounts"),
                *("indicia_perspective_believed", "indicia_resolver_answers_doubted"),
                "indicia_webhook_deliveries_waiting",
                *("indicia_oldest_mail_seconds", "process_resident_memory_bytes", "process_cpu_seconds"),
            }
            assert 'indicia_key_pool_keys{bits="1024"}' in page
            assert 'indicia_keys_waited_for{bits="1024"} 0.0' in page
            assert "indicia_oldest_due_check_seconds 0.0" in page

    asyncio.run(scenario())
