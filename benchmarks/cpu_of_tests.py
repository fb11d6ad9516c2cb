"""A pytest plugin that shows the processor time of each test file: `python -m pytest -p benchmarks.cpu_of_tests ...`.

Counted are user and system seconds of the test process and of the processes that it started and waited for. The first
file of a process carries imports and collection; what files share is counted in the file that makes it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from typing import Any

import pytest

_MOST_FILES = 40
_seconds: dict[str, float] = defaultdict(float)
_counted = 0.0


def _used() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Add to the report of each phase of a test the seconds since the report before."""
    global _counted
    report = yield
    now = _used()
    report.cpu_seconds = now - _counted
    _counted = now
    return report


def pytest_runtest_logreport(report: Any) -> None:
    """Sum by file, in the process that prints."""
    _seconds[report.nodeid.partition("::")[0]] += getattr(report, "cpu_seconds", 0)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the files that took longest, and the sum of all."""
    terminalreporter.section("processor time")
    for file in sorted(_seconds, key=lambda file: -_seconds[file])[:_MOST_FILES]:
        terminalreporter.write_line(f"{_seconds[file]:8.1f} s  {file}")
    terminalreporter.write_line(f"{sum(_seconds.values()):8.1f} s  {len(_seconds)} files")
