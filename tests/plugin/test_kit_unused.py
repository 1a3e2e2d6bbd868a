"""`--kit-unused`: recordings that no test of the run uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.upstreams import Upstream, marked

RunTests = Callable[..., pytest.RunResult]


def _record_two(run_tests: RunTests, upstream: Upstream) -> str:
    both = 'ask(kit_plain_server, "/a"); ask(kit_plain_server, "/b")'
    run_tests(marked(upstream, body=both), "--kit-record-mode=once").assert_outcomes(passed=1)
    return marked(upstream, body='ask(kit_plain_server, "/a")')


UNUSED = [
    "*= kit cassettes =*",
    "cassettes/test_inner/test_it.har has recordings that no test uses:",
    "  entry 1: GET http://127.0.0.1:*/b",
]


def test_unused_recordings_are_told_at_the_end(run_tests: RunTests, upstream: Upstream) -> None:
    source = _record_two(run_tests, upstream)
    result = run_tests(source)
    assert result.ret == 0
    result.stdout.fnmatch_lines(UNUSED)
    result = run_tests(source, "--kit-unused=ignore")
    result.stdout.no_fnmatch_line("*kit cassettes*")


@pytest.mark.parametrize("arguments", [[], ["-n", "2", "-p", "xdist"]])
def test_unused_recordings_can_fail_the_run_also_over_workers(
    run_tests: RunTests, upstream: Upstream, arguments: list[str]
) -> None:
    source = _record_two(run_tests, upstream)
    result = run_tests(source, "--kit-unused=error", *arguments)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([*UNUSED, "FAIL: --kit-unused=error allows no unused recording"])


def test_what_a_failed_test_did_not_use_is_not_told(
    run_tests: RunTests, upstream: Upstream
) -> None:
    _record_two(run_tests, upstream)
    result = run_tests(marked(upstream, body="assert False"), "--kit-unused=error")
    result.stdout.no_fnmatch_line("*kit cassettes*")


def test_a_policy_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests("", "--kit-unused=some")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "--kit-unused (ini: kit_unused) is ignore, warn or error, not 'some'"
    result.stderr.fnmatch_lines([f"ERROR: {text}"])


@pytest.mark.parametrize(("arguments", "status"), [([], 1), (["--kit-unused=warn"], 0)])
def test_the_ini_key_says_it_too_and_the_option_goes_before_it(
    run_tests: RunTests,
    pytester: pytest.Pytester,
    upstream: Upstream,
    arguments: list[str],
    status: int,
) -> None:
    source = _record_two(run_tests, upstream)
    pytester.makeini("[pytest]\nkit_unused = error")
    result = run_tests(source, *arguments)
    assert result.ret == status
    result.stdout.fnmatch_lines(UNUSED)


TWO = """
        @pytest.mark.kit_cassette(upstream={url!r})
        @pytest.mark.parametrize("number", {numbers})
        def test_it(kit_plain_server, number):
            assert ask(kit_plain_server, f"/{{number}}").startswith("upstream")

        def test_other():
            {other}
"""
LEFT = "cassettes/test_inner/test_it_2*.har was opened by no test"
THINNING = """
    def pytest_collection_modifyitems(items):
        items[:] = [item for item in items if "2" not in item.name]
"""


def write_two(upstream: Upstream, numbers: str, other: str = "pass") -> str:
    more = TWO.format(url=upstream.url, numbers=numbers, other=other)
    return marked(upstream).partition("        @pytest.mark")[0] + more


@pytest.mark.parametrize("arguments", [[], ["-n", "2", "-p", "xdist"]])
def test_recordings_of_tests_that_are_gone_are_told_and_can_fail_the_run(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, arguments: list[str]
) -> None:
    run_tests(write_two(upstream, "[1, 2]"), "--kit-record-mode=once").assert_outcomes(passed=3)
    gone = pytester.path / "cassettes" / "test_gone" / "test_it.har"
    gone.parent.mkdir()
    gone.write_text("of another time", encoding="utf-8")
    result = run_tests(write_two(upstream, "[1]"), "--kit-unused=error", *arguments)
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*= kit cassettes =*",
            "cassettes/test_gone/test_it.har was opened by no test",
            LEFT,
            "FAIL: --kit-unused=error allows no unused recording",
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "other"),
    [
        (["-k", "test_it"], "pass"),
        (["test_inner.py::test_it"], "pass"),
        ([], "pytest.skip()"),
        ([], "assert False"),
        (["--kit-unused=ignore"], "pass"),
    ],
)
def test_nobody_knows_whether_a_recording_is_left_over_where_tests_are_left_out(
    run_tests: RunTests, upstream: Upstream, arguments: list[str], other: str
) -> None:
    run_tests(write_two(upstream, "[1, 2]"), "--kit-record-mode=once")
    result = run_tests(write_two(upstream, "[1]", other), *arguments)
    result.stdout.no_fnmatch_line("*opened by no test*")


@pytest.mark.parametrize("workers", [(), ("-n", "2", "-p", "xdist")], ids=["alone", "xdist"])
def test_a_conftest_may_leave_tests_out_and_tell_nobody(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, workers: tuple[str, ...]
) -> None:
    source = write_two(upstream, "[1, 2]")
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=3)
    pytester.makeconftest(THINNING)
    result = run_tests(source, "--kit-unused=error", *workers)
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*opened by no test*")
