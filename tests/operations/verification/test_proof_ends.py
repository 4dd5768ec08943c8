"""Nobody keeps a right without proof, or loses one that he has: whatever is called, seen and waited for."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from proving import ProofMachine

pytestmark = pytest.mark.timeout(1800)
TestProof = ProofMachine.TestCase
# A minute on two busy cores; `make fuzz T=proof` goes on for as long as wanted.
TestProof.settings = settings(
    max_examples=50, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
