from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

import kit
from kit.cli.usage import KitCommand, KitGroup, describe_error, tell_usage


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (kit.ConfigurationError("this cannot work"), "this cannot work"),
        (
            FileNotFoundError(2, "No such file or directory", "a.txt"),
            "a.txt: No such file or directory",
        ),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("something else"), "something else"),
        (
            kit.AddressError(("127.0.0.1", 80), "not allowed"),
            "cannot listen on 127.0.0.1:80: not allowed",
        ),
    ],
)
def test_an_error_is_told_in_one_sentence(error: Exception, text: str) -> None:
    assert describe_error(error) == text


def run(error: Exception) -> tuple[int, str, str]:
    @click.group(cls=KitGroup)
    def main() -> None:
        pass

    @main.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(main, ["fail"])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "error", [kit.StateError("not now"), OSError("not now"), click.ClickException("not now")]
)
def test_an_error_of_a_command_ends_it_with_exit_code_1(error: Exception) -> None:
    assert run(error) == (1, "", "Error: not now\n")


def test_a_reader_who_has_gone_is_no_error_to_tell_of() -> None:
    code, out, err = run(BrokenPipeError(32, "Broken pipe"))
    assert (code, out, err) == (1, "", "")


def test_commands_of_a_group_are_of_the_same_kind() -> None:
    @click.group(cls=KitGroup)
    def main() -> None:
        pass

    @main.group()
    def inner() -> None:
        pass

    assert isinstance(inner, KitGroup)
    assert inner.command_class is KitCommand


def test_usage_tells_examples_and_exit_codes() -> None:
    assert tell_usage(["kit a", "kit b"], {0: "all is well"}) == (
        "\b\nExamples:\n  kit a\n  kit b\n\n\b\nExit codes:\n  0  all is well\n"
        "  1  what was asked for failed; standard error has the reason\n"
        "  2  wrong usage, or a resource that cannot be imported"
    )
