"""`--kit-show-exchanges` and the ini key `kit_show_exchanges`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


SOURCE = """
def test_many(kit_plain_server):
    kit_plain_server.registerRoutes([("GET", "/:n", lambda request: kit.Response("a"))])
    for number in range(5):
        urllib.request.urlopen(kit_plain_server.url_for(f"/{number}"), timeout=60).close()
    assert number == 0
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "shown"),
    [
        ("", [], 5),
        ("", ["--kit-show-exchanges=2"], 2),
        ("kit_show_exchanges = 1", [], 1),
        ("kit_show_exchanges = 1", ["--kit-show-exchanges=0"], 0),
    ],
)
def test_so_many_exchanges_are_in_the_report_of_a_failed_test(
    run_tests: RunTests, pytester: pytest.Pytester, ini: str, arguments: list[str], shown: int
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run_tests(SOURCE, *arguments)
    result.assert_outcomes(failed=1)
    lines = [line for line in result.outlines if "route /:n" in line]
    assert len(lines) == shown
    left_out = [line for line in result.outlines if line.startswith(f"({5 - shown} earlier")]
    assert len(left_out) == (0 < shown < 5)
