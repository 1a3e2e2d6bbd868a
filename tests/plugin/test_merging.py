"""Everything that is merged over workers, at once: alone, on four of them, over gateways."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import Cassette, HTTPServer
from kit import Upstream as Source
from support.plugin_artifacts import list_outcomes, list_paths, read_har, read_report
from support.upstreams import ASK, Upstream

RunTests = Callable[..., pytest.RunResult]

CANARY = "canary-4711-feathers"

SUITE = """
import urllib.error

def hello(request):
    return kit.Response("hello")

@pytest.mark.parametrize("number", range(8))
def test_routes(kit_server_factory, number):
    server = kit_server_factory([("GET", "/hello", hello), ("GET", "/never", hello)], tls=False)
    server.expect("GET", "/stub").optional().respond("stub")
    assert ask(server, "/hello") == "hello"

@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.kit_cassette("shared.har")
def test_played(kit_plain_server, name):
    assert ask(kit_plain_server, f"/{name}") == f"upstream /{name}"

@pytest.mark.kit_cassette(upstream=UPSTREAM, mode="once")
def test_recorded(kit_plain_server):
    assert ask(kit_plain_server, "/canary-4711-feathers") == "upstream /canary-4711-feathers"

@pytest.mark.kit_cassette(upstream="http://127.0.0.1:1", mode="once")
def test_gap(kit_plain_server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(kit_plain_server, "/gap")
    caught.value.close()
    assert caught.value.code == 502

@pytest.fixture
def app():
    urls = []
    yield urls
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urls[0], timeout=20)
    caught.value.close()

def test_late(app, kit_plain_server):
    app.append(kit_plain_server.url_for("/bye"))

def test_seed(kit_plain_server):
    assert kit_plain_server.fault_seed.split()[0] == "7"

@pytest.mark.kit_server(allow_unmatched=True)
def test_fails(kit_plain_server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(kit_plain_server, "/missing")
    caught.value.close()
    assert 1 == 2
"""

TOLD = [
    ("kit fault seed: 7",),
    (
        "*= kit late requests =*",
        "test_inner.py::test_late was over when its port got",
        "  GET /bye during its own teardown",
    ),
    (
        "*= kit cassettes =*",
        "shared.har has recordings that no test uses:",
        "  entry 2: GET http://127.0.0.1:*/c",
        "test_inner.py::test_gap: 1 exchange was not recorded in *: 1 had no whole response",
    ),
    ("*= kit canary =*", "FAIL: the planted secret came to light in"),
    ("  */cassettes/test_inner/test_recorded.har (plain)",),
    (
        "hits  method  pattern  handler",
        "   8  GET     /hello   hello",
        "   0  GET     /never   hello",
        "1 of 2 routes was hit: 50.0%",
        "stubs never used:",
        "  GET /stub (test_inner.py:15)",
    ),
    ("kit: 15 servers, 13 exchanges, 13 connections, 1 unmatched",),
    ("*- kit report: *run.html (15 tests, 13 exchanges) -*",),
    ("*- kit har: *run.har (13 tests, 13 exchanges) -*",),
]
PATHS = {
    **{f"test_inner.py::test_routes[{number}]": "/hello" for number in range(8)},
    "test_inner.py::test_played[a]": "/a",
    "test_inner.py::test_played[b]": "/b",
    "test_inner.py::test_recorded": "/canary-4711-feathers",
    "test_inner.py::test_gap": "/gap",
    "test_inner.py::test_fails": "/missing",
}


def record(path: Path, url: str) -> None:
    with (
        Source(url) as source,
        Cassette(path, mode="once", upstream=source) as cassette,
        HTTPServer(("127.0.0.1", 0)) as server,
    ):
        server.fallback = cassette
        for name in "abc":
            urllib.request.urlopen(server.url_for(f"/{name}"), timeout=20).close()


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        ((), set()),
        (("-p", "xdist", "-n", "4"), {"gw0", "gw1", "gw2", "gw3"}),
        (("-p", "xdist", "-d", "--tx", f"2*popen//python={sys.executable}"), {"gw0", "gw1"}),
        (("-p", "xdist", "-d", "--rsyncdir=.", "--tx", "2*popen//chdir={there}"), {"gw0", "gw1"}),
    ],
    ids=["alone", "workers", "gateways", "elsewhere"],
)
def test_the_same_is_told_of_a_run_wherever_its_tests_ran(
    run_tests: RunTests,
    pytester: pytest.Pytester,
    upstream: Upstream,
    tmp_path_factory: pytest.TempPathFactory,
    arguments: tuple[str, ...],
    workers: set[str],
) -> None:
    record(pytester.path / "shared.har", upstream.url)
    there = tmp_path_factory.mktemp("there")
    result = run_tests(
        ASK.replace("\n    ", "\n") + SUITE.replace("UPSTREAM", repr(upstream.url)),
        *(each.format(there=there) for each in arguments),
        *("-v", "--kit-fault-seed=7", f"--kit-canary={CANARY}", "--kit-route-coverage"),
        *("--kit-report=run.html", "--kit-har=run.har"),
    )
    result.assert_outcomes(passed=14, failed=1)
    # Where the tests are copied, their names begin with that of the folder.
    prefix = f"{pytester.path.name}/"
    screen = pytest.LineMatcher([line.replace(prefix, "") for line in result.outlines])
    for lines in TOLD:
        screen.fnmatch_lines(lines, consecutive=True)
    report, har = (read_report(pytester.path / "run.html"), read_har(pytester.path / "run.har"))
    assert len(list_outcomes(report)) == 15
    for log in (report, har):
        paths = {name.removeprefix(prefix): path for name, path in list_paths(log).items()}
        assert paths == PATHS
    assert {page["_kit"].get("worker") for page in report["pages"]} - {None} == workers
