"""`kit_server_options`: the marker's arguments for many tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_the_marker_goes_before_it_and_it_before_the_options(run_tests: RunTests) -> None:
    result = run_tests(
        """
        @pytest.fixture
        def kit_server_options():
            return {"tls": True, "allow_unmatched": True, "host": "localhost"}

        def test_options(kit_server):
            assert kit_server.is_tls
            assert kit_server.allowances.unmatched

        @pytest.mark.kit_server(tls=False, allow_unmatched=False)
        def test_marker(kit_server):
            assert not kit_server.is_tls
            assert not kit_server.allowances.unmatched

        class TestOfAnother:
            @pytest.fixture
            def kit_server_options(self, kit_server_options):
                return {**kit_server_options, "allow_malformed": True}

            def test_both(self, kit_server):
                assert kit_server.allowances.unmatched
                assert kit_server.allowances.malformed
        """,
        "--kit-no-tls",
    )
    result.assert_outcomes(passed=3)


def test_a_wrong_argument_is_told_with_the_fixtures_name(run_tests: RunTests) -> None:
    result = run_tests(
        """
        @pytest.fixture
        def kit_server_options():
            return {"hots": "localhost"}

        def test_wrong(kit_plain_server):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["kit_server_options has no argument 'hots': did you mean host[?]"])
