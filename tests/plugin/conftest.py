"""Runs tests that use the plugin, as a project would: in a pytest of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

import pytest

from support.deadlines import scaled
from support.upstreams import Upstream

RunTests = Callable[..., pytest.RunResult]

IMPORTS = "import kit, pytest, urllib.request\n"


@pytest.fixture
def run_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunTests:
    """Run a test module's source with the plugin alone, or with everything installed."""

    def run(source: str, *arguments: str, autoload: bool = False) -> pytest.RunResult:
        plugins = [] if autoload else ["-p", "pytest_plugin.plugin"]
        monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
        if not autoload:
            monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        pytester.makepyfile(test_inner=IMPORTS + textwrap.dedent(source))
        return pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", *plugins, *arguments, timeout=scaled(60)
        )

    return run


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """Run a server outside of the inner pytest, which answers everything."""
    with Upstream() as upstream:
        yield upstream
