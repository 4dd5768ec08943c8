"""The fuzz targets of policies and of two tenants: each states its invariant, and finds what breaks it."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from places import ROOT

FUZZ = ROOT / "fuzz"
TARGETS = ("policies", "tenants")


def target(name: str) -> ModuleType:
    """Return the target as a module."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FUZZ / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TARGETS)
def test_it_states_its_invariant_in_the_first_line(name: str) -> None:
    """Whoever reads it knows at once what must never happen."""
    first, _, _ = (FUZZ / f"{name}.py").read_text().partition("\n")

    assert first.startswith('"""Invariant: ')


@pytest.mark.parametrize("name", TARGETS)
def test_the_invariant_holds(name: str) -> None:
    """Other documents and calls every time."""
    seed = str(random.SystemRandom().randrange(1 << 32))
    tried = subprocess.run(
        [sys.executable, FUZZ / f"{name}.py", "2", seed], capture_output=True, text=True, check=False
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert int(tried.stdout.partition(" ")[0]) > 10


def test_the_oracle_finds_a_wrong_decision(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """An evaluator that forgets who is denied is told of, with the document."""
    policies = target("policies")
    real = policies.decide
    monkeypatch.setattr(policies, "decide", lambda given, asked: real(_without_denials(given), asked))

    assert policies.main(30, 1) == 1
    assert "decides otherwise than the oracle" in capsys.readouterr().out


def _without_denials(policies: Any) -> Any:
    return [
        type(policy)(tuple(each for each in policy.statements if each.effect.value == "Allow"), policy.name)
        for policy in policies
    ]


@pytest.mark.parametrize("shared", ["account", "mark"])
def test_two_of_one_account_are_found_out(monkeypatch: pytest.MonkeyPatch, capsys: Any, shared: str) -> None:
    """Who shares an account reads what the other does: the target would see it of two tenants."""
    tenants = target("tenants")
    if shared == "account":
        monkeypatch.setattr(tenants, "ACCOUNTS", ("111122223333", "111122223333"))
    else:
        monkeypatch.setattr(
            tenants.Tenant, "mark", property(lambda _: "shop.example", lambda *_: None), raising=False
        )

    assert tenants.main(60, 1) == 1
    assert "seed 1, after " in capsys.readouterr().out
