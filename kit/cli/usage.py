"""What all commands have in common: how they fail, and what their help ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import kit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DONE = "done"
FAILED = "what was asked for failed; standard error has the reason"
WRONG_USAGE = "wrong usage, or a resource that cannot be imported"


class KitCommand(click.Command):
    """A command that tells an error in one sentence, and ends with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly, as whoever read the output has gone
        except (kit.KitError, OSError) as error:
            raise click.ClickException(describe_error(error)) from error


class KitGroup(click.Group):
    """A group of such commands."""

    command_class: type[click.Command] | None = KitCommand
    group_class: type[click.Group | type] | None = type


def describe_error(error: Exception) -> str:
    """Tell an error in one sentence, a file's by its name."""
    if isinstance(error, OSError) and not isinstance(error, kit.KitError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def tell_usage(examples: Iterable[str], exit_codes: Mapping[int, str] | None = None) -> str:
    """Write the end of a command's help: examples, and what its exit codes mean."""
    codes = {0: DONE, 1: FAILED, 2: WRONG_USAGE} | dict(exit_codes or {})
    lines = [*(f"  {example}" for example in examples)]
    told = "\n".join(f"  {code}  {meaning}" for code, meaning in codes.items())
    return "\n".join(["\b", "Examples:", *lines, "", "\b", "Exit codes:", told])
