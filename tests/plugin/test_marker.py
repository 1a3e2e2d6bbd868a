"""The marker `kit_server` and its arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_the_marker_shapes_the_servers(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import kit, pytest

        @pytest.fixture
        def kit_server_options():
            return {"host": "0.0.0.0", "routes": [("GET", "/hello", lambda r: kit.Response("c"))]}

        @pytest.fixture(scope="session")
        def kit_limits():
            return kit.Limits(target_bytes=321)
        """
    )
    result = run_tests(
        """
        class Hello(kit.Resource):
            @kit.get("/hello")
            def hello(self, request):
                return kit.Response(f"hello over {request.scheme}")

        def read(server, context=None):
            with urllib.request.urlopen(server.url_for("/hello"), context=context) as response:
                return response.read().decode()

        @pytest.mark.kit_server(routes=Hello, tls=True)
        def test_class(kit_server, kit_plain_server, kit_ca):
            assert read(kit_server, kit_ca.client_context()) == "hello over https"
            assert read(kit_plain_server) == "hello over http"
            assert kit_server.host == "0.0.0.0"

        @pytest.mark.kit_server(routes=[Hello(), ("GET", "/b", print)], tls=False)
        def test_list(kit_server):
            assert read(kit_server) == "hello over http"
            assert [route.url_pattern for route in kit_server.routes()] == ["/hello", "/b"]

        @pytest.mark.kit_server(limits=kit.Limits(target_bytes=99), host="127.0.0.1")
        def test_limits(kit_plain_server):
            assert kit_plain_server.limits.target_bytes == 99
            assert kit_plain_server.host == "127.0.0.1"

        def test_options_fixture(kit_plain_server, kit_server_factory):
            assert read(kit_plain_server) == "c"
            assert kit_plain_server.limits.target_bytes == 321
            assert kit_server_factory(tls=False).routes() == []

        @pytest.mark.kit_server(hostname="api.example.com")
        def test_hostname(kit_server, kit_server_factory, kit_ca):
            import ssl, socket
            two = kit_server_factory(hostname=["a.example", "b.example"], routes=Hello)
            for server, name in [
                (kit_server, "api.example.com"), (two, "b.example"), (two, "localhost")
            ]:
                with socket.create_connection(server.addr, 20) as plain:
                    context = kit_ca.client_context()
                    with context.wrap_socket(plain, server_hostname=name) as client:
                        assert client.version() == "TLSv1.3"

        def test_ipv6(kit_server_factory, kit_ca):
            try:
                server = kit_server_factory(Hello, host="::1")
            except kit.AddressError:
                pytest.skip("this machine has no IPv6")
            assert server.url == f"https://[::1]:{server.port}"
            assert read(server, kit_ca.client_context()) == "hello over https"
        """,
        "--strict-markers",
        "-W",
        "error",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] + outcomes.get("skipped", 0) == 6
    assert outcomes.keys() <= {"passed", "skipped"}


def test_a_wrong_argument_fails_at_setup_and_names_the_right_one(run_tests: RunTests) -> None:
    result = run_tests(
        """
        mark = pytest.mark.kit_server

        @mark(alow_unmatched=True)
        def test_typo():
            pass

        @mark(colour="red")
        def test_unknown():
            pass

        @mark(tls="no")
        def test_type():
            pass

        @mark(routes=42)
        def test_routes():
            pass

        @mark([])
        def test_position():
            pass

        @pytest.fixture
        def kit_server_options():
            return {"limits": 1}

        def test_options(kit_server):
            pass
        """
    )
    result.assert_outcomes(errors=6)
    where = "@pytest.mark.kit_server"
    result.stdout.fnmatch_lines(
        [
            f"{where} has no argument 'alow_unmatched': did you mean allow_unmatched[?]",
            f"{where} has no argument 'colour': it takes routes, tls, host, *, verify",
            f"{where}: tls must be True or False, not 'no'",
            f"{where}: routes must be a Resource, its class, or a list of routes, not 42",
            f"{where} takes arguments by name, routes= first, not [[][]]",
            "kit_server_options: limits must be a kit.Limits, not 1",
        ]
    )
