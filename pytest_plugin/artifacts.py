"""`--kit-report` and `--kit-har`: what the servers of a run saw, in one file of each kind.

Whoever runs a test packs what its servers saw and hangs it on the report of its
teardown, which pytest-xdist carries to the controller. There it is taken off again,
before other plugins see it, and kept until the files are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from kit.viewer.run import RealTime, RunRecord, Told, pack_test
from pytest_plugin import canary, workers
from pytest_plugin.cassettes import BOOK, OUTCOMES
from pytest_plugin.redaction import make_redaction
from pytest_plugin.report import collect_exchanges
from pytest_plugin.servers import FACTORY

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from kit import Exchange, Redaction

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
    config.pluginmanager.register(Packer(), "kit-packer")
    if not workers.is_worker(config):
        config.pluginmanager.register(Writer(config, artifacts), "kit-writer")


class Seen(NamedTuple):
    """What a test's servers have seen until its teardown is over."""

    exchanges: list[Exchange]
    dropped: int
    problems: str
    redaction: Redaction | None


FAILURES = pytest.StashKey[list[str]]()
"""At an item: the texts of its failed phases, of this attempt."""


class Packer:
    """Packs what the servers of each test saw, in the process that runs it.

    Of tests that are in order too: a run may fail for other reasons.
    """

    def __init__(self) -> None:
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
        if not failures and not seen.exchanges:
            return None
        failure = "\n\n".join(failures)
        is_new = seen.problems.partition("\n")[0] not in failure
        problems = seen.problems if failures and is_new else ""
        try:
            return pack_test(
                seen.exchanges,
                name=name,
                real_time=self._real_time,
                problems=problems,
                failure=failure,
                dropped=seen.dropped,
                redaction=seen.redaction,
            )
        except (Exception, *OUTCOMES) as error:  # noqa: BLE001 - told
            return self._pack_without(name, seen, error)

    def _pack_without(self, name: str, seen: Seen, error: BaseException) -> str:
        """Pack no exchanges, as a rule of the user that would redact them has raised."""
        why = f"{type(error).__name__}: {error}"
        return pack_test(
            [],
            name=name,
            real_time=self._real_time,
            problems=f"its exchanges are left out, as they could not be redacted: {why}",
            dropped=seen.dropped + len(seen.exchanges),
        )


def look(item: pytest.Item) -> Seen:
    """Look at what the servers of a test have seen."""
    factory = item.stash.get(FACTORY, None)
    exchanges = collect_exchanges(item)
    book = item.stash.get(BOOK, None)
    # A recording that is to hold all is a decision for that file alone.
    redaction = (book and book.redaction) or make_redaction(item.config)
    if factory is None:
        return Seen(exchanges, 0, "", redaction)
    dropped = sum(server.journal.dropped for server in factory.servers)
    return Seen(exchanges, dropped, factory.find_problems()[1], redaction)


class Progress:
    """What the reports of one test's phases told so far."""

    def __init__(self, report: pytest.TestReport) -> None:
        self.started_at: float = report.start
        self.duration_s: float = 0.0
        self.outcome: str = ""

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
        self._left_out: list[Artifact] = []
        self._broken: set[str] = set()
        self._real_time = RealTime()

    def pytest_sessionstart(self) -> None:
        """Have a look when all else is over; behind whoever is registered so far."""
        self._config.pluginmanager.register(LastLook(self), "kit-last-look")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take what could not be collected, which each worker may tell of."""
        if not report.failed or report.nodeid in self._broken:
            return
        self._broken.add(report.nodeid)
        name = report.nodeid or str(self._config.rootpath)
        told = Told(name=name, outcome="error", started_at=self._real_time.now())
        self._record.add(told, self._pack_failure(name, report.longreprtext))

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
            if packed is None and report.failed:
                # All that is left of a test whose worker has crashed: that it did.
                packed = self._pack_failure(report.nodeid, report.longreprtext)
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

    def _pack_failure(self, name: str, failure: str) -> str:
        return pack_test([], name=name, real_time=self._real_time, failure=failure)

    # Innermost, but for the search of the other files: behind those that judge the run.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the files."""
        result = yield
        for artifact in self._artifacts:
            self._told.append(self._save(artifact, session))
        return result

    def save_rest(self, session: pytest.Session) -> None:
        """Write the files that are kept after all, as the run has failed since."""
        if not has_failed(session):
            return
        told = [self._save(artifact, session) for artifact in self._left_out]
        self._left_out = []
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            tell(reporter, told)

    def _save(self, artifact: Artifact, session: pytest.Session) -> tuple[str, bool]:
        """Write a file if it is to be kept; say what became of it, and whether that is good."""
        kind, path, is_for_failures = artifact
        try:
            if not is_for_failures or self._record.has_failures or has_failed(session):
                text = self._write(artifact)
                canary.note_file(self._config, path)
                return text, True
            # One of an earlier run would pass for this one's.
            path.unlink(missing_ok=True)
            self._left_out.append(artifact)
            return f"kit {kind}: the run has not failed, {path} is not kept", True
        except OSError as error:
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            return f"kit {kind}: {path} cannot be written: {error.strerror}", False

    def _write(self, artifact: Artifact) -> str:
        kind, path, is_for_failures = artifact
        # Where no test is to blame, all of them are told.
        is_bad_only = is_for_failures and self._record.has_failures
        write = self._record.write_report if kind == "report" else self._record.write_har
        tests, exchanges = write(path, is_bad_only=is_bad_only)
        counted = f"{_count(tests, 'test')}, {_count(exchanges, 'exchange')}"
        return f"kit {kind}: {path} ({counted})"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell where the files are."""
        tell(terminalreporter, self._told)


class LastLook:
    """Keeps the files of a run that fails when they were left out already.

    Args:
        writer: has what they are made of.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    # Outermost: pytest itself judges by the number of warnings behind its summary.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the rest when nobody else can fail the run."""
        result = yield
        self._writer.save_rest(session)
        canary.conclude(session)
        return result


def has_failed(session: pytest.Session) -> bool:
    """Tell whether a run has failed, be it for its tests or otherwise."""
    good = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return session.exitstatus not in good


def tell(terminalreporter: pytest.TerminalReporter, told: list[tuple[str, bool]]) -> None:
    """Write where the files are."""
    for text, is_good in told:
        terminalreporter.write_sep("-", text, red=not is_good)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
