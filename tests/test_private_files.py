"""What others could have made or changed counts for nothing: owners, modes, links, and what mends them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from indicia.private_files import (
    ExposedError,
    exposure,
    make_folder,
    open_own,
    write_file,
)

SOMEBODY = 54_321  # nobody has this number
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file of this user's in a folder of this user's, both for that user alone."""
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    file = folder / "file"
    file.touch(0o600)
    return file


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that leaves everything open."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o755, 0o444])
def test_what_nobody_else_may_write_to_is_trusted(place: Path, mode: int) -> None:
    """Reading is another matter."""
    place.chmod(mode)
    assert exposure(place) is None
    os.close(open_own(place))


@pytest.mark.parametrize("mode", [0o660, 0o602, 0o666, 0o777])
def test_what_others_may_write_to_is_not(place: Path, mode: int) -> None:
    """The reason has the mode, and the remedy mends it."""
    place.chmod(mode)

    found = exposure(place)

    assert str(found) == f"{place} may be written to by others (mode {mode:04o}): `chmod go-w {place}`"
    with pytest.raises(ExposedError, match="by others"):
        open_own(place)
    subprocess.run(["/bin/sh", "-c", found.remedy.strip("`")], check=True)  # type: ignore[union-attr]
    assert exposure(place) is None


@pytest.mark.parametrize(("mode", "trusted"), [(0o600, True), (0o440, True), (0o444, False), (0o610, False)])
def test_a_secret_is_read_by_a_group_at_most(place: Path, mode: int, trusted: bool) -> None:
    """A mounted secret often is; by everybody it never is."""
    place.chmod(mode)

    found = exposure(place, secret=True)

    assert (found is None) is trusted
    if found is not None:
        assert str(found) == f"{place} is open to others (mode {mode:04o}): `chmod 600 {place}`"


@root
def test_what_belongs_to_somebody_else_is_not_trusted(place: Path) -> None:
    """Whoever it belongs to can change it, whatever its mode says."""
    os.chown(place, SOMEBODY, -1)
    os.chown(place.parent, SOMEBODY, -1)

    of_file, of_folder = exposure(place), exposure(place.parent)

    assert str(of_file) == f"{place} belongs to {SOMEBODY}, and not to root: `chown root {place}`"
    assert str(of_folder) == (
        f"{place.parent} belongs to {SOMEBODY}, and not to root:"
        f" run this as {SOMEBODY}, or `chown -R root {place.parent}` if it is to be root's"
    )
    with pytest.raises(ExposedError, match="belongs to"):
        open_own(place)


def test_a_symbolic_link_is_not_followed(place: Path) -> None:
    """Even one of this user's: the place that it leads to is to be named."""
    link = place.with_name("link")
    link.symlink_to(place)
    folder = place.parent.with_name("folder")
    folder.symlink_to(place.parent)

    assert str(exposure(link)) == (
        f"{link} is a symbolic link, which is not followed: name {place} in its stead"
    )
    assert "is a symbolic link" in str(exposure(folder))
    with pytest.raises(ExposedError, match="is a symbolic link"):
        open_own(link)


def test_a_link_on_the_way_may_be_this_users(place: Path) -> None:
    """Such as /var/lib/NAME, which systemd makes a link to /var/lib/private/NAME."""
    way = place.parent.with_name("way")
    way.symlink_to(place.parent)
    assert exposure(way / place.name) is None


@root
def test_a_link_on_the_way_is_nobody_elses(place: Path) -> None:
    """Whoever can change where it leads chooses which of our own folders is written to."""
    way = place.parent.with_name("way")
    way.symlink_to(place.parent)
    os.lchown(way, SOMEBODY, -1)

    assert str(exposure(way / place.name)) == (
        f"{way} is a symbolic link that {SOMEBODY} can change: name {place.parent} in its stead"
    )


def test_a_folder_that_all_share_is_no_place_of_ones_own(place: Path) -> None:
    """Files may be in /tmp, where none can move what is not theirs; the data folder is no such place."""
    place.parent.chmod(0o1777)
    assert exposure(place.parent, shared=True) is None
    assert exposure(place.parent) is not None
    place.parent.chmod(0o777)
    assert exposure(place.parent, shared=True) is not None


def test_what_is_not_there_exposes_nothing(tmp_path: Path) -> None:
    """Whoever makes it sees to it."""
    assert exposure(tmp_path / "none") is None
    assert exposure(tmp_path / "none" / "deeper") is None


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """Neither a folder nor a pipe, which nobody waits for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ExposedError, match="is not a file"):
        open_own(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        open_own(tmp_path)


@pytest.mark.usefixtures("open_umask")
def test_folders_are_made_for_their_owner(tmp_path: Path) -> None:
    """Whatever the umask leaves: for its owner alone; those above it are not for others to write to."""
    folder = tmp_path / "a" / "b" / "data"
    make_folder(folder)
    make_folder(folder)

    assert [each.stat().st_mode & 0o777 for each in (folder, folder.parent, folder.parent.parent)] == [
        0o700,
        0o755,
        0o755,
    ]
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        make_folder(tmp_path / "file")


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("before", [None, "file", "link"])
def test_a_file_is_written_whole_and_for_its_owner(tmp_path: Path, before: str | None) -> None:
    """Over a file, or over a link whose target stays as it is; nothing is left beside it."""
    other, path = tmp_path / "other", tmp_path / "path"
    other.write_text("untouched")
    if before == "file":
        path.write_text("before")
    if before == "link":
        path.symlink_to(other)

    write_file(path, "now\n")

    assert (path.read_text(), path.is_symlink(), path.stat().st_mode & 0o777) == ("now\n", False, 0o600)
    assert other.read_text() == "untouched"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other", "path"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A folder of that name is not replaced, and no file stays beside it."""
    (tmp_path / "path").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_file(tmp_path / "path", "x")
    assert [each.name for each in tmp_path.iterdir()] == ["path"]
