"""Invariant: nobody is verified longer than the window and one corroboration after anything was last seen.

    python fuzz/proof.py [SECONDS] [SEED]

Lets the machine of the test suite try random calls, records, outages and clock moves until the time is up,
and stops at the first sequence that breaks an invariant, printing it.
"""

# ruff: noqa: INP001, T201 - a script, which prints

import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "operations")]

import structlog  # noqa: E402 - after the folder of the machine
from hypothesis import HealthCheck, seed, settings  # noqa: E402
from hypothesis.stateful import run_state_machine_as_test  # noqa: E402
from proving import ProofMachine  # noqa: E402

EXAMPLES, STEPS = 20, 40


def main(seconds: float, first: int) -> int:
    """Try until the time is up. Returns the exit code; what breaks an invariant is raised."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    end, number = time.monotonic() + seconds, first
    tried = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    while time.monotonic() < end:
        print(f"seed {number}", flush=True)
        machine = type("Seeded", (ProofMachine,), {})
        run_state_machine_as_test(seed(number)(machine), settings=tried)
        number += 1
    print(f"{(number - first) * EXAMPLES} sequences of calls, the invariants hold")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float((sys.argv[1:] or ["60"])[0]), int((sys.argv[2:] or ["1"])[0])))
