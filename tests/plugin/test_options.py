"""The options with their ini keys, the marker's arguments, and the fixtures they shape."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_options_are_taken_and_told_in_the_header(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    source = """
        import socket

        def test_settings(kit_server, kit_server_factory):
            assert (kit_server.host, kit_server.is_tls) == ("0.0.0.0", False)
            assert kit_server_factory(tls=True, host="127.0.0.1").url.startswith("https://127")
            with urllib.request.urlopen(kit_server.url) as response:
                pass
        """.replace("with urllib.request.urlopen(kit_server.url) as response:", "try:").replace(
        "            pass\n",
        "            urllib.request.urlopen(kit_server.url)\n"
        "            except urllib.error.HTTPError:\n"
        "                pass\n",
    )
    given = ["--kit-host=0.0.0.0", "--kit-no-tls", "--kit-allow-unmatched", "--kit-grace=2.5"]
    result = run_tests(source, *given)
    result.assert_outcomes(passed=1)
    header = "kit: wirekit *, plain on 0.0.0.0, verify on, unmatched requests allowed, grace 2.5 s"
    result.stdout.fnmatch_lines([header])
    pytester.makeini(
        """
        [pytest]
        kit_host = 0.0.0.0
        kit_tls = false
        kit_verify = off
        kit_show_exchanges = 5
        """
    )
    result = run_tests(source)
    result.assert_outcomes(passed=1)
    header = "kit: wirekit *, plain on 0.0.0.0, verify off, 5 exchanges shown"
    result.stdout.fnmatch_lines([header])
    result = run_tests(source, "--kit-tls", "--kit-verify=on")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["kit: wirekit *, TLS on 0.0.0.0, verify on, 5 exchanges shown"])


def test_without_options_the_header_says_nothing(run_tests: RunTests) -> None:
    result = run_tests("def test_nothing(): pass")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("kit: *")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--kit-verify=maybe", "--kit-verify (ini: kit_verify) is on or off, not 'maybe'"),
        (
            "--kit-grace=long",
            "--kit-grace (ini: kit_grace) is a number of seconds, 0 or more, not 'long'",
        ),
        (
            "--kit-show-exchanges=-1",
            "--kit-show-exchanges (ini: kit_show_exchanges) is a whole number, 0 or more, not '-1'",
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused(run_tests: RunTests, option: str, text: str) -> None:
    result = run_tests("", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {text}"])


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
            with pytest.raises(kit.StateError, match="name it among the arguments of the test"):
                request.getfixturevalue("kit_exchanges")
        """
    )
    result.assert_outcomes(passed=2)
