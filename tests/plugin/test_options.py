"""The options together: the header they are told in, and values that cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]


def test_options_are_taken_and_told_in_the_header(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    source = """
        import socket

        def test_settings(kit_server, kit_server_factory):
            assert (kit_server.host, kit_server.is_tls) == ("0.0.0.0", False)
            assert kit_server_factory(tls=True, host="127.0.0.1").url.startswith("https://127")
            with urllib.request.urlopen(kit_server.url) as response:
                pass
        """.replace("with urllib.request.urlopen(kit_server.url) as response:", "try:").replace(
        "            pass\n",
        "            urllib.request.urlopen(kit_server.url)\n"
        "            except urllib.error.HTTPError:\n"
        "                pass\n",
    )
    given = ["--kit-host=0.0.0.0", "--kit-no-tls", "--kit-allow-unmatched", "--kit-grace=2.5"]
    result = run_tests(source, *given)
    result.assert_outcomes(passed=1)
    header = "kit: wirekit *, plain on 0.0.0.0, verify on, unmatched requests allowed, grace 2.5 s"
    result.stdout.fnmatch_lines([header])
    pytester.makeini(
        """
        [pytest]
        kit_host = 0.0.0.0
        kit_tls = false
        kit_verify = off
        kit_show_exchanges = 5
        """
    )
    result = run_tests(source)
    result.assert_outcomes(passed=1)
    header = "kit: wirekit *, plain on 0.0.0.0, verify off, 5 exchanges shown"
    result.stdout.fnmatch_lines([header])
    result = run_tests(source, "--kit-tls", "--kit-verify=on")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["kit: wirekit *, TLS on 0.0.0.0, verify on, 5 exchanges shown"])


def test_without_options_the_header_says_nothing(run_tests: RunTests) -> None:
    result = run_tests("def test_nothing(): pass")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("kit: *")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--kit-verify=maybe", "--kit-verify (ini: kit_verify) is on or off, not 'maybe'"),
        (
            "--kit-grace=long",
            "--kit-grace (ini: kit_grace) is a number of seconds, 0 or more, not 'long'",
        ),
        (
            "--kit-show-exchanges=-1",
            "--kit-show-exchanges (ini: kit_show_exchanges) is a whole number, 0 or more, not '-1'",
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused(run_tests: RunTests, option: str, text: str) -> None:
    result = run_tests("", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {text}"])
