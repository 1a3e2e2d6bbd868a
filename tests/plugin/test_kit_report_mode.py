"""`--kit-report-mode`: whether the page of a run is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.plugin_artifacts import (
    OUTCOMES,
    PASSING,
    PATHS,
    RUN,
    list_outcomes,
    list_paths,
    read_report,
)

RunTests = Callable[..., pytest.RunResult]


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_only_failures_are_retained_where_that_is_asked_for(
    run_tests: RunTests, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    mode = "retain-on-failure"
    run_tests(RUN, *workers, "--kit-report=run.html", "--kit-report-mode", mode)
    log = read_report(pytester.path / "run.html")
    bad = {name: outcome for name, outcome in OUTCOMES.items() if outcome in {"failed", "error"}}
    assert list_outcomes(log) == bad
    assert list_paths(log) == {name: PATHS[name] for name in bad}


@pytest.mark.parametrize(
    ("ini", "arguments", "is_written"),
    [
        ("off", [], False),
        ("off", ["--kit-report-mode=on"], True),
        ("on", ["--kit-report-mode=off"], False),
        ("retain-on-failure", [], False),
    ],
)
def test_the_ini_key_says_it_too_and_the_option_goes_before_it(
    run_tests: RunTests,
    pytester: pytest.Pytester,
    ini: str,
    arguments: list[str],
    is_written: bool,
) -> None:
    pytester.makeini(f"[pytest]\nkit_report = run.html\nkit_report_mode = {ini}")
    run_tests(PASSING, *arguments).assert_outcomes(passed=1)
    assert (pytester.path / "run.html").exists() == is_written


def test_a_mode_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests(PASSING, "--kit-report=a.html", "--kit-report-mode=always")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = "--kit-report-mode (ini: kit_report_mode) is on, off or retain-on-failure, not 'always'"
    result.stderr.fnmatch_lines([f"ERROR: {text}"])
