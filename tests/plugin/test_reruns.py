"""With pytest-rerunfailures: each run of a test has servers, problems and numbers of its own."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

RunTests = Callable[..., pytest.RunResult]

FLAKY = """
import urllib.error

runs = []
urls = []

def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code

@pytest.mark.flaky(reruns=2)
def test_flaky(kit_plain_server):
    runs.append(len(runs))
    urls.append(kit_plain_server.url)
    kit_plain_server.registerRoutes([("GET", "/", lambda request: kit.Response("a"))])
    assert ask(kit_plain_server.url) == 200
    assert len(kit_plain_server.journal) == 1
    if len(runs) == 1:
        assert ask(kit_plain_server.url_for("/missing")) == 404

def test_runs():
    assert runs == [0, 1]
    assert urls[0] != urls[1]
"""


def test_a_test_that_its_server_failed_is_run_again(
    run_tests: RunTests, pytester: pytest.Pytester
) -> None:
    result = run_tests(FLAKY, "--junit-xml=junit.xml", "-rR", autoload=True)
    result.stdout.fnmatch_lines(["*2 passed, 1 rerun in *"])
    text = (pytester.path / "junit.xml").read_text(encoding="utf-8")
    assert re.findall(r'name="kit_exchanges" value="(\d+)"', text) == ["2", "1"]
    assert re.findall(r'name="kit_paths" value="([^"]*)"', text) == ["/ /missing", "/"]


def test_the_reports_of_both_runs_are_their_own(run_tests: RunTests) -> None:
    always = FLAKY.replace("if len(runs) == 1:", "if True:").replace("[0, 1]", "[0, 1, 2]")
    result = run_tests(always, autoload=True)
    result.stdout.fnmatch_lines(["*1 failed, 1 passed, 2 rerun in *"])
    problems = [line for line in result.outlines if "problem on http" in line]
    assert len(problems) == 1


def test_a_request_late_from_the_first_run_is_told_so(run_tests: RunTests) -> None:
    result = run_tests(
        FLAKY.replace(
            "    if len(runs) == 1:",
            "    if len(runs) == 2:\n        assert ask(urls[0]) == 410\n    if len(runs) == 1:",
        ),
        autoload=True,
    )
    result.stdout.fnmatch_lines(["*2 passed, 1 rerun in *"])
    result.stdout.fnmatch_lines(
        ["test_inner.py::test_flaky was over when its port got", "  GET / during its next run"],
        consecutive=True,
    )
