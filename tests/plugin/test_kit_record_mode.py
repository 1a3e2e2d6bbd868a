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


def test_verify_fails_a_test_that_asks_nothing(run_tests: RunTests, upstream: Upstream) -> None:
    source = marked(upstream)
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    result = run_tests(marked(upstream, body="pass"), "--kit-record-mode=verify")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*nothing was asked: 1 recording of *test_it.har compared with nothing"]
    )


def test_verify_lets_a_test_ask_nothing_of_a_file_that_others_may_share(
    run_tests: RunTests, upstream: Upstream
) -> None:
    path = 'path="shared.har"'
    run_tests(marked(upstream, path), "--kit-record-mode=once").assert_outcomes(passed=1)
    result = run_tests(marked(upstream, path, "pass"), "--kit-record-mode=verify")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["shared.har has recordings that no test uses:"])


def test_a_test_that_asks_nothing_rewrites_nothing_and_it_is_told(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    run_tests(marked(upstream), "--kit-record-mode=once").assert_outcomes(passed=1)
    file = pytester.path / "cassettes" / "test_inner" / "test_it.har"
    before = file.read_bytes()
    result = run_tests(marked(upstream, body="pass"), "--kit-record-mode=rewrite")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "test_inner.py::test_it: nothing was asked, and "
                "cassettes/test_inner/test_it.har is left as it was"
            )
        ]
    )
    assert file.read_bytes() == before
