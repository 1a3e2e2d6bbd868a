"""`kit_client`: a client that trusts `kit_server`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_a_client_trusts_the_server_and_is_stopped_before_it(run_tests: RunTests) -> None:
    result = run_tests(
        """
        clients = []

        def test_client(kit_server, kit_client):
            kit_server.registerRoutes([("GET", "/", lambda request: kit.JsonResponse([1]))])
            got = []
            handle = kit_client.get("/", callback=got.append)
            assert handle.wait(20).payload == [1]
            assert got == []
            kit_client.update()
            assert [response.payload for response in got] == [[1]]
            clients.append(kit_client)

        def test_that_one_is_stopped(kit_client):
            assert kit_client is not clients[0]
            with pytest.raises(kit.StateError, match="stopped"):
                clients[0].get("/")

        def test_what_is_pending_is_cancelled(kit_server, kit_client):
            import threading
            began, end = threading.Event(), threading.Event()
            def slow(request):
                began.set()
                end.wait(20)
                return kit.Response("late")
            kit_server.registerRoutes([("GET", "/", slow)])
            kit_client.get("/", callback=lambda response: pytest.fail("called"))
            assert began.wait(20)
            threading.Timer(0.1, end.set).start()
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=3)
