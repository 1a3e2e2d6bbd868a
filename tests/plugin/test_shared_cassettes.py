"""One cassette that tests of several workers record: never the last writer's alone, silently."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from support.upstreams import ASK, Upstream, find_files

RunTests = Callable[..., pytest.RunResult]

SHARED = """
import pathlib, time

SHARED = pathlib.Path(__file__).with_name("shared.har")
pytestmark = pytest.mark.kit_cassette("shared.har", upstream=UPSTREAM)

def wait_for_the_other():
    until = time.monotonic() + 60
    while not SHARED.exists():
        assert time.monotonic() < until, "the other worker records nothing"
        time.sleep(0.01)

def test_a(kit_plain_server):
    ask(kit_plain_server, "/a")
"""
AT_ONCE = """
def test_b(kit_plain_server):
    ask(kit_plain_server, "/b")
    wait_for_the_other()
"""
AFTER_THE_OTHER = """
@pytest.fixture
def late_start():
    wait_for_the_other()

def test_b(late_start, kit_plain_server):
    ask(kit_plain_server, "/b")
"""
NOTHING_NEW = """
@pytest.fixture
def late_start():
    wait_for_the_other()

def test_b(late_start, kit_plain_server):
    ask(kit_plain_server, "/a")
"""
BY_ANOTHER_CLOCK = AFTER_THE_OTHER.replace(
    "    wait_for_the_other()",
    "    wait_for_the_other()\n    __import__('os').utime(SHARED, (1, 1))",
)
TWO = ("-p", "xdist", "-n", "2")
REFUSED = [
    "*ERROR at teardown of test_b*",
    "after the test had passed, not recorded:",
    (
        "*/shared.har was recorded by another worker in this run, and stays as that left it: "
        "record tests that share a file in one process, with -n 0 or --dist=loadfile"
    ),
]


def make(source: str, upstream: Upstream) -> str:
    return ASK.replace("\n    ", "\n") + (SHARED + source).replace("UPSTREAM", repr(upstream.url))


def read_urls(pytester: pytest.Pytester) -> list[str]:
    entries = json.loads((pytester.path / "shared.har").read_text())["log"]["entries"]
    return [entry["request"]["url"][-2:] for entry in entries]


@pytest.mark.parametrize(
    ("mode", "source"),
    [
        ("once", AT_ONCE),
        ("once", AFTER_THE_OTHER),
        ("new_episodes", AT_ONCE),
        ("all", AT_ONCE),
        ("rewrite", AFTER_THE_OTHER),
    ],
    ids=["once", "once, late", "new_episodes", "all", "rewrite, late"],
)
def test_the_second_worker_is_refused_and_says_why(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, mode: str, source: str
) -> None:
    result = run_tests(make(source, upstream), *TWO, f"--kit-record-mode={mode}")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(REFUSED)
    result.stdout.no_fnmatch_line("*and holds what one of them wrote*")
    assert read_urls(pytester) == ["/a"]


def test_a_worker_that_records_nothing_new_is_not_refused(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    result = run_tests(make(NOTHING_NEW, upstream), *TWO, "--kit-record-mode=once")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    assert read_urls(pytester) == ["/a"]
    assert upstream.asked == ["/a"]


def test_tests_that_stay_on_one_worker_share_a_file(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = make(AFTER_THE_OTHER, upstream)
    result = run_tests(source, *TWO, "--dist=loadfile", "--kit-record-mode=once")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    assert read_urls(pytester) == ["/a", "/b"]


def test_a_file_of_an_earlier_run_is_recorded_anew(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = make("", upstream)
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    result = run_tests(source, *TWO, "--kit-record-mode=rewrite")
    result.assert_outcomes(passed=1)
    assert upstream.asked == ["/a", "/a"]


def test_tests_with_files_of_their_own_are_recorded_by_any_worker(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = f"""
        {ASK}
        @pytest.mark.parametrize("number", range(6))
        @pytest.mark.kit_cassette(upstream={upstream.url!r})
        def test_it(kit_plain_server, number):
            assert ask(kit_plain_server, f"/{{number}}") == f"upstream /{{number}}"
        """.replace(ASK, ASK.replace("\n    ", "\n        "))
    result = run_tests(source, *TWO, "--kit-record-mode=once")
    result.assert_outcomes(passed=6)
    assert len(find_files(pytester.path)) == 6
    upstream.stop()
    result = run_tests(source, *TWO, "--kit-unused=error")
    result.assert_outcomes(passed=6)
    assert result.ret == 0


def test_a_file_that_two_workers_wrote_unseen_fails_the_run(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = make(BY_ANOTHER_CLOCK, upstream)
    result = run_tests(source, *TWO, "--kit-record-mode=rewrite")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    line = "FAIL: shared.har was recorded by gw0 and gw1, and holds what one of them wrote"
    result.stdout.fnmatch_lines(["*= kit cassettes =*", line], consecutive=True)
    assert read_urls(pytester) == ["/b"]
