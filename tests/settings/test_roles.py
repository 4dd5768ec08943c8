"""The roles of a process, as `--roles` names them."""

from __future__ import annotations

import pytest

from indicia.settings import ALL_ROLES, Role, parse_roles


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("api", {Role.API}),
        (" dns , links,", {Role.DNS, Role.LINKS}),
        ("mailer", {Role.MAILER}),
        ("verifier", {Role.VERIFIER, Role.MAILER}),
        ("verifier,mailer", {Role.VERIFIER, Role.MAILER}),
        ("-mailer,verifier", {Role.VERIFIER}),
        ("api,verifier,-mailer", {Role.API, Role.VERIFIER}),
        ("-dns", ALL_ROLES - {Role.DNS}),
        ("-verifier", ALL_ROLES - {Role.VERIFIER}),
        ("api,-dns", {Role.API}),
    ],
)
def test_roles_are_read(text: str, roles: set[Role]) -> None:
    """A verifier delivers mail as it did before that was a role, unless it is told not to."""
    assert parse_roles(text) == roles


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty, and needs at least one of `api`, `links`, `verifier`, `mailer` or `dns`"),
        (" , ", "is empty, and needs at least one of `api`, `links`, `verifier`, `mailer` or `dns`"),
        ("api,cook", '"cook" is none of `api`, `links`, `verifier`, `mailer` or `dns`'),
        ("-cook", '"cook" is none of `api`, `links`, `verifier`, `mailer` or `dns`'),
        ("smtp", 'the role "smtp" is reserved for a later version'),
        ("-smtp", 'the role "smtp" is reserved for a later version'),
        ("mailer,-mailer", "takes a role and leaves it out"),
        ("api,mailer,-mailer", "takes a role and leaves it out"),
        ("-api,-links,-verifier,-mailer,-dns", "leaves out every role"),
    ],
)
def test_what_names_no_roles_is_refused(text: str, reason: str) -> None:
    """With the reason, and with what could be named."""
    with pytest.raises(ValueError) as refused:
        parse_roles(text)

    assert str(refused.value) == reason
