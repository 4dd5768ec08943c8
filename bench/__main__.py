"""Measure, and print what was found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import (
    api,
    checking,
    cold,
    creating,
    crowd,
    deciding,
    dkim,
    keyzone,
    listing,
    onboarding,
    report,
    slow,
    starting,
    steps,
)
from bench.load import NoLoadToolError
from bench.nameserver import NoNameServerError
from bench.plan import Plan
from bench.report import Aim, Section

# What can be measured, by the name that --only takes.
GROUPS: Final[dict[str, Callable[[Plan], tuple[list[Section], list[Aim]]]]] = {
    "api": api.measure,
    "listing": listing.measure,
    "creating": creating.measure,
    "deciding": deciding.measure,
    "starting": starting.measure,
    "steps": steps.measure,
    "checking": checking.measure,
    "onboarding": onboarding.measure,
    "cold": cold.measure,
    "slow": slow.measure,
    "crowd": crowd.measure,
    "keyzone": keyzone.measure,
    "dkim": dkim.measure,
}
# What takes too long to be measured every time.
_BY_NAME_ONLY: Final = frozenset({"crowd"})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        help=f"comma list of {', '.join(GROUPS)}",
        default=",".join(name for name in GROUPS if name not in _BY_NAME_ONLY),
    )
    parser.add_argument("--sizes", help="identities stored, comma list", default="1000,100000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="a stretch of load, one a server and round")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, 1,000 and 10,000 identities")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    return parser.parse_args()


def main() -> int:
    """Measure and print. The exit status says whether it could be measured, not how fast it is."""
    given = _arguments()
    sizes = tuple(int(size) for size in given.sizes.split(","))
    plan = Plan((1000, 10000), 3, 1) if given.quick else Plan(sizes, given.rounds, given.seconds)
    sections: list[Section] = []
    aims: list[Aim] = []
    for name in given.only.split(","):
        try:
            found, wanted = GROUPS[name](plan)
        except (NoLoadToolError, NoNameServerError) as missing:
            print(missing, file=sys.stderr)
            return 1
        sections += found
        aims += wanted
    print(report.machine())
    report.show(sections, aims)
    if given.json is not None:
        report.write(given.json, sections, aims)
    return 0


if __name__ == "__main__":
    sys.exit(main())
