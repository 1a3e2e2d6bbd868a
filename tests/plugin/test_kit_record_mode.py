"""`--kit-record-mode`: whether cassettes play, record or do both."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.upstreams import Upstream, find_files, marked

RunTests = Callable[..., pytest.RunResult]


def test_the_option_goes_before_the_marker_and_that_before_the_ini_file(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    pytester.makeini("[pytest]\nkit_record_mode = rewrite\n")
    run_tests(marked(upstream)).assert_outcomes(passed=1)
    assert upstream.asked == ["/a"]
    run_tests(marked(upstream, "mode='none'")).assert_outcomes(passed=1)
    assert upstream.asked == ["/a"]
    source = marked(upstream, "mode='none'")
    run_tests(source, "--kit-record-mode=all").assert_outcomes(passed=1)
    assert upstream.asked == ["/a", "/a"]


def test_verify_fails_a_test_whose_upstream_answers_otherwise(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    body = 'ask(kit_plain_server, "/a")'
    source = marked(upstream, body=body)
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    run_tests(source, "--kit-record-mode=verify").assert_outcomes(passed=1)
    upstream.answer = "changed"
    (name,) = find_files(pytester.path)
    before = (pytester.path / name).read_bytes()
    result = run_tests(source, "--kit-record-mode=verify")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "not as recorded:",
            "test_it.har entry 0: GET http://127.0.0.1:*/a is not answered as recorded",
            "  ✗ body: expected 'upstream /a', got 'changed /a'",
        ]
    )
    assert (pytester.path / name).read_bytes() == before


def test_the_header_tells_of_a_mode_that_the_command_line_asks_for(run_tests: RunTests) -> None:
    result = run_tests("def test_it(): pass", "--kit-record-mode=once")
    result.stdout.fnmatch_lines(["kit record mode: once"])


def test_a_mode_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests("", "--kit-record-mode=some")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        "--kit-record-mode (ini: kit_record_mode) is none, once, new_episodes, all, "
        "rewrite or verify, not 'some'"
    )
    result.stderr.fnmatch_lines([f"ERROR: {text}"])
