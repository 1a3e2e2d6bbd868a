"""`--kit-redact`: names that stand for secrets in all that a run writes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.upstreams import Upstream, marked

RunTests = Callable[..., pytest.RunResult]

ASKING = """
    def test_it(kit_plain_server):
        kit_plain_server.expect("GET", "/a").respond_json({})
        urllib.request.urlopen(kit_plain_server.url + "/a?tenant=acme&shop=corner").close()
    """
MARKED = 'ask(kit_plain_server, "/a?tenant=acme&shop=corner")'


@pytest.mark.parametrize("kind", ["har", "report"])
def test_names_are_taken_out_of_what_the_run_writes(
    run_tests: RunTests, pytester: pytest.Pytester, kind: str
) -> None:
    run_tests(ASKING, f"--kit-{kind}=out", "--kit-redact=Tenant").assert_outcomes(passed=1)
    text = pytester.path.joinpath("out").read_text("utf-8")
    assert "acme" not in text
    assert "corner" in text


def test_the_ini_file_and_the_command_line_give_names_together(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\nkit_redact = tenant\n")
    run_tests(ASKING, "--kit-har=out", "--kit-redact=shop").assert_outcomes(passed=1)
    assert "?tenant=REDACTED&shop=REDACTED" in pytester.path.joinpath("out").read_text("utf-8")


def test_recordings_are_recorded_and_played_with_the_names(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    source = marked(upstream, 'redact=["shop"]', body=MARKED)
    run_tests(source, "--kit-redact=tenant", "--kit-record-mode=once").assert_outcomes(passed=1)
    text = pytester.path.joinpath("cassettes/test_inner/test_it.har").read_text("utf-8")
    assert "/a?tenant=REDACTED&shop=REDACTED" in text
    upstream.stop()
    run_tests(source, "--kit-redact=tenant").assert_outcomes(passed=1)


@pytest.mark.parametrize("redact", ["False", '["shop"]'])
def test_the_rules_of_a_recording_hold_for_the_har_of_the_run(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream, redact: str
) -> None:
    body = 'ask(kit_plain_server, "/a?token=abc&shop=corner")'
    source = marked(upstream, f"redact={redact}", body=body)
    run_tests(source, "--kit-record-mode=once", "--kit-har=out").assert_outcomes(passed=1)
    text = pytester.path.joinpath("out").read_text("utf-8")
    assert "token=REDACTED" in text
    assert ("corner" in text) == (redact == "False")


def test_a_name_that_is_none_is_refused(run_tests: RunTests) -> None:
    result = run_tests("", "--kit-redact=-")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --kit-redact (ini: kit_redact) takes names, not '-'"])
