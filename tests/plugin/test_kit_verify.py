"""`--kit-verify` and the ini key `kit_verify`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


SOURCE = """
def test_stub(kit_plain_server):
    kit_plain_server.expect("GET", "/never").respond("x")
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "failed"),
    [
        ("", [], 1),
        ("", ["--kit-verify=off"], 0),
        ("kit_verify = off", [], 0),
        ("kit_verify = off", ["--kit-verify=on"], 1),
    ],
)
def test_tests_fail_for_their_servers_unless_it_is_off(
    run_tests: RunTests, pytester: pytest.Pytester, ini: str, arguments: list[str], failed: int
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run_tests(SOURCE, *arguments)
    result.assert_outcomes(failed=failed, passed=1 - failed)


def test_where_it_is_off_no_marker_switches_it_on(run_tests: RunTests) -> None:
    marked = f"@pytest.mark.kit_server(verify=True){SOURCE}"
    run_tests(marked, "--kit-verify=off").assert_outcomes(passed=1)
