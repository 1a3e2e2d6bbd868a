"""`kit_plain_server`: a server without TLS."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_it_speaks_plain_http_whatever_is_asked_for(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import sys

        def hello(request):
            return kit.Response(request.scheme)

        @pytest.mark.kit_server(routes=[("GET", "/", hello)], tls=True)
        def test_plain(kit_plain_server):
            assert kit_plain_server.url == f"http://127.0.0.1:{kit_plain_server.port}"
            with urllib.request.urlopen(kit_plain_server.url, timeout=60) as response:
                assert response.read() == b"http"
            assert "trustme" not in sys.modules

        def test_it_is_another_one_than_the_server(kit_plain_server, kit_server):
            assert kit_plain_server.port != kit_server.port
            assert not kit_plain_server.is_tls
            assert kit_server.is_tls
        """,
        "--kit-tls",
    )
    result.assert_outcomes(passed=2)
