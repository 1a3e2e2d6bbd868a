"""`--kit-late`: requests that come to a test's port when the test is over."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

LATE = """
import urllib.error

urls = []

def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status, None, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Kit-Late"], error.read().decode()

def test_owner(kit_plain_server):
    kit_plain_server.registerRoutes([("GET", "/poll", lambda request: kit.Response("yes"))])
    urls.append(kit_plain_server.url_for("/poll"))
    assert ask(urls[0])[0] == 200

def test_innocent(kit_plain_server):
    for _ in range(2):
        status, owner, text = ask(urls[0])
        assert status == 410
        assert owner == "test_inner.py::test_owner"
        assert text.startswith("GET /poll came too late: the server at this port belonged to "
                               "test_inner.py::test_owner, which is over.")
    assert ask(urls[0] + "?n=3")[0] == 410
    assert len(kit_plain_server.journal) == 0
"""

SECTION = [
    "*= kit late requests =*",
    "test_inner.py::test_owner was over when its port got",
    "  GET /poll during test_inner.py::test_innocent (2 times)",
    "  GET /poll?n=3 during test_inner.py::test_innocent",
]
FAIL = "FAIL: --kit-late=error allows no late request"

IGNORED = """
import sys

def test_owner(kit_plain_server):
    assert kit_plain_server.is_running

def test_no_port_is_kept():
    assert "kit.testing.late" not in sys.modules
"""


def test_a_late_request_is_told_with_the_name_of_its_test(run_tests: RunTests) -> None:
    result = run_tests(LATE)
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(SECTION, consecutive=True)
    result.stdout.no_fnmatch_line(f"*{FAIL}*")


@pytest.mark.parametrize("by", ["option", "ini key"])
def test_it_may_fail_the_run(run_tests: RunTests, pytester: pytest.Pytester, by: str) -> None:
    if by == "ini key":
        pytester.makeini("[pytest]\nkit_late = error")
    result = run_tests(LATE, *(["--kit-late=error"] if by == "option" else []))
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([*SECTION, FAIL], consecutive=True)
    result.stdout.fnmatch_lines(["kit: wirekit *, late requests: error"])


def test_where_it_is_ignored_no_port_is_kept(run_tests: RunTests) -> None:
    result = run_tests(IGNORED, "--kit-late=ignore")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*kit late requests*")


def test_without_a_late_request_nothing_is_told(run_tests: RunTests) -> None:
    result = run_tests("def test_none(kit_plain_server): pass", "--kit-late=error")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*kit late requests*")


def test_a_request_of_its_own_teardown_is_told_as_that(run_tests: RunTests) -> None:
    result = run_tests(
        """
        import urllib.error

        @pytest.fixture
        def app():
            urls = []
            yield urls
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urls[0], timeout=60)
            caught.value.close()

        def test_app(app, kit_plain_server):
            app.append(kit_plain_server.url_for("/bye"))
        """
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "test_inner.py::test_app was over when its port got",
            "  GET /bye during its own teardown",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "xdist", "-n", "2", "--dist", "loadfile"),
        ("-p", "xdist", "--dist", "loadfile", "--tx", f"2*popen//python={sys.executable}"),
    ],
    ids=["workers", "gateways"],
)
def test_workers_tell_the_controller(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_other="def test_other(kit_plain_server): pass")
    result = run_tests(LATE, "--kit-late=error", *arguments)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([*SECTION, FAIL], consecutive=True)
    assert result.outlines.count(FAIL) == 1


def test_a_failed_run_keeps_its_status_and_tells_it_too(run_tests: RunTests) -> None:
    result = run_tests(LATE + "\n    assert not urls\n")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(SECTION, consecutive=True)


def test_many_late_requests_are_cut(run_tests: RunTests) -> None:
    result = run_tests(
        LATE
        + """
def test_flood():
    for number in range(230):
        assert ask(f"{urls[0]}/{number}")[0] == 410
"""
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "  GET /poll/16 during test_inner.py::test_flood",
            "and 180 more lines",
            "and 33 more requests, which were only counted",
        ],
        consecutive=True,
    )


def test_a_mode_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests("", "--kit-late=loud")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --kit-late (ini: kit_late) is ignore, warn or error, not 'loud'"]
    )
