"""Whether `indicia serve` would start: everything it needs is looked at, nothing is made or changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indicia.app.processes.certificates import certificate_of
from indicia.domain.faults import Fault
from indicia.installation import (
    FINGERPRINT,
    InstallationError,
    exposures,
    recorded_keyring,
    require_schema,
)
from indicia.private_files import exposure
from indicia.settings import Role
from indicia.store.engine import meta, schema
from indicia.store.engine.opening import open_database
from indicia.store.engine.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indicia.settings import Settings


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why the service would not start: which part of it, and the sentence that `serve` ends with."""

    part: str
    reason: str


def obstacles(settings: Settings, roles: frozenset[Role]) -> list[Obstacle]:
    """Return what stands against starting with these settings beside the settings themselves.

    Whether the addresses are free is not looked at: the service that runs now has them.
    """
    parts = [("tls", _of_certificate), ("data dir", _of_data_dir), ("files", _of_files)]
    if not exposures(settings):  # where there are some a start ends before it
        parts.append(("database", _of_database))
    return [Obstacle(part, reason) for part, look in parts for reason in look(settings, roles)]


def open_secrets(settings: Settings) -> list[str]:
    """Return which secrets that the operator put somewhere others may read or change. That is only warned of.

    A link is followed: whoever renews certificates keeps links to the present ones.
    """
    if settings.tls is None:
        return []
    found = exposure(settings.tls.key_file.resolve(), secret=True)
    return [] if found is None else [str(found)]


def _of_certificate(settings: Settings, roles: frozenset[Role]) -> Iterator[str]:
    if settings.tls is not None and roles & {Role.API, Role.LINKS}:
        try:
            certificate_of(settings.tls)
        except InstallationError as error:
            yield str(error)


def _of_data_dir(settings: Settings, _: frozenset[Role]) -> Iterator[str]:
    folder = settings.data_dir
    if not _is_usable(folder):
        yield f"the data dir {folder} cannot be used: {_why_unusable(folder)}"


def _of_files(settings: Settings, _: frozenset[Role]) -> Iterator[str]:
    yield from map(str, exposures(settings))


def _of_database(settings: Settings, _: frozenset[Role]) -> Iterator[str]:
    """Yield what is wrong with database, schema and keyring, each of which needs the one before."""
    url = settings.database_url
    recorded = None
    try:
        found = schema.check(url.text)
        require_schema(settings, found)
        if found is not Schema.EMPTY:
            database = open_database(url.text)
            try:
                recorded = database.read(lambda s: meta.get(s, FINGERPRINT))
            finally:
                database.close()
    except (InstallationError, Fault) as error:
        yield str(error)
    try:
        recorded_keyring(settings, url.dialect, recorded)
    except InstallationError as error:
        yield str(error)
        return
    ring = settings.master_key_file
    if not ring.exists() and not _is_usable(ring.parent):
        yield f"the keyring {ring} cannot be created: {_why_unusable(ring.parent)}"


def _is_usable(folder: Path) -> bool:
    """Say whether files can be made in a folder, once it and those above it are made."""
    there = _nearest(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _why_unusable(folder: Path) -> str:
    there = _nearest(folder)
    return f"{there} is not a folder" if not there.is_dir() else f"this user may not write to {there}"


def _nearest(folder: Path) -> Path:
    """Return the folder itself or the nearest above it that exists."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.exists())
