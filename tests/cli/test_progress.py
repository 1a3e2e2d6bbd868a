"""What is told of long work, on a terminal and elsewhere."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit
from kit.cli.progress import LONG, show_progress
from support.command_line import ROOT, run
from support.deadlines import scaled
from support.har_entries import make_entry


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.har"
    kit.har.write(path, kit.har.dump(make_entry("GET", f"/{at}") for at in range(LONG)))
    return path


@pytest.fixture
def files() -> Iterator[str]:
    with kit.HTTPServer(("127.0.0.1", 0)) as server:
        yield server.url


def run_on_terminal(*arguments: str) -> tuple[str, str]:
    """Run a command whose standard error is a terminal; give both outputs."""
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [sys.executable, "-m", "kit", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # EIO is the end of a terminal
            while data := os.read(ours, 4096):
                shown += data
        out, _ = process.communicate(timeout=scaled(60))
    os.close(ours)
    return out.decode(), shown.decode()


@pytest.mark.parametrize("command", ["redact", "view"])
def test_a_long_recording_shows_a_bar_on_a_terminal(
    long_file: Path, tmp_path: Path, command: str
) -> None:
    to = str(tmp_path / "out")
    commands = {
        "redact": ("har", "redact", str(long_file), "-o", to),
        "view": ("view", str(long_file), "-o", to, "--no-open"),
    }
    out, shown = run_on_terminal(*commands[command])
    assert f"redacting {long_file}" in shown
    assert "[####################################]  100%" in shown
    assert "#" not in out


def test_the_names_that_are_tried_show_a_bar_on_a_terminal(files: str) -> None:
    out, shown = run_on_terminal("audit", files)
    assert "trying names  [" in shown
    assert "#" not in out


def test_where_there_is_no_terminal_a_plain_line_tells_what_is_done(
    long_file: Path, tmp_path: Path
) -> None:
    result = run("har", "redact", str(long_file), "-o", str(tmp_path / "out.har"))
    assert result.stderr == f"redacting {long_file}\n"
    assert result.stdout.startswith("wrote ")


def test_the_names_that_are_tried_are_told_plainly_elsewhere(files: str) -> None:
    assert run("audit", files).stderr == "trying names\n"


def test_of_short_work_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "short.har"
    kit.har.write(path, kit.har.dump([make_entry()]))
    assert run("har", "redact", str(path), "--in-place").stderr == ""


def test_steps_are_counted_where_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("doing", LONG - 1) as note_step:
        note_step()
    assert capsys.readouterr().err == ""
