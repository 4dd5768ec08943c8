"""The command line. Each command is a module, imported when it is the one that runs."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from indicia.cli.errors import FAILED, INTERRUPTED, USAGE, CommandError, complain, one_line

if TYPE_CHECKING:
    from cyclopts import App

    from indicia.domain.faults import Fault

_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

# Name, where it is, and the line that `indicia --help` has for it.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "indicia.cli.serve:serve", "Run the service."),
    ("sandbox", "indicia.cli.sandbox:app", "Run a service with a playground DNS, or talk to a running one."),
    (
        "doctor",
        "indicia.cli.doctor:doctor",
        "Look at an identity, or at the installation, and explain what is wrong.",
    ),
    ("records", "indicia.cli.records:records", "Print the records to publish for an identity."),
    ("env", "indicia.cli.env:env", "Print the environment for AWS SDKs and the AWS CLI, to eval."),
    ("key", "indicia.cli.key:app", "Create, list and revoke access keys."),
    ("account", "indicia.cli.account:app", "Create and list accounts."),
    ("audit", "indicia.cli.audit:app", "Export who did what."),
    ("demotions", "indicia.cli.demotions:app", "See whether demotions are paused; let them through."),
    ("config", "indicia.cli.config:app", "Check and show the settings."),
    ("migrate", "indicia.cli.migrate:migrate", "Bring the database schema up to date."),
    ("master-key", "indicia.cli.master_key:app", "Create and rotate the key that encrypts secrets at rest."),
)


def version() -> str:
    """Return the version that is installed."""
    from importlib.metadata import version as installed

    return installed("indicia")


def application() -> App:
    """Return the command line with every command in it, none of them imported yet."""
    from cyclopts import App

    app = App(
        name="indicia",
        help="Prove who may send mail as whom. Speaks the Amazon SES API.",
        version=version,
        version_flags=["--version"],
        help_flags=["--help", "-h"],
        help_format="plaintext",
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
    )
    for name, place, line in COMMANDS:
        app.command(place, name=name, help=line)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    A mistake of the user's is one line on standard error; only a mistake of ours is a traceback.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    if any(map(_is_undecodable, tokens)):
        return _fail("an argument is not UTF-8", USAGE)
    if tokens == ["--version"]:
        print(version())
        return 0
    try:
        status = _run(tokens)
        if sys.stdout is not None:  # whoever started this may have closed it
            sys.stdout.flush()  # not at the exit, where nobody could be told of trouble
    except CommandError as error:
        return _fail(one_line(error), error.status)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        if error.errno not in _DISK_TROUBLE:
            raise
        return _fail(f"this cannot be written: {error.strerror}", FAILED)
    return status


def _run(tokens: list[str]) -> int:
    from cyclopts import CycloptsError, UnusedCliTokensError

    from indicia.domain.faults import Fault
    from indicia.settings import SettingsError

    try:
        status = application()(tokens)
    except UnusedCliTokensError as error:
        command, too_many = " ".join(error.command_chain or ()), " ".join(error.unused_tokens or ())
        raise CommandError(
            f'"{too_many}" is more than the command takes: see `indicia {command} --help`', status=USAGE
        ) from error
    except (CycloptsError, SettingsError) as error:
        raise CommandError(one_line(error), status=USAGE) from error
    except Fault as fault:
        raise CommandError(_with_what_to_do(fault)) from fault
    return status if isinstance(status, int) else 0


def _with_what_to_do(fault: Fault) -> str:
    """Return the sentence of a fault. Who reads at a terminal that the database is away can do something."""
    from indicia.domain.faults import FaultKind

    if fault.kind is not FaultKind.UNAVAILABLE:
        return fault.message
    return f"{fault.message.removesuffix('.')}: mend that, or name another one with INDICIA_DATABASE_URL"


def _is_undecodable(token: str) -> bool:
    """Say whether the bytes of an argument are no text (they come as lone surrogates then)."""
    return any("\ud800" <= character <= "\udfff" for character in token)


def _fail(sentence: str, status: int) -> int:
    complain(sentence)
    return status
