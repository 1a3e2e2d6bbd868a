"""What the report of a failed test tells of its exchanges, and what JUnit gets to know."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

RunTests = Callable[..., pytest.RunResult]

SOURCE = """
def hello(request):
    return kit.Response("hello")

ROUTES = [("GET", "/:name", hello)]

def ask(server, path):
    urllib.request.urlopen(server.url_for(path), timeout=20).close()

@pytest.fixture(scope="session")
def shared(kit_session_server_factory):
    return kit_session_server_factory(ROUTES, tls=False)

def test_earlier(shared):
    ask(shared, "/of-another-test")

@pytest.mark.kit_server(routes=ROUTES)
def test_fails(kit_plain_server, shared):
    ask(kit_plain_server, "/first")
    ask(shared, "/second")
    assert 1 + 1 == 3, "own error"

@pytest.mark.kit_server(routes=ROUTES)
def test_many(kit_plain_server):
    for number in range(30):
        ask(kit_plain_server, f"/number-{number}-")
    assert 1 + 1 == 3, "own error"

def test_without_exchanges(kit_plain_server):
    assert 1 + 1 == 3, "own error"

def test_without_a_server():
    pass
"""


def test_a_failed_test_shows_its_exchanges(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    result = run_tests(SOURCE, "--junit-xml=junit.xml")
    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_fails _*",
            "*- kit exchanges -*",
            "+0.0 ms*opened by 127.0.0.1:*",
            "*GET /first -> 200, route /:name, *ms",
            "    curl *http://127.0.0.1:*/first*",
            "*GET /second -> 200, route /:name, *ms",
            "*_ test_many _*",
            "*- kit exchanges -*",
            "(10 earlier exchanges left out: 10 complete)",
            "*GET /number-10- -> 200*",
            "*GET /number-29- -> 200*",
        ]
    )
    told = result.stdout.str()
    assert "/of-another-test" not in told
    assert "/number-9-" not in told
    assert told.count("kit exchanges") == 2
    cases = ET.parse(pytester.path / "junit.xml").iter("testcase")
    properties = {
        case.attrib["name"]: {
            one.attrib["name"]: one.attrib["value"] for one in case.iter("property")
        }
        for case in cases
    }
    assert properties["test_fails"] == {
        "kit_exchanges": "2",
        "kit_connections": "2",
        "kit_paths": "/first /second",
    }
    assert properties["test_without_exchanges"]["kit_exchanges"] == "0"
    assert properties["test_without_a_server"] == {}


def test_the_number_of_exchanges_is_an_option(run_tests: RunTests) -> None:
    result = run_tests(SOURCE, "--kit-show-exchanges=1", "-k", "many")
    result.stdout.fnmatch_lines(["(29 earlier exchanges left out: 29 complete)"])
    result = run_tests(SOURCE, "--kit-show-exchanges=0")
    result.assert_outcomes(failed=3, passed=2)
    result.stdout.no_fnmatch_line("*kit exchanges*")


def test_workers_of_xdist_report_it_too(run_tests: RunTests) -> None:
    result = run_tests(SOURCE, "-n", "1", autoload=True)
    result.assert_outcomes(failed=3, passed=2)
    result.stdout.fnmatch_lines(["*- kit exchanges -*", "*GET /first -> 200, route /:name, *ms"])
