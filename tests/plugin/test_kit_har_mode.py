"""`--kit-har-mode`: whether the HAR file of a run is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.plugin_artifacts import PASSING, read_har, read_report
from support.upstreams import Upstream, marked

RunTests = Callable[..., pytest.RunResult]

RETAIN = "retain-on-failure"


def test_nothing_is_retained_of_a_run_without_failures(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nkit_har = run.har\nkit_har_mode = retain-on-failure")
    pytester.path.joinpath("run.har").write_text("of an earlier run", encoding="utf-8")
    result = run_tests(PASSING)
    assert result.ret == 0
    path = pytester.path / "run.har"
    result.stdout.fnmatch_lines([f"*- kit har: the run has not failed, {path} is not kept -*"])
    assert not path.exists()


def test_a_mode_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests(PASSING, "--kit-har=a.har", "--kit-har-mode=always")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --kit-har-mode (ini: kit_har_mode) is on, off or retain-on-failure, not 'always'"]
    )


CANARY = "canary-4711-feathers"

LATE = """
urls = []

def test_early(kit_plain_server):
    kit_plain_server.expect("GET", "/hello").respond("hello")
    urls.append(kit_plain_server.url_for("/hello"))
    urllib.request.urlopen(urls[0], timeout=20).close()

def test_late():
    with pytest.raises(OSError):
        urllib.request.urlopen(urls[0], timeout=20)
"""
BROKEN = "import kit\n\nraise ValueError('no module')\n"
VERDICT = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter):
    result = yield
    terminalreporter._session.exitstatus = 1
    return result
"""
SPEAKING = f"""
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter):
    result = yield
    terminalreporter.write_line("the end, {CANARY}")
    return result
"""

UNHIT = """
import pytest
from kit import Response

@pytest.fixture(autouse=True)
def more(kit_server_factory):
    kit_server_factory([("GET", "/never", lambda request: Response("never"))], tls=False)
"""

REASONS = [
    pytest.param(LATE, ["--kit-late=error"], "", id="late"),
    pytest.param(PASSING, ["--kit-route-coverage=100"], UNHIT, id="routes"),
    pytest.param(PASSING, [f"--kit-canary={CANARY}"], SPEAKING, id="canary"),
    pytest.param(PASSING, [], VERDICT, id="another plugin"),
]


@pytest.mark.parametrize(("source", "arguments", "conftest"), REASONS)
def test_all_is_retained_where_the_run_fails_and_no_test_does(
    run_tests: RunTests,
    pytester: pytest.Pytester,
    source: str,
    arguments: list[str],
    conftest: str,
) -> None:
    pytester.makeconftest(conftest)
    result = run_tests(source, *arguments, "--kit-har=run.har", "--kit-har-mode", RETAIN)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    path = pytester.path / "run.har"
    assert len(read_har(path)["entries"]) == 1
    result.stdout.fnmatch_lines([f"*- kit har: {path} (1 test, 1 exchange) -*"])


def test_all_is_retained_where_a_recording_is_left_over(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    both = 'ask(kit_plain_server, "/a"); ask(kit_plain_server, "/b")'
    run_tests(marked(upstream, body=both), "--kit-record-mode=once").assert_outcomes(passed=1)
    source = marked(upstream, body='ask(kit_plain_server, "/a")')
    arguments = ["--kit-unused=error", "--kit-har=run.har", "--kit-har-mode", RETAIN]
    result = run_tests(source, *arguments)
    result.assert_outcomes(passed=1)
    assert len(read_har(pytester.path / "run.har")["entries"]) == 1


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_what_cannot_be_collected_is_a_failure_of_the_run(
    run_tests: RunTests, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_broken=BROKEN)
    arguments = ["--kit-report=run.html", "--kit-report-mode", RETAIN]
    result = run_tests(PASSING, *workers, *arguments)
    assert result.ret != pytest.ExitCode.OK
    path = pytester.path / "run.html"
    [page] = read_report(path)["pages"]
    assert (page["id"], page["_kit"]["outcome"]) == ("test_broken.py", "error")
    assert "ValueError: no module" in page["_kit"]["failure"]
    result.stdout.fnmatch_lines([f"*- kit report: {path} (1 test, 0 exchanges) -*"])
