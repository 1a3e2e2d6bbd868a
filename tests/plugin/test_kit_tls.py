"""`--kit-tls`, `--kit-no-tls` and the ini key `kit_tls`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


SOURCE = """
def test_schemes(kit_server, kit_server_factory):
    print("scheme:", kit_server.url.partition(":")[0], kit_server_factory().url.partition(":")[0])
    assert kit_server_factory(tls=True).is_tls
    assert not kit_server_factory(tls=False).is_tls
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "scheme"),
    [
        ("", [], "https"),
        ("", ["--kit-no-tls"], "http"),
        ("kit_tls = false", [], "http"),
        ("kit_tls = false", ["--kit-tls"], "https"),
        ("kit_tls = true", ["--kit-no-tls"], "http"),
    ],
)
def test_servers_speak_tls_unless_they_are_told_not_to(
    run_tests: RunTests, pytester: pytest.Pytester, ini: str, arguments: list[str], scheme: str
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run_tests(SOURCE, "-s", *arguments)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*scheme: {scheme} {scheme}*"])
