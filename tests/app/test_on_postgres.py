"""`indicia serve` on PostgreSQL: what it refuses to do by itself, and several processes on one database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError
from nameserver import NameServer
from postgres import PostgresServer
from serving import FREE, Running, client, run, serve, until

from indicia.credentials import AccountCredentials
from indicia.domain.installation.presence import SILENT_AFTER
from indicia.domain.time import Span
from indicia.store.engine.opening import open_database
from indicia.store.engine.prepared import Prepared
from indicia.store.installation.tables import heartbeat


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


def test_nothing_is_made_by_itself(tmp_path: Path, url: str) -> None:
    """Without the schema and without the keyring the start is refused, naming the command; then it starts."""
    settings = FREE | {"INDICIA_DATABASE_URL": url, "INDICIA_DATA_DIR": str(tmp_path / "data")}

    refused = run("serve", cwd=tmp_path, **settings)
    assert refused.returncode == 1
    assert "has no schema yet: run `indicia migrate` first" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert run("migrate", cwd=tmp_path, **settings).returncode == 0

    refused = run("serve", cwd=tmp_path, **settings)
    assert refused.returncode == 1
    assert "make one with `indicia master-key create`" in refused.stderr
    assert run("master-key", "create", cwd=tmp_path, **settings).returncode == 0

    with serve(tmp_path, INDICIA_DATABASE_URL=url) as house:
        assert house.readiness()["status"] == "ready"
        assert house.client().list_email_identities()["EmailIdentities"] == []
        assert house.stop() == 0

    (tmp_path / "data" / "master.key").unlink()
    refused = run("serve", cwd=tmp_path, **settings)
    assert "the database was encrypted under the master key" in refused.stderr
    assert run("master-key", "create", cwd=tmp_path, **settings).returncode == 1


def test_processes_with_different_roles_work_together(tmp_path: Path, url: str, dns: NameServer) -> None:
    """What is created at one is verified by another, its key is served by a third; a successor takes over."""
    dns.zone("shared.example")
    settings = {
        "INDICIA_DATABASE_URL": url,
        "INDICIA_RESOLVERS": "{}:{}".format(*dns.address),
        "INDICIA_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "INDICIA_CHECK_MIN": "1s",
    }
    for command in (("migrate",), ("master-key", "create")):
        assert run(*command, cwd=tmp_path, **settings | FREE).returncode == 0
    folders = [tmp_path / name for name in ("api", "verifier", "dns")]
    for folder in folders:
        folder.mkdir()
    with (
        serve(folders[0], "--roles", "api,links", **settings) as api,
        serve(folders[1], "--roles", "verifier", **settings) as verifier,
        serve(folders[2], "--roles", "dns", **settings) as key_zone,
    ):
        assert verifier.ready.http == ()
        api.clients["sesv2"] = client("sesv2", api.ready.url, _operators_key(api, verifier, key_zone))
        created = api.client().create_email_identity(EmailIdentity="shared.example")
        attributes = created["DkimAttributes"]
        targets = [f"{token}.{attributes['SigningHostedZone']}" for token in attributes["Tokens"]]
        for token, target in zip(attributes["Tokens"], targets, strict=True):
            dns.put(f"{token}._domainkey.shared.example", "CNAME", target)
        until(lambda: _status(api, "shared.example") == "SUCCESS", "SUCCESS", 30)
        until(lambda: any(_has_key(key_zone, target) for target in targets), "the key in the key zone", 30)

        assert api.metric('indicia_role_processes{role="verifier"}') == 1
        verifier.process.kill()
        verifier.process.wait()
        _let_time_pass(url, SILENT_AFTER)
        missed = until(lambda: _reported(api, "role verifier"), "the verifier to be missed", 30)
        assert missed.startswith("no process runs the role verifier: one was last seen ")
        assert api.readiness()["status"] == "ready"  # its own roles serve
        assert api.metric('indicia_role_processes{role="verifier"}') == 0
        doctor = run("doctor", "--json", cwd=folders[0], **settings | FREE).stdout
        told = [each for each in json.loads(doctor)["checks"] if each["name"] == "roles"]
        assert [each["state"] for each in told] == ["fail"]
        assert "no process runs the role verifier: " in told[0]["seen"]

        api.client().create_email_identity(EmailIdentity="later.shared.example")
        with serve(folders[1], "--roles", "verifier", **settings) as successor:
            until(lambda: successor.metric("indicia_checks_total") >= 1, "a check by the successor", 30)
            assert _reported(api, "role verifier") is None
            assert successor.stop() == 0
        assert api.stop() == key_zone.stop() == 0


def test_processes_keep_the_rates_of_accounts_together(tmp_path: Path, url: str) -> None:
    """Two that answer for one account admit what one would: ten at once, and one a second from then on."""
    settings = {
        "INDICIA_DATABASE_URL": url,
        "INDICIA_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "INDICIA_LIMITS": "ses",
    }
    for command in (("migrate",), ("master-key", "create")):
        assert run(*command, cwd=tmp_path, **settings | FREE).returncode == 0
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    with (
        serve(folders[0], "--roles", "api", **settings) as one,
        serve(folders[1], "--roles", "api", **settings) as two,
    ):
        key = _operators_key(one, two)
        clients = [client("sesv2", house.ready.url, key) for house in (one, two)]
        began = time.monotonic()
        answers = [_throttled(clients[number % 2]) for number in range(40)]
        seconds = time.monotonic() - began

        admitted = answers.count("")
        assert answers[:10] == [""] * 10
        assert 10 <= admitted <= 10 + seconds + 1
        assert answers.count("TooManyRequestsException") == len(answers) - admitted


def _throttled(sesv2: Any) -> str:
    """Return the code with which one call is refused, empty where it is answered."""
    try:
        sesv2.get_account()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def _operators_key(*houses: Running) -> AccountCredentials:
    """Return the key that one of the processes has made, and no other: whoever came first wrote it down."""
    written = [house for house in houses if house.ready and (house.data_dir / "credentials").exists()]
    assert len(written) == 1
    return written[0].key


def _status(house: Running, name: str) -> str:
    return str(house.client().get_email_identity(EmailIdentity=name)["DkimAttributes"]["Status"])


def _has_key(house: Running, name: str) -> bool:
    import dns.message
    import dns.query

    host, _, port = house.ready.dns[0].rpartition(":")
    answer = dns.query.udp(dns.message.make_query(name, "TXT"), host, port=int(port), timeout=5)
    return bool(answer.answer)


def _let_time_pass(url: str, span: Span) -> None:
    """Let every heartbeat of verifiers be older by a span than it is."""
    database = open_database(url)
    try:
        older = Prepared(
            sa.update(heartbeat)
            .where(heartbeat.c.role == sa.literal_column("'verifier'"))
            .values(seen_at=heartbeat.c.seen_at - sa.literal_column(str(span)))
        )
        database.write(lambda s: s.run(older))
    finally:
        database.close()


def _reported(house: Running, part: str) -> str | None:
    """Return what is reported to be wrong with a part, None when nothing is."""
    how: str = json.loads(house.get("/readyz?verbose")[1])["reported"][part]
    return None if how == "ok" else how
