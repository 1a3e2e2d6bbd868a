"""`kit_cassette` and `upstream=`: servers that record what stands behind them, and play it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_plugin import canary, workers
from pytest_plugin.cassette_files import Unopened, cut, format_ignored, format_unused, name_file
from pytest_plugin.options import fail
from pytest_plugin.redaction import make_redaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import kit

NAME = "kit-cassettes"
MARKER = (
    "kit_cassette(path=None, *, mode, upstream, match_on, ignore, reuse, pace, redact): "
    "the servers of the test answer from a recording, or record their upstream"
)
ARGUMENTS = ("path", "mode", "upstream", "match_on", "ignore", "reuse", "pace", "redact")
MODES = ("none", "once", "new_episodes", "all", "rewrite", "verify")
UNUSED = ("ignore", "warn", "error")
SECTION = "kit cassettes"
OUTCOMES = (pytest.fail.Exception, pytest.skip.Exception)
"""What a rule of the user may raise that is no `Exception`."""

TAKEN = (
    "was recorded by another worker in this run, and stays as that left it: record tests that "
    "share a file in one process, with -n 0 or --dist=loadfile"
)


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and their ini keys."""
    group = parser.getgroup("kit")
    modes = "|".join(MODES)
    group.addoption(
        "--kit-record-mode",
        metavar=modes,
        help="whether cassettes play, record or do both; goes before the marker's mode (none)",
    )
    group.addoption(
        "--kit-unused",
        metavar="|".join(UNUSED),
        help="what becomes of recordings that no test uses: nothing, a section of the summary, "
        "or that and a failed run (warn)",
    )
    parser.addini("kit_record_mode", "as --kit-record-mode, but the marker's mode goes before")
    parser.addini("kit_unused", "as --kit-unused", default="warn")


def install(config: pytest.Config) -> None:
    """Register the marker, and what tells of unused recordings.

    Raises:
        pytest.UsageError: an option or ini key holds what cannot be used.
    """
    config.addinivalue_line("markers", MARKER)
    _read_choice(config, "record_mode", MODES, "none")
    report = UnusedReport(config, _read_choice(config, "unused", UNUSED, "warn"))
    config.stash[CASSETTES] = report
    config.pluginmanager.register(report, NAME)


def _read_choice(config: pytest.Config, name: str, choices: tuple[str, ...], default: str) -> str:
    value = config.getoption(f"kit_{name}") or config.getini(f"kit_{name}") or default
    if value not in choices:
        option = f"--kit-{name.replace('_', '-')}"
        known = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise pytest.UsageError(f"{option} (ini: kit_{name}) is {known}, not {value!r}")
    return str(value)


# A test


class CassetteBook:
    """The cassettes of one test, one for each of its servers that has an upstream.

    Args:
        item: the test.
        options: arguments of its marker, as `read_marker` gives them.
    """

    def __init__(self, item: pytest.Item, options: Mapping[str, Any]) -> None:
        self._item = item
        self._report = item.config.stash[CASSETTES]
        self._options = dict(options)
        self._is_marked = item.get_closest_marker("kit_cassette") is not None
        self._cassettes: list[kit.Cassette] = []
        self._stack = contextlib.ExitStack()
        self._has_failed = False
        self._is_good = False
        self.redaction: kit.Redaction | None = None
        """What is taken out of what its cassettes hold, None for nothing or none."""

    def insert(self, server: kit.HTTPServer, upstream: Any) -> None:
        """Give a server a cassette: if it has an upstream, or is the first of a marked test."""
        is_meant = self._is_marked or "upstream" in self._options
        if upstream is None and (self._cassettes or not is_meant):
            return
        import kit

        if upstream is None:
            upstream = self._options.get("upstream")
        try:
            source = self._open_upstream(upstream)
            self._cassettes.append(self._make(source))
        except (kit.ConfigurationError, kit.RecordingError, kit.UnsafePathError) as error:
            fail(f"@pytest.mark.kit_cassette: {error}")
        server.fallback = self._cassettes[-1]

    def _open_upstream(self, upstream: Any) -> Any:
        import kit

        if not isinstance(upstream, str):
            return upstream
        return self._stack.enter_context(kit.Upstream(upstream))

    def _make(self, source: Any) -> kit.Cassette:
        import kit

        given = {name: value for name, value in self._options.items() if name in _PASSED_ON}
        asked_out = self._options.get("redact", True)
        given["redaction"] = self.redaction = make_redaction(self._item.config, asked_out)
        path = name_file(self._item, self._options.get("path"), len(self._cassettes))
        asked = self._options.get("mode")
        mode: Any = self._report.choose_mode(path, asked)
        cassette = kit.Cassette(path, mode=mode, upstream=source, **given)
        # Another worker may have written the file since the mode was chosen by it.
        later: Any = self._report.choose_mode(path, asked)
        if later != mode:
            cassette.finish(keep=False)
            cassette = kit.Cassette(path, mode=later, upstream=source, **given)
        return cassette

    def note_failure(self) -> None:
        """Note that a report of the test says failed, be it of a part of it."""
        self._has_failed = True

    def verify(self) -> None:
        """Fail the test if something was not as recorded."""
        __tracebackhide__ = True
        found = []
        for cassette in self._cassettes:
            found += cassette.verify() if cassette.mode == "verify" else cassette.problems()
            # A file with a name may be that of other tests, which ask.
            if "path" not in self._options and (unasked := cassette.find_unasked()):
                found.append(unasked)
        if found:
            self._has_failed = True
            fail("\n".join(["not as recorded:", *found]))

    def finish(self, *, has_passed: bool) -> None:
        """End the recordings, as the servers have stopped; `write` is for what was recorded."""
        __tracebackhide__ = True
        self._is_good = has_passed and not self._has_failed
        late: list[str] = []
        refused: list[str] = []
        with self._stack:
            for cassette in self._cassettes:
                known = len(cassette.problems())
                cassette.settle()
                if cassette.mode == "verify":
                    cassette.verify()
                late += cassette.problems()[known:]
                if cassette.has_recorded and self._report.is_taken(cassette.path):
                    refused.append(f"{cassette.path} {TAKEN}")
        if self._is_good and refused:
            fail("\n".join(["after the test had passed, not recorded:", *refused]))
        if self._is_good and late:
            fail("\n".join(["after the test had passed, not as recorded:", *late]))

    def write(self, *, is_over_well: bool) -> None:
        """Write what was recorded, if the test has passed with all that belongs to it.

        A rule of the user that raises keeps neither the other recordings from being written
        nor the test from being told of.
        """
        __tracebackhide__ = True
        is_good = self._is_good and is_over_well and not self._has_failed
        cassettes, self._cassettes = self._cassettes, []
        broken = []
        for cassette in cassettes:
            try:
                self._write(cassette, is_good=is_good)
            except (Exception, *OUTCOMES) as error:  # noqa: BLE001 - told
                broken.append(f"{cassette.path} is not written: {type(error).__name__}: {error}")
        if broken:
            fail("\n".join(["a recording of the test could not be ended:", *broken]))

    def _write(self, cassette: kit.Cassette, *, is_good: bool) -> None:
        is_written = cassette.finish(keep=is_good)
        self._report.note(cassette, is_good=is_good, is_written=is_written)
        if is_good and cassette.is_recording and cassette.explain_not_recorded():
            self._report.tell_gap(cassette, self._item.nodeid)
        if is_good and cassette.mode == "rewrite" and not cassette.has_recorded:
            self._report.tell_kept(cassette, self._item.nodeid)
        canary.note_file(self._item.config, cassette.path)

    def list_ignored(self) -> list[str]:
        """Tell what was left out where requests were compared, a line per recording."""
        return [
            format_ignored(str(cassette.path), cassette.ignored())
            for cassette in self._cassettes
            if cassette.ignored()
        ]


def make_book(item: pytest.Item, options: Mapping[str, Any]) -> CassetteBook:
    """Make the book of a test, and put it where the test's end finds it.

    Args:
        item: the test.
        options: what the fixture `kit_cassette_options` gives.
    """
    check_arguments("kit_cassette_options", options)
    book = CassetteBook(item, {**options, **read_marker(item)})
    item.stash[BOOK] = book
    return book


def verify_test(item: pytest.Item) -> None:
    """Fail a test that has passed if something on its cassettes was not as recorded."""
    __tracebackhide__ = True
    book = item.stash.get(BOOK, None)
    if book is not None and not getattr(item, "_excinfo", None):
        book.verify()


def write_test(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Write what a test has recorded, when its whole teardown is over and nothing has failed."""
    __tracebackhide__ = True
    book = item.stash.get(BOOK, None) if call.when == "teardown" else None
    if book is None:
        return
    del item.stash[BOOK]  # what it holds would stay until the session ends
    try:
        book.write(is_over_well=call.excinfo is None)
    except pytest.fail.Exception:
        if call.excinfo is None:  # else the test has its failure
            call.excinfo = pytest.ExceptionInfo.from_current()


def note_failure(item: pytest.Item) -> None:
    """Have nothing written of a test of which a report says failed.

    A subtest's does before the call is over, and that of a test which was expected to
    fail, strictly, has no exception.
    """
    book = item.stash.get(BOOK, None)
    if book is not None:
        book.note_failure()


def add_ignored(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add to the report of a failed test what was left out where requests were compared."""
    book = item.stash.get(BOOK, None)
    told = book.list_ignored() if book is not None and report.failed else []
    if told:
        report.sections.append((SECTION, "\n".join(told)))


def read_marker(item: pytest.Item) -> dict[str, Any]:
    """Merge the arguments of an item's markers, those nearest to the test first."""
    merged: dict[str, Any] = {}
    for mark in item.iter_markers("kit_cassette"):
        if len(mark.args) > 1:
            given = ", ".join(map(repr, mark.args))
            fail(f"@pytest.mark.kit_cassette takes a path, and others by name, not {given}")
        path = {"path": mark.args[0]} if mark.args else {}
        merged = {**path, **mark.kwargs, **merged}
    check_arguments("@pytest.mark.kit_cassette", merged)
    return {name: value for name, value in merged.items() if value is not None}


def check_arguments(where: str, given: Mapping[str, Any]) -> None:
    """Fail the test if an argument is unknown; what it may be is checked when it is used."""
    for name, value in given.items():
        if name not in ARGUMENTS:
            import difflib

            near = difflib.get_close_matches(name, ARGUMENTS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(ARGUMENTS)}"
            fail(f"{where} has no argument {name!r}: {hint}")
        if name == "path" and not isinstance(value, str | Path | None):
            fail(f"{where}: path must be a path, relative to the test's file, not {value!r}")
        if name == "mode" and value not in (*MODES, None):
            fail(f"{where}: mode must be one of {', '.join(MODES)}, not {value!r}")


_PASSED_ON = ("match_on", "ignore", "reuse", "pace")

# A run


class UnusedReport:
    """Tells at the end of a run which recordings no test has used.

    A file may serve several tests, in several workers: a recording is unused if all of
    those that played the file have passed, and none has used it.

    Args:
        config: of this process, be it the controller or a worker.
        policy: "ignore", "warn" or "error".
    """

    def __init__(self, config: pytest.Config, policy: str) -> None:
        self._config = config
        self._policy = policy
        self._unused: dict[str, dict[str, str]] = {}
        self._written: set[Path] = set()
        self._recorders: dict[str, list[str]] = {}
        self._lost: list[str] = []
        told: dict[str, int] = getattr(config, "workerinput", {})
        self.began_ns: int = told.get("kit_began_ns") or time.time_ns()
        self._gaps: list[str] = []
        self._ignored: dict[str, set[str]] = {}
        self._unopened = Unopened(config, self._name)
        config.pluginmanager.register(self._unopened, "kit-unopened")

    def choose_mode(self, path: Path, asked: str | None) -> str:
        """Return the mode of a cassette: the option's, else the marker's, else the ini file's."""
        option, ini = (
            self._config.getoption("kit_record_mode"),
            self._config.getini("kit_record_mode"),
        )
        mode: str = option or asked or ini or "none"
        # Another test of this run has begun the file: this one adds to it.
        if path in self._written or self.is_taken(path):
            mode = {"once": "new_episodes", "rewrite": "all"}.get(mode, mode)
        return mode

    def is_taken(self, path: Path) -> bool:
        """Tell whether another worker has recorded a file since the run began."""
        if not workers.is_worker(self._config) or path in self._written:
            return False
        try:
            return path.stat().st_mtime_ns >= self.began_ns
        except OSError:
            return False  # not there yet

    def note(self, cassette: kit.Cassette, *, is_good: bool, is_written: bool) -> None:
        """Take note of what a test's cassette has left unused.

        Args:
            cassette: it is finished.
            is_good: whether the test has passed; else it may have come to nothing more.
            is_written: whether the file is a new one.
        """
        if is_written:
            self._written.add(cassette.path)
        self._unopened.note_opened(cassette.path)
        self._note_ignored(self._name(cassette.path), cassette.ignored())
        if cassette.is_recording:
            return
        left = cassette.unused() if is_good else []
        told = {
            str(one.index): f"entry {one.index}: {one.request.method} {one.request.url}"
            for one in left
        }
        self._merge(self._name(cassette.path), told)

    def _note_ignored(self, path: str, rules: Iterable[str]) -> None:
        if rules:
            self._ignored.setdefault(path, set()).update(rules)

    def tell_gap(self, cassette: kit.Cassette, test: str) -> None:
        """Note what of a test is in no recording, or not as it should be."""
        count = cassette.not_recorded
        what = "exchange was not" if count == 1 else "exchanges were not"
        told = f"{count} {what} recorded in" if count else "not all is told apart in"
        where, why = self._name(cassette.path), cassette.explain_not_recorded()
        self._gaps.append(f"{test}: {told} {where}: {why}")

    def tell_kept(self, cassette: kit.Cassette, test: str) -> None:
        """Note that a test which is to write its recording anew has asked nothing."""
        if cassette.path.exists():
            path = self._name(cassette.path)
            self._gaps.append(f"{test}: nothing was asked, and {path} is left as it was")

    def _name(self, path: Path) -> str:
        root = self._config.rootpath
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _merge(self, path: str, told: Mapping[str, str]) -> None:
        before = self._unused.get(path)
        self._unused[path] = (
            dict(told)
            if before is None
            else {index: text for index, text in before.items() if index in told}
        )

    def pytest_report_header(self) -> str | None:
        """Tell of a mode that the command line asks for."""
        mode = self._config.getoption("kit_record_mode")
        return f"kit record mode: {mode}" if mode else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take in what a worker has noted."""
        data = workers.receive(node, "cassettes")
        if data is None:
            self._lost.append(workers.name_worker(node))
            return
        self._gaps += data["gaps"]
        self._unopened.merge(data["unopened"])
        for path, told in data["unused"].items():
            self._merge(path, told)
        for path, rules in data["ignored"].items():
            self._note_ignored(path, rules)
        for path in data["written"]:
            self._recorders.setdefault(path, []).append(workers.name_worker(node))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over to the controller, or judge."""
        if workers.is_worker(self._config):
            written = sorted(map(self._name, self._written))
            ignored = {path: sorted(rules) for path, rules in self._ignored.items()}
            data = {
                "unused": self._unused,
                "gaps": self._gaps,
                "written": written,
                "ignored": ignored,
                "unopened": self._unopened.to_builtins(),
            }
            workers.send(self._config, "cassettes", data)
            return
        is_unused = self._policy == "error" and (any(self._unused.values()) or self._find_left())
        if (is_unused or self._find_clashes()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _find_left(self) -> list[str]:
        """Return the recordings that no test has opened; a lost worker may have opened any."""
        return [] if self._lost or self._policy == "ignore" else self._unopened.find()

    def _find_clashes(self) -> list[str]:
        """Tell of files that two workers have written, neither seeing the other."""
        told = {path: " and ".join(sorted(by)) for path, by in self._recorders.items() if by[1:]}
        return [
            f"FAIL: {path} was recorded by {names}, and holds what one of them wrote"
            for path, names in sorted(told.items())
        ]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write which recordings were not used, and what was not recorded."""
        unused = {path: told for path, told in sorted(self._unused.items()) if told}
        if self._policy == "ignore":
            unused = {}
        left = [f"{path} was opened by no test" for path in self._find_left()]
        clashes = self._find_clashes()
        has_lost = self._lost and (self._unused or self._recorders)
        ignored = []
        if self._config.get_verbosity() > 0:
            ignored = [format_ignored(*each) for each in sorted(self._ignored.items())]
        if not (unused or left or self._gaps or clashes or has_lost or ignored):
            return
        is_error = self._policy == "error" and bool(unused or left)
        is_bad = is_error or bool(clashes)
        terminalreporter.ensure_newline()
        is_odd = bool(unused or left or self._gaps or has_lost)
        terminalreporter.section(SECTION, red=is_bad, yellow=is_odd and not is_bad)
        for line in [*format_unused(unused), *cut(left), *cut(self._gaps), *cut(ignored)]:
            terminalreporter.write_line(line)
        lost = workers.tell_lost(self._lost, "what its tests used or recorded is not known here")
        for line in cut([*lost, *clashes]):
            terminalreporter.write_line(line, red=True)
        if is_error:
            terminalreporter.write_line(
                "FAIL: --kit-unused=error allows no unused recording", red=True
            )


CASSETTES = pytest.StashKey[UnusedReport]()
BOOK = pytest.StashKey[CassetteBook]()
