"""`--kit-allow-unmatched` and the ini key `kit_allow_unmatched`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


SOURCE = """
import urllib.error

def ask(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(server.url_for("/missing"), timeout=60)
    caught.value.close()

def test_unmatched(kit_plain_server):
    ask(kit_plain_server)

@pytest.mark.kit_server(allow_unmatched=False)
def test_forbidden(kit_plain_server):
    ask(kit_plain_server)
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "failed"),
    [
        ("", [], 2),
        ("", ["--kit-allow-unmatched"], 1),
        ("kit_allow_unmatched = true", [], 1),
    ],
)
def test_requests_may_match_nothing_where_it_says_so(
    run_tests: RunTests, pytester: pytest.Pytester, ini: str, arguments: list[str], failed: int
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run_tests(SOURCE, *arguments)
    result.assert_outcomes(failed=failed, passed=2 - failed)
    result.stdout.fnmatch_lines(["FAILED test_inner.py::test_forbidden*"])
