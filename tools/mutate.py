"""Break the rules on purpose, one mistake at a time, and say which mistakes no test notices.

`T` of `make mutate` narrows it to a group of `tools/mutation/targets.toml` or to a path below `src/indicia`,
`N` says how many mistakes are made in a hundred lines, and `SEED` draws others. They are made in a copy.
What is known of an earlier run is not tried again: one that was interrupted goes on where it was, and after
a new test only what nobody had noticed is tried anew. `.mutate/` has it; without it all begins afresh.

Fails when a group of modules has fewer than 90 of 100 mistakes noticed, those aside that nobody could notice
(`tools/mutation/equivalent.toml`, with the reason for each).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mutation.ledger import Equivalent, Ledger, digest_of, equivalents
from mutation.mutants import Mutant, sample
from mutation.reach import Reach, Selection
from mutation.scratch import Scratch, scratch_copy
from mutation.targets import Target, targets

_ENOUGH = 0.9


@dataclass
class Count:
    """How many mistakes were noticed, and those that were not."""

    noticed: int = 0
    equivalent: int = 0
    unnoticed: list[Mutant] = field(default_factory=list)

    def add(self, other: Count) -> None:
        """Count what another has counted as well."""
        self.noticed += other.noticed
        self.equivalent += other.equivalent
        self.unnoticed += other.unnoticed

    @property
    def share(self) -> float:
        """The share of mistakes that were noticed."""
        made = self.noticed + len(self.unnoticed)
        return self.noticed / made if made else 1.0

    def __str__(self) -> str:
        said = f"{self.noticed} noticed, {len(self.unnoticed)} not"
        if self.equivalent:
            said += f", {self.equivalent} that nobody could notice"
        return f"{said} ({self.share:.0%})"


@dataclass(frozen=True)
class Trial:
    """What all mutants of a run have in common."""

    scratch: Scratch
    ledger: Ledger
    accepted: list[Equivalent]
    per_hundred_lines: int
    seed: int


def main() -> int:
    """Try the mutants of each target; return 1 when too few of one were noticed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("target", nargs="?", default="", help="a group, or a path below src/indicia")
    arguments.add_argument("--per-hundred-lines", type=int, default=4)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    chosen = targets(given.target)
    if not chosen:
        print(
            f"mutate: {given.target} is no group of tools/mutation/targets.toml and no path in one",
            file=sys.stderr,
        )
        return 2
    lacking = []
    with scratch_copy() as scratch:
        trial = Trial(scratch, Ledger(), equivalents(), given.per_hundred_lines, given.seed)
        for target in chosen:
            count = _try_target(trial, target)
            print(f"{target.name}: {count}\n", flush=True)
            if count.share < _ENOUGH:
                lacking.append(target.name)
    if lacking:
        print(
            f"mutate: fewer than {_ENOUGH:.0%} of the mistakes in {', '.join(lacking)} were noticed",
            file=sys.stderr,
        )
    return 1 if lacking else 0


def _try_target(trial: Trial, target: Target) -> Count:
    whole = Count()
    reach = Reach(trial.scratch, target.tests, target.modules)
    for module in target.modules:
        count = _try_module(trial, module, reach)
        for mutant in count.unnoticed:
            print(f"\nnot noticed, in {mutant.inside or 'the module'}:\n{mutant.diff}\n")
        print(f"{Path(module).relative_to('src/indicia')}: {count}", flush=True)
        whole.add(count)
    return whole


def _try_module(trial: Trial, module: str, reach: Reach) -> Count:
    source = (trial.scratch.root / module).read_text(encoding="utf-8")
    lines = len(source.splitlines())
    mutants = sample(module, source, max(2, round(lines * trial.per_hundred_lines / 100)), trial.seed)
    count = Count()
    for mutant in mutants:
        if any(one.is_(mutant) for one in trial.accepted):
            count.equivalent += 1
        elif _noticed_by(trial, mutant, reach.selection(mutant)):
            count.noticed += 1
        else:
            count.unnoticed.append(mutant)
    return count


def _noticed_by(trial: Trial, mutant: Mutant, selection: Selection) -> str:
    """Return the test that noticed a mistake, or the empty string."""
    digest = digest_of(selection.tests)
    known = trial.ledger.outcome(mutant, digest)
    if known is not None:
        return known
    limit = selection.seconds * 3 + 20
    with trial.scratch.with_source(mutant.module, mutant.source):
        outcome = trial.scratch.run(selection.tests, limit)
        # A test that fails by itself now and then would not do so twice, on its own.
        if not outcome.passed and outcome.in_time and outcome.is_of_a_test:
            outcome = trial.scratch.run([outcome.failed_test], limit)
    noticed_by = "" if outcome.passed else outcome.failed_test
    trial.ledger.record(mutant, digest, noticed_by)
    return noticed_by


if __name__ == "__main__":
    sys.exit(main())
