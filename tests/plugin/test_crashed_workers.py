"""A worker that dies: each thing that is merged tells that its part is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.plugin_artifacts import list_outcomes, list_paths, read_har, read_report
from support.upstreams import ASK, Upstream

RunTests = Callable[..., pytest.RunResult]

CRASHING = """
import os

def hello(request):
    return kit.Response("hello")

def test_before(kit_server_factory):
    server = kit_server_factory([("GET", "/before", hello)], tls=False)
    assert ask(server, "/before") == "hello"

def test_crash(kit_plain_server):
    os._exit(3)

@pytest.mark.kit_cassette(upstream=UPSTREAM, mode="once")
def test_after(kit_plain_server):
    assert ask(kit_plain_server, "/after") == "upstream /after"
"""
EVERYTHING = (
    *("-v", "--kit-route-coverage", "--kit-canary=canary-4711-feathers"),
    *("--kit-report=run.html", "--kit-har=run.har"),
)
LOST = "gw0 ended without a word: "
TOLD = [
    ("*= kit route coverage =*", "no routes were registered", f"{LOST}what it has hit is *here"),
    ("*= kit late requests =*", f"{LOST}what came late to it is missing here"),
    ("*= kit cassettes =*", f"{LOST}what its tests used or recorded is not known here"),
    (f"FAIL: --kit-canary: {LOST}the files that its tests wrote are not searched",),
    ("kit: 1 server, 1 exchange, 1 connection", f"kit: {LOST}it is not counted"),
    ("*- kit report: *run.html (3 tests, 2 exchanges) -*",),
    ("*- kit har: *run.har (2 tests, 2 exchanges) -*",),
]
QUIET = """
import os

def test_crash():
    os._exit(3)

def test_after():
    pass
"""


def test_what_a_crashed_worker_had_seen_is_told_to_be_missing(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = ASK.replace("\n    ", "\n") + CRASHING.replace("UPSTREAM", repr(upstream.url))
    result = run_tests(source, "-p", "xdist", "-n", "1", *EVERYTHING)
    result.assert_outcomes(passed=2, failed=1)
    for lines in TOLD:
        result.stdout.fnmatch_lines(lines, consecutive=True)
    report, har = read_report(pytester.path / "run.html"), read_har(pytester.path / "run.har")
    name = "test_inner.py::test_"
    outcomes = {f"{name}before": "passed", f"{name}crash": "failed", f"{name}after": "passed"}
    assert list_outcomes(report) == outcomes
    paths = {f"{name}before": "/before", f"{name}after": "/after"}
    assert list_paths(report) == list_paths(har) == paths
    crash = next(page for page in report["pages"] if page["id"] == f"{name}crash")
    [told] = [line for line in crash["_kit"]["failure"].splitlines() if "crashed" in line]
    assert told == f"worker 'gw0' crashed while running '{name}crash'"


def test_a_run_without_servers_says_nothing_of_a_crash(run_tests: RunTests) -> None:
    result = run_tests(QUIET, "-p", "xdist", "-n", "1", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*ended without a word*")
    result.stdout.no_fnmatch_line("*= kit *")


def test_a_canary_that_was_not_searched_for_everywhere_fails_the_run(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    # It dies when its tests are over: to pytest-xdist all is well.
    pytester.makeconftest(
        """
        import os

        def pytest_sessionfinish(session):
            if hasattr(session.config, "workerinput"):
                os._exit(3)
        """
    )
    canary = "--kit-canary=canary-4711-feathers"
    one = ("-p", "xdist", "-n", "1", "--max-worker-restart=0")
    result = run_tests("def test_it(): pass", *one, canary)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([*TOLD[3]])
