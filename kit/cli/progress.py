"""How far long work has come: a bar on a terminal, a plain line elsewhere."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import kit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = 500
"""Work of fewer steps is over before anybody has read a bar."""
LARGE_BYTES = 20 * 1024 * 1024
"""A smaller file is read at once."""


@contextlib.contextmanager
def show_progress(label: str, steps: int, *, least: int = LONG) -> Iterator[Callable[[], None]]:
    """Show on standard error how far some work is; what comes back is called after each step.

    Args:
        label: what is done, in words; all that is written where there is no terminal.
        steps: how many there are.
        least: of fewer steps nothing is shown.
    """
    if steps < least:
        yield _show_nothing
        return
    with click.progressbar(length=steps, label=label, file=sys.stderr) as bar:
        yield lambda: bar.update(1)


def tell_step(text: str, steps: int) -> None:
    """Write on standard error what is done next, if that takes long and cannot be told in steps."""
    if steps >= LONG:
        with contextlib.suppress(OSError):  # nobody has to read it
            click.echo(text, err=True)


def load_recording(file: str) -> kit.har.Recording:
    """Load a recording, and tell so first if that takes long.

    Raises:
        RecordingError: it cannot be read.
    """
    with contextlib.suppress(OSError):
        tell_step(f"reading {file}", LONG * Path(file).stat().st_size // LARGE_BYTES)
    return kit.har.load(file)


def _show_nothing() -> None:
    """Do as if a step were shown."""
