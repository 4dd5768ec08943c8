"""`indicia doctor`: look now, and explain record by record; or look at the installation itself."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from indicia.cli import api
from indicia.cli.errors import FAILED, USAGE, CommandError
from indicia.cli.options import NO_PARTS, Config, Flags, Json, PartsFlags, Place, settings_of
from indicia.cli.output import print_json

if TYPE_CHECKING:
    from rich.console import Console

# What the identity's standing means, and how it looks where there are colours.
_STANDING: Final = {
    "verified": ("verified", "bold green"),
    "pending": ("pending", "bold yellow"),
    "at_risk": ("at risk: it was verified, and its records are not there any more", "bold yellow"),
    "failed": ("failed: nobody looks for its records any more", "bold red"),
}
_FACETS: Final = {"dkim": "DKIM", "ownership": "ownership", "mail_from": "MAIL FROM", "dmarc": "DMARC"}
# Prose is read best in lines of this many characters, whatever the terminal's width is.
_WIDEST: Final = 96
_INDENT: Final = " " * 6


def doctor(
    identity: Annotated[
        str | None, Parameter(help="A domain or an address. Without one: the installation itself.")
    ] = None,
    /,
    *,
    json: Json = False,
    config: Config = None,
    where: api.WhereFlags = api.HERE,
    parts: PartsFlags = NO_PARTS,
) -> int:
    """Look at an identity's records now, and explain what is wrong with each.

    Without an identity, look at the installation on this machine: database, schema, master key, clock,
    resolvers, the delegation of the key zone and each of its servers, MAIL FROM hosts, SPF; and print the
    records that the service domain must publish.

    Exit status 0 when all is well, 1 when something is not, 2 when the question could not be asked.
    """
    if identity is None:
        return _installation(config, where, parts, json=json)
    if config is not None or parts != NO_PARTS:
        raise CommandError(
            "an identity is looked at by the service that runs: leave out --config, --database-url and"
            " --master-key-file, or the identity",
            status=USAGE,
        )
    path = api.identity_path(identity, "diagnosis")
    diagnosis = api.find(where).json("GET", path)
    if json:
        print_json(diagnosis)
    else:
        Report(diagnosis).print()
    return 0 if _is_well(diagnosis) else FAILED


def _installation(config: Path | None, where: api.Where, parts: Flags, *, json: bool) -> int:
    """Look at the installation of which the settings here tell."""
    if replace(where, data_dir=None) != api.HERE:
        raise CommandError(
            "without an identity the installation on this machine is looked at, through its settings:"
            " leave out --endpoint-url, --region and --profile, or name an identity",
            status=USAGE,
        )
    import asyncio

    from indicia.app.doctor.examination import NothingToExamineError, examine
    from indicia.app.doctor.local_checks import kernel_follows_a_time_server
    from indicia.cli.installation_report import document, print_report
    from indicia.domain.installation.soundness import is_sound

    given = parts.given() | ({} if where.data_dir is None else {"data_dir": where.data_dir})
    settings = settings_of(config, Place(**given))
    try:
        examination = asyncio.run(examine(settings, synchronised=kernel_follows_a_time_server))
    except NothingToExamineError as error:
        raise CommandError(str(error), status=USAGE) from error
    if json:
        print_json(document(examination))
    else:
        print_report(examination)
    return 0 if is_sound(examination.checks) else FAILED


def _is_well(diagnosis: dict[str, Any]) -> bool:
    """Say whether nothing is left to do: verified, or about to be once the engine looks."""
    required = [record for record in diagnosis["records"] if record["required"]]
    right = all(record["finding"] == "OK" for record in required)
    return right and (
        diagnosis["verdict"] == "verified" or (diagnosis["verdict"] == "pending" and bool(required))
    )


def _kind(record: dict[str, Any]) -> str:
    """Return what a record is for. The key itself stands in our zone: its owner publishes the CNAME only."""
    facet: str = _FACETS.get(record["facet"], record["facet"])
    if record["required"]:
        return facet
    if record["facet"] == "dkim":
        return f"{facet}: the key, read through the CNAME; nothing to publish"
    return f"{facet}, advice"


class Report:
    """A diagnosis for people: colours and wrapped prose on a terminal, plain whole lines elsewhere."""

    def __init__(self, diagnosis: dict[str, Any]) -> None:
        from rich.console import Console

        self._diagnosis = diagnosis
        self._console: Console = Console(highlight=False, soft_wrap=True)
        utf8 = self._console.encoding.lower().replace("-", "").startswith("utf")
        self._right, self._wrong, self._advice, self._arrow = "✓✗•→" if utf8 else ("+", "x", "-", ">")

    def print(self) -> None:
        """Print it."""
        diagnosis = self._diagnosis
        words, style = _STANDING[diagnosis["verdict"]]
        self._line((diagnosis["identity"], "bold"), ("  ", ""), (words, style))
        self._line((self._looked(), "dim"))
        before = ""
        for record in diagnosis["records"]:
            if not before == record["finding"] == "OK":
                self._line()
            before = record["finding"]
            self._record(record)
        self._line()
        self._prose(self._summary(), indent="")

    def _looked(self) -> str:
        diagnosis, asked = self._diagnosis, self._diagnosis["perspectives"]
        names, quorum = asked["names"], asked["quorum"]
        # "1 of 1" is said too: one resolver that is wrong is then all that was looked through.
        agree = f"{quorum} of {len(names)} must agree"
        told = [f"looked {_moment(diagnosis['checked_at'])} through {', '.join(names)}, {agree}"]
        if diagnosis["next_check_at"]:
            told.append(f"next check {_moment(diagnosis['next_check_at'])}")
        if diagnosis["deadline"]:
            told.append(f"waiting until {_moment(diagnosis['deadline'])}")
        return "; ".join(told)

    def _record(self, record: dict[str, Any]) -> None:
        well, required = record["finding"] == "OK", record["required"]
        mark, style = (
            (self._right, "green") if well else (self._wrong, "red") if required else (self._advice, "yellow")
        )
        kind = _kind(record)
        self._line(
            (f"  {mark} ", f"bold {style}"),
            (f"{record['name']}  {record['type']}", "bold"),
            (f"  {kind}", "dim"),
            ("" if well else f"  {record['finding']}", style),
        )
        if well:
            # What is right needs no words, but for how mail fares under a policy: that is advice.
            if record["facet"] == "dmarc":
                self._advice_on(record)
            return
        self._line((f"{_INDENT}expected  ", "dim"), (record["expected"], ""))
        for value in record["found"] or ["nothing"]:
            self._line((f"{_INDENT}found     ", "dim"), (value, ""))
        self._prose(record["explanation"], indent=_INDENT)
        if record["fix"]:
            self._prose(f"{self._arrow} {record['fix']}", indent=_INDENT, style="bold")

    def _advice_on(self, record: dict[str, Any]) -> None:
        self._prose(record["explanation"], indent=_INDENT, style="dim")
        if record["fix"]:
            self._prose(f"{self._arrow} {record['fix']}", indent=_INDENT, style="bold")

    def _summary(self) -> str:
        diagnosis = self._diagnosis
        required = [record for record in diagnosis["records"] if record["required"]]
        wrong = sum(record["finding"] != "OK" for record in required)
        if not required:
            if diagnosis["verdict"] == "verified":
                return "All is well."
            return "There is nothing to publish: an address is proved by the link in the mail to it."
        if wrong:
            return (
                f"{wrong} of {len(required)} required records {'is' if wrong == 1 else 'are'} not right yet."
            )
        if diagnosis["verdict"] == "failed":
            return (
                "The records are right now. Start anew: VerifyDomainDkim (v1), or"
                " PutEmailIdentityDkimSigningAttributes (v2)."
            )
        if diagnosis["verdict"] == "pending" and diagnosis["next_check_at"]:
            return (
                "All required records are right. The next check, at"
                f" {_moment(diagnosis['next_check_at'])}, is to prove it."
            )
        return "All required records are right."

    def _prose(self, text: str, *, indent: str, style: str = "") -> None:
        lines = [text]
        if self._console.is_terminal:
            lines = textwrap.wrap(
                text, max(40, min(_WIDEST, self._console.width) - len(indent)), break_on_hyphens=False
            )
        for line in lines:
            self._line((f"{indent}{line}", style))

    def _line(self, *parts: tuple[str, str]) -> None:
        from rich.text import Text

        self._console.print(Text.assemble(*parts))


def _moment(instant: str) -> str:
    """Return an instant of the API to the second, as people read it."""
    return f"{instant[:10]} {instant[11:19]} UTC"
