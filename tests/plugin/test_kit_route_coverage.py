"""`--kit-route-coverage`: the table, the minimum, the ini key, the stubs never used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

SHOP = """
def ask(url, method="GET", body=None):
    with urllib.request.urlopen(urllib.request.Request(url, body, method=method)) as response:
        return response.read()

class Users(kit.Resource):
    @kit.get("/user/:name")
    def show(self, request):
        return kit.Response(request.matches["name"])

    @kit.post("/user")
    def create(self, request):
        return kit.Response("created", 201)

    @kit.delete("/user/:name")
    async def remove(self, request):
        return kit.Response(None, 204)

def test_two_are_asked_for(kit_server_factory):
    server = kit_server_factory(Users(), tls=False)
    assert ask(server.url_for("/user/ada")) == b"ada"
    assert ask(server.url_for("/user/ada"), "HEAD") == b""

def test_of_a_second_server_one_is_removed(kit_server_factory):
    server = kit_server_factory(Users(), tls=False)
    ask(server.url_for("/user/bob"), "DELETE")
"""

STUBS = """
def ask(url, body=None):
    with urllib.request.urlopen(url, body) as response:
        return response.read()

@pytest.mark.parametrize("number", range(2))
def test_stubs(kit_server_factory, number):
    server = kit_server_factory([("GET", "/", lambda request: kit.Response("route"))], tls=False)
    server.expect("POST", "/orders", json={"id": 1}).optional().respond("stub")
    server.expect("GET", "/never").optional().respond("never")
    if number:
        assert ask(server.url_for("/orders"), b'{"id": 1}') == b"stub"
"""

FAILING = """
def test_an_answer(kit_server_factory):
    server = kit_server_factory([("GET", "/", lambda request: kit.Response("route"))], tls=False)
    assert 1 == 2
"""


def test_every_route_is_listed_with_its_hits_over_all_servers(run_tests: RunTests) -> None:
    result = run_tests(SHOP, "--kit-route-coverage")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*= kit route coverage =*",
            "hits  method  pattern      handler",
            "   0  POST    /user        Users.create",
            "   1  DELETE  /user/:name  Users.remove",
            "   2  GET     /user/:name  Users.show",
            "2 of 3 routes were hit: 66.6%",
            "*= 2 passed in *",
        ],
        consecutive=True,
    )


def test_the_run_fails_under_the_minimum_and_says_so(run_tests: RunTests) -> None:
    result = run_tests(SHOP, "--kit-route-coverage=66.7")
    result.assert_outcomes(passed=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "2 of 3 routes were hit: 66.6%",
            (
                "FAIL: route coverage of 66.6% is less than the 66.7% "
                "that --kit-route-coverage asks for"
            ),
        ],
        consecutive=True,
    )


def test_the_ini_key_sets_a_minimum(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkit_route_coverage = 80")
    result = run_tests(SHOP)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAIL: route coverage of 66.6% is less than the 80% *"])


def test_the_option_overrides_the_ini_key(run_tests: RunTests, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkit_route_coverage = 80")
    result = run_tests(SHOP, "--kit-route-coverage=off")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*route coverage*")


def test_stubs_never_used_are_told_and_no_routes(run_tests: RunTests) -> None:
    result = run_tests(STUBS, "--kit-route-coverage")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "hits  method  pattern  handler",
            "   0  GET     /        <lambda>",
            "0 of 1 route were hit: 0.0%",
            "stubs never used:",
            "  GET /never (test_inner.py:11)",
        ],
        consecutive=True,
    )


def test_a_failed_run_keeps_its_table_and_its_status(run_tests: RunTests) -> None:
    result = run_tests(FAILING, "--kit-route-coverage=0")
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["0 of 1 route were hit: 0.0%"])
    result.stdout.no_fnmatch_line("FAIL: *")


def test_without_servers_it_says_so_and_collecting_alone_says_nothing(run_tests: RunTests) -> None:
    result = run_tests("def test_nothing(): pass", "--kit-route-coverage")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["no routes were registered"])
    collected = run_tests(SHOP, "--kit-route-coverage=90", "--collect-only")
    assert collected.ret == 0
    collected.stdout.no_fnmatch_line("*route coverage*")


@pytest.mark.parametrize("workers", ["", "-n1"])
def test_without_a_route_a_minimum_is_not_reached(run_tests: RunTests, workers: str) -> None:
    arguments = ["-p", "xdist", workers] if workers else []
    result = run_tests("def test_nothing(): pass", "--kit-route-coverage=0.5", *arguments)
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "no routes were registered",
            (
                "FAIL: no route was registered, so there is nothing to judge by "
                "--kit-route-coverage=0.5"
            ),
        ]
    )


def test_a_minimum_of_nothing_is_reached_without_a_route(run_tests: RunTests) -> None:
    assert run_tests("def test_nothing(): pass", "--kit-route-coverage=0").ret == 0


def test_a_value_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests(SHOP, "--kit-route-coverage", "test_inner.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: --kit-route-coverage (ini: kit_route_coverage) takes a percentage of 0 to "
                '100, "on" or "off", not \'test_inner.py\'; where a path follows, write '
                "--kit-route-coverage=on"
            )
        ]
    )
