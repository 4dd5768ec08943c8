"""What became of each mutant, kept from one run to the next, and the mutants that nobody can notice."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutation.mutants import Mutant
from mutation.scratch import ROOT

_ACCEPTED = Path(__file__).parent / "equivalent.toml"
_KEPT = ROOT / ".mutate" / "outcomes.jsonl"


@dataclass(frozen=True)
class Equivalent:
    """A mistake that changes nothing which anybody could observe, and why."""

    module: str
    inside: str
    was: str
    becomes: str
    why: str

    def is_(self, mutant: Mutant) -> bool:
        """Return whether this is that mutant."""
        return (self.module, self.inside, self.was, self.becomes) == (
            mutant.module,
            mutant.inside,
            mutant.was,
            mutant.becomes,
        )


def equivalents() -> list[Equivalent]:
    """Return the mistakes that are accepted, each with its reason."""
    entries = tomllib.loads(_ACCEPTED.read_text(encoding="utf-8")).get("mutant", [])
    return [Equivalent(**entry) for entry in entries]


class Ledger:
    """The outcomes of earlier runs.

    One that was noticed stands while its module is as it was; one that was not, while the tests are as well.
    """

    def __init__(self) -> None:
        _KEPT.parent.mkdir(exist_ok=True)
        lines = _KEPT.read_text(encoding="utf-8").splitlines() if _KEPT.exists() else []
        self._outcomes: dict[str, str] = dict(json.loads(line) for line in lines)

    def outcome(self, mutant: Mutant, tests: str) -> str | None:
        """Return the test that noticed a mutant, the empty string when none did, None when nobody knows."""
        noticed_by = self._outcomes.get(_key(mutant, ""))
        return noticed_by or self._outcomes.get(_key(mutant, tests))

    def record(self, mutant: Mutant, tests: str, noticed_by: str) -> None:
        """Keep an outcome, whatever becomes of this run."""
        key = _key(mutant, "" if noticed_by else tests)
        self._outcomes[key] = noticed_by
        with _KEPT.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps([key, noticed_by]) + "\n")


def digest_of(tests: list[str]) -> str:
    """Return what changes when the choice of tests does, or a file that one of them is in."""
    digest = hashlib.sha256("\n".join(sorted(tests)).encode())
    for file in sorted({test.split("::", 1)[0] for test in tests}):
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def _key(mutant: Mutant, tests: str) -> str:
    texts = (mutant.module, mutant.before, mutant.source, tests)
    return hashlib.sha256(repr(texts).encode()).hexdigest()
