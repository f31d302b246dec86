"""`pytest --costs`: the tests and files that took most of the processors, with the processes that they started.

The clock of `--durations` also counts what a test waited for, and on a busy machine that is most of it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from multiprocessing import forkserver

import psutil
import pytest

LISTED = 40  # tests, and files
PROPERTY = "processor seconds"  # of a report


def processor_s() -> float:
    """Seconds of this process and of its children that have ended, those of `tests/worlds/forked.py` too."""
    return sum(os.times()[:4]) + _forked_s()


def _forked_s() -> float:
    """Seconds of the process that forks, and of what it has forked."""
    pid = getattr(forkserver, "_forkserver")._forkserver_pid  # noqa: B009 -- no type is known for what is private
    if pid is None:
        return 0.0
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system + times.children_user + times.children_system


class Costs:
    """A plugin of pytest. With xdist, each process of tests measures, and the one that reports adds up."""

    def __init__(self) -> None:
        self._last_s = processor_s()
        self._by_test: defaultdict[str, float] = defaultdict(float)

    def pytest_collection_finish(self) -> None:
        self._last_s = processor_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """After each set-up, call and tear-down."""
        report = yield
        now_s = processor_s()
        report.user_properties.append((PROPERTY, now_s - self._last_s))
        self._last_s = now_s
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY:
                assert isinstance(value, float)
                self._by_test[report.nodeid.partition("@")[0]] += value

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        by_file: defaultdict[str, float] = defaultdict(float)
        for test, cost_s in self._by_test.items():
            by_file[test.partition("::")[0]] += cost_s
        terminalreporter.section(f"{sum(self._by_test.values()):,.0f} s of processors")
        for found in (by_file, self._by_test):
            for name, cost_s in sorted(found.items(), key=lambda each: -each[1])[:LISTED]:
                terminalreporter.write_line(f"{cost_s:8.2f} s  {name}")
            terminalreporter.write_line("")
