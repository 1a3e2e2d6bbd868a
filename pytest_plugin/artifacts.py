"""`--kit-report` and `--kit-har`: what the servers of a run saw, in one file of each kind.

Whoever runs a test packs what its servers saw and hangs it on the report of its
teardown, which pytest-xdist carries to the controller. There it is taken off again,
before other plugins see it, and kept until the files are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from kit.viewer.run import RealTime, RunRecord, Told, pack_test
from pytest_plugin import workers
from pytest_plugin.report import collect_exchanges
from pytest_plugin.servers import FACTORY

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from kit import Exchange

PACKED = "kit_packed"
"""The attribute of a report that carries what was packed."""

RETAIN = "retain-on-failure"

PHASES = ("setup", "call", "teardown")
SETUP_FAILURES = ("setup", "teardown")


class Artifact(NamedTuple):
    """A file that is asked for."""

    kind: str
    path: Path
    is_for_failures: bool


def install(config: pytest.Config, wanted: list[tuple[str, str, str]]) -> None:
    """Collect what the tests of this process see, and write it where the run is controlled.

    Args:
        config: of this process, be it the controller or a worker.
        wanted: kind, path and mode of each file, as `read_artifacts` gives them.
    """
    folder = config.invocation_params.dir
    artifacts = [Artifact(kind, folder / path, mode == RETAIN) for kind, path, mode in wanted]
    is_for_failures = all(each.is_for_failures for each in artifacts)
    config.pluginmanager.register(Packer(is_for_failures=is_for_failures), "kit-packer")
    if not workers.is_worker(config):
        config.pluginmanager.register(Writer(config, artifacts), "kit-writer")


class Seen(NamedTuple):
    """What a test's servers have seen until its teardown is over."""

    exchanges: list[Exchange]
    dropped: int
    problems: str


FAILURES = pytest.StashKey[list[str]]()
"""At an item: the texts of its failed phases, of this attempt."""


class Packer:
    """Packs what the servers of each test saw, in the process that runs it.

    Args:
        is_for_failures: whether nobody wants to know of tests that are in order.
    """

    def __init__(self, *, is_for_failures: bool) -> None:
        self._is_for_failures = is_for_failures
        self._real_time = RealTime()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Hang what was packed on the report of a test's teardown."""
        if call.when == "setup":
            item.stash[FAILURES] = []
        # Before other hooks let go of the servers.
        seen = look(item) if call.when == "teardown" else None
        report = yield
        failures = item.stash.setdefault(FAILURES, [])
        if report.failed:
            failures.append(report.longreprtext)
        if seen is not None:
            packed = self._pack(item.nodeid, seen, failures)
            if packed is not None:
                setattr(report, PACKED, packed)
        return report

    def _pack(self, name: str, seen: Seen, failures: list[str]) -> str | None:
        is_told = failures or (seen.exchanges and not self._is_for_failures)
        if not is_told:
            return None
        failure = "\n\n".join(failures)
        is_new = seen.problems.partition("\n")[0] not in failure
        return pack_test(
            seen.exchanges,
            name=name,
            real_time=self._real_time,
            problems=seen.problems if failures and is_new else "",
            failure=failure,
            dropped=seen.dropped,
        )


def look(item: pytest.Item) -> Seen:
    """Look at what the servers of a test have seen."""
    factory = item.stash.get(FACTORY, None)
    exchanges = collect_exchanges(item)
    if factory is None:
        return Seen(exchanges, 0, "")
    dropped = sum(server.journal.dropped for server in factory.servers)
    return Seen(exchanges, dropped, factory.find_problems()[1])


class Progress:
    """What the reports of one test's phases told so far."""

    def __init__(self, report: pytest.TestReport) -> None:
        self.started_at = report.start
        self.duration_s = 0.0
        self.outcome = ""

    def take(self, report: pytest.TestReport) -> None:
        """Take in the next report."""
        self.duration_s += report.duration
        self.outcome = merge_outcomes(self.outcome, judge(report))


def judge(report: pytest.TestReport) -> str:
    """Name what became of a phase as pytest's summary does."""
    is_expected = hasattr(report, "wasxfail")
    if report.failed:
        return "error" if report.when in SETUP_FAILURES else "failed"
    if report.skipped:
        return "xfailed" if is_expected else "skipped"
    if report.passed:
        return "xpassed" if is_expected and report.when == "call" else "passed"
    return str(report.outcome)  # what another plugin made of it: "rerun"


def merge_outcomes(before: str, now: str) -> str:
    """Tell what became of a test whose phases had these outcomes."""
    return before if before not in {"", "passed"} and now == "passed" else now


class Writer:
    """Keeps what was packed, and writes the files when the session ends.

    Args:
        config: of the process that controls the run.
        artifacts: what is asked for.
    """

    def __init__(self, config: pytest.Config, artifacts: list[Artifact]) -> None:
        self._config = config
        self._artifacts = artifacts
        self._record = RunRecord()
        self._running: dict[tuple[str, str], Progress] = {}
        self._told: list[tuple[str, bool]] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was packed off a report."""
        packed: Any = report.__dict__.pop(PACKED, None)
        worker = getattr(report, "worker_id", "")
        key = (report.nodeid, worker)
        if report.when == "setup" or key not in self._running:
            self._running[key] = Progress(report)
        progress = self._running[key]
        progress.take(report)
        # A worker that crashed has its test reported in no phase.
        if report.when == "teardown" or report.when not in PHASES:
            del self._running[key]
            self._record.add(
                Told(
                    name=report.nodeid,
                    outcome=progress.outcome,
                    duration_s=progress.duration_s,
                    started_at=progress.started_at,
                    worker=worker,
                ),
                packed,
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files."""
        for artifact in self._artifacts:
            try:
                self._told.append((self._write(artifact), True))
            except OSError as error:
                text = f"kit {artifact.kind}: {artifact.path} cannot be written: {error.strerror}"
                self._told.append((text, False))
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write(self, artifact: Artifact) -> str:
        kind, path, is_for_failures = artifact
        if is_for_failures and not self._record.has_failures:
            # One of an earlier run would pass for this one's.
            path.unlink(missing_ok=True)
            return f"kit {kind}: no test failed, {path} is not kept"
        if kind == "report":
            tests, exchanges = self._record.write_report(path, is_bad_only=is_for_failures)
        else:
            tests, exchanges = self._record.write_har(path, is_bad_only=is_for_failures)
        counted = f"{_count(tests, 'test')}, {_count(exchanges, 'exchange')}"
        return f"kit {kind}: {path} ({counted})"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell where the files are."""
        for text, is_good in self._told:
            terminalreporter.write_sep("-", text, red=not is_good)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
