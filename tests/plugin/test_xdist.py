"""With pytest-xdist, over gateways, without it, and where it is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

MANY = """
def hello(request):
    return kit.Response("hello")

def never(request):
    return kit.Response("never")

@pytest.mark.parametrize("number", range(6))
def test_greeting(kit_server_factory, number):
    routes = [("GET", "/hello", hello), ("GET", f"/own/{number}", never)]
    server = kit_server_factory(routes, tls=False)
    server.expect("GET", "/stub").optional().respond("stub")
    server.expect("GET", "/unused").optional().respond("stub")
    for path in ("/hello", "/stub") if number == 3 else ("/hello",):
        with urllib.request.urlopen(server.url_for(path)) as response:
            assert response.read() in (b"hello", b"stub")
    assert len(server.journal) == (2 if number == 3 else 1)
"""

TABLE = [
    "hits  method  pattern  handler",
    "   6  GET     /hello   hello",
    "   0  GET     /own/0   never",
    "   0  GET     /own/1   never",
    "   0  GET     /own/2   never",
    "   0  GET     /own/3   never",
    "   0  GET     /own/4   never",
    "   0  GET     /own/5   never",
    "1 of 7 routes was hit: 14.2%",
    "stubs never used:",
    "  GET /unused (test_inner.py:14)",
    "FAIL: route coverage of 14.2% is less than the 50% that --kit-route-coverage asks for",
]

CRASHING = """
import os

def hello(request):
    return kit.Response("hello")

def test_crash(kit_server_factory):
    kit_server_factory([("GET", "/crash", hello)], tls=False)
    os._exit(3)

def test_greeting(kit_server_factory):
    server = kit_server_factory([("GET", "/hello", hello)], tls=False)
    with urllib.request.urlopen(server.url_for("/hello")) as response:
        assert response.read() == b"hello"
"""

BLOCKER = """
import sys

class NoXdist:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("xdist", "execnet"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoXdist())
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "xdist", "-n", "2"),
        ("-p", "xdist", "-d", "--tx", f"2*popen//python={sys.executable}"),
    ],
    ids=["workers", "gateways"],
)
def test_hits_of_all_workers_are_added_up(run_tests: RunTests, arguments: tuple[str, ...]) -> None:
    result = run_tests(MANY, "--kit-route-coverage=50", *arguments)
    result.assert_outcomes(passed=6)
    assert result.ret == 1
    result.stdout.fnmatch_lines(TABLE, consecutive=True)
    assert result.outlines.count(TABLE[0]) == 1


def test_a_worker_that_crashes_is_named(run_tests: RunTests) -> None:
    result = run_tests(CRASHING, "--kit-route-coverage", "-p", "xdist", "-n", "1")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "   1  GET     /hello   hello",
            "1 of 1 route was hit: 100.0%",
            "gw0 ended without a word: what it has hit is missing here",
        ],
        consecutive=True,
    )


def test_without_xdist_the_same_is_told(run_tests: RunTests) -> None:
    result = run_tests(MANY, "--kit-route-coverage=50", "-p", "no:xdist", autoload=True)
    result.assert_outcomes(passed=6)
    assert result.ret == 1
    result.stdout.fnmatch_lines(TABLE, consecutive=True)


def test_xdist_need_not_be_installed(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(no_xdist=BLOCKER)
    pytester.syspathinsert()
    result = run_tests(MANY, "-p", "no_xdist", "--kit-route-coverage=50")
    result.assert_outcomes(passed=6)
    assert result.ret == 1
    result.stdout.fnmatch_lines(TABLE, consecutive=True)
