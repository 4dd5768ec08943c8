"""`indicia records`: the records to publish."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from indicia.cli import api
from indicia.cli.options import Json
from indicia.cli.output import print_columns, print_json


def records(
    identity: Annotated[str, Parameter(help="A domain or an address.")],
    /,
    *,
    format: Annotated[str, Parameter(help="table, json, zone, terraform, cloudflare or octodns.")] = "table",
    json: Json = False,
    endpoint_url: api.EndpointUrl = None,
    region: api.Region = None,
    profile: api.Profile = None,
) -> None:
    """Print the records to publish for an identity, and how the last check saw each."""
    service = api.find(endpoint_url, region, profile)
    path = f"/indicia/v1/identities/{quote(identity, safe='')}/records"
    wanted = "json" if json else format
    if wanted in ("table", "json"):
        answer = service.json("GET", path)
        if wanted == "json":
            print_json(answer)
        else:
            _print_table(answer["records"])
        return
    status, body = service.call("GET", path, query={"format": wanted})
    if status >= 400:
        api.answered(status, body)
    sys.stdout.write(body.decode())


def _print_table(found: list[dict[str, str]]) -> None:
    if not found:
        print("There is nothing to publish: an address is proved by the link in its mail.")
        return
    rows = [
        (
            record["name"],
            record["type"],
            record["value"],
            "required" if record["required"] else "advice",
            record["finding"] or "not looked at yet",
        )
        for record in found
    ]
    print_columns(("NAME", "TYPE", "VALUE", "", "LAST SEEN"), rows)
