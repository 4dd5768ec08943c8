"""`indicia doctor`: look now, and explain record by record."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from indicia.cli import api
from indicia.cli.errors import FAILED, USAGE, CommandError
from indicia.cli.options import Json
from indicia.cli.output import print_json


def doctor(
    identity: Annotated[str | None, Parameter(help="A domain or an address.")] = None,
    /,
    *,
    json: Json = False,
    endpoint_url: api.EndpointUrl = None,
    region: api.Region = None,
    profile: api.Profile = None,
) -> int:
    """Look at an identity's records now, and explain what is wrong with each.

    Exit status 0 when all is well, 1 when something is not, 2 when the question could not be asked.
    """
    if identity is None:
        raise CommandError("name the identity to look at: indicia doctor example.com", status=USAGE)
    service = api.find(endpoint_url, region, profile)
    status, body = service.call("GET", f"/indicia/v1/identities/{quote(identity, safe='')}/diagnosis")
    try:
        diagnosis = api.answered(status, body)
    except CommandError as error:
        raise CommandError(str(error), status=USAGE) from error
    if json:
        print_json(diagnosis)
    else:
        _print(diagnosis)
    wrong = [record for record in diagnosis["records"] if record["required"] and record["finding"] != "OK"]
    return FAILED if wrong or diagnosis["verdict"] in ("failed", "at_risk") else 0


_MARKS = {"OK": "ok   "}


def _print(diagnosis: dict[str, Any]) -> None:
    asked = diagnosis["perspectives"]
    count = len(asked["names"])
    print(f"{diagnosis['identity']}: {diagnosis['verdict']}")
    print(
        f"  looked {diagnosis['checked_at']} through {', '.join(asked['names'])} ({asked['quorum']} of {count} must agree)"
    )
    if diagnosis["next_check_at"]:
        print(f"  next check {diagnosis['next_check_at']}")
    if diagnosis["deadline"]:
        print(f"  deadline   {diagnosis['deadline']}")
    if not diagnosis["records"]:
        print("  There is nothing to publish: an address is proved by the link in its mail.")
    for record in diagnosis["records"]:
        _print_record(record)


def _print_record(record: dict[str, Any]) -> None:
    well = record["finding"] == "OK"
    advice = "" if record["required"] else " (advice)"
    print()
    print(
        f"{'ok' if well else 'WRONG' if record['required'] else 'advice'}  {record['name']} {record['type']}"
        f"  [{record['facet']}: {record['finding']}]{advice if well else ''}"
    )
    if well:
        return
    print(f"  expected  {record['expected']}")
    for value in record["found"] or ["nothing"]:
        print(f"  found     {value}")
    print(f"  {record['explanation']}")
    if record["fix"]:
        print(f"  -> {record['fix']}")
