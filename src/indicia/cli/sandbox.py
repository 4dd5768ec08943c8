"""`indicia sandbox`: the service for tests and for learning, and the commands that steer one."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from cyclopts import App, Parameter

from indicia.cli import api
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.options import NO_SETTING, Config, Json, SettingFlags, config_file
from indicia.cli.output import print_json
from indicia.cli.serve import starting
from indicia.settings import Settings, load
from indicia.settings.parsers import parse_span
from indicia.settings.sandbox import DEFAULTS, FREE_PORTS

if TYPE_CHECKING:
    from indicia.domain.verification.findings import Finding
    from indicia.sandbox.breaking import Step

_ENDING = {signal.SIGTERM, signal.SIGINT}
app = App(name="sandbox", help="Run a service with a playground DNS, or talk to a running one.")


@app.default
def sandbox(
    *command: Annotated[str, Parameter(help="After `--`: run this in the sandbox and end with it.")],
    config: Config = None,
    strict_auth: Annotated[
        bool,
        Parameter(
            name="--strict-auth",
            negative="",
            show_default=False,
            help="Check access keys and signatures in full.",
        ),
    ] = False,
    ready_file: Annotated[
        Path | None, Parameter(help="Where to write the bound addresses, in JSON, when ready.")
    ] = None,
    settings: SettingFlags = NO_SETTING,
) -> int:
    """Run the service on a playground: any domain can be edited, the clock can be moved.

    Data are in a temporary folder unless --data-dir is given, any access key is accepted, there are no
    limits, and with a command every port is a free one. The other settings are those of `indicia serve`.
    """
    # Until the service has handlers of its own: ended by a signal, Python would leave the folder behind.
    signal.signal(signal.SIGTERM, _end)
    with _temporary_folder() as temporary:
        defaults = {**DEFAULTS, "data_dir": temporary, **(FREE_PORTS if command else {})}
        tree = load(
            config_file(config), os.environ, settings.given(), terminal=sys.stderr.isatty(), defaults=defaults
        )
        _refuse_listening_away(tree)
        keep = tree.data_dir != Path(temporary)
        with starting():
            from indicia.app import sandbox as running

            return running.play(tree, running.Wish(strict_auth, command, ready_file, keep))


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed in the end, whenever that comes.

    A signal that came between the making of the folder and the note to remove it would leave it behind: it
    waits until both are done.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        return tempfile.TemporaryDirectory(prefix="indicia-sandbox-", ignore_cleanup_errors=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _refuse_listening_away(tree: Settings) -> None:
    """Refuse addresses that others reach, unless a flag of this very command names them."""
    for name in ("http", "admin", "dns"):
        away = [address for address in getattr(tree.listen, name) if not address.is_loopback]
        if away and tree.sources[f"listen_{name}"] != "flag":
            raise CommandError(
                f"a sandbox accepts any access key and listens on loopback only, not on {away[0]}: give"
                f" --listen-{name} if that is really meant",
                status=USAGE,
            )


@app.command
def publish(
    domain: Annotated[str, Parameter(help="The identity whose records to publish.")],
    /,
    *,
    only: Annotated[
        Literal["dkim", "ownership", "mail_from", "dmarc"] | None,
        Parameter(help="Only this facet: dkim, ownership, mail_from, dmarc.", show_choices=False),
    ] = None,
    break_: Annotated[
        str | None, Parameter(name="--break", help="Publish them so that some have this finding.")
    ] = None,
    json: Json = False,
    where: api.WhereFlags = api.HERE,
) -> None:
    """Publish an identity's records in the playground, and wait until they have been looked at."""
    from indicia.sandbox import publishing
    from indicia.sandbox.breaking import UnbreakableError

    finding = None if break_ is None else _finding(break_)
    talk = _Talk(api.find(where))
    found = publishing.records_of(talk, domain)
    wanted = [record for record in found if only in (None, record.facet)]
    if not wanted:
        raise CommandError(_nothing_to_publish(domain, only, sorted({record.facet for record in found})))
    try:
        steps = publishing.publish(talk, domain, wanted, finding)
    except UnbreakableError as error:
        raise CommandError(f"{domain} cannot be published so: {error}") from error
    if json:
        print_json(_listed(steps))
        return
    for step in steps:
        print(_told(step))


@dataclass(frozen=True, slots=True)
class _Talk:
    """Talks to the sandbox as this command line does."""

    service: api.ServiceAccess

    def signed(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, account: str | None = None
    ) -> Any:
        service = self.service if account is None else replace(self.service, key_id=account, secret=account)
        return service.json(method, path, body)

    def steer(self, method: str, place: str, body: Mapping[str, Any]) -> Any:
        return api.steer(self.service, method, place, body)


def _finding(word: str) -> Finding:
    from indicia.domain.verification.findings import Finding

    try:
        return Finding(word.upper().replace("-", "_"))
    except ValueError:
        known = ", ".join(finding.value for finding in Finding)
        raise CommandError(f"{word} is no finding: --break takes one of {known}", status=USAGE) from None


def _listed(steps: Sequence[Step]) -> dict[str, Any]:
    """Return what was published, as the calls have it, and the names that were made to fail."""
    from indicia.sandbox.breaking import Fail, Put

    published = [
        {"name": step.name, "type": step.type, "values": step.values, "shown_by": step.shown_by}
        for step in steps
        if isinstance(step, Put)
    ]
    return {"published": published, "failing": [asdict(step) for step in steps if isinstance(step, Fail)]}


def _told(step: Step) -> str:
    """Return what was done, a line for each value."""
    from indicia.sandbox.breaking import Fail, Withdraw

    if isinstance(step, Withdraw):
        return f"withdrew  {step.name}"
    if isinstance(step, Fail):
        return f"made fail {step.name} {step.rcode}"
    seen = f" (only at {', '.join(step.shown_by)})" if step.shown_by else ""
    return "\n".join(f"published {step.name} {step.type} {value}{seen}" for value in step.values)


def _nothing_to_publish(domain: str, only: str | None, facets: list[str]) -> str:
    if only is None:
        return f"{domain} has nothing to publish: an address is proved by the link in its mail"
    return f"{domain} has no records of {only}; it has {', '.join(facets) or 'none'}"


@app.command
def withdraw(
    domain: Annotated[str, Parameter(help="Everything at and below it is withdrawn.")],
    /,
    *,
    json: Json = False,
    where: api.WhereFlags = api.HERE,
) -> None:
    """Withdraw a domain's records from the playground, and wait until that has been looked at."""
    answer = api.steer(api.find(where), "DELETE", "records", {"domain": domain})
    if json:
        print_json(answer)
    else:
        print(f"withdrew the records of {_counted(answer['removed'], 'name')} at and below {domain}")


clock = App(name="clock", help="Read or move the sandbox's clock.")
app.command(clock)


@clock.default
def now(*, json: Json = False, where: api.WhereFlags = api.HERE) -> None:
    """Print the sandbox's time."""
    answer = api.steer(api.find(where), "GET", "clock")
    print_json(answer) if json else print(answer["now"])


@clock.command
def advance(
    span: Annotated[str, Parameter(help="How far, as 15m, 73h or 5d.")],
    /,
    *,
    json: Json = False,
    where: api.WhereFlags = api.HERE,
) -> None:
    """Move the clock forward, and wait until everything that became due has been looked at."""
    try:
        parse_span(span)
    except ValueError as refused:
        raise CommandError(str(refused), status=USAGE) from refused
    answer = api.steer(api.find(where), "POST", "clock", {"advance": span})
    print_json(answer) if json else print(answer["now"])


@app.command
def outbox(*, json: Json = False, where: api.WhereFlags = api.HERE) -> None:
    """Print the mail that the sandbox has sent, the oldest first."""
    answer = api.steer(api.find(where), "GET", "outbox")
    if json:
        print_json(answer)
        return
    if not answer["mails"]:
        print("No mail has been sent.")
    print(("\n" + "-" * 72 + "\n\n").join(map(_mail_text, answer["mails"])), end="")


def _mail_text(mail: dict[str, Any]) -> str:
    head = f"From: {mail['sender']}\nTo: {', '.join(mail['to'])}\nSubject: {mail['subject']}\n"
    return f"{head}\n{mail['text'].rstrip()}\n"


@app.command
def reset(*, json: Json = False, where: api.WhereFlags = api.HERE) -> None:
    """Forget all identities, records and mail. Access keys and the clock stay as they are."""
    answer = api.steer(api.find(where), "POST", "reset")
    print_json(answer) if json else print("The sandbox is empty.")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
