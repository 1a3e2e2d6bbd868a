"""What goes wrong on servers of the session fails the test in which it does, once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

SHARED = '''
import urllib.error

def ask(server, path):
    """Ask as an application would that does not look at what it gets."""
    try:
        with urllib.request.urlopen(server.url_for(path), timeout=60) as got:
            return got.read()
    except urllib.error.HTTPError as error:
        return error.read()

def hello(request):
    return kit.Response("hello")

def boom(request):
    raise ValueError("no such luck")

@pytest.fixture(scope="session")
def shared(kit_session_server_factory):
    return kit_session_server_factory([("GET", "/hello", hello), ("GET", "/boom", boom)], tls=False)
'''


def dedent(text: str) -> str:
    return text.replace("\n        ", "\n")


def count_problems(result: pytest.RunResult, text: str) -> int:
    """Count how often a problem is told, apart from summaries and sources."""
    return sum(line.removeprefix("E").strip().startswith(text) for line in result.outlines)


def test_a_problem_fails_the_test_in_which_it_arose_and_no_other(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        def test_before(shared):
            assert ask(shared, "/hello") == b"hello"

        def test_unmatched(shared):
            ask(shared, "/nope")

        def test_handler(shared, kit_plain_server):
            ask(shared, "/boom")
            ask(kit_plain_server, "/own")

        def test_without_servers():
            pass

        def test_after(shared):
            assert len(shared.journal) == 3
            assert ask(shared, "/hello") == b"hello"
        """)
    )
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_unmatched _*",
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /nope -> 404",
            "E   where that is meant to happen: server.allow(unmatched=True)",
            "E   in this test alone: @pytest.mark.kit_server(allow_unmatched=True)",
            "*_ test_handler _*",
            "E       ValueError: no such luck",
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /own -> 404",
            "E   1 problem on http://127.0.0.1:*:",
            "E   1 handler error: GET /boom -> 500",
            "E   in this test alone: @pytest.mark.kit_server(allow_handler_errors=True)",
        ]
    )
    for text in ("1 unmatched: GET /nope", "1 unmatched: GET /own", "1 handler error: GET /boom"):
        assert count_problems(result, text) == 1
    result.stdout.no_fnmatch_line("*end of the session*")


def test_the_report_of_a_failed_test_has_what_is_its_own(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        def test_before(shared):
            ask(shared, "/before")

        def test_fails(shared, kit_plain_server):
            ask(kit_plain_server, "/own")
            request = urllib.request.Request(shared.url_for("/hello"), b"tea", method="GET")
            urllib.request.urlopen(request).close()
            ask(shared, "/nope")
            raise OSError("own error")

        def test_fails_in_order(shared):
            ask(shared, "/hello")
            raise OSError("own error")

        def test_asks_itself(shared, kit_plain_server):
            ask(shared, "/shared")
            ask(kit_plain_server, "/asked")
            kit_plain_server.verify()

        @pytest.fixture
        def broken(shared):
            ask(shared, "/in-setup")
            raise OSError("setup error")

        def test_setup(broken):
            pass
        """)
    )
    result.assert_outcomes(failed=4, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*_ ERROR at setup of test_setup _*",
            "E       OSError: setup error",
            "*- kit exchanges -*",
            "*GET /in-setup -> 404, no route, *",
            "*- kit problems -*",
            "1 unmatched: GET /in-setup -> 404",
            "*_ test_fails _*",
            "E       OSError: own error",
            "*- kit exchanges -*",
            "*- kit problems -*",
            "1 problem on http://127.0.0.1:*:",
            "1 unmatched: GET /own -> 404",
            "1 problem on http://127.0.0.1:*:",
            "1 unmatched: GET /nope -> 404",
            "*- kit lint -*",
            "body-on-get: *",
            "    GET /hello -> 200",
            "*_ test_fails_in_order _*",
            "E       OSError: own error",
            "*_ test_asks_itself _*",
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E * 1 unmatched: GET /asked -> 404",
            "*- kit problems -*",
            "1 unmatched: GET /shared -> 404",
        ]
    )
    for path in ("/before", "/own", "/nope", "/in-setup", "/asked", "/shared"):
        assert count_problems(result, f"1 unmatched: GET {path} ") == 1
    (_, _, in_order) = result.stdout.str().partition("_ test_fails_in_order _")
    (in_order, _, _) = in_order.partition("_ test_asks_itself _")
    assert "kit problems" not in in_order
    assert "body-on-get" not in in_order


def test_the_marker_of_a_test_counts_for_what_arises_in_it(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        @pytest.fixture(scope="session")
        def strict(kit_session_server_factory):
            return kit_session_server_factory([("GET", "/", hello)], tls=False, strict=True)

        def send_sloppily(server):
            request = urllib.request.Request(server.url_for("/"), b"tea", method="GET")
            urllib.request.urlopen(request).close()

        @pytest.mark.kit_server(allow_unmatched=True)
        def test_allowed(shared):
            ask(shared, "/allowed")

        @pytest.mark.kit_server(allow_unmatched=True)
        def test_other_kind(shared):
            ask(shared, "/boom")

        @pytest.mark.kit_server(verify=False)
        def test_unverified(shared, strict):
            ask(shared, "/unverified")
            ask(shared, "/boom")
            send_sloppily(strict)

        def test_strict(strict):
            send_sloppily(strict)

        @pytest.mark.kit_server(allow_lint=["body-on-get", "new-connection"])
        def test_lint_allowed(strict):
            send_sloppily(strict)

        @pytest.mark.kit_server(strict=False)
        def test_lax(strict):
            send_sloppily(strict)

        def test_method(shared):
            shared.allow(unmatched=True)
            ask(shared, "/from-now-on")
        """)
    )
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(
        [
            "E   1 handler error: GET /boom -> 500",
            "*_ test_strict _*",
            "E   1 body-on-get: *",
            "E       GET / -> 200",
            "E   in this test alone: @pytest.mark.kit_server(allow_lint=['body-on-get'])",
        ]
    )
    assert count_problems(result, "1 handler error") == 1
    assert count_problems(result, "1 body-on-get") == 1


LATE = """
import threading

release = threading.Event()

def held(request):
    release.wait(60)
    raise ValueError("too late")

@pytest.fixture(scope="session")
def shared(kit_session_server_factory):
    return kit_session_server_factory([("GET", "/held", held)], tls=False)

@pytest.fixture(scope="session")
def client(shared):
    with kit.HTTPClient(shared.addr) as client:
        yield client

def test_begins(shared, client):
    client.get("/held")
    shared.wait_for("/held", timeout=60)

@pytest.mark.kit_server(allow_handler_errors=True)
def test_begins_one_that_may(shared, client):
    client.get("/held?allowed")
    shared.wait_for("/held", count=2, timeout=60)
"""


def test_what_comes_to_light_after_its_test_is_told_with_its_name_at_the_end(
    run_tests: RunTests,
) -> None:
    result = run_tests(
        LATE
        + dedent("""
        def test_stub(shared):
            shared.expect("GET", "/early").respond("for a later test")
            shared.expect("GET", "/never").respond("for nobody")

        def test_uses_the_stub(shared, client):
            assert client.get("/early").wait(60).text() == "for a later test"

        def test_last(shared):
            release.set()
            shared.wait_for("/held", count=2, state="complete", timeout=60)
        """)
    )
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_last*",
            "E *VerificationError: at the end of the session: 2 problems on http://127.0.0.1:*:",
            "E   1 in test_inner.py::test_begins: handler error: GET /held -> 500",
            "E   2 stub 2: GET /never (*) was never used, expected at least 1 request",
        ]
    )
    result.stdout.no_fnmatch_line("E *allowed*")


def test_what_happens_in_a_teardown_is_told_there(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        @pytest.fixture
        def app(shared, request):
            yield
            ask(shared, f"/goodbye-{request.node.name}")

        @pytest.fixture
        def broken(app):
            yield
            raise OSError("teardown error")

        def test_passed(app):
            pass

        def test_failed(app):
            raise OSError("own error")

        def test_skipped(app):
            pytest.skip("not today")

        @pytest.mark.xfail
        def test_xfailed(app):
            ask(shared, "/xfailed")
            raise OSError("own error")

        def test_breaks(broken):
            pass

        @pytest.fixture
        def stuck(app):
            raise OSError("setup error")

        def test_setup(stuck):
            pass

        def test_last():
            pass
        """)
    )
    result.assert_outcomes(passed=3, failed=1, skipped=1, xfailed=1, errors=4)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_passed*",
            "E *VerificationError: after the test had passed: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /goodbye-test_passed -> 404",
            "*ERROR at teardown of test_breaks*",
            "E       OSError: teardown error",
            "*- kit problems -*",
            "1 unmatched: GET /goodbye-test_breaks -> 404",
            "*ERROR at setup of test_setup*",
            "E       OSError: setup error",
            "*ERROR at teardown of test_setup*",
            "E *VerificationError: after the setup of the test had failed: 1 problem on *:",
            "E   1 unmatched: GET /goodbye-test_setup -> 404",
            "*_ test_failed _*",
            "E       OSError: own error",
            "*- kit problems at teardown -*",
            "1 unmatched: GET /goodbye-test_failed -> 404",
        ]
    )
    for name in ("passed", "breaks", "setup", "failed"):
        assert count_problems(result, f"1 unmatched: GET /goodbye-test_{name} ") == 1
    for name in ("skipped", "xfailed"):
        assert count_problems(result, f"1 unmatched: GET /goodbye-test_{name} ") == 0
    result.stdout.no_fnmatch_line("*end of the session*")


@pytest.mark.parametrize(
    "arguments",
    [("-n", "2"), ("-d", "--tx", f"2*popen//python={sys.executable}")],
    ids=["workers", "gateways"],
)
def test_workers_tell_it_of_the_test_too(run_tests: RunTests, arguments: tuple[str, ...]) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        @pytest.fixture
        def app(shared):
            yield
            ask(shared, "/goodbye")

        @pytest.mark.parametrize("number", range(4))
        def test_many(shared, number):
            ask(shared, f"/number-{number}" if number < 2 else "/hello")

        def test_failed(app):
            raise OSError("own error")
        """),
        "-p",
        "xdist",
        *arguments,
    )
    result.assert_outcomes(passed=2, failed=3)
    for text in ("/number-0", "/number-1", "/goodbye"):
        assert count_problems(result, f"1 unmatched: GET {text} ") == 1
    result.stdout.fnmatch_lines(["*- kit problems at teardown -*"])


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_a_run_that_stops_early_tells_each_thing_where_it_belongs(
    run_tests: RunTests, option: str
) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        @pytest.fixture
        def app(shared):
            shared.expect("GET", "/never").respond("x")
            yield
            ask(shared, "/goodbye")
            raise OSError("teardown error")

        def test_culprit(app, shared):
            ask(shared, "/nope")

        def test_never():
            pass
        """),
        option,
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_culprit*",
            "E       OSError: teardown error",
            "*- kit problems -*",
            "1 unmatched: GET /goodbye -> 404",
            "*_ test_culprit _*",
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /nope -> 404",
        ]
    )
    # The tests that were left out might have used it.
    result.stdout.no_fnmatch_line("*never used*")


def test_tests_of_unittest_are_verified_alike(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        import unittest

        @pytest.fixture
        def server(request, shared):
            request.instance.server = shared

        @pytest.mark.usefixtures("server")
        class TestCases(unittest.TestCase):
            def test_good(self):
                self.assertEqual(ask(self.server, "/hello"), b"hello")

            def test_problem(self):
                ask(self.server, "/unit")

            def test_fails(self):
                ask(self.server, "/unit-own")
                self.fail("own failure")

            def test_skips(self):
                ask(self.server, "/unit-skips")
                self.skipTest("not today")

        def test_pytest_fail(shared):
            ask(shared, "/fail")
            pytest.fail("own failure, too")
        """)
    )
    result.assert_outcomes(passed=1, failed=3, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: own failure",
            "1 unmatched: GET /unit-own -> 404",
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /unit -> 404",
            "E       Failed: own failure, too",
            "*- kit problems -*",
            "1 unmatched: GET /fail -> 404",
        ]
    )
    assert "GET /unit-skips" not in result.stdout.str()


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has no subtests yet")
def test_what_the_report_of_a_subtest_tells_is_not_told_again(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        def test_parts(shared, kit_plain_server, subtests):
            with subtests.test("first"):
                ask(shared, "/in-the-first")
                raise OSError("own error")
            with subtests.test("second"):
                ask(kit_plain_server, "/in-the-second")
        """)
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "E *OSError: own error",
            "*- kit problems -*",
            "1 unmatched: GET /in-the-first -> 404",
            "E *VerificationError: 1 problem on http://127.0.0.1:*:",
            "E   1 unmatched: GET /in-the-second -> 404",
        ]
    )
    for name in ("first", "second"):
        assert count_problems(result, f"1 unmatched: GET /in-the-{name} ") == 1


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has no subtests yet")
@pytest.mark.parametrize("is_used", [True, False], ids=["used", "unused"])
def test_a_stub_is_not_told_of_while_the_test_may_still_use_it(
    run_tests: RunTests, is_used: bool
) -> None:
    result = run_tests(
        SHARED
        + dedent(f"""
        def test_parts(kit_plain_server, subtests):
            kit_plain_server.expect("GET", "/later").respond("used")
            with subtests.test("first"):
                raise OSError("own error")
            if {is_used}:
                ask(kit_plain_server, "/later")
        """)
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["E *OSError: own error"])
    told = count_problems(result, "1 stub 1: GET /later (")
    assert told == (0 if is_used else 1)
    result.stdout.no_fnmatch_line("*- kit problems -*")


PARTS = (
    SHARED
    + """
@pytest.fixture(autouse=True, scope="session")
def stub(shared):
    shared.expect("GET", "/stub").respond("x")

def test_uses_it(shared):
    ask(shared, "/stub")

def test_other():
    pass
"""
)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-k", "other"),
        ("--deselect", "test_inner.py::test_uses_it"),
        ("test_inner.py::test_other",),
        ("-p", "xdist", "-n", "2"),
    ],
    ids=" ".join,
)
def test_a_part_of_the_suite_need_not_use_a_stub(
    run_tests: RunTests, arguments: tuple[str, ...]
) -> None:
    result = run_tests(PARTS, *arguments)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*never used*")


def test_what_failed_last_need_not_use_a_stub(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_last="def test_fails(stub): assert False")
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def stub(kit_session_server_factory):
            kit_session_server_factory(tls=False).expect("GET", "/stub").respond("x")
        """
    )
    cache = ("-p", "cacheprovider")
    result = run_tests("def test_other(stub): pass", *cache)
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["E *end of the session: *", "E *GET /stub (*) was never used,*"])
    again = run_tests("def test_other(stub): pass", *cache, "--lf")
    again.assert_outcomes(failed=1)
    again.stdout.no_fnmatch_line("*never used*")


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("raise KeyboardInterrupt", pytest.ExitCode.INTERRUPTED),
        ("pytest.exit('enough', returncode=0)", pytest.ExitCode.OK),
    ],
)
def test_an_interruption_stays_one(run_tests: RunTests, ending: str, status: int) -> None:
    result = run_tests(
        SHARED
        + dedent(f"""
        def test_interrupted(shared, kit_plain_server):
            ask(shared, "/nope")
            ask(kit_plain_server, "/own")
            {ending}
        """)
    )
    assert result.ret == status
    result.stdout.fnmatch_lines(
        [
            "*= kit problems =*",
            "1 problem on http://127.0.0.1:*:",
            "1 in test_inner.py::test_interrupted: unmatched: GET /nope -> 404",
        ]
    )
    assert "VerificationError" not in result.stdout.str() + result.stderr.str()


def test_an_interruption_of_a_teardown_stays_one(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        @pytest.fixture
        def interrupted(shared, kit_plain_server):
            yield
            ask(shared, "/goodbye")
            ask(kit_plain_server, "/own")
            raise KeyboardInterrupt

        def test_passed(interrupted, shared):
            shared.expect("GET", "/never").respond("for a test that was left out")
        """)
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "*= kit problems =*",
            "1 in test_inner.py::test_passed: unmatched: GET /goodbye -> 404",
            "*KeyboardInterrupt*",
        ]
    )
    told = result.stdout.str() + result.stderr.str()
    assert "VerificationError" not in told
    assert "never used" not in told


def test_a_wrong_marker_fails_its_own_test_alone(run_tests: RunTests) -> None:
    result = run_tests(
        SHARED
        + dedent("""
        @pytest.mark.kit_server(allow_unmatched=True)
        def test_before(shared):
            ask(shared, "/nope")

        @pytest.mark.kit_server(tls=1)
        def test_marked_wrongly(kit_server):
            pass

        def test_behind(shared):
            ask(shared, "/nope")
        """)
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["@pytest.mark.kit_server: tls must be True or False, not 1", "FAILED *::test_behind*"]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
