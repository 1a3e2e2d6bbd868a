"""The numbers of a whole run."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

MANY = """
import urllib.error

def hello(request):
    return kit.Response("hello")

@pytest.mark.parametrize("number", range(4))
@pytest.mark.kit_server(allow_unmatched=True)
def test_many(kit_server_factory, number):
    server = kit_server_factory([("GET", "/", hello)], tls=False)
    with urllib.request.urlopen(server.url, timeout=60) as response:
        response.read()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(server.url_for("/missing"), timeout=60)
    caught.value.close()

def test_none():
    pass

def test_of_the_session(kit_session_server_factory):
    server = kit_session_server_factory([("GET", "/", hello)], tls=False)
    with urllib.request.urlopen(server.url, timeout=60) as response:
        response.read()
"""

LINE = "kit: 5 servers, 9 exchanges, 9 connections, 4 unmatched"

FULL = """
@pytest.fixture
def kit_server(kit_server_factory):
    server = kit_server_factory([("GET", "/", lambda request: kit.Response("a"))], tls=False)
    server.journal._max_exchanges = 3
    return server

def test_full(kit_server, kit_client):
    for _ in range(40):
        assert kit_client.get("/").wait(60).text() == "a"
    assert kit_server.journal.dropped == 37
    assert FAILS is None
"""


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-p", "xdist", "-n", "2"),
        ("-p", "xdist", "-d", "--tx", f"2*popen//python={sys.executable}"),
    ],
    ids=["alone", "workers", "gateways"],
)
def test_the_numbers_of_all_tests_are_added_up(
    run_tests: RunTests, arguments: tuple[str, ...]
) -> None:
    result = run_tests(MANY, "-v", *arguments)
    result.assert_outcomes(passed=6)
    assert result.outlines.count(LINE) == 1


RARE = """
import urllib.error, websockets.sync.client

class Rare(kit.Resource):
    @kit.websocket("/ws")
    def talk(self, request, opcode, payload):
        pass

    @kit.get("/boom")
    def boom(self, request):
        raise ValueError("on purpose")

@pytest.mark.parametrize("number", range(TIMES))
@pytest.mark.kit_server(allow_unmatched=True, allow_handler_errors=True)
def test_rare(kit_plain_server, number):
    kit_plain_server.registerRoutes(Rare())
    for path in ("/boom", "/missing"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(kit_plain_server.url_for(path), timeout=60)
        caught.value.close()
    websockets.sync.client.connect(kit_plain_server.ws_url_for("/ws")).close()
"""


@pytest.mark.parametrize(
    ("times", "line"),
    [
        (
            1,
            "1 server, 3 exchanges, 3 connections, 1 websocket, 1 unmatched, 1 handler error",
        ),
        (
            2,
            "2 servers, 6 exchanges, 6 connections, 2 websockets, 2 unmatched, 2 handler errors",
        ),
    ],
)
def test_what_is_rare_is_counted_where_there_is_some(
    run_tests: RunTests, times: int, line: str
) -> None:
    result = run_tests(RARE.replace("TIMES", str(times)), "-v")
    result.assert_outcomes(passed=times)
    result.stdout.fnmatch_lines([f"kit: {line}"])


def test_without_being_asked_nothing_is_written(run_tests: RunTests) -> None:
    result = run_tests(MANY)
    result.assert_outcomes(passed=6)
    result.stdout.no_fnmatch_line("kit: *")


def test_without_servers_nothing_is_written(run_tests: RunTests) -> None:
    result = run_tests("def test_none(): pass", "-v")
    result.stdout.no_fnmatch_line("kit: *")


def test_what_journals_have_dropped_is_told_unasked(run_tests: RunTests) -> None:
    result = run_tests(FULL.replace("FAILS", "None"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "kit: 1 server, 3 exchanges, 1 connection, 37 dropped",
            "kit: what was dropped is in no report: the journals' bounds were passed",
        ],
        consecutive=True,
    )


def test_the_report_of_a_failed_test_tells_of_the_gap(run_tests: RunTests) -> None:
    result = run_tests(FULL.replace("FAILS", "1"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- kit exchanges -*",
            (
                "(http://127.0.0.1:*: 37 exchanges were dropped, as the journal was full: what was "
                "still open then cannot be judged)"
            ),
        ],
        consecutive=True,
    )


def test_a_worker_that_crashes_is_named(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import os

        def test_crash():
            os._exit(3)

        def test_one(kit_plain_server):
            pass
        """,
        "-v",
        "-p",
        "xdist",
        "-n",
        "1",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "kit: 1 server, 0 exchanges, 0 connections",
            "kit: gw0 ended without a word: it is not counted",
        ],
        consecutive=True,
    )
