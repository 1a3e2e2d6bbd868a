"""`--kit-canary`: a planted secret, wherever it comes to light."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from kit import HTTPServer, Response

RunTests = Callable[..., pytest.RunResult]

CANARY = "canary-4711-feathers"


@pytest.fixture
def upstream() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0)) as server:
        server.registerRoutes([("GET", "/:rest*", lambda _: Response("upstream"))])
        yield server


def asking(upstream: HTTPServer, target: str) -> str:
    return f"""
        @pytest.mark.kit_cassette(upstream={upstream.url!r})
        def test_it(kit_plain_server):
            url = kit_plain_server.url + {target!r}
            with urllib.request.urlopen(url, timeout=20) as response:
                assert response.read() == b"upstream"
        """


def test_a_canary_in_a_recording_fails_the_run(run_tests: RunTests, upstream: HTTPServer) -> None:
    source = asking(upstream, f"/a?harmless={CANARY}")
    result = run_tests(source, "--kit-record-mode=once", f"--kit-canary={CANARY}")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*= kit canary =*",
            "FAIL: the planted secret came to light in",
            "  */cassettes/test_inner/test_it.har (plain)",
        ]
    )
    result.stdout.no_fnmatch_line(f"*{CANARY}*")


def test_a_canary_that_is_redacted_stays_hidden(run_tests: RunTests, upstream: HTTPServer) -> None:
    source = asking(upstream, f"/a?token={CANARY}")
    result = run_tests(source, "--kit-record-mode=once", f"--kit-canary={CANARY}")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*kit canary*")


@pytest.mark.parametrize("arguments", [[], ["-n", "2", "-p", "xdist"]])
def test_a_canary_in_output_or_a_junit_file_fails_the_run(
    run_tests: RunTests, pytester: pytest.Pytester, arguments: list[str]
) -> None:
    source = f"""
        import base64

        def test_it(record_property):
            print(base64.b64encode(b"x{CANARY}").decode())
            record_property("mine", "{CANARY}")
        """
    pytester.makeini(f"[pytest]\nkit_canary = {CANARY}\n")
    result = run_tests(source, "--junitxml=out.xml", *arguments)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "  test_inner.py::test_it, section 'Captured stdout call' of its call (base64)",
            "  test_inner.py::test_it, property 'mine' of its call (plain)",
            "  */out.xml (plain)",
        ]
    )


@pytest.mark.parametrize(("age_s", "status"), [(3600, 0), (-3600, 1)])
def test_a_file_of_an_earlier_run_is_not_searched(
    run_tests: RunTests, pytester: pytest.Pytester, age_s: int, status: int
) -> None:
    old = pytester.path / "old.xml"
    old.write_text(CANARY, encoding="utf-8")
    at = time.time() - age_s
    os.utime(old, (at, at))
    pytester.makeconftest(
        """
        def pytest_configure(config):
            config.option.htmlpath = "old.xml"
        """
    )
    result = run_tests("def test_it(): pass", "--kit-canary", CANARY)
    assert result.ret == status


def test_a_canary_in_an_artifact_of_the_run_fails_it(run_tests: RunTests) -> None:
    source = f"""
        import kit

        def test_it(kit_plain_server):
            kit_plain_server.expect("GET", "/").respond("the {CANARY} is in the body")
            urllib.request.urlopen(kit_plain_server.url_for("/"), timeout=20).close()
        """
    artifacts = ("--kit-har=run.har", "--kit-report=run.html")
    result = run_tests(source, *artifacts, f"--kit-canary={CANARY}")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*= kit canary =*", "  */run.html (plain)", "  */run.har (plain)"])


def test_a_canary_that_is_too_short_is_refused(run_tests: RunTests) -> None:
    result = run_tests("", "--kit-canary=short")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = (
        "ERROR: --kit-canary (ini: kit_canary, environment: KIT_CANARY) has at least 8 bytes "
        "that are found nowhere else"
    )
    result.stderr.fnmatch_lines([text])


PLACES = f"""
    import warnings

    @pytest.mark.parametrize("value", ["{CANARY}"])
    def test_a_name(value):
        pass

    def test_a_warning():
        warnings.warn("about {CANARY}")

    def test_a_section(request):
        request.node.add_report_section("call", "mine", "{CANARY}")

    STARTED = []

    def test_early(kit_plain_server):
        STARTED.append(kit_plain_server.url_for("/{CANARY}"))

    def test_late():
        with pytest.raises(OSError):
            urllib.request.urlopen(STARTED[0], timeout=20)
    """


def test_a_canary_in_whatever_is_told_of_a_run_is_found(run_tests: RunTests) -> None:
    result = run_tests(PLACES, "-q", f"--kit-canary={CANARY}")
    result.assert_outcomes(passed=5)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random(
        [
            "  the name of a test (plain)",
            "  test_inner.py::test_a_warning, a warning (plain)",
            "  test_inner.py::test_a_section, section 'Captured mine call' of its call (plain)",
            "  the terminal, under 'kit late requests' (plain)",
        ]
    )


def test_a_canary_in_a_module_that_cannot_be_imported_is_found(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_broken=f"print('{CANARY}')\nraise ValueError(b'{CANARY}'.hex())")
    result = run_tests("", f"--kit-canary={CANARY}")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "*= kit canary =*",
            "  test_broken.py, error of its collection (plain)",
            "  test_broken.py, section 'Captured stdout' of its collection (plain)",
            "  the terminal, under 'ERROR collecting test_broken.py' (plain)",
        ]
    )


LATE_TEXT = f"""
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter):
    result = yield
    terminalreporter.section("mine")
    terminalreporter.write("{CANARY[:9]}")
    terminalreporter.write("{CANARY[9:]}", red=True)
    terminalreporter.write_line("")
    return result
"""


def test_a_canary_that_is_written_when_the_summary_is_over_fails_the_run_too(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(LATE_TEXT)
    source = "def test_it(): pass"
    result = run_tests(source, "--color=yes", "--kit-canary", CANARY)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*1 passed*",
            "*= kit canary =*",
            "*FAIL: the planted secret came to light in*",
            "  the terminal, under 'mine' (plain)",
        ]
    )


def test_a_canary_in_a_recording_that_was_played_is_found(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: HTTPServer
) -> None:
    source = asking(upstream, f"/a?harmless={CANARY}")
    run_tests(source, "--kit-record-mode=once")
    assert pytester.path.joinpath("cassettes", "test_inner", "test_it.har").exists()
    result = run_tests(source, "--kit-canary", CANARY)
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["  */cassettes/test_inner/test_it.har (plain)"])


def test_a_name_that_holds_the_canary_is_not_told(run_tests: RunTests) -> None:
    source = f"""
        @pytest.mark.parametrize("value", ["{CANARY}", "{CANARY.encode().hex()}"])
        def test_it(value):
            print(value)
        """
    result = run_tests(source, "-q", "--kit-canary", CANARY)
    result.stdout.fnmatch_lines_random(
        [
            "  the name of a test (plain)",
            "  test_inner.py::test_it[[](the secret)[]], section 'Captured stdout call' *",
            "  a place that has it in its own name (hex)",
        ]
    )
    result.stdout.no_fnmatch_line(f"*{CANARY}*")


def test_many_places_are_counted(run_tests: RunTests) -> None:
    source = f"""
        @pytest.mark.parametrize("number", range(25))
        def test_it(number):
            print("{CANARY}")
        """
    result = run_tests(source, f"--kit-canary={CANARY}")
    result.assert_outcomes(passed=25)
    places = [line for line in result.outlines if "section 'Captured stdout call'" in line]
    assert len(places) == 20
    result.stdout.fnmatch_lines([places[-1], "and in [1-9]* more places"], consecutive=True)
