"""`--kit-canary`: a planted secret, and the places where it comes to light."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_plugin import workers

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

NAME = "kit-canary"
VARIABLE = "KIT_CANARY"
SHOWN = 20
LEAST_BYTES = 8
"""As `kit.find_canary` has it: a shorter one would be found where it is not."""
FILE_BYTES = 256 * 1024 * 1024
"""Of a larger file only so much is searched."""

_FILE_OPTIONS = ("xmlpath", "log_file", "kit_report", "kit_har")
"""Options, and ini keys, that name a file that the run writes."""


def add_options(parser: pytest.Parser) -> None:
    """Declare the option and its ini key."""
    group = parser.getgroup("kit")
    group.addoption(
        "--kit-canary",
        metavar="SECRET",
        help="fail the run if this planted secret is found in a recording, a report or a log "
        f"(or from the environment: {VARIABLE})",
    )
    parser.addini("kit_canary", "as --kit-canary", default="")


def install(config: pytest.Config) -> None:
    """Watch for the secret, if one is planted.

    Raises:
        pytest.UsageError: it is too short to be told from chance.
    """
    given = config.getoption("kit_canary")
    secret: str = given or os.environ.get(VARIABLE, "") or config.getini("kit_canary")
    if not secret:
        return
    if len(secret.encode("utf-8", "surrogateescape")) < LEAST_BYTES:
        raise pytest.UsageError(
            f"--kit-canary (ini: kit_canary, environment: {VARIABLE}) has at least "
            f"{LEAST_BYTES} bytes that are found nowhere else"
        )
    config.pluginmanager.register(Canary(config, secret), NAME)


def note_file(config: pytest.Config, path: Path) -> None:
    """Have a file searched that was written by a test."""
    watch: Canary | None = config.pluginmanager.get_plugin(NAME)
    if watch is not None:
        watch.search_file(path)


class Canary:
    """Searches for the secret, and fails the run where it is found. It is never printed.

    Args:
        config: of this process, be it the controller or a worker.
        secret: what was planted.
    """

    def __init__(self, config: pytest.Config, secret: str) -> None:
        self._config = config
        self._secret = secret
        self._found: list[str] = []

    # Where it may be

    def search(self, where: str, data: str | bytes) -> None:
        """Search some data."""
        import kit

        form = kit.find_canary(self._secret, data)
        if form is not None:
            self._found.append(f"{where} ({form})")

    def search_file(self, path: Path) -> None:
        """Search a file; one that is not there holds nothing."""
        try:
            with path.open("rb") as file:
                data = file.read(FILE_BYTES)
        except OSError:
            return
        self.search(str(path), data)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Search what is told of a test: its error, output, logs and properties."""
        if workers.is_worker(self._config):
            return  # the controller gets the same report
        for name, text in _list_texts(report):
            self.search(f"{report.nodeid}, {name} of its {report.when}", text)

    def _list_files(self) -> Iterator[Path]:
        for name in _FILE_OPTIONS:
            given = self._config.getoption(name, None)
            if not given and name != "xmlpath":
                given = self._config.getini(name)
            if given:
                yield self._config.invocation_params.dir / given

    # The end

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in where a worker has found it."""
        self._found += workers.receive(node, "canary") or []

    # Last, that is behind those that write files and before the one that writes the summary.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Search the files of the run when all have been written, and judge."""
        if workers.is_worker(self._config):
            workers.send(self._config, "canary", self._found)
        result = yield
        if workers.is_worker(self._config):
            return result
        for path in self._list_files():
            self.search_file(path)
        if self._found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write where it was found."""
        if not self._found:
            return
        terminalreporter.ensure_newline()
        terminalreporter.section("kit canary", red=True)
        terminalreporter.write_line("FAIL: the planted secret came to light in", red=True)
        for where in self._found[:SHOWN]:
            terminalreporter.write_line(f"  {where}")
        if len(self._found) > SHOWN:
            terminalreporter.write_line(f"and in {len(self._found) - SHOWN} more places")


def _list_texts(report: pytest.TestReport) -> Iterator[tuple[str, str]]:
    if report.longrepr is not None:
        yield "error", report.longreprtext
    for name, text in report.sections:
        yield f"section {name!r}", text
    for name, value in report.user_properties:
        yield f"property {name!r}", str(value)
