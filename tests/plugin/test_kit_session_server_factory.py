"""`kit_session_server_factory`: servers that outlive a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_its_servers_run_until_the_session_ends(run_tests: RunTests) -> None:
    result = run_tests(
        """
        seen = []

        @pytest.fixture(scope="session")
        def shared(kit_session_server_factory):
            routes = [("GET", "/:name", lambda request: kit.Response("a"))]
            return kit_session_server_factory(routes, tls=False)

        @pytest.mark.parametrize("number", range(2))
        def test_same(shared, number, kit_exchanges):
            seen.append(shared.port)
            assert seen[0] == shared.port
            urllib.request.urlopen(shared.url_for(f"/{number}"), timeout=60).close()
            assert len(shared.journal) == number + 1
            assert len(kit_exchanges) == 0
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*kit late requests*")
