"""A test fails for what its servers have seen go wrong, and never for more than that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

ASK = '''
import urllib.error

def ask(server, path, context=None):
    """Ask as an application would that does not look at what it gets."""
    try:
        with urllib.request.urlopen(server.url_for(path), context=context, timeout=20) as got:
            return got.read()
    except urllib.error.HTTPError as error:
        return error.read()

def boom(request):
    raise ValueError("no such luck")

def hello(request):
    return kit.Response("hello")
'''


def dedent(text: str) -> str:
    return text.replace("\n        ", "\n")


def test_a_test_fails_for_each_kind_of_problem(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        import socket
        import websockets.sync.client

        def test_handler(kit_plain_server):
            kit_plain_server.registerRoutes([("GET", "/boom", boom)])
            ask(kit_plain_server, "/boom")

        def test_unmatched(kit_plain_server):
            kit_plain_server.registerRoutes([("GET", "/hello", hello)])
            ask(kit_plain_server, "/hallo")

        def test_malformed(kit_plain_server):
            with socket.create_connection(kit_plain_server.addr, 20) as client:
                client.sendall(b"NONSENSE\\r\\n\\r\\n")
                client.recv(1000)

        def test_stub(kit_server):
            kit_server.expect("GET", "/never").respond("x")

        def test_websocket(kit_plain_server):
            class Echo(kit.Resource):
                @kit.websocket("/ws")
                def echo(self, request, opcode, payload):
                    if payload:
                        request.send(payload)
            kit_plain_server.registerRoutes(Echo())
            with websockets.sync.client.connect(kit_plain_server.ws_url_for("/ws")) as client:
                client.send("hi")
                client.recv()
                client.close(1011, "out of order")
            kit_plain_server.wait_for("/ws", state="complete", timeout=20)

        def test_two_servers(kit_server_factory):
            for path in ("/a", "/b"):
                ask(kit_server_factory(tls=False), path)

        def test_nothing_wrong(kit_plain_server):
            kit_plain_server.registerRoutes([("GET", "/hello", hello)])
            assert ask(kit_plain_server, "/hello") == b"hello"
        """)
    )
    result.assert_outcomes(failed=6, passed=1)
    prefix = "E *kit.testing.VerificationError: "
    result.stdout.fnmatch_lines(
        [
            '>       raise ValueError("no such luck")',
            "E       ValueError: no such luck",
            "The above exception was the direct cause of the following exception:",
            f"{prefix}1 problem on http://127.0.0.1:*:",
            "E   1 handler error: GET /boom -> 500",
            "E       boom raised ValueError: no such luck",
            "E       at test_inner.py:* in boom",
            "E   where that is meant to happen: server.allow(handler_errors=True)",
            f"{prefix}1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /hallo -> 404",
            "E *GET /hello*",
            "E *✗*",
            "E   where that is meant to happen: server.allow(unmatched=True)",
            "E   1 malformed: a request that does not parse -> 400, failed: *",
            "E       it began b'NONSENSE*",
            "E   where that is meant to happen: server.allow(malformed=True)",
            f"{prefix}1 problem on https://127.0.0.1:*:",
            "E   1 stub 1: GET /never (*) was never used, expected at least 1 request",
            "E   where that is meant to happen: server.allow(unused_stubs=True)",
            "E   1 websocket: GET /ws",
            "E       the client closed it with 1011: out of order",
            "E       its last frames: Text, Text, Close*",
            "E   where that is meant to happen: server.allow(unclean_websockets=True)",
            f"{prefix}1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /a -> 404",
            "E   1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /b -> 404",
        ]
    )


def test_what_is_allowed_fails_nothing(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        def provoke(server):
            server.registerRoutes([("GET", "/boom", boom)])
            ask(server, "/boom")
            ask(server, "/nope")
            server.expect("GET", "/never").respond("x")

        ALLOWED = dict(allow_handler_errors=True, allow_unmatched=True, allow_unused_stubs=True)

        @pytest.mark.kit_server(**ALLOWED)
        def test_by_marker(kit_plain_server, kit_server_factory):
            provoke(kit_plain_server)
            provoke(kit_server_factory(tls=False))

        @pytest.mark.kit_server(verify=False)
        def test_not_verified(kit_plain_server):
            provoke(kit_plain_server)

        def test_by_factory(kit_server_factory):
            provoke(kit_server_factory(tls=False, **ALLOWED))
            provoke(kit_server_factory(tls=False, verify=False))

        def test_by_method(kit_plain_server):
            kit_plain_server.allow(handler_errors=True, unmatched=True)
            provoke(kit_plain_server)
            with pytest.raises(AssertionError, match="GET /never.* was never used"):
                kit_plain_server.verify()
            kit_plain_server.allow(unused_stubs=True)

        @pytest.mark.kit_server(allow_unmatched=True)
        class TestNearest:
            def test_far(self, kit_plain_server):
                ask(kit_plain_server, "/nope")

            @pytest.mark.kit_server(allow_unmatched=False)
            def test_near(self, kit_plain_server):
                ask(kit_plain_server, "/near")
        """)
    )
    result.assert_outcomes(failed=1, passed=5)
    result.stdout.fnmatch_lines(["E   1 unmatched: GET /near -> 404"])
    result.stdout.no_fnmatch_line("*GET /nope*")


def test_other_outcomes_stay_what_they_are(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        import unittest

        def test_own_error(kit_plain_server):
            ask(kit_plain_server, "/own")
            assert 1 + 1 == 3, "own error"

        def test_skipped(kit_plain_server):
            ask(kit_plain_server, "/skipped")
            pytest.skip("not today")

        def test_xfailed(kit_plain_server):
            ask(kit_plain_server, "/xfailed")
            pytest.xfail("not yet")

        @pytest.mark.xfail(strict=True)
        def test_expected(kit_plain_server):
            ask(kit_plain_server, "/expected")

        @pytest.fixture
        def asked(request, kit_plain_server):
            if request.instance is not None:
                request.instance.server = kit_plain_server
            ask(kit_plain_server, "/asked")
            if request.param:
                raise OSError("setup error")

        @pytest.mark.parametrize("asked", [True], indirect=True)
        def test_setup(asked):
            pass

        @pytest.fixture
        def server(request, kit_plain_server):
            request.instance.server = kit_plain_server

        @pytest.mark.usefixtures("server")
        class TestCases(unittest.TestCase):
            def test_good(self):
                self.server.registerRoutes([("GET", "/hello", hello)])
                self.assertEqual(ask(self.server, "/hello"), b"hello")

            def test_problem(self):
                ask(self.server, "/unit")

            def test_fails(self):
                ask(self.server, "/unit-own")
                self.fail("own failure")

            def test_skips(self):
                ask(self.server, "/unit-skips")
                self.skipTest("not today")
        """),
        "-rfEsp",  # no "x": pytest before 8.3 shows what was expected to fail with its text
    )
    result.assert_outcomes(failed=3, passed=1, skipped=2, xfailed=2, errors=1)
    result.stdout.fnmatch_lines(["PASSED test_inner.py::TestCases::test_good"])
    told = result.stdout.str()
    assert told.count("VerificationError: 1 problem") == 1
    result.stdout.fnmatch_lines(
        ["E *VerificationError: 1 problem*", "E   1 unmatched: GET /unit *"]
    )
    for path in ("/own", "/asked", "/unit-own"):
        result.stdout.fnmatch_lines(["*- kit problems -*", f"1 unmatched: GET {path} -> 404"])
    for path in ("/skipped", "/xfailed", "/unit-skips"):
        assert path not in told
    result.stdout.fnmatch_lines(["E*AssertionError: own error"])


def test_what_happens_after_the_call_is_an_error_of_its_teardown(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        @pytest.fixture
        def app(kit_plain_server):
            yield
            ask(kit_plain_server, "/goodbye")

        def test_passed(app):
            pass

        def test_failed(app):
            raise OSError("own error")
        """)
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_passed*",
            "E *VerificationError: after the test had passed: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /goodbye -> 404",
            "*_ test_failed _*",
            "E       OSError: own error",
            "*- kit problems at teardown -*",
            "1 unmatched: GET /goodbye -> 404",
        ]
    )
    assert result.stdout.str().count("1 unmatched: GET /goodbye") == 2


def test_clearing_the_journal_hides_nothing(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        def test_clear(kit_plain_server):
            ask(kit_plain_server, "/gone")
            kit_plain_server.wait_for("/gone", state="complete", timeout=20)
            kit_plain_server.journal.clear()
        """)
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E   1 unmatched: GET /gone -> 404"])


def test_async_tests_are_verified_too(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        import asyncio

        async def boom_async(request):
            await asyncio.sleep(0)
            raise ValueError("no such luck")

        @pytest.mark.asyncio
        async def test_asyncio(kit_plain_server):
            kit_plain_server.registerRoutes([("GET", "/boom", boom_async)])
            await asyncio.to_thread(ask, kit_plain_server, "/boom")
            await kit_plain_server.wait_for_async("/boom", timeout=20)

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio"])
        async def test_anyio(kit_plain_server):
            await asyncio.to_thread(ask, kit_plain_server, "/nope")
        """),
        autoload=True,
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["E   1 handler error: GET /boom -> 500", "E   1 unmatched: GET /nope -> 404"]
    )


def test_a_failure_inside_a_stubs_function_fails_the_test(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import urllib.error

        def check(request):
            pytest.fail("a wrong body: " + request.text())

        def test_it(kit_plain_server):
            kit_plain_server.expect("POST", "/orders", match=check).optional().respond("ok")
            for path in ("/orders", "/others"):
                with pytest.raises(urllib.error.HTTPError, match="404|500"):
                    urllib.request.urlopen(kit_plain_server.url_for(path), b"x", timeout=60)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E   kit.testing.VerificationError: 2 problems on *",
            "E   1 handler error: POST /orders -> 500",
            "E       stub 1: POST /orders raised Failed: a wrong body: x",
            "E       at *",
            "E   2 unmatched: POST /others -> 404",
        ]
    )


def test_what_a_test_has_seen_verify_raise_fails_it_no_more(run_tests: RunTests) -> None:
    result = run_tests(
        ASK
        + dedent("""
        from kit.testing import VerificationError

        def test_all_was_told(kit_plain_server):
            kit_plain_server.registerRoutes([("GET", "/boom", boom)])
            kit_plain_server.expect("GET", "/never").respond("x")
            ask(kit_plain_server, "/boom")
            with pytest.raises(VerificationError, match="2 problems"):
                kit_plain_server.verify()

        def test_more_came(kit_plain_server):
            ask(kit_plain_server, "/one")
            with pytest.raises(VerificationError, match="1 problem "):
                kit_plain_server.verify()
            ask(kit_plain_server, "/two")
        """)
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E   kit.testing.VerificationError: 1 problem on *",
            "E   1 unmatched: GET /two -> 404",
        ]
    )


def test_a_fault_that_no_request_could_have_fails_the_test(run_tests: RunTests) -> None:
    result = run_tests(
        """
        from kit import faults

        def test_a_typo(kit_plain_server):
            kit_plain_server.expect("GET", "/orders").respond("x")
            kit_plain_server.fault(faults.Reset(), "GET", "/oders")
            urllib.request.urlopen(kit_plain_server.url_for("/orders"), timeout=60).close()

        @pytest.mark.kit_server(allow_unused_stubs=True)
        def test_it_is_meant(kit_plain_server):
            kit_plain_server.fault(faults.Reset(), "GET", "/orders")

        @pytest.mark.kit_server(faults=[(faults.Reset(), "GET", "/orders")])
        def test_it_is_for_many_tests(kit_plain_server):
            pass
        """
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E   1 fault Reset() for GET /oders (test_inner.py:*) was never used: no request *",
            "E   where that is meant to happen: server.allow(unused_stubs=True)",
        ]
    )


def test_a_stub_that_was_told_of_one_server_is_told_of_another_too(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import kit.testing

        def test_two(kit_server_factory):
            first, second = (kit_server_factory(tls=False) for _ in range(2))
            for server in (first, second):
                server.expect("GET", "/never").respond("x")
            with pytest.raises(kit.testing.VerificationError):
                first.verify()
            print("second is", second.url)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E   1 stub 1: GET /never (*) was never used, expected at least 1 request",
        ]
    )
    told = [line for line in result.outlines if "problem on " in line and line.startswith("E")]
    url = next(line for line in result.outlines if "second is" in line).rpartition(" ")[2]
    assert [url in line for line in told] == [True]
