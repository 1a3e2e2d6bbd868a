"""`--kit-canary`: a planted secret, and the places where it comes to light."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from pytest_plugin import workers

if TYPE_CHECKING:
    import warnings
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path
    from typing import Any

NAME = "kit-canary"
VARIABLE = "KIT_CANARY"
SHOWN = 20
LEAST_BYTES = 8
"""As `kit.find_canary` has it: a shorter one would be found where it is not."""
FILE_BYTES = 256 * 1024 * 1024
"""Of a larger file only so much is searched."""

FILE_OPTIONS = ("xmlpath", "log_file", "htmlpath", "report_log", "json_report_file", "debug")
"""Options, some with ini keys, that name a file which pytest, or a plugin of others, writes."""
TEXT_CHARACTERS = 256 * 1024
"""Of the terminal's text so much is searched at once."""
OVERLAP = 8 * 1024
"""And of what was searched so much again, with what follows."""
HIDDEN = "(the secret)"
GRAIN_NS = 2_000_000_000
"""By so much the time of a file may lag behind the clock, on the coarsest of file systems."""

# Compiled when they are first needed: every start of pytest imports this module.
_TITLE = r"(?m)^[=_!*-]{2,} (.+?) [=_!*-]{2,}"
_COLOURS = r"\x1b\[[0-9;]*m"


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
    watch = Canary(config, secret)
    config.pluginmanager.register(watch, NAME)
    if not workers.is_worker(config):
        config.pluginmanager.register(LastSearch(watch), f"{NAME}-last")


def note_file(config: pytest.Config, path: Path) -> None:
    """Have a file searched that this run has written, or played."""
    watch: Canary | None = config.pluginmanager.get_plugin(NAME)
    if watch is not None:
        watch.search_file(path)


def conclude(session: pytest.Session) -> None:
    """Judge the run once more, where something was written when all else was over."""
    watch: Canary | None = session.config.pluginmanager.get_plugin(NAME)
    if watch is not None:
        watch.conclude(session)


class Canary:
    """Searches for the secret, and fails the run where it is found. It is never printed.

    Args:
        config: of this process, be it the controller or a worker.
        secret: what was planted.
    """

    def __init__(self, config: pytest.Config, secret: str) -> None:
        self._config = config
        self._secret = secret
        self._found: dict[str, None] = {}
        self._told = 0
        self._files: set[tuple[str, int, int]] = set()
        self._text = TerminalText(self.search)
        self._lost: list[str] = []
        self._began_ns = time.time_ns()

    # Where it may be

    def search(self, where: str, data: str | bytes) -> bool:
        """Search some data; tell whether the secret is in it."""
        import kit

        form = kit.find_canary(self._secret, data)
        if form is None:
            return False
        where = where.replace(self._secret, HIDDEN)
        if kit.find_canary(self._secret, where) is not None:
            where = "a place that has it in its own name"
        self._found[f"{where} ({form})"] = None
        return True

    def search_file(self, path: Path) -> None:
        """Search a file; one that is not there holds nothing."""
        try:
            facts = path.stat()
            version = (str(path), facts.st_mtime_ns, facts.st_size)
            if version in self._files:
                return
            with path.open("rb") as file:
                data = file.read(FILE_BYTES)
        except OSError:
            return
        self._files.add(version)
        self.search(str(path), data)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Search what is told of a test: its name, error, output, logs and properties."""
        if workers.is_worker(self._config):
            return  # the controller gets the same report
        self.search("the name of a test", report.nodeid)
        for name, text in _list_texts(report):
            self.search(f"{report.nodeid}, {name} of its {report.when}", text)
        for name, value in report.user_properties:
            self.search(f"{report.nodeid}, property {name!r} of its {report.when}", str(value))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Search what is told of a module: why it cannot be imported, and its output."""
        if not workers.is_worker(self._config):
            for name, text in _list_texts(report):
                self.search(f"{report.nodeid}, {name} of its collection", text)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, nodeid: str
    ) -> None:
        """Search a warning."""
        if not workers.is_worker(self._config):
            self.search(f"{nodeid or 'the run'}, a warning", str(warning_message.message))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Listen to what is written to the terminal, from the first line on."""
        if self._find_reporter() is not None and not workers.is_worker(session.config):
            self._text.listen(session.config.get_terminal_writer())

    def _find_reporter(self) -> pytest.TerminalReporter | None:
        reporter: pytest.TerminalReporter | None
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter

    def _list_files(self) -> Iterator[Path]:
        for name in FILE_OPTIONS:
            given = self._config.getoption(name, None)
            if not given and name == "log_file":
                given = self._config.getini(name)
            if given and isinstance(given, str):
                path = os.path.expanduser(os.path.expandvars(given))  # noqa: PTH111 - as pytest
                yield self._config.invocation_params.dir / path

    def _is_of_this_run(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime_ns >= self._began_ns - GRAIN_NS
        except OSError:
            return False  # not there

    # The end

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in where a worker has found it."""
        found = workers.receive(node, "canary")
        if found is None:
            self._lost.append(workers.name_worker(node))
        else:
            self._found |= dict.fromkeys(found)

    # Innermost: behind those that write files, and before those that judge by the exit status.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Search the files of the run when all have been written, and judge."""
        if workers.is_worker(self._config):
            workers.send(self._config, "canary", list(self._found))
        result = yield
        if not workers.is_worker(self._config):
            for path in self._list_files():
                if self._is_of_this_run(path):
                    self.search_file(path)
            self._judge(session)
        return result

    def _judge(self, session: pytest.Session) -> None:
        is_bad = self._found or self._lost
        if is_bad and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write where it was found."""
        self._text.search()
        self._tell(terminalreporter)
        for line in workers.tell_lost(
            self._lost, "the files that its tests wrote are not searched"
        ):
            terminalreporter.write_line(f"FAIL: --kit-canary: {line}", red=True)

    def conclude(self, session: pytest.Session) -> None:
        """Judge the run, and write what has been found since its summary."""
        self._text.search()
        self._judge(session)
        reporter = self._find_reporter()
        if reporter is not None:
            self._tell(reporter)

    def _tell(self, terminalreporter: pytest.TerminalReporter) -> None:
        found = list(self._found)[self._told :]
        self._told = len(self._found)
        if not found:
            return
        terminalreporter.ensure_newline()
        terminalreporter.section("kit canary", red=True)
        terminalreporter.write_line("FAIL: the planted secret came to light in", red=True)
        for where in found[:SHOWN]:
            terminalreporter.write_line(f"  {where}")
        if len(found) > SHOWN:
            terminalreporter.write_line(f"and in {len(found) - SHOWN} more places")


class LastSearch:
    """Has the run judged when all has been written.

    Args:
        watch: searches, and tells.
    """

    def __init__(self, watch: Canary) -> None:
        self._watch = watch

    # Outermost: behind the summary and the last line.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Search the end of the terminal's text, and judge."""
        result = yield
        self._watch.conclude(session)
        return result


class TerminalText:
    """What is written to the terminal, searched section by section.

    Args:
        search: is given where a text stands, and the text; tells whether it found something.
    """

    def __init__(self, search: Callable[[str, str], bool]) -> None:
        self._search = search
        self._title = ""
        self._parts: list[str] = []
        self._size = 0

    def listen(self, writer: Any) -> None:
        """Take in what a terminal writer writes; all its methods end in `write`."""
        write = writer.write

        def write_and_note(msg: str, **options: Any) -> None:
            write(msg, **options)
            self.take(msg)

        writer.write = write_and_note

    def take(self, text: str) -> None:
        """Take in some more."""
        found = re.search(_TITLE, text)
        if found or self._size > TEXT_CHARACTERS:
            self.search()
        if found:
            self._title = found[1]
        self._parts.append(text)
        self._size += len(text)

    def search(self) -> None:
        """Search what was taken in."""
        text = re.sub(_COLOURS, "", "".join(self._parts))
        where = f"the terminal, under {self._title!r}" if self._title else "the terminal"
        is_found = self._search(where, text)
        # What stands across the border of two texts is found with the second.
        self._parts = [] if is_found else [text[-OVERLAP:]]
        self._size = 0


def _list_texts(
    report: pytest.TestReport | pytest.CollectReport,
) -> Iterator[tuple[str, str]]:
    if report.longrepr is not None:
        yield "error", report.longreprtext
    for name, text in report.sections:
        yield f"section {name!r}", text
