"""The project's frame: what lies where, and whether its papers tell the truth."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import kit
from kit.limits import KIB, MIB, Limits
from kit.version import __version__
from support.modules import ROOT

CARD = {
    "README.md",
    "fixtures",
    "kit",
    "pyproject.toml",
    "pytest_plugin",
    "tests",
    "tox.ini",
}
PAPERS = {"CHANGELOG.md", "LICENSE"}

NOT_IN_KIT = {"click", "coverage", "freezegun", "pytest", "trustme"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def load_pyproject() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def list_files() -> list[str]:
    """Return what is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def test_the_top_level_is_the_cards() -> None:
    top = {name.partition("/")[0] for name in list_files()}
    assert {name for name in top if not name.startswith(".")} == CARD | PAPERS


@pytest.mark.parametrize("package", ["kit", "pytest_plugin"])
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def readme_commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    return [block.strip() for block in blocks][:2]


def test_the_readme_begins_with_two_commands_of_one_line_each() -> None:
    commands = readme_commands()
    assert len(commands) == 2
    assert not any("\n" in command for command in commands)


def test_ci_runs_the_readmes_second_command() -> None:
    assert readme_commands()[1] in read(".ci/run").splitlines()


def test_ci_can_be_executed() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("command", readme_commands())
def test_a_command_names_environments_that_exist(command: str) -> None:
    wanted = re.findall(r"tox run -e (\S+)", command)
    known = set(re.findall(r"^\[testenv:(\w+)\]", read("tox.ini"), re.MULTILINE))
    assert {name for names in wanted for name in names.split(",")} <= known | {"py"}


def test_the_readme_tells_every_limit_with_its_default() -> None:
    limits = read("README.md").partition("\n## Limits\n")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", limits, re.MULTILINE))
    defaults = dataclasses.asdict(Limits())
    assert told == {name: format_limit(name, value) for name, value in defaults.items()}


def format_limit(name: str, value: float) -> str:
    if name.endswith("_s"):
        return f"{value:g} s"
    if name.endswith("_bytes"):
        return f"{value / MIB:g} MiB" if value >= MIB else f"{value / KIB:g} KiB"
    return f"{value}"


def test_the_changelog_knows_the_version() -> None:
    assert f"\n## [{__version__}] - " in read("CHANGELOG.md")


def test_the_changelog_is_one_to_keep() -> None:
    """Newest first, dated, and with the headings of Keep a Changelog."""
    headings = re.findall(r"^##+ .*", read("CHANGELOG.md"), re.MULTILINE)
    versions = [line for line in headings if line.startswith("## ")]
    kinds = {line.removeprefix("### ") for line in headings if line.startswith("### ")}
    assert versions[0] == "## [Unreleased]"
    found = [
        re.fullmatch(r"## \[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)", v) for v in versions[1:]
    ]
    releases = [match.groups() for match in found if match]
    assert len(releases) == len(found)
    assert releases == sorted(releases, key=lambda each: [*map(int, each[:3])], reverse=True)
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_is_written_in_one_place() -> None:
    assert load_pyproject()["project"]["dynamic"] == ["version"]
    holders = [
        name
        for name in list_files()
        if name.endswith((".py", ".toml", ".ini")) and f'"{__version__}"' in read(name)
    ]
    assert holders == ["kit/version.py"]


def find_lists(text: str, name: str) -> list[str]:
    """Return the lines within each list of a name in TOML, without those that only comment."""
    found = re.findall(rf"^{name} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for each in found for line in each.splitlines()]
    return [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("name", ["ignore", '"[^"]+"', "exclude_also", "partial_also"])
def test_what_lint_and_coverage_pass_over_has_a_reason(name: str) -> None:
    settings = read("pyproject.toml").partition("\n[tool.coverage.report]")[2]
    lines = find_lists(settings, name)
    assert lines
    assert [line for line in lines if not re.fullmatch(r'"[^"]+",  # \S.*', line)] == []


def test_all_rules_of_lint_are_on_but_those() -> None:
    assert load_pyproject()["tool"]["ruff"]["lint"]["select"] == ["ALL"]


def test_the_oldest_pytest_is_tested() -> None:
    groups = load_pyproject()["dependency-groups"]["test"]
    bounds = [
        each.replace(">=", "==") for each in groups if re.match(r"pytest(-xdist)?>", f"{each}")
    ]
    oldest = read("tox.ini").partition("[testenv:pytest-oldest]")[2].partition("[testenv:")[0]
    installed = re.findall(r"pip install (.*)", oldest)[0].split()
    assert [pin.removesuffix(".0") for pin in installed[:2]] == bounds


def test_the_pythons_in_tox_are_those_of_the_classifiers() -> None:
    classified = re.findall(r"Python :: 3\.(\d+)", read("pyproject.toml"))
    tested = re.findall(r"py3(\d+)", read("tox.ini").partition("[testenv]")[0])
    assert tested == classified


def test_the_oldest_dependencies_are_tested() -> None:
    bounds = [text.replace(">=", "==") for text in load_pyproject()["project"]["dependencies"]]
    assert f"pip install {' '.join(bounds)}" in read("tox.ini")


def find_machine_paths(text: str) -> list[str]:
    """Return the directories of this machine that a text names.

    Short ones, such as /usr or /root, are no sign of a machine.
    """
    places = {ROOT, Path(sys.prefix), Path(sys.base_prefix), Path.home()}
    return [f"{place}" for place in sorted(places) if len(place.parts) > 2 and f"{place}" in text]


def test_a_path_of_this_machine_is_found() -> None:
    assert f"{ROOT}" in find_machine_paths(f"see {ROOT}/notes.txt")


def test_no_file_names_a_path_of_this_machine() -> None:
    found = {
        name: paths
        for name in list_files()
        if (
            paths := find_machine_paths((ROOT / name).read_text(encoding="utf-8", errors="replace"))
        )
    }
    assert found == {}


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_kit_imports_no_test_tool_and_no_command_line() -> None:
    code = "import sys; before = {*sys.modules}; import kit; print(*{*sys.modules} - before)"
    loaded = set(run_python(code).split())
    assert "kit" in loaded
    assert loaded & NOT_IN_KIT == set()


@pytest.mark.parametrize("name", ["pytest_plugin", "pytest_plugin.plugin"])
def test_the_plugin_imports_only_pytest_and_the_standard_library(name: str) -> None:
    code = f"import sys, pytest; before = {{*sys.modules}}; import {name}; "
    loaded = run_python(code + "print(*{*sys.modules} - before)").split()
    tops = {module.partition(".")[0] for module in loaded} - sys.stdlib_module_names
    assert tops - {"_pytest", "pytest"} == {"pytest_plugin"}


@pytest.mark.parametrize("name", ["kit", "pytest_plugin"])
def test_a_misspelt_name_is_no_name_for_a_type_checker(name: str) -> None:
    """A module's `__getattr__` would have it take each for Any."""
    shown = [
        f"{path.relative_to(ROOT)}"
        for path in sorted((ROOT / name).rglob("*.py"))
        if re.search(r"^def __getattr__", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert shown == []


def test_it_is_the_wheel_that_tox_tests() -> None:
    is_tree = Path(kit.__file__).is_relative_to(ROOT / "kit")
    assert is_tree == ("TOX_ENV_NAME" not in os.environ)
