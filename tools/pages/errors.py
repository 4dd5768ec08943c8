"""`docs/explain/errors.md`: every kind of fault, and what each protocol makes of it."""

from __future__ import annotations

from indicia.domain.faults import FaultKind
from indicia.wire.aws.faults import INDICIA, V1, V2, ProtocolRefusal
from pages.markdown import Blocks, code, table

PATH = "docs/explain/errors.md"


def blocks() -> Blocks:
    """Return the kinds, with code and status in each protocol."""
    rows = [(code(kind.value), _said(V1[kind]), _said(V2[kind]), _said(INDICIA[kind])) for kind in FaultKind]
    return {PATH: {"kinds": table(("kind", "v1 and STS", "v2", "our own calls"), rows)}}


def _said(refusal: ProtocolRefusal) -> str:
    return f"{refusal.status} {code(refusal.code)}"
