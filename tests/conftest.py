"""What holds for every test: in continuous integration nothing is skipped, and no example has a deadline."""

import os
import sys
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import settings
from structlog._config import (
    BoundLoggerLazyProxy,  # it keeps what it was configured with, and says so to nobody
)

# No test asserts a time: how long an example takes says how busy the machine is. In CI, as Hypothesis has it
# there, the examples are the same each time.
settings.register_profile("indicia", parent=settings(), deadline=None)
settings.load_profile("indicia")

IN_CI = os.environ.get("CI") == "true"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a test does to the log of its process ends with it: a command that serves configures all of it."""
    former = structlog.get_config()
    yield
    if all(structlog.get_config()[name] is value for name, value in former.items()):
        return
    structlog.configure(**former)
    for module in list(sys.modules.values()):
        for value in list(vars(module).values()):
            if isinstance(value, BoundLoggerLazyProxy):
                vars(value).pop("bind", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself because its peer is missing fails where the peer has to be there."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in {call.when}, and in CI nothing is: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and in CI nothing is: {report.longrepr}"
    return report
