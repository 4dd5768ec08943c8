"""The system's resolvers, as one perspective."""

from pathlib import Path

import pytest

from indicia.settings import system_perspective


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 192.0.2.1\n", "system=192.0.2.1:53"),
        (
            "# nameserver 192.0.2.9\nsearch x\nnameserver 127.0.0.53\nnameserver ::1\n",
            "system=127.0.0.53:53,[::1]:53",
        ),
        ("nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "system=192.0.2.1:53"),
        (
            "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6)),
            "system=192.0.2.1:53,192.0.2.2:53,192.0.2.3:53",
        ),
        ("nameserver\nnameserver nonsense\n", "system=127.0.0.1:53"),
        ("", "system=127.0.0.1:53"),
    ],
)
def test_name_servers_are_taken_in_their_order(tmp_path: Path, text: str, found: str) -> None:
    """The first three that are addresses count, and without any it is the machine itself."""
    path = tmp_path / "resolv.conf"
    path.write_text(text)

    assert str(system_perspective(path)) == found


def test_without_the_file_it_is_this_machine(tmp_path: Path) -> None:
    """A machine without resolv.conf asks itself."""
    assert str(system_perspective(tmp_path / "missing")) == "system=127.0.0.1:53"


def test_only_loopback_is_trusted(tmp_path: Path) -> None:
    """What a network in between could forge says nothing about DNSSEC."""
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.1\nnameserver 192.0.2.1\n")

    assert [resolver.trusted for resolver in system_perspective(path).resolvers] == [True, False]
