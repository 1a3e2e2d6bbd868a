"""Options, ini keys and fixtures as pytest lists them: each has a file of tests of its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

RunTests = Callable[..., pytest.RunResult]

TWINS = {"kit_no_tls": "kit_tls"}
"""Options that set what another one sets."""


def list_options(text: str) -> set[str]:
    """List the plugin's options in pytest's help, by the names of their ini keys."""
    [section] = re.findall(
        r"^wirekit: HTTP servers for tests:\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL
    )
    found = re.findall(r"^  --([a-z-]+)", section, re.MULTILINE)
    return {TWINS.get(name, name) for name in (each.replace("-", "_") for each in found)}


def list_ini_keys(text: str) -> set[str]:
    """List the plugin's ini keys in pytest's help."""
    return set(re.findall(r"^  (\w*kit\w*) \(", text, re.MULTILINE))


def read_tests_of(name: str) -> str:
    """Read the file of tests of an option or fixture; empty if there is none."""
    path = Path(__file__).with_name(f"test_{name}.py")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_each_option_has_an_ini_key_and_a_file_of_tests(run_tests: RunTests) -> None:
    text = run_tests("", "--help").stdout.str()
    options = list_options(text)
    assert len(options) > 15
    assert options == list_ini_keys(text)
    assert {name for name in options if not read_tests_of(name)} == set()


def test_each_ini_key_is_set_in_its_file_of_tests(run_tests: RunTests) -> None:
    keys = list_ini_keys(run_tests("", "--help").stdout.str())
    unset = {name for name in keys if not re.search(rf"(\\n|\")?{name} = ", read_tests_of(name))}
    assert unset == set()


def test_each_fixture_has_a_file_of_tests(run_tests: RunTests) -> None:
    lines = run_tests("", "--fixtures", "-v").outlines
    found = [line.split(" ")[0] for line in lines if re.search(r" -- .*\bpytest_plugin\b", line)]
    fixtures = {name for name in found if not name.startswith("_")}
    assert len(fixtures) > 10
    assert {name for name in fixtures if name not in read_tests_of(name)} == set()
