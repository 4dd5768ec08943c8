"""The command line in this process: what it prints, and the status it would end with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from invocation import Done, Run
from postgres import postgres_server

from indicia.cli import main

__all__ = ["postgres_server"]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without settings, and an empty folder to be in."""
    for name in [name for name in os.environ if name.startswith(("INDICIA_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def indicia(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command."""

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        status = main(arguments)
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return run
