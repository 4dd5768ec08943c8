"""`indicia env`: what to put into the environment so that AWS SDKs come here."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from indicia.cli.errors import CommandError
from indicia.cli.options import NO_SETTING, Config, Json, SettingFlags, settings_of
from indicia.cli.output import print_json
from indicia.credentials import AccountCredentials, environment, read_credentials
from indicia.runtime import ready
from indicia.settings import Settings
from indicia.settings.client_url import client_url

if TYPE_CHECKING:
    from pathlib import Path


def env(*, config: Config = None, json: Json = False, settings: SettingFlags = NO_SETTING) -> None:
    """Print the environment for AWS SDKs and the AWS CLI: eval "$(indicia env)"."""
    tree = settings_of(config, settings)
    running = ready.read(tree.ready_file)
    variables = environment(
        _key(tree),
        region=running.region if running else tree.default_region,
        url=running.url if running and running.url else _expected_url(tree),
    )
    if json:
        print_json(variables)
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    if "AWS_SESSION_TOKEN" in os.environ:
        print("unset AWS_SESSION_TOKEN")  # it belongs to another key, and would be sent with this one


def _key(settings: Settings) -> AccountCredentials:
    root = settings.root
    if root.access_key_id is not None and root.secret_access_key is not None:
        return AccountCredentials(root.access_key_id, root.secret_access_key, root.account or "")
    key = read_credentials(settings.credentials_file)
    if key is None:
        obstacle = _why_unreadable(settings.credentials_file)
        if obstacle is not None:
            raise CommandError(obstacle)
        raise CommandError(
            f"there is no access key in {settings.credentials_file}: `indicia serve` makes one at the first"
            " start of an installation; name the folder of that with --data-dir or INDICIA_DATA_DIR, or make"
            " another key with `indicia key create`"
        )
    return key


def _why_unreadable(path: Path) -> str | None:
    """Return why this user may not look at the file; None where it is not there, or has no key in it."""
    try:
        with path.open("rb"):
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): run this as the user whose installation it is"


def _expected_url(settings: Settings) -> str:
    """Return where the server will be found by its settings, when none has left its address."""
    address = settings.listen.http[0]
    if address.port == 0:
        raise CommandError(
            f"no server is running on {settings.data_dir}, and its port is chosen when it starts: "
            "run `indicia serve` first"
        )
    return client_url(settings, address.host, address.port)
