"""The command line in this process, or in one of its own whose lines are read as they come."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner, Result

import kit
from kit.cli import main
from support.deadlines import scaled
from support.interrupts import hearing_interrupts

ROOT = Path(kit.__file__).parents[1]
LIMIT_S = 60.0


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="kit")


def error_of(*arguments: str, exit_code: int = 2) -> str:
    """Give the text behind `Error: `."""
    result = run(*arguments)
    assert result.exit_code == exit_code, result.output
    return result.stderr.rpartition("\nError: ")[2].removeprefix("Error: ").strip()


class Command:
    """`python -m kit ...` as a process of its own, killed if it takes too long."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.lines: list[str] = []
        with hearing_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kit", *arguments],
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        self._watchdog = threading.Timer(scaled(LIMIT_S), self._process.kill)

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._watchdog.join()
        # Asked first, so that it may end as it should, and coverage be written.
        self._process.terminate()
        try:
            self._process.communicate(timeout=scaled(10))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def read_until(self, text: str) -> str:
        """Read lines up to one that holds a text, and give that one."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            self.lines.append(line)
            if text in line:
                return line
        _, told = self._process.communicate()
        raise AssertionError(f"no line with {text!r} in {''.join(self.lines)}\n{told}")

    def read_event(self, event: str) -> dict[str, Any]:
        """Read JSON lines up to an event of a kind."""
        told: dict[str, Any] = json.loads(self.read_until(f'"event": "{event}"'))
        return told

    def read_url(self) -> str:
        """Read up to the announcement, and give its URL."""
        line = self.read_until(" (press Ctrl-C to stop)")
        return line.rpartition(" on ")[2].split()[0]

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; give the exit code and what was still written."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        out, err = self._process.communicate(timeout=scaled(LIMIT_S))
        return self._process.returncode, out, err

    def close_output(self) -> None:
        """Read no more, as `head` does."""
        assert self._process.stdout is not None
        self._process.stdout.close()


def replace_file(path: Path, text: str) -> None:
    """Write a file as editors do: whoever looks sees the old text or the new one."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


def fetch(url: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Ask for a URL; an error has a status and a body too."""
    try:
        with urllib.request.urlopen(url, context=context, timeout=scaled(30)) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
