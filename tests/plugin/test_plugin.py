"""The plugin among others: how it is found, what it imports, whom it gets on with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

FIXTURES = {
    "kit_ca",
    "kit_cassette_options",
    "kit_client",
    "kit_exchanges",
    "kit_limits",
    "kit_plain_server",
    "kit_server",
    "kit_server_factory",
    "kit_server_options",
    "kit_session_server_factory",
    "kit_tls_fault",
    "kit_trust",
}

GREETING = """
def test_greeting(kit_server, kit_ca):
    kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("hello"))])
    with urllib.request.urlopen(kit_server.url, context=kit_ca.client_context()) as response:
        assert response.read() == b"hello"
"""

MANY = """
@pytest.mark.parametrize("number", range(8))
def test_greeting(kit_server, kit_client, number):
    kit_server.registerRoutes([("GET", "/", lambda request: kit.Response(str(number)))])
    assert kit_client.get("/").wait(20).text() == str(number)
    assert len(kit_server.journal) == 1
"""


def test_pytest_finds_the_plugin_and_tells_its_fixtures(run_tests: RunTests) -> None:
    result = run_tests("", "--fixtures", autoload=True)
    told = {line.split(" ")[0] for line in result.outlines if " -- " in line}
    assert {name for name in told if "kit" in name} == FIXTURES
    result.stdout.fnmatch_lines(
        [
            "kit_ca [[]session scope[]] -- *",
            "    Certificate authority of this session*",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            "kit_server -- *",
            "    HTTP server of this test alone*",
        ]
    )


def test_without_a_fixture_kit_is_not_imported(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_other="""
        import sys

        def test_modules():
            assert "pytest_plugin.plugin" in sys.modules
            heavy = {"kit", "msgspec", "httptools", "websockets", "trustme", "cryptography"}
            assert heavy & sys.modules.keys() == set()
        """
    )
    result = run_tests("", "test_other.py")
    result.assert_outcomes(passed=1)


def test_a_plain_server_needs_no_certificates(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import sys

        def test_plain(kit_server_factory):
            assert kit_server_factory(tls=False).url.startswith("http://")
            assert {"trustme", "cryptography"} & sys.modules.keys() == set()
        """
    )
    result.assert_outcomes(passed=1)


def test_it_runs_beside_every_other_plugin_without_a_warning(run_tests: RunTests) -> None:
    quiet = ["-W", "error", "-W", "ignore::pytest.PytestDeprecationWarning"]
    result = run_tests(GREETING, *quiet, autoload=True)
    result.assert_outcomes(passed=1)


def test_it_runs_without_xdist(run_tests: RunTests) -> None:
    run_tests(GREETING, "-p", "no:xdist", autoload=True).assert_outcomes(passed=1)


def test_it_runs_on_the_workers_of_xdist(run_tests: RunTests) -> None:
    result = run_tests(MANY, "-n", "2", autoload=True)
    result.assert_outcomes(passed=8)
    result.stdout.no_fnmatch_line("*ERROR*")


def test_tests_of_pytest_asyncio_use_the_fixtures(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import asyncio
        import aiohttp

        @pytest.mark.asyncio
        async def test_aiohttp(kit_server, kit_ca, kit_server_factory):
            async def hello(request):
                await asyncio.sleep(0)
                return kit.Response("hello")

            kit_server.registerRoutes([("GET", "/", hello)])
            plain = kit_server_factory([("GET", "/", hello)], tls=False)
            async with aiohttp.ClientSession() as session:
                for server in (kit_server, plain):
                    async with session.get(server.url, ssl=kit_ca.client_context()) as response:
                        assert await response.text() == "hello"
            await kit_server.journal.wait_for_async("GET /", state="complete", timeout=20)

        @pytest.mark.asyncio
        async def test_a_websocket_left_open(kit_server, kit_ca):
            class Echo(kit.Resource):
                @kit.websocket("/ws")
                def echo(self, request, opcode, payload):
                    if payload:
                        request.send(payload)

            from websockets.asyncio.client import connect
            kit_server.registerRoutes(Echo())
            url = kit_server.ws_url_for("/ws")
            async with connect(url, ssl=kit_ca.client_context()) as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello"
        """,
        autoload=True,
    )
    result.assert_outcomes(passed=2)


def test_tests_of_anyio_use_the_fixtures(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import anyio, httpx

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.fixture
        async def web(kit_ca, kit_server):
            context = kit_ca.client_context()
            async with httpx.AsyncClient(base_url=kit_server.url, verify=context) as client:
                yield client

        async def test_httpx(kit_server, web):
            kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("hello"))])
            assert (await web.get("/")).text == "hello"
            with anyio.fail_after(20):
                [exchange] = await kit_server.journal.wait_for_async("GET /")
        """,
        autoload=True,
    )
    result.assert_outcomes(passed=1)


def test_frozen_time_does_not_disturb_the_fixtures(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import freezegun

        @pytest.fixture
        def past():
            with freezegun.freeze_time("2001-02-03 04:05:06"):
                yield

        def test_in_the_past(past, kit_server, kit_client):
            kit_server.registerRoutes([("GET", "/", lambda request: kit.Response("hello"))])
            response = kit_client.get("/").wait(20)
            assert response.text() == "hello"
            assert response.headers.text("Date") == "Sat, 03 Feb 2001 04:05:06 GMT"
        """
    )
    result.assert_outcomes(passed=1)


def test_the_assertions_of_kit_testing_are_rewritten_by_pytest(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import sys
        import kit.testing

        def test_loaders():
            modules = [each for name, each in sys.modules.items() if name.startswith("kit.testing")]
            kinds = {type(each.__loader__).__name__ for each in modules}
            assert len(modules) > 5
            assert kinds == {"AssertionRewritingHook"}
        """
    )
    result.assert_outcomes(passed=1)
