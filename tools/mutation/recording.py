"""A pytest plugin that records which functions each test enters, and how long it takes."""

from __future__ import annotations

import ast
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import coverage
import pytest


class Recording:
    """While tests run, coverage counts for the test that runs; `entered` says what came of it."""

    def __init__(self, root: Path, modules: list[str]) -> None:
        self._root = root
        self._modules = modules
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(root / module) for module in modules]
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """What is entered from here on is entered by this test."""
        self._coverage.switch_context(item.nodeid)
        start = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = round(time.monotonic() - start, 3)
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that does not pass as things are can notice nothing."""
        if not report.passed:
            self._failed.add(report.nodeid)

    def entered(self) -> dict[str, Any]:
        """Return for each test that passed its seconds and the functions it entered, by module."""
        self._coverage.stop()
        data = self._coverage.get_data()
        tests: dict[str, Any] = {
            test: [seconds, {}] for test, seconds in self._seconds.items() if test not in self._failed
        }
        for module in self._modules:
            names = _functions(self._root / module)
            for line, contexts in data.contexts_by_lineno(str(self._root / module)).items():
                name = names.get(line)
                for test in contexts if name is not None else ():
                    if test in tests:
                        functions = tests[test][1].setdefault(module, [])
                        if name not in functions:
                            functions.append(name)
        return tests


def _functions(path: Path) -> dict[int, str]:
    """Return the function that each line of a body is in."""
    found: dict[int, str] = {}

    def visit(node: ast.AST, inside: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                name = ".".join((*inside, child.name))
                found.update(dict.fromkeys(range(child.body[0].lineno, (child.end_lineno or 0) + 1), name))
                visit(child, (*inside, child.name))
            else:
                visit(child, (*inside, child.name) if isinstance(child, ast.ClassDef) else inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), ())
    return found
