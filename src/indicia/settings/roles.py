"""The roles that a process can have."""

from __future__ import annotations

from enum import Enum
from typing import Final

from indicia.settings.parsers import listed, quoted


class Role(Enum):
    """What one process does. `serve` is all of them unless `--roles` says otherwise."""

    API = "api"
    LINKS = "links"
    VERIFIER = "verifier"
    MAILER = "mailer"
    DNS = "dns"


ALL_ROLES: frozenset[Role] = frozenset(Role)
# Those that work in the background, on what is due.
BACKGROUND: frozenset[Role] = frozenset({Role.VERIFIER, Role.MAILER})
LATER: frozenset[str] = frozenset({"console", "smtp", "feedback", "milter"})

# What comes with a role unless it is taken away: verifiers delivered mail before there was a role for that.
_BRINGS: Final = {Role.VERIFIER: Role.MAILER}
_KNOWN: Final = {role.value: role for role in Role}


def parse_roles(text: str) -> frozenset[Role]:
    """Return the roles of a comma list: what it names and what comes with that, without what has a minus.

    Where it names nothing but what is to be left out, it is all the others. Raises `ValueError` with the
    reason.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise ValueError(f"is empty, and needs at least one of {listed(_KNOWN)}")
    taken = frozenset(_role(name) for name in names if not name.startswith("-"))
    left_out = frozenset(_role(name[1:]) for name in names if name.startswith("-"))
    brought = frozenset(_BRINGS[role] for role in taken if role in _BRINGS)
    roles = ((taken | brought) or ALL_ROLES) - left_out
    if taken & left_out:
        raise ValueError("takes a role and leaves it out")
    if not roles:
        raise ValueError("leaves out every role")
    return roles


def _role(name: str) -> Role:
    if name in LATER:
        raise ValueError(f"the role {quoted(name)} is reserved for a later version")
    if name not in _KNOWN:
        raise ValueError(f"{quoted(name)} is none of {listed(_KNOWN)}")
    return _KNOWN[name]
