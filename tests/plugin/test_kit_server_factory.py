"""`kit_server_factory`: as many servers as a test likes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_a_factory_starts_as_many_servers_as_a_test_likes(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import socket, ssl

        class Names(kit.Resource):
            @kit.get("/name")
            def name(self, request):
                return kit.Response(request.scheme)

        def read(url, context=None):
            with urllib.request.urlopen(url, context=context, timeout=20) as response:
                return response.read().decode()

        def test_plain_and_tls_at_once(kit_server, kit_server_factory, kit_ca):
            plain, other = kit_server_factory(Names(), tls=False), kit_server_factory(Names())
            context = kit_ca.client_context()
            assert len({kit_server.port, plain.port, other.port}) == 3
            assert read(plain.url_for("/name")) == "http"
            assert read(other.url_for("/name"), context) == "https"
            assert [len(server.journal) for server in (kit_server, plain, other)] == [0, 1, 1]

        def test_several_routes(kit_server_factory):
            extra = [("GET", "/extra", lambda request: kit.Response("extra"))]
            server = kit_server_factory(Names(), extra, tls=False)
            assert read(server.url_for("/name")) + read(server.url_for("/extra")) == "httpextra"

        @pytest.mark.parametrize("host", ["localhost", "0.0.0.0", ""])
        def test_the_certificate_is_good_for_the_host(kit_server_factory, kit_ca, host):
            server = kit_server_factory(Names(), host=host)
            assert read(server.url_for("/name"), kit_ca.client_context()) == "https"

        def test_the_certificate_is_good_for_an_unusual_host(kit_server_factory, kit_ca):
            try:
                server = kit_server_factory(Names(), host="127.0.0.2")
            except kit.AddressError:
                pytest.skip("this machine has no 127.0.0.2")
            assert read(server.url_for("/name"), kit_ca.client_context()) == "https"

        def test_the_limits_are_taken(kit_server_factory):
            limits = kit.Limits(target_bytes=100)
            server = kit_server_factory(Names(), tls=False, limits=limits)
            with pytest.raises(urllib.error.HTTPError, match="414"):
                read(server.url_for("/name?" + 200 * "x"))

        def test_the_same_routes_on_two_servers(kit_server_factory):
            names = Names()
            servers = [kit_server_factory(names, tls=False) for _ in range(2)]
            assert [read(server.url_for("/name")) for server in servers] == ["http", "http"]

        def test_a_host_that_is_not_there(kit_server_factory):
            with pytest.raises(kit.AddressError, match="192.0.2.1"):
                kit_server_factory(host="192.0.2.1", tls=False)

        def test_a_factory_is_of_a_type_that_can_be_named(kit_server_factory):
            import pytest_plugin

            assert isinstance(kit_server_factory, pytest_plugin.ServerFactory)
        """,
        "-W",
        "error",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] + outcomes.get("skipped", 0) == 10
    assert outcomes.keys() <= {"passed", "skipped"}
