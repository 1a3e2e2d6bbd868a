"""`--kit-canary`: a planted secret, wherever it comes to light."""

from __future__ import annotations

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
