"""What is left when a test ends, and whose failure is told."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.deadlines import scaled

RunTests = Callable[..., pytest.RunResult]

STUCK = """
import threading

end = threading.Event()

def stick(server):
    began = threading.Event()
    def stuck(request):
        began.set()
        end.wait(60)
        return kit.Response("late")
    server.registerRoutes([("GET", "/stuck", stuck)])
    client = kit.HTTPClient((server.host, server.port)).start()
    client.get("/stuck")
    assert began.wait(20)
    client.stop()
"""


def dedent(text: str) -> str:
    return text.replace("\n        ", "\n")


def test_a_handler_that_is_stuck_is_cut_with_a_warning(run_tests: RunTests) -> None:
    began = time.monotonic()
    result = run_tests(
        STUCK
        + dedent("""
        def test_stuck(kit_server_factory):
            stick(kit_server_factory(tls=False))

        def test_next(kit_server):
            end.set()
            assert kit_server.is_running
        """)
    )
    assert time.monotonic() - began < scaled(15)
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "test_inner.py::test_stuck",
            "*KitWarning: http://127.0.0.1:* was still busy after the test, and was cut:",
            "*GET /stuck*",
            "*let handlers end before the test does*",
        ]
    )


def test_a_failing_test_fails_with_its_own_error_whatever_is_left(run_tests: RunTests) -> None:
    result = run_tests(
        STUCK
        + dedent("""
        def test_stuck(kit_server, kit_server_factory):
            stick(kit_server_factory(tls=False))
            assert 1 + 1 == 3, "own error"

        def test_next():
            end.set()
        """)
    )
    result.assert_outcomes(failed=1, passed=1, warnings=1)
    result.stdout.fnmatch_lines(["E * AssertionError: own error"])


def test_with_warnings_as_errors_every_server_is_stopped_all_the_same(run_tests: RunTests) -> None:
    result = run_tests(
        STUCK
        + dedent("""
        servers = []

        def test_stuck(kit_server_factory):
            servers.extend(kit_server_factory(tls=False) for _ in range(3))
            stick(servers[1])
            assert 1 + 1 == 3, "own error"

        def test_all_are_stopped():
            end.set()
            assert [server.is_running for server in servers] == [False] * 3
        """),
        "-W",
        "error::pytest_plugin.KitWarning",
    )
    result.assert_outcomes(failed=1, errors=1, passed=1)
    result.stdout.fnmatch_lines(["E * AssertionError: own error"])


def test_limits_of_its_own_tell_how_long_handlers_may_take(run_tests: RunTests) -> None:
    result = run_tests(
        STUCK
        + dedent("""
        def test_patient(kit_server_factory):
            stick(kit_server_factory(tls=False, limits=kit.Limits(grace_s=60)))
            threading.Timer(1.5, end.set).start()
        """),
        "-W",
        "error",
    )
    result.assert_outcomes(passed=1)


def test_a_test_may_stop_its_server_and_its_client(run_tests: RunTests) -> None:
    result = run_tests(
        """
        def test_stop(kit_server, kit_client):
            kit_client.stop()
            assert kit_server.stop() == []
            assert not kit_server.is_running

        def test_with(kit_server):
            with kit_server:
                pass
            assert not kit_server.is_running
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2)


def test_a_factory_is_of_no_use_after_its_test(run_tests: RunTests) -> None:
    result = run_tests(
        """
        kept = []

        def test_keep(kit_server_factory):
            kept.append(kit_server_factory)

        def test_use():
            with pytest.raises(kit.StateError, match="the test of this kit_server_factory is over"):
                kept[0](tls=False)
        """
    )
    result.assert_outcomes(passed=2)


def test_connections_that_clients_keep_hold_nothing_up(run_tests: RunTests) -> None:
    began = time.monotonic()
    result = run_tests(
        """
        import socket, http.client

        kept = []

        def test_kept_alive(kit_server_factory):
            routes = [("GET", "/", lambda request: kit.Response("a"))]
            server = kit_server_factory(routes, tls=False)
            for _ in range(10):
                connection = http.client.HTTPConnection(server.host, server.port)
                connection.request("GET", "/")
                assert connection.getresponse().read() == b"a"
                kept.append(connection)

        def test_silent_and_half_sent(kit_server, kit_server_factory):
            for server in (kit_server, kit_server_factory(tls=False)):
                for start in (b"", b"GET / HT", b"POST / HTTP/1.1\\r\\n"):
                    connection = socket.create_connection((server.host, server.port))
                    connection.sendall(start)
                    kept.append(connection)

        def test_close():
            for connection in kept:
                connection.close()
        """,
        "-W",
        "error::pytest_plugin.KitWarning",
    )
    result.assert_outcomes(passed=3)
    assert time.monotonic() - began < scaled(10)


def test_an_interrupted_run_ends_at_once(run_tests: RunTests) -> None:
    result = run_tests(
        STUCK
        + dedent("""
        @pytest.fixture(scope="session", autouse=True)
        def release():
            yield
            end.set()

        def test_interrupted(kit_server_factory, kit_client):
            server = kit_server_factory(tls=False)
            server.expect("GET", "/never").respond("x")
            stick(server)
            raise KeyboardInterrupt
        """)
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "*KitWarning: http://127.0.0.1:* was still busy after the test, and was cut:",
            "*KeyboardInterrupt*",
        ]
    )
    assert "Error" not in result.stdout.str() + result.stderr.str()


@pytest.mark.skipif("sys.platform == 'win32'", reason="no fork")
def test_a_test_may_fork(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import os

        @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
        def test_fork(kit_server, kit_client):
            kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("hello"))])
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    kit_server.stop()
                    with kit.HTTPServer(("127.0.0.1", 0)) as server:
                        server.registerRoutes([("GET", "/", lambda request: kit.Response("child"))])
                        with urllib.request.urlopen(server.url, timeout=20) as response:
                            status = 0 if response.read() == b"child" else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
            assert kit_client.get("/").wait(20).text() == "hello"

        def test_after(kit_server):
            assert kit_server.is_running
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2)
