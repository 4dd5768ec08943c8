"""Whether a text can be the policy of a new access key."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import shown
from indicia.domain.policies import wildcards
from indicia.domain.policies.grammar import access_key_policy
from indicia.operations.authorization import REPLICATE
from indicia.operations.registry import REGISTRY
from indicia.wire.shapes import operations


def check_key_policy(text: str) -> None:
    """The text can be the policy of a new access key: it is understood, and every action exists.

    An action that is misspelt would neither allow nor deny anything.

    Raises: `Fault` INVALID_POLICY naming what is wrong.
    """
    known = _known_actions()
    for statement in access_key_policy(text).statements:
        for action in statement.actions:
            fits = wildcards.compiled(action.lower())
            if not any(map(fits, known)):
                refuse(
                    FaultKind.INVALID_POLICY,
                    f"Statement {statement.position} has the action {shown(action)}, and there is none.",
                )


@lru_cache(maxsize=1)
def _known_actions() -> frozenset[str]:
    """Return every action there is, in lower case: of the service models, built or not, and our own."""
    modelled: Iterable[str] = (f"ses:{name}" for service in ("ses", "sesv2") for name in operations(service))
    own = (entry.permission for entry in REGISTRY.values())
    return frozenset(action.lower() for action in (*modelled, *own, REPLICATE))
