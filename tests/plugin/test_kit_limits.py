"""`kit_limits`: the bounds of all servers that are given none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_a_fixture_of_this_name_bounds_every_server(run_tests: RunTests) -> None:
    result = run_tests(
        """
        @pytest.fixture(scope="session")
        def kit_limits():
            return kit.Limits(target_bytes=99)

        def test_all(kit_server, kit_plain_server, kit_server_factory):
            own = kit.Limits(target_bytes=77)
            servers = [kit_server, kit_plain_server, kit_server_factory(tls=False)]
            assert [server.limits.target_bytes for server in servers] == [99, 99, 99]
            assert kit_server_factory(tls=False, limits=own).limits is own

        def test_of_the_session(kit_session_server_factory):
            assert kit_session_server_factory(tls=False).limits.target_bytes == 99
        """
    )
    result.assert_outcomes(passed=2)


def test_without_one_the_usual_bounds_hold(run_tests: RunTests) -> None:
    result = run_tests(
        """
        def test_usual(kit_plain_server, kit_limits):
            assert kit_limits is None
            assert kit_plain_server.limits == kit.Limits()
        """
    )
    result.assert_outcomes(passed=1)
