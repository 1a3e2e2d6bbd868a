"""`--kit-late`: requests that come to a test's port when the test is over."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from pytest_plugin import workers
from pytest_plugin.options import SETTINGS
from pytest_plugin.servers import find_current_phase, stop_server
from pytest_plugin.totals import TOTALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import kit.testing
    from kit.testing.late import LatePorts
    from pytest_plugin.servers import Stop

NAME = "kit-late"
SHOWN = 20

Told = tuple[str, str, str]
"""Whose port it was, what ran when the request came, and the request."""


def install(config: pytest.Config) -> None:
    """Note late requests in this run, unless they are to be ignored."""
    report = LateReport(config)
    config.stash[LATE] = report
    if report.mode != "ignore":
        config.pluginmanager.register(report, NAME)


class LateReport:
    """Keeps the ports of tests that are over, and tells at the end what came there.

    Args:
        config: of this process, be it the controller or a worker.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.mode: str = config.stash[SETTINGS].late
        self._ports: LatePorts | None = None
        self._told: list[Told] = []
        self._dropped = 0
        self._lost: list[str] = []

    # Ports

    @contextlib.contextmanager
    def keep_ports(self) -> Iterator[None]:
        """Keep ports open inside the block."""
        if self.mode == "ignore":
            yield
            return
        from kit.testing.late import LatePorts

        self._ports = ports = LatePorts(find_current_phase)
        try:
            yield
        finally:
            ports.close()
            self._ports = None
            self._take_in([(*late,) for late in ports.requests], ports.dropped)

    def make_stop(self, owner: str) -> Stop:
        """Return what stops a test's servers."""
        ports = self._ports
        if ports is None:
            return stop_server

        def stop(server: kit.testing.CheckedServer, grace_s: float | None) -> list[str]:
            return ports.retire(server, owner, grace_s=grace_s)

        return stop

    # What came

    def _take_in(self, told: list[Told], dropped: int) -> None:
        self._told += told
        self._dropped += dropped

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in what a worker has noted."""
        data = workers.receive(node, "late")
        if data is None:
            self._lost.append(workers.name_worker(node))
        else:
            self._take_in([(*each,) for each in data["told"]], data["dropped"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over to the controller, or judge."""
        if workers.is_worker(self._config):
            told = [list(each) for each in self._told]
            workers.send(self._config, "late", {"told": told, "dropped": self._dropped})
        elif self.mode == "error" and self._told and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write what came late, and whose it was."""
        has_lost = self._lost and self._config.stash[TOTALS].counts["servers"]
        if not self._told and not has_lost:
            return
        is_error = self.mode == "error" and bool(self._told)
        terminalreporter.ensure_newline()
        terminalreporter.section("kit late requests", red=is_error, yellow=not is_error)
        for line in format_late(self._told, self._dropped):
            terminalreporter.write_line(line)
        for line in workers.tell_lost(self._lost, "what came late to it is missing here"):
            terminalreporter.write_line(line, red=True)
        if is_error:
            terminalreporter.write_line("FAIL: --kit-late=error allows no late request", red=True)


LATE = pytest.StashKey[LateReport]()


def format_late(told: list[Told], dropped: int) -> list[str]:
    """Write late requests under the tests they belong to, the same ones once."""
    counted: dict[str, dict[tuple[str, str], int]] = {}
    for owner, during, request in told:
        of_owner = counted.setdefault(owner, {})
        of_owner[request, during] = of_owner.get((request, during), 0) + 1
    lines = []
    for owner, requests in counted.items():
        lines.append(f"{owner} was over when its port got")
        for (request, during), count in requests.items():
            when = describe_phase(during, owner)
            times = f" ({count} times)" if count > 1 else ""
            lines.append(f"  {request} during {when}{times}")
    left_out = len(lines) - SHOWN
    if left_out > 0:
        lines = [*lines[:SHOWN], f"and {left_out} more lines"]
    if dropped:
        lines.append(f"and {dropped} more requests, which were only counted")
    return lines


def describe_phase(phase: str, owner: str) -> str:
    """Name the test that ran, in short if it is the port's own."""
    name, _, when = phase.rpartition(" (")
    if name != owner:
        return name or phase
    return "its own teardown" if when == "teardown)" else "its next run"
