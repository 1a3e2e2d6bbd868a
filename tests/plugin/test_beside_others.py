"""Beside other plugins in one run: names, work, and what an import adds."""

from __future__ import annotations

import importlib.util
import textwrap
from collections.abc import Callable

import pytest

from support.deadlines import scaled

RunTests = Callable[..., pytest.RunResult]

HELLO = """
def hello(request):
    return kit.Response("hello")

def ask(url, context=None):
    with urllib.request.urlopen(url, context=context, timeout=20) as response:
        return response.read()
"""

HTTPSERVER = """
def test_both_servers(httpserver, kit_server, kit_ca):
    kit_server.registerRoutes([("GET", "/", hello)])
    kit_server.expect("GET", "/stub").respond_json({"kit": 1})
    httpserver.expect_request("/").respond_with_data("werkzeug")
    context = kit_ca.client_context()
    assert ask(kit_server.url, context) == b"hello"
    assert ask(kit_server.url_for("/stub"), context) == b'{"kit":1}'
    assert ask(httpserver.url_for("/")) == b"werkzeug"
    httpserver.check()
    assert len(kit_server.journal) == 2
"""

LOCALSERVER = """
def test_both_servers(httpserver, kit_server, kit_client):
    kit_server.registerRoutes([("GET", "/", hello)])
    httpserver.serve_content("local")
    assert kit_client.get("/").wait(20).text() == "hello"
    assert ask(httpserver.url) == b"local"
    assert len(httpserver.requests) == 1
    assert len(kit_server.journal) == 1
"""

RECORDING = """
@pytest.mark.vcr
def test_an_exchange_is_recorded(kit_server_factory, vcr):
    server = kit_server_factory([("GET", "/", hello)], tls=False)
    assert ask(server.url) == b"hello"
    assert len(vcr.requests) == len(server.journal) == 1

@pytest.mark.vcr
def test_the_client_is_not_recorded(kit_server, kit_client, vcr):
    kit_server.registerRoutes([("GET", "/", hello)])
    assert kit_client.get("/").wait(20).text() == "hello"
    assert len(vcr.requests) == 0
    assert len(kit_server.journal) == 1

@pytest.mark.block_network(allowed_hosts=["127.0.0.1"])
def test_a_blocked_network_lets_the_servers_be(kit_server, kit_client):
    kit_server.registerRoutes([("GET", "/", hello)])
    assert kit_client.get("/").wait(20).text() == "hello"
"""

NEIGHBOURS = [
    ("pytest_httpserver", "pytest_httpserver.pytest_plugin", HTTPSERVER, (), 1),
    ("pytest_localserver", "pytest_localserver.plugin", LOCALSERVER, (), 1),
    ("pytest_recording", "pytest_recording.plugin", RECORDING, ("--record-mode=once",), 3),
]


@pytest.mark.parametrize(
    ("package", "plugin", "source", "options", "passed"),
    NEIGHBOURS,
    ids=[package for package, *_ in NEIGHBOURS],
)
def test_both_do_their_work(
    run_tests: RunTests,
    package: str,
    plugin: str,
    source: str,
    options: tuple[str, ...],
    passed: int,
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package.replace('_', '-')} is not installed")
    result = run_tests(HELLO + source, "-p", plugin, "-W", "error", *options)
    result.assert_outcomes(passed=passed)
    assert result.ret == 0


def test_all_that_is_added_is_called_kit(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    """Options, ini keys and fixtures; whatever has another name might be another's."""
    told = run_tests("", "--help").outlines
    without = pytester.runpytest_subprocess("--help", timeout=scaled(60)).outlines
    added = [line for line in told if line not in without]
    options = {line.partition("=")[0].split()[0] for line in added if line.startswith("  --")}
    keys = {line.split()[0] for line in added if line.startswith("  ") and "):" in line}
    assert "--kit-route-coverage" in options
    assert [each for each in options if not each.startswith("--kit-")] == []
    assert "kit_route_coverage" in keys
    assert [each for each in keys if not each.startswith("kit_")] == []


def test_every_fixture_is_called_kit(run_tests: RunTests) -> None:
    lines = run_tests("", "--fixtures", "-v").outlines
    fixtures = {line.split()[0] for line in lines if " -- " in line and "pytest_plugin/" in line}
    assert {"kit_server", "kit_server_factory"} <= fixtures
    assert [each for each in fixtures if not each.startswith(("kit_", "_kit_"))] == []


def test_its_import_adds_the_standard_library_and_itself_alone(pytester: pytest.Pytester) -> None:
    script = """
        import sys
        import pytest

        before = set(sys.modules)
        import pytest_plugin.plugin

        added = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(added - sys.stdlib_module_names))
        print(sorted(name for name in sys.modules if name.startswith("pytest_plugin.")))
        """
    result = pytester.runpython_c(textwrap.dedent(script))
    assert result.outlines[0] == "['pytest_plugin']"
    assert "pytest_plugin.routes_report" not in result.outlines[1]
    assert "pytest_plugin.coverage_contexts" not in result.outlines[1]
