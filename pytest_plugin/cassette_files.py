"""Where the recordings of tests lie, and those that no test has opened."""

from __future__ import annotations

import collections
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_plugin import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FOLDER = "cassettes"
NAME_CHARACTERS = 100
"""A longer name of a test is cut in the file's name."""
SHOWN = 20
IGNORED_CHARACTERS = 500
MAX_LISTED = 10_000
"""Of so many recordings of one module it is told whether they were opened."""

# Compiled when they are first needed: every start of pytest imports this module.
_ODD = r"[^A-Za-z0-9._-]+"
_OF_A_MODULE = r"test_.*|.*_test"


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
    plain = re.sub(_ODD, "_", name).strip("._")[:NAME_CHARACTERS]
    if plain == name:
        return plain
    import hashlib

    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}"


class Unopened:
    """Finds the recordings beside the tests that are left over from tests of the past.

    They are those in the folder of a module of which all tests have run and passed, and
    those in folders of modules that are gone where that is so of all modules beside them.

    Args:
        config: of this process, be it the controller or a worker.
        name: gives a path the name that it has in all processes.
    """

    def __init__(self, config: pytest.Config, name: Callable[[Path], str]) -> None:
        self._config = config
        self._name = name
        self._partial: set[Path] = set()
        self._collected: dict[Path, int] = {}
        self._opened: set[str] = set()
        self._listed: dict[str, dict[str, list[str]]] = {}
        self._passed: set[str] = set()

    def note_opened(self, path: Path) -> None:
        """Note that a test had a recording, be it there or not."""
        self._opened.add(self._name(path))

    # Which tests there are

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Count the tests of each module: others may leave some out and tell nobody."""
        self._collected = collections.Counter(item.path for item in items)

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        """Note modules that are not run whole."""
        self._partial.update(item.path for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """List the recordings of the modules that are run whole, and of those that are gone."""
        given = [self._locate(arg) for arg in self._config.args]
        if self._config.getoption("lf", False):  # which leaves tests out silently
            return
        tests: dict[Path, list[str]] = {}
        for item in session.items:
            tests.setdefault(item.path, []).append(item.nodeid)
        self._partial.update(path for path, is_whole in given if not is_whole)
        self._partial.update(
            path for path, number in self._collected.items() if len(tests.get(path, ())) < number
        )
        for module in tests.keys() - self._partial:
            self._list(module, list_recordings(module), tests[module])
        if all(path.is_dir() for path, _ in given):
            self._list_abandoned(tests)

    def _locate(self, argument: str) -> tuple[Path, bool]:
        """Give the path that an argument of the command line names, and whether all of it."""
        path, colons, _ = argument.partition("::")
        return self._config.invocation_params.dir / path, not colons

    def _list_abandoned(self, tests: dict[Path, list[str]]) -> None:
        for folder in {module.parent for module in tests}:
            beside = [module for module in self._collected if module.parent == folder]
            if self._partial.isdisjoint(beside):
                found = [path for place in list_abandoned(folder) for path in list_files(place)]
                self._list(folder, found, [name for module in beside for name in tests[module]])

    def _list(self, place: Path, files: list[Path], tests: list[str]) -> None:
        if files:
            names = [self._name(path) for path in files[:MAX_LISTED]]
            self._listed[self._name(place)] = {"files": names, "tests": tests}

    # What became of them

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which tests have passed."""
        if workers.is_worker(self._config):
            return
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)
        elif not report.passed:
            self._passed.discard(report.nodeid)

    def to_builtins(self) -> dict[str, Any]:
        """Give what a worker knows."""
        return {"opened": sorted(self._opened), "listed": self._listed}

    def merge(self, data: dict[str, Any]) -> None:
        """Take in what a worker knows."""
        self._opened.update(data["opened"])
        self._listed |= data["listed"]

    def find(self) -> list[str]:
        """Return the recordings that no test has opened although all have passed."""
        found = {
            name
            for one in self._listed.values()
            if self._passed.issuperset(one["tests"])
            for name in one["files"]
        }
        return sorted(found - self._opened)


def list_recordings(module: Path) -> list[Path]:
    """List the recordings in the folder of a module."""
    return list_files(module.parent / FOLDER / make_file_name(module.stem))


def list_abandoned(folder: Path) -> Iterator[Path]:
    """Find the folders of recordings whose modules are gone."""
    place = folder / FOLDER
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        is_of_module = path.is_dir() and re.fullmatch(_OF_A_MODULE, path.name)
        if is_of_module and not (folder / f"{path.name}.py").exists():
            yield path


def list_files(place: Path) -> list[Path]:
    """List the recordings in a folder."""
    return sorted(place.glob("*.har"))


# What is told of them


def format_unused(unused: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Write unused recordings under their files."""
    lines = []
    for path, told in unused.items():
        lines.append(f"{path} has recordings that no test uses:")
        lines += [f"  {text[:300]}" for text in told.values()]
    return cut(lines)


def format_ignored(path: str, rules: Iterable[str]) -> str:
    """Tell which rules have left something out where a recording was compared."""
    return f"{path}: ignored {', '.join(sorted(rules))}"[:IGNORED_CHARACTERS]


def cut(lines: list[str]) -> list[str]:
    """Leave out what is too much, and count it."""
    left_out = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {left_out} more lines"] if left_out > 0 else lines
