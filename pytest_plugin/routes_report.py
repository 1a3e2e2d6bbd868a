"""`--kit-route-coverage`: which routes the run has hit, over all tests and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kit.testing.route_coverage import RouteCoverage, format_percent
from pytest_plugin import workers

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "kit-route-coverage"


def install(config: pytest.Config, text: str) -> None:
    """Count the routes of this run, as the option's value says.

    Raises:
        pytest.UsageError: the value is none.
    """
    is_on, minimum = parse(text)
    if is_on:
        config.pluginmanager.register(RoutesReport(config, minimum), NAME)


class RoutesReport:
    """Collects hits while the tests run, and tells of them at the end.

    Args:
        config: of this process, be it the controller or a worker.
        minimum: the percentage of routes to be hit; None for any.
    """

    def __init__(self, config: pytest.Config, minimum: float | None) -> None:
        self._config = config
        self._minimum = minimum
        self._lost: list[str] = []
        self.coverage: RouteCoverage = RouteCoverage()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """Let go of the stubs of the servers that were stopped."""
        try:
            yield
        finally:
            self.coverage.close_stubs()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in what a worker has counted."""
        data = workers.receive(node, "route_coverage")
        if data is None:
            self._lost.append(workers.name_worker(node))
        else:
            self.coverage.merge(data)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over to the controller, or judge."""
        if workers.is_worker(self._config):
            workers.send(self._config, "route_coverage", self.coverage.to_builtins())
        elif self._is_short and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table."""
        if self._config.option.collectonly:
            return
        terminalreporter.ensure_newline()
        terminalreporter.section("kit route coverage")
        terminalreporter.write_line(self.coverage.format())
        for line in workers.tell_lost(self._lost, "what it has hit is missing here"):
            terminalreporter.write_line(line, red=True)
        if self._is_short and not self.coverage.routes:
            terminalreporter.write_line(
                "FAIL: no route was registered, so there is nothing to judge by "
                f"--kit-route-coverage={self._minimum:g}",
                red=True,
            )
        elif self._is_short:
            share = format_percent(self.coverage.percent)
            terminalreporter.write_line(
                f"FAIL: route coverage of {share} is less than the {self._minimum:g}% "
                "that --kit-route-coverage asks for",
                red=True,
            )

    @property
    def _is_short(self) -> bool:
        # A minimum of 0 asks for nothing.
        if not self._minimum or self._config.option.collectonly:
            return False
        return not self.coverage.routes or self.coverage.percent < self._minimum


def parse(text: str) -> tuple[bool, float | None]:
    """Read the option's value: whether to count, and the percentage to be reached.

    Raises:
        pytest.UsageError: it is none.
    """
    if text in ("", "off"):
        return False, None
    if text == "on":
        return True, None
    try:
        minimum = float(text)
    except ValueError:
        minimum = -1
    if not 0 <= minimum <= 100:
        raise pytest.UsageError(
            "--kit-route-coverage (ini: kit_route_coverage) takes a percentage of 0 to 100, "
            f'"on" or "off", not {text!r}; where a path follows, write --kit-route-coverage=on'
        )
    return True, minimum
