from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from support.command_line import Command, error_of, run
from support.recordings import write_recording


def test_the_page_is_written_beside_the_file(tmp_path: Path) -> None:
    file = write_recording(tmp_path / "calls.har", ["/orders/7"])
    result = run("view", str(file), "--no-open")
    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'calls.har.html'}\n"
    page = (tmp_path / "calls.har.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>calls.har</title>" in page
    assert "/orders/7" in page


def test_what_was_written_can_be_told_as_json(tmp_path: Path) -> None:
    file = write_recording(tmp_path / "calls.har", ["/a", "/b"])
    result = run("view", str(file), "--no-open", "--json")
    page = str(tmp_path / "calls.har.html")
    assert json.loads(result.output) == {"file": str(file), "page": page, "entries": 2}


def test_place_and_title_can_be_given(tmp_path: Path) -> None:
    file = write_recording(tmp_path / "calls.har", ["/"])
    output = tmp_path / "deep" / "report.html"
    assert run("view", str(file), "--no-open", "-o", str(output), "--title", "Calls").exit_code == 0
    assert "<title>Calls</title>" in output.read_text(encoding="utf-8")


def test_secrets_are_taken_out_unless_they_are_wanted(tmp_path: Path) -> None:
    file = write_recording(tmp_path / "calls.har", ["/?token=abcdefgh"], redaction=None)
    page = tmp_path / "calls.har.html"
    run("view", str(file), "--no-open")
    assert "abcdefgh" not in page.read_text(encoding="utf-8")
    run("view", str(file), "--no-open", "--no-redact")
    assert "abcdefgh" in page.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="a browser that is a script")
def test_the_page_is_opened_in_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(tmp_path / "calls.har", ["/"])
    browser = tmp_path / "browser"
    browser.write_text(f'#!{sys.executable}\nimport sys\nprint("opens", *sys.argv[1:])\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    with Command(tmp_path, "view", "calls.har") as command:
        page = tmp_path / "calls.har.html"
        code, out, err = command.wait()
    assert (code, sorted(out.splitlines())) == (0, sorted([str(page), f"opens {page.as_uri()}"]))
    assert err == ""


@pytest.mark.skipif(os.name != "posix", reason="a browser that is a script")
def test_a_browser_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(tmp_path / "calls.har", ["/"])
    monkeypatch.setenv("BROWSER", "false %s")
    monkeypatch.setenv("PATH", "/nonexistent")
    with Command(tmp_path, "view", "calls.har") as command:
        code, _, err = command.wait()
    assert (code, err) == (0, "no browser was found: open the file yourself\n")


def test_a_file_that_is_no_recording_is_told_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "calls.har"
    file.write_text("{}")
    text = error_of("view", str(file), exit_code=1)
    assert text.startswith(f"recording {str(file)!r}: it is not HAR: ")
    assert not (tmp_path / "calls.har.html").exists()


def test_a_file_that_is_missing_is_wrong_usage(tmp_path: Path) -> None:
    assert error_of("view", str(tmp_path / "no.har")) == (
        f"Invalid value for 'FILE': File '{tmp_path / 'no.har'}' does not exist."
    )


def test_help_of_view_tells_its_options() -> None:
    text = run("view", "--help").output
    parts = ["--output", "--title", "--no-open", "--no-redact"]
    assert [each for each in parts if each not in text] == []
