"""`kit_cassette_options`: a project's own arguments of every cassette."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.upstreams import Upstream

RunTests = Callable[..., pytest.RunResult]


def test_a_fixture_gives_the_options_of_every_test(
    run_tests: RunTests, pytester: pytest.Pytester, upstream: Upstream
) -> None:
    pytester.makeconftest(
        f"""
        import pytest

        @pytest.fixture
        def kit_cassette_options():
            return {{"upstream": {upstream.url!r}, "ignore": ["query:ts"], "redact": ["badge"]}}
        """
    )
    source = """
        import time

        def ask(server, path):
            with urllib.request.urlopen(server.url + path, timeout=20) as response:
                return response.read().decode()

        def test_it(kit_plain_server):
            assert ask(kit_plain_server, f"/a?ts={time.time_ns()}&badge={time.time_ns()}")
        """
    run_tests(source, "--kit-record-mode=once").assert_outcomes(passed=1)
    run_tests(source).assert_outcomes(passed=1)
    assert len(upstream.asked) == 1
