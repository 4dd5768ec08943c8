"""`indicia serve`: the service."""

from __future__ import annotations

import errno
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from indicia.cli.config import roles_of, what_stands_against
from indicia.cli.errors import USAGE, CommandError
from indicia.cli.options import NO_SETTING, Config, SettingFlags, settings_of
from indicia.runtime import lazy_imports

_MOST_WORKERS = 64


def serve(
    *,
    config: Config = None,
    roles: Annotated[
        str | None,
        Parameter(help="Only these: api, links, verifier (with mailer, but for -mailer), mailer, dns."),
    ] = None,
    workers: Annotated[int, Parameter(help="Processes that answer the API.")] = 1,
    ready_file: Annotated[
        Path | None, Parameter(help="Where to write the bound addresses, in JSON, when ready.")
    ] = None,
    settings: SettingFlags = NO_SETTING,
) -> int:
    """Run the service: every role in one process, on embedded defaults, until SIGTERM."""
    if not 1 <= workers <= _MOST_WORKERS:
        raise CommandError(f"--workers: {workers} is not from 1 to {_MOST_WORKERS}", status=USAGE)
    tree = settings_of(config, settings)
    chosen = roles_of(roles)
    against = what_stands_against(tree, chosen)
    if against:
        raise CommandError("; ".join(map(str, against)), status=USAGE)

    with starting():
        # The service brings in most of the program; a refusal should not have to wait for that.
        from indicia.app.processes.single import serve as run

        return run(tree, roles=chosen, workers=workers, ready_file=ready_file)


@contextmanager
def starting() -> Iterator[None]:
    """Turn what keeps a server from starting into what a command says; import it inside.

    Until it stands there is no garbage to speak of, and looking for it was a fifth of the start: whoever runs
    the service enables the collector when it is ready.
    """
    gc.disable()
    lazy_imports.import_libraries()
    from indicia.installation import InstallationError
    from indicia.wire.http.server import CannotListenError

    try:
        yield
    except InstallationError as error:
        raise CommandError(str(error)) from error
    except CannotListenError as error:
        advice = _ADVICE.get(_errno_of(error), "").format(setting=error.setting or "the settings")
        raise CommandError(f"{error}{advice}") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise CommandError(f"{error.filename} cannot be used: {error.strerror}") from error
    finally:
        gc.enable()


_ADVICE = {
    errno.EADDRINUSE: ": something else does; end it, or choose another address with {setting}",
    errno.EACCES: (
        ": ports below 1024 are not for everybody; choose another with {setting}, or grant"
        " CAP_NET_BIND_SERVICE"
    ),
    errno.EADDRNOTAVAIL: ": this machine does not have the address; choose another with {setting}",
}


def _errno_of(error: BaseException) -> int:
    cause = error.__cause__
    return cause.errno or 0 if isinstance(cause, OSError) else 0
