"""Several identities asked for in one call (spec 6.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indicia.domain.faults import FaultKind, refuse
from indicia.domain.names import fold

MOST_IDENTITIES = 100


def folded(asked: Sequence[str], name_of: Callable[[str], str] = fold) -> dict[str, str]:
    """Return, for each identity as it was asked for, the name under which it is stored.

    Raises: `Fault` INVALID_PARAMETER for more than a hundred.
    """
    if len(asked) > MOST_IDENTITIES:
        refuse(
            FaultKind.INVALID_PARAMETER,
            f"At most {MOST_IDENTITIES} identities can be asked for at once; {len(asked)} were given.",
        )
    return {name: name_of(name) for name in asked}
