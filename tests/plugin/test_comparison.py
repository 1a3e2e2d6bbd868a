"""Failed comparisons in tests, explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_objects_of_kit_are_explained_in_the_report(run_tests: RunTests) -> None:
    result = run_tests(
        """
        def test_headers():
            assert kit.Headers({"A": "1", "B": "2"}) == {"A": "1", "B": "3"}

        def test_exchanges(kit_plain_server):
            kit_plain_server.registerRoutes([("GET", "/", lambda request: kit.Response("a"))])
            with urllib.request.urlopen(kit_plain_server.url):
                pass
            assert list(kit_plain_server.journal) == []

        def test_opcodes():
            seen = [kit.WebSocketOpCode.Open, kit.WebSocketOpCode.Text]
            assert seen == [kit.WebSocketOpCode.Open, kit.WebSocketOpCode.Binary]

        def test_lists_of_others():
            assert [1, 2] == [1, 3]
        """
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: assert <Headers A: 1, B: 2> == {'A': '1', 'B': '3'}",
            "E           ✗ b is '2', expected '3'",
            "E           ✓ 1 other equal",
        ]
    )
    result.stdout.fnmatch_lines(["E           ✗ 1 GET / -> 200, not expected any more"])
    result.stdout.fnmatch_lines(
        ["E           ✓ 1 Open", "E           ✗ 2 Text, expected Binary"], consecutive=True
    )
    result.stdout.fnmatch_lines(["E       assert [[]1, 2[]] == [[]1, 3[]]"])


def test_comparisons_of_others_do_not_import_kit(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_other="""
        import sys

        def test_fails():
            assert [1] == [2]

        def test_modules():
            assert "kit" not in sys.modules
        """
    )
    run_tests("", "test_other.py").assert_outcomes(passed=1, failed=1)


def test_the_assertions_of_kit_testing_are_rewritten(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import kit.testing.late

        def test_rewritten():
            kind = type(kit.testing.late.__loader__).__name__
            assert kind == "AssertionRewritingHook"
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=1)


def test_modules_that_were_imported_before_are_no_trouble(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(early="import kit.testing")
    pytester.syspathinsert()
    result = run_tests("def test_one(kit_plain_server): pass", "-p", "early", "-W", "error")
    result.assert_outcomes(passed=1)
