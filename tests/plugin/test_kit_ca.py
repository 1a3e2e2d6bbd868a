"""`kit_ca`: the authority that all servers of a session have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_one_authority_serves_the_whole_session(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import ssl

        seen = []

        @pytest.mark.parametrize("number", range(2))
        def test_same(kit_ca, kit_server, number):
            seen.append(kit_ca.pem)
            assert seen[0] == kit_ca.pem
            context = ssl.create_default_context(cadata=kit_ca.pem.decode())
            kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("a"))])
            with urllib.request.urlopen(kit_server.url, context=context, timeout=60) as response:
                assert response.read() == b"a"
        """
    )
    result.assert_outcomes(passed=2)
