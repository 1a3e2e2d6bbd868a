"""`--kit-strict`, `strict=`, `allow_lint=` and `faults=`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

SOURCE = """
from kit.testing import RawClient

def ask(server):
    with RawClient(server.url) as client:
        client.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return client.read_response().status

ROUTES = [("GET", "/", lambda request: kit.Response("x"))]
"""
SLOPPY = """
@pytest.mark.kit_server(routes=ROUTES)
def test_sloppy(kit_plain_server):
    assert ask(kit_plain_server) == 200
"""


@pytest.mark.parametrize(
    ("ini", "arguments", "failed"),
    [
        ("", [], 0),
        ("", ["--kit-strict"], 1),
        ("kit_strict = true", [], 1),
        ("kit_strict = true", ["--kit-verify=off"], 0),
    ],
)
def test_a_sloppy_client_fails_a_strict_test(
    run_tests: RunTests, pytester: pytest.Pytester, ini: str, arguments: list[str], failed: int
) -> None:
    pytester.makeini(f"[pytest]\n{ini}")
    result = run_tests(SOURCE + SLOPPY, *arguments)

    result.assert_outcomes(failed=failed, passed=1 - failed)


def test_the_failure_tells_the_rule_and_how_to_allow_it(run_tests: RunTests) -> None:
    result = run_tests(SOURCE + SLOPPY, "--kit-strict")

    result.stdout.fnmatch_lines(
        [
            "kit: wirekit *, verify on, strict",
            "E*VerificationError: 1 problem on http://127.0.0.1:*:",
            "E*1 http-1.0: HTTP/1.0 in place of HTTP/1.1 (RFC 9112 section 2.3)",
            "E*GET / -> 200",
            "E*where that is meant to happen: server.allow(lint=[[]'http-1.0'[]])",
        ]
    )


def test_the_marker_says_how_strict_a_test_is(run_tests: RunTests) -> None:
    result = run_tests(
        SOURCE
        + """
mark = pytest.mark.kit_server

@mark(routes=ROUTES, strict=True)
def test_strict(kit_plain_server):
    ask(kit_plain_server)

@mark(routes=ROUTES, strict=True)
def test_other_server(kit_server_factory):
    ask(kit_server_factory(ROUTES, tls=False))

@mark(routes=ROUTES, strict=True, allow_lint=["http-1.0"])
def test_allowed(kit_plain_server, kit_server_factory):
    ask(kit_plain_server)
    ask(kit_server_factory(ROUTES, tls=False))

@mark(routes=ROUTES, strict=True)
def test_allowed_by_method(kit_plain_server):
    ask(kit_plain_server)
    kit_plain_server.allow(lint=["http-1.0"])

@mark(routes=ROUTES, strict=False)
def test_lax(kit_plain_server, kit_server_factory):
    ask(kit_plain_server)
    with pytest.raises(AssertionError, match="http-1.0"):
        strict = kit_server_factory(ROUTES, tls=False, strict=True)
        ask(strict)
        strict.verify()
    strict.strict = False
"""
    )

    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines_random(["FAILED *::test_strict*", "FAILED *::test_other_server*"])


def test_credentials_are_compared_over_the_servers_of_a_test(run_tests: RunTests) -> None:
    result = run_tests(
        SOURCE
        + """
@pytest.mark.kit_server(strict=True)
def test_two(kit_server_factory):
    first, second = (kit_server_factory(ROUTES, tls=False) for _ in range(2))
    for server in (first, second):
        with RawClient(server.url) as client:
            client.request("GET", "/", "Authorization: Basic c2VjcmV0")
    assert first.lint() == []
"""
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*1 credentials-elsewhere: credentials that another server got first *",
            "E*Authorization was sent to http://127.0.0.1:* before",
        ]
    )
    result.stdout.no_fnmatch_line("*E*c2VjcmV0*")


def test_a_failed_test_shows_what_its_client_did_sloppily(run_tests: RunTests) -> None:
    result = run_tests(SOURCE + SLOPPY + "    assert False\n")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- kit lint -*",
            "1 note on the clients of http://127.0.0.1:*:",
            "http-1.0: HTTP/1.0 in place of HTTP/1.1 (RFC 9112 section 2.3)",
            "    GET / -> 200",
        ]
    )


def test_the_marker_orders_faults(run_tests: RunTests) -> None:
    result = run_tests(
        SOURCE
        + """
from kit import faults

FAULTS = [(faults.RawBytes(b"HTTP/1.1 503 No\\r\\nContent-Length: 0\\r\\n\\r\\n"), "GET", "/")]

@pytest.mark.kit_server(routes=ROUTES, faults=FAULTS)
def test_one(kit_plain_server):
    assert ask(kit_plain_server) == 503

@pytest.mark.kit_server(routes=ROUTES, faults=[FAULTS[0][0]])
def test_all(kit_plain_server, kit_server_factory):
    assert ask(kit_plain_server) == 503
    assert ask(kit_server_factory(ROUTES, tls=False)) == 200
"""
    )

    result.assert_outcomes(passed=2)


def test_wrong_arguments_are_told(run_tests: RunTests) -> None:
    result = run_tests(
        """
        mark = pytest.mark.kit_server

        @mark(strict="yes")
        def test_strict():
            pass

        @mark(allow_lint=["http-2"])
        def test_lint():
            pass

        @mark(faults=[("GET", "/")])
        def test_faults():
            pass

        @mark(faults=[kit.faults.Refuse()])
        def test_refuse(kit_server):
            pass
        """
    )

    result.assert_outcomes(errors=4)
    where = "@pytest.mark.kit_server"
    result.stdout.fnmatch_lines(
        [
            f"{where}: strict must be True or False, not 'yes'",
            f"{where}: allow_lint must be a list of missing-host, *, not [[]'http-2'[]]",
            f"{where}: faults must be a list of faults, or of (fault, method, pattern), not *",
            "*ConfigurationError: Refuse is for connections: order it by fault_connections()",
        ]
    )
