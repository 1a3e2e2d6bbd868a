"""`kit_server`: a running server with TLS for each test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_each_test_has_a_server_with_tls_of_its_own(run_tests: RunTests) -> None:
    result = run_tests(
        """
        seen = []

        @pytest.mark.parametrize("number", range(3))
        def test_server(kit_server, number):
            assert kit_server.is_running
            assert kit_server.url == f"https://127.0.0.1:{kit_server.port}"
            assert kit_server.routes() == []
            assert not kit_server.journal
            assert not any(server.is_running for server in seen)
            assert kit_server not in seen
            seen.append(kit_server)
        """
    )
    result.assert_outcomes(passed=3)


def test_the_threads_are_kept_from_test_to_test_and_end_with_the_session(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import threading

        def pytest_unconfigure():
            left = [thread.name for thread in threading.enumerate()]
            print("left:", *left)
        """
    )
    result = run_tests(
        """
        import threading

        kept = []

        def test_first(kit_server):
            kept.extend(threading.enumerate())
            assert len(kept) > 1

        def test_without():
            assert threading.enumerate() == kept

        def test_second(kit_server_factory):
            kit_server_factory(tls=False)
            assert threading.enumerate() == kept
        """,
        "-s",
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["left: MainThread"])


def test_a_project_puts_its_own_server_in_place(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import kit, pytest

        @pytest.fixture
        def kit_server(kit_server_factory):
            routes = [("GET", "/", lambda request: kit.Response(request.scheme))]
            return kit_server_factory(routes, tls=False, host="localhost")
        """
    )
    result = run_tests(
        """
        def test_client(kit_client):
            assert kit_client.get("/").wait(20).text() == "http"
        """
    )
    result.assert_outcomes(passed=1)
