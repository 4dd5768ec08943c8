"""Files and folders that nobody else may have made or changed: held to that before they count, and made so.

Theirs are this user and root. Whoever else may write to a keyring, a database or the folder they are in can
put another in its place, and so can whoever may change where a symbolic link leads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import secrets
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
# What holds a secret may be read by a group (a mounted secret: Kubernetes, defaultMode 0440), never by all.
_OTHERS_USE: Final = _OTHERS_WRITE | stat.S_IXGRP | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Exposure:
    """Why a file or folder cannot be trusted, and what mends that. Neither quotes what is in it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


class ExposedError(Exception):
    """A file or folder is not this user's alone. The sentence says which, why, and what mends that."""


def exposure(path: Path, *, secret: bool = False, shared: bool = False) -> Exposure | None:
    """Return why the file or folder cannot be trusted; None when it can, and when it is not there.

    `secret` says that others may not read it either. `shared` says of a folder that others may have files of
    their own in it, where none can move away what is not theirs (the sticky bit, as /tmp has it).
    """
    for above in path.parents:
        with contextlib.suppress(OSError):
            found = above.lstat()
            if stat.S_ISLNK(found.st_mode) and not _ours(found):
                reason = f"{above} is a symbolic link that {_name(found.st_uid)} can change"
                return Exposure(reason, f"name {os.path.realpath(above)} in its stead")
    try:
        found = path.lstat()
    except OSError:
        return None  # whoever opens it says what is wrong
    if stat.S_ISLNK(found.st_mode):
        reason = f"{path} is a symbolic link, which is not followed"
        return Exposure(reason, f"name {os.path.realpath(path)} in its stead")
    return _of_opened(path, found, secret=secret, shared=shared)


def is_own(path: Path) -> bool:
    """Say whether the file or folder belongs to this user or root, or is not there."""
    try:
        return _ours(path.lstat())
    except OSError:
        return True


def open_own(path: Path, *, secret: bool = False) -> int:
    """Return a descriptor of a regular file, open for reading, that nobody else may have changed.

    Raises: `ExposedError`; OSError where it cannot be opened.
    """
    try:
        # No FIFO is waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP and (found := exposure(path)) is not None:
            raise ExposedError(str(found)) from None
        raise
    state = os.fstat(descriptor)
    if stat.S_ISREG(state.st_mode) and not (found := _of_opened(path, state, secret=secret, shared=False)):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(state.st_mode):
        raise ExposedError(f"{path} is not a file: put one in its place")
    raise ExposedError(str(found))


def make_folder(path: Path) -> None:
    """Make the folder, for its owner alone, and those above it that are not there. Raises: OSError."""
    if not path.parent.exists():
        _make_above(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        sync_folder(path.parent)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def _make_above(path: Path) -> None:
    if not path.parent.exists():
        _make_above(path.parent)
    # Not what the umask leaves: that may let a group in.
    path.mkdir(mode=0o755, exist_ok=True)


def write_file(path: Path, contents: str | bytes, *, mode: int = 0o600) -> None:
    """Put a whole file in place in one step, over one of that name; it survives the loss of power.

    By default its owner alone may read it. A link of that name is replaced, not followed. Raises: OSError.
    """
    octets = contents.encode() if isinstance(contents, str) else contents
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, mode), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make names that are new in a folder, or gone from it, survive the loss of power. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _of_opened(path: Path, found: os.stat_result, *, secret: bool, shared: bool) -> Exposure | None:
    where = shlex.quote(str(path))
    if not _ours(found):
        user, folder = _name(os.geteuid()), stat.S_ISDIR(found.st_mode)
        rightful = user if os.geteuid() == 0 else f"{user} or root"
        owner = _name(found.st_uid)
        reason = f"{path} belongs to {owner}, and not to {rightful}"
        # Mostly root looks at what is a service's: to give it away would stop the service.
        if folder:
            return Exposure(
                reason, f"run this as {owner}, or `chown -R {user} {where}` if it is to be {user}'s"
            )
        return Exposure(reason, f"`chown {user} {where}`")
    mode = stat.S_IMODE(found.st_mode)
    if secret and mode & _OTHERS_USE:
        return Exposure(f"{path} is open to others (mode {mode:04o})", f"`chmod 600 {where}`")
    if mode & _OTHERS_WRITE and not (shared and mode & stat.S_ISVTX):
        return Exposure(f"{path} may be written to by others (mode {mode:04o})", f"`chmod go-w {where}`")
    return None


def _ours(found: os.stat_result) -> bool:
    return found.st_uid in {0, os.geteuid()}


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
