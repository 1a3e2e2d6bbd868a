"""`kit_cassette` and `upstream=`: servers that record what stands behind them, and play it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_plugin import canary, workers
from pytest_plugin.options import fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    import kit

NAME = "kit-cassettes"
MARKER = (
    "kit_cassette(path=None, *, mode, upstream, match_on, ignore, reuse, pace, redact): "
    "the servers of the test answer from a recording, or record their upstream"
)
ARGUMENTS = ("path", "mode", "upstream", "match_on", "ignore", "reuse", "pace", "redact")
MODES = ("none", "once", "new_episodes", "all", "rewrite", "verify")
UNUSED = ("ignore", "warn", "error")
FOLDER = "cassettes"
NAME_CHARACTERS = 100
"""A longer name of a test is cut in the file's name."""
SHOWN = 20

_ODD = re.compile(r"[^A-Za-z0-9._-]+")


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
        self._has_problems = False

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
        if "redact" in self._options:
            given["redaction"] = _make_redaction(self._options["redact"])
        path = name_file(self._item, self._options.get("path"), len(self._cassettes))
        mode: Any = self._report.choose_mode(path, self._options.get("mode"))
        return kit.Cassette(path, mode=mode, upstream=source, **given)

    def verify(self) -> None:
        """Fail the test if something was not as recorded."""
        __tracebackhide__ = True
        found = []
        for cassette in self._cassettes:
            found += cassette.verify() if cassette.mode == "verify" else cassette.problems()
        if found:
            self._has_problems = True
            fail("\n".join(["not as recorded:", *found]))

    def finish(self, *, has_passed: bool) -> None:
        """Write what was recorded, if the test has passed; the servers have stopped."""
        __tracebackhide__ = True
        is_good = has_passed and not self._has_problems
        late: list[str] = []
        with self._stack:
            for cassette in self._cassettes:
                known = len(cassette.problems())
                is_written = cassette.finish(keep=is_good)
                self._report.note(cassette, is_good=is_good, is_written=is_written)
                if is_good and cassette.is_recording and cassette.not_recorded:
                    self._report.tell_gap(cassette, self._item.nodeid)
                late += cassette.problems()[known:] if is_good else []
                if is_written:
                    canary.note_file(self._item.config, cassette.path)
        self._cassettes = []  # which the item would keep until the session ends
        if late:
            fail("\n".join(["after the test had passed, not as recorded:", *late]))


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


def name_file(item: pytest.Item, given: str | Path | None, number: int) -> Path:
    """Return the path of a test's cassette.

    Args:
        item: the test.
        given: what its marker says, relative to the folder of the test's file.
        number: how many cassettes the test has before this one.
    """
    from kit import path_join_safe

    folder = item.path.parent
    if given is not None:
        path = folder / given
    else:
        test = item.nodeid.partition("::")[2] or item.name
        name = f"{make_file_name(item.path.stem)}/{make_file_name(test.replace('::', '.'))}.har"
        path = Path(path_join_safe(str(folder / FOLDER), name))
    return path.with_stem(f"{path.stem}-{number + 1}") if number else path


def make_file_name(name: str) -> str:
    """Make a file's name of a test's, that no other test's name gives."""
    plain = _ODD.sub("_", name).strip("._")[:NAME_CHARACTERS]
    if plain == name:
        return plain
    import hashlib

    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}"


_PASSED_ON = ("match_on", "ignore", "reuse", "pace")


def _make_redaction(given: Any) -> Any:
    import kit

    if given is False:
        return None
    if given is True or isinstance(given, kit.Redaction):
        return kit.Redaction() if given is True else given
    return kit.Redaction(names=[given] if isinstance(given, str) else given)


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
        self._gaps: list[str] = []

    def choose_mode(self, path: Path, asked: str | None) -> str:
        """Return the mode of a cassette: the option's, else the marker's, else the ini file's."""
        option, ini = (
            self._config.getoption("kit_record_mode"),
            self._config.getini("kit_record_mode"),
        )
        mode: str = option or asked or ini or "none"
        # Another test of this run has begun the file: this one adds to it.
        if path in self._written:
            mode = {"once": "new_episodes", "rewrite": "all"}.get(mode, mode)
        return mode

    def note(self, cassette: kit.Cassette, *, is_good: bool, is_written: bool) -> None:
        """Take note of what a test's cassette has left unused.

        Args:
            cassette: it is finished.
            is_good: whether the test has passed; else it may have come to nothing more.
            is_written: whether the file is a new one.
        """
        if is_written:
            self._written.add(cassette.path)
        if cassette.is_recording:
            return
        left = cassette.unused() if is_good else []
        told = {
            str(one.index): f"entry {one.index}: {one.request.method} {one.request.url}"
            for one in left
        }
        self._merge(self._name(cassette.path), told)

    def tell_gap(self, cassette: kit.Cassette, test: str) -> None:
        """Note that exchanges of a test are in no recording."""
        count = cassette.not_recorded
        what = "exchange was" if count == 1 else "exchanges were"
        path = self._name(cassette.path)
        self._gaps.append(f"{test}: {count} {what} not recorded in {path}, broken or too large")

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
        """Take in what a worker has noted; one that crashed has told nothing."""
        data = workers.receive(node, "cassettes")
        if data is not None:
            self._gaps += data["gaps"]
            for path, told in data["unused"].items():
                self._merge(path, told)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over to the controller, or judge."""
        if workers.is_worker(self._config):
            workers.send(self._config, "cassettes", {"unused": self._unused, "gaps": self._gaps})
        elif (
            self._policy == "error"
            and any(self._unused.values())
            and session.exitstatus == pytest.ExitCode.OK
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write which recordings were not used, and what was not recorded."""
        unused = {path: told for path, told in sorted(self._unused.items()) if told}
        if self._policy == "ignore":
            unused = {}
        if not unused and not self._gaps:
            return
        is_error = self._policy == "error" and bool(unused)
        terminalreporter.ensure_newline()
        terminalreporter.section("kit cassettes", red=is_error, yellow=not is_error)
        for line in [*format_unused(unused), *self._gaps[:SHOWN]]:
            terminalreporter.write_line(line)
        if is_error:
            terminalreporter.write_line(
                "FAIL: --kit-unused=error allows no unused recording", red=True
            )


CASSETTES = pytest.StashKey[UnusedReport]()
BOOK = pytest.StashKey[CassetteBook]()


def format_unused(unused: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Write unused recordings under their files."""
    lines = []
    for path, told in unused.items():
        lines.append(f"{path} has recordings that no test uses:")
        lines += [f"  {text[:300]}" for text in told.values()]
    left_out = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {left_out} more lines"] if left_out > 0 else lines
