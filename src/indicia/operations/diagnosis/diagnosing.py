"""GET /indicia/v1/identities/{name}/diagnosis: whose records are looked at, here and now.

The answer is the verifier's, which looks at the DNS outside of any transaction: `Dispatch` is told who gives
it.
"""

from __future__ import annotations

from msgspec import Struct


class DiagnosisRequest(Struct, kw_only=True, frozen=True):
    """Whose records are to be looked at."""

    name: str
