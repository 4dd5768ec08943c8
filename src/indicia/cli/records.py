"""`indicia records`: the records to publish."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter

from indicia.cli import api
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.options import Json
from indicia.cli.output import print_columns, print_json
from indicia.settings.exposure_checks import is_unreal

Form: TypeAlias = Literal["table", "json", "zone", "terraform", "cloudflare", "octodns"]


def records(
    identity: Annotated[str, Parameter(help="A domain or an address.")],
    /,
    *,
    form: Annotated[
        Form,
        Parameter(
            name="--format", help="table, json, zone, terraform, cloudflare or octodns.", show_choices=False
        ),
    ] = "table",
    zone: Annotated[
        str | None,
        Parameter(
            help="The zone that the records are put into, for the forms that tools read; without it the one"
            " that was last seen."
        ),
    ] = None,
    json: Json = False,
    where: api.WhereFlags = api.HERE,
) -> None:
    """Print the records to publish for an identity, how each was last seen, and what is in its way.

    In the forms that tools read, what is in the way goes to standard error.
    """
    if zone is not None and (json or form in {"json", "table"}):
        raise CommandError("--zone goes with the forms that tools read: give --format too", status=USAGE)
    path = api.identity_path(identity, "records")
    service = api.find(where)
    if json or form in ("json", "table"):
        answer = service.json("GET", path)
        (_print_table if form == "table" and not json else print_json)(answer)
        _note_unreal(service, answer)
    else:
        query = {"format": form} if zone is None else {"format": form, "zone": zone}
        status, body = service.call("GET", path, query=query)
        if status >= 400:
            service.answered(status, body)
        sys.stdout.write(body.decode())
        answer = service.json("GET", path)
        for sentence in _conflicts(answer):
            _note(sentence)
        _note_unreal(service, answer)


def _note(sentence: str) -> None:
    sys.stderr.write(f"indicia: note: {sentence}\n")


def _note_unreal(service: api.ServiceAccess, answer: dict[str, Any]) -> None:
    """Say so when records lead to where nobody will find anything: a sandbox alone knows such names."""
    targets = [record["value"] for record in answer["records"] if record["type"] == "CNAME"]
    if any(map(is_unreal, targets)) and not api.is_sandbox(service.url):
        domain = targets[0].partition(".dkim.")[2]
        _note(
            f"{domain} is in no DNS, so these records will lead nowhere: set INDICIA_SERVICE_DOMAIN to a"
            " domain of yours first, and add the identity again"
        )


def _conflicts(answer: dict[str, Any]) -> list[str]:
    return [record["conflict"] for record in answer["records"] if record["conflict"]]


def _place(record: dict[str, Any]) -> tuple[str, str, str]:
    return record["name"], record["type"], record["value"]


def _print_table(answer: dict[str, Any]) -> None:
    found = answer["records"]
    if not found:
        print("There is nothing to publish: an address is proved by the link in its mail.")
        return
    rows = [
        (
            record["name"],
            record["type"],
            record["value"],
            "required" if record["required"] else "advised",
            record["finding"] or "not looked at yet",
        )
        for record in found
    ]
    print_columns(("NAME", "TYPE", "VALUE", "", "LAST SEEN"), rows)
    for sentence in _conflicts(answer):
        print(f"\n{sentence}")
    if answer["leave"]:
        print("\nThese proved it before its DKIM was changed. Leave them until those above were seen:")
        print_columns(("NAME", "TYPE", "VALUE"), [_place(record) for record in answer["leave"]])
    connect = answer["domain_connect"]
    if connect:
        print(f"\n{connect['provider']} publishes these records after one click of the domain's owner:")
        print(connect["url"])
