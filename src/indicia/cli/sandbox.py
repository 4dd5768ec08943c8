"""`indicia sandbox`: the service for tests and for learning, and the commands that steer one."""

from __future__ import annotations

import json as json_module
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from cyclopts import App, Parameter

from indicia.cli import api
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.options import DEFAULT_CONFIG_FILE, NO_SETTING, Config, Json, SettingFlags
from indicia.cli.output import print_json
from indicia.settings import load

app = App(name="sandbox", help="Run a service with a playground DNS, or talk to a running one.")

# What a sandbox has otherwise: fast first checks, no limits, private addresses allowed (contract).
DEFAULTS = {"check_min": "1s", "limits": "off", "private_addresses": "allow"}
# With a command nobody needs to know the ports, and two sandboxes at once are normal.
FREE_PORTS = {"listen_http": "127.0.0.1:0", "listen_admin": "127.0.0.1:0", "listen_dns": "127.0.0.1:0"}


@app.default
def sandbox(
    *command: Annotated[str, Parameter(help="After `--`: run this in the sandbox and end with it.")],
    config: Config = None,
    strict_auth: Annotated[
        bool, Parameter(name="--strict-auth", negative="", help="Check access keys and signatures in full.")
    ] = False,
    ready_file: Annotated[
        Path | None, Parameter(help="Where to write the bound addresses, in JSON, when ready.")
    ] = None,
    settings: SettingFlags = NO_SETTING,
) -> int:
    """Run the service on a playground: any domain can be edited, the clock can be moved."""
    given = settings.given()
    with tempfile.TemporaryDirectory(prefix="indicia-sandbox-") as temporary:
        defaults = {**DEFAULTS, "data_dir": temporary, **(FREE_PORTS if command else {})}
        if config is None and DEFAULT_CONFIG_FILE.is_file():
            config = DEFAULT_CONFIG_FILE
        tree = load(config, os.environ, given, terminal=sys.stderr.isatty(), defaults=defaults)
        away = [address for address in (*tree.listen.http, *tree.listen.dns) if not address.is_loopback]
        if away and not {"listen_http", "listen_dns"} & set(given):
            raise CommandError(
                f"a sandbox accepts any access key and listens on loopback only, not on {away[0]}: give the"
                " address as a flag if that is really meant",
                status=USAGE,
            )
        from indicia.app import sandbox as running

        return running.play(tree, running.Wish(strict_auth, command, ready_file))


def _steer(
    endpoint_url: str | None, method: str, place: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer of one of the unsigned calls that steer a sandbox."""
    url = api.find(endpoint_url, None, None).url
    headers = {"host": urlsplit(url).netloc, "content-type": "application/json"}
    encoded = json_module.dumps(body or {}).encode()
    status, answer = api.send(url, method, f"/indicia/v1/sandbox/{place}", headers, encoded)
    if status == 404:
        raise CommandError(f"what answers at {url} is not a sandbox: start one with `indicia sandbox`")
    document: dict[str, Any] = api.answered(status, answer)
    return document


@app.command
def publish(
    domain: Annotated[str, Parameter(help="The identity whose records to publish.")],
    /,
    *,
    only: Annotated[str | None, Parameter(help="Only this facet: dkim, ownership, mail_from, dmarc.")] = None,
    json: Json = False,
    endpoint_url: api.EndpointUrl = None,
    region: api.Region = None,
    profile: api.Profile = None,
) -> None:
    """Publish an identity's records in the playground, and wait until they have been looked at."""
    service = api.find(endpoint_url, region, profile)
    found = service.json("GET", f"/indicia/v1/identities/{quote(domain, safe='')}/records")["records"]
    wanted = [record for record in found if only in (None, record["facet"])]
    if not wanted:
        facets = sorted({record["facet"] for record in found})
        raise CommandError(f"{domain} has no records of {only}; it has {', '.join(facets) or 'none'}")
    sets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in wanted:
        sets.setdefault((record["name"], record["type"]), []).append(record)
    for (name, kind), records in sets.items():
        values = [record["value"] for record in records]
        _steer(service.url, "PUT", "records", {"name": name, "type": kind, "values": values})
    if json:
        print_json({"published": wanted})
        return
    for record in wanted:
        print(f"published {record['name']} {record['type']} {record['value']}")


@app.command
def withdraw(
    domain: Annotated[str, Parameter(help="Everything at and below it is withdrawn.")],
    /,
    *,
    json: Json = False,
    endpoint_url: api.EndpointUrl = None,
) -> None:
    """Withdraw a domain's records from the playground."""
    answer = _steer(endpoint_url, "DELETE", "records", {"domain": domain})
    print_json(answer) if json else print(f"withdrawn: {answer['removed']} names under {domain}")


clock = App(name="clock", help="Read or move the sandbox's clock.")
app.command(clock)


@clock.default
def now(*, json: Json = False, endpoint_url: api.EndpointUrl = None) -> None:
    """Print the sandbox's time."""
    answer = _steer(endpoint_url, "GET", "clock")
    print_json(answer) if json else print(answer["now"])


@clock.command
def advance(
    span: Annotated[str, Parameter(help="How far, as 15m, 73h or 5d.")],
    /,
    *,
    json: Json = False,
    endpoint_url: api.EndpointUrl = None,
) -> None:
    """Move the clock forward, and wait until everything that became due has been looked at."""
    answer = _steer(endpoint_url, "POST", "clock", {"advance": span})
    print_json(answer) if json else print(answer["now"])


@app.command
def outbox(*, json: Json = False, endpoint_url: api.EndpointUrl = None) -> None:
    """Print the mail that the sandbox has sent."""
    mails = _steer(endpoint_url, "GET", "outbox")["mails"]
    if json:
        print_json({"mails": mails})
        return
    if not mails:
        print("No mail has been sent.")
    for mail in mails:
        print(
            f"From: {mail['sender']}\nTo: {', '.join(mail['to'])}\nSubject: {mail['subject']}\n\n{mail['text']}"
        )


@app.command
def reset(*, json: Json = False, endpoint_url: api.EndpointUrl = None) -> None:
    """Forget all identities, records and mail. Access keys and the clock stay as they are."""
    answer = _steer(endpoint_url, "POST", "reset")
    print_json(answer) if json else print("The sandbox is empty.")
