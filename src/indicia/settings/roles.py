"""The parts of the house that a process can be."""

from __future__ import annotations

from enum import Enum

from indicia.settings.parsers import listed, quoted


class Role(Enum):
    """What one process does. `serve` is all of them unless `--roles` says otherwise."""

    API = "api"
    LINKS = "links"
    VERIFIER = "verifier"
    DNS = "dns"


ALL_ROLES: frozenset[Role] = frozenset(Role)
LATER: frozenset[str] = frozenset({"console", "smtp", "feedback", "milter"})


def parse_roles(text: str) -> frozenset[Role]:
    """Return the roles of a comma list. Raises `ValueError` with the reason."""
    known = {role.value: role for role in Role}
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name in LATER:
            raise ValueError(f"the role {quoted(name)} is reserved for a later version")
        if name not in known:
            raise ValueError(f"{quoted(name)} is none of {listed(known)}")
    if not names:
        raise ValueError(f"is empty, and needs at least one of {listed(known)}")
    return frozenset(known[name] for name in names)
