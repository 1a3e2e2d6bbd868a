"""`kit_exchanges`: what came to all servers of a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_the_exchanges_of_all_servers_are_in_one_journal(run_tests: RunTests) -> None:
    result = run_tests(
        """
        def hello(request):
            return kit.Response("hello")

        def ask(server, path):
            urllib.request.urlopen(server.url_for(path), timeout=20).close()

        ROUTES = [("GET", "/:name", hello)]

        @pytest.mark.kit_server(routes=ROUTES)
        def test_in_order(kit_plain_server, kit_server_factory, kit_exchanges):
            other = kit_server_factory(ROUTES, tls=False)
            for server, path in [(other, "/a"), (kit_plain_server, "/b"), (other, "/c")]:
                ask(server, path)
            found = kit_exchanges.wait_for("/:name", count=3, timeout=20)
            assert [exchange.path for exchange in found] == ["/a", "/b", "/c"]
            assert [each.path for each in kit_exchanges.filter(path="/b")] == ["/b"]
            assert len(other.journal) == 2

        def test_too_late(request, kit_plain_server):
            with pytest.raises(kit.StateError) as caught:
                request.getfixturevalue("kit_exchanges")
            assert str(caught.value) == (
                "kit_exchanges was asked for when servers ran already: "
                "name it among the arguments of the test, or of the first fixture"
            )
        """
    )
    result.assert_outcomes(passed=2)
