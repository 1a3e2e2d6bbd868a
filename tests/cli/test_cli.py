from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kit
from support.command_line import ROOT, error_of, run
from support.deadlines import scaled

COMMANDS = ("audit", "har", "record", "routes", "serve", "view")


def test_the_version_is_told() -> None:
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"kit (wirekit) {kit.__version__}\n")


def test_help_tells_every_command() -> None:
    text = run("--help").output.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert sorted(line.split()[0] for line in text.splitlines()) == sorted(COMMANDS)


@pytest.mark.parametrize("arguments", [("--help",), *((each, "--help") for each in COMMANDS)])
def test_help_tells_the_exit_codes_and_examples(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Exit codes:\n" in result.output
    assert "    2  wrong usage" in result.output
    assert "Examples:\n    kit " in result.output


def test_the_short_form_of_help_is_known() -> None:
    assert run("serve", "-h").output == run("serve", "--help").output


@pytest.mark.parametrize(
    ("command", "argument"), [("routes", "MODULE:RESOURCE..."), ("serve", "SOURCE...")]
)
def test_a_command_without_its_argument_is_wrong_usage(command: str, argument: str) -> None:
    assert error_of(command) == f"Missing argument '{argument}'."


def test_the_module_can_be_run(shop: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "kit", "routes", "shop:Orders"],
        cwd=shop,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=scaled(60),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "/order/:id" in result.stdout
