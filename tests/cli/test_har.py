from __future__ import annotations

import json
from pathlib import Path

import pytest

import kit
from support.command_line import error_of, run
from support.recordings import write_recording


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_recording(
        tmp_path / "calls.har",
        ["/orders/7?token=abcdefgh1234", "/orders/8?tenant=acme-corp"],
        headers={"Authorization": "Bearer zyxwvuts9876"},
    )


# redact


def test_secrets_are_taken_out_into_another_file(file: Path, tmp_path: Path) -> None:
    before, output = file.read_bytes(), tmp_path / "clean.har"
    result = run("har", "redact", str(file), "--output", str(output))
    assert result.output == f"wrote {output}: something was taken out of 2 of 2 entries\n"
    assert result.exit_code == 0
    clean = output.read_bytes()
    assert b"abcdefgh1234" not in clean
    assert b"zyxwvuts9876" not in clean
    assert b"acme-corp" in clean
    assert file.read_bytes() == before


def test_secrets_are_taken_out_in_place(file: Path) -> None:
    result = run("har", "redact", str(file), "--in-place", "--name", "tenant", "--json")
    assert json.loads(result.output) == {"file": str(file), "entries": 2, "changed": 2}
    assert b"acme-corp" not in file.read_bytes()


def test_secrets_beyond_the_bound_are_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.record.sensitive._MAX_LEARNED", 1)
    result = run("har", "redact", str(file), "--in-place")
    told = "finds of secrets beyond the bound are not searched in other places\n"
    assert result.output.endswith(told)


def test_a_name_that_is_kept_stays(file: Path) -> None:
    run("har", "redact", str(file), "--in-place", "--keep", "token")
    clean = file.read_bytes()
    assert b"abcdefgh1234" in clean
    assert b"zyxwvuts9876" not in clean


def test_what_a_pattern_matches_is_taken_out(file: Path) -> None:
    run("har", "redact", str(file), "--in-place", "--pattern", "acme-[a-z]+")
    assert b"acme-corp" not in file.read_bytes()


def test_a_secret_that_is_left_keeps_the_file_from_being_written(file: Path) -> None:
    before = file.read_bytes()
    arguments = ("har", "redact", str(file), "--in-place")
    text = error_of(*arguments, "--canary", "abcdefgh1234", "--canary", "acme-corp", exit_code=1)
    assert text == "canary 2 is still in it, plain: nothing written"
    assert file.read_bytes() == before


@pytest.mark.parametrize("arguments", [(), ("--in-place", "--output", "a.har")])
def test_where_to_write_must_be_said_once(file: Path, arguments: tuple[str, ...]) -> None:
    assert error_of("har", "redact", str(file), *arguments) == (
        "give either --output FILE or --in-place"
    )


def test_a_pattern_that_is_none_is_wrong_usage(file: Path) -> None:
    text = error_of("har", "redact", str(file), "--in-place", "--pattern", "(")
    assert text.startswith("Invalid value for '--pattern': '(' is no regular expression: missing )")


# diff


def test_recordings_that_tell_the_same_are_no_difference(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.har"
    kit.har.write(other, kit.har.dump(kit.har.load(file).entries, redaction=None))
    result = run("har", "diff", str(file), str(other))
    assert (result.exit_code, result.output) == (0, "2 the same, 0 changed, 0 removed, 0 added\n")


def test_differences_are_told_and_end_with_exit_code_1(tmp_path: Path) -> None:
    before = write_recording(tmp_path / "a.har", ["/a", "/b"], answer="one")
    after = write_recording(tmp_path / "b.har", ["/a", "/c"], answer="two")
    result = run("har", "diff", str(before), str(after))
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "0 the same, 1 changed, 1 removed, 1 added",
        "- 1 GET /b",
        "+ 1 GET /c",
        "~ 0 GET /a",
        '    response body $.answer: expected "one", got "two"',
    ]
    told = json.loads(run("har", "diff", str(before), str(after), "--json").output)
    assert [len(told[each]) for each in ("removed", "added", "changed")] == [1, 1, 1]


def test_a_header_may_be_left_out_of_the_comparison(tmp_path: Path) -> None:
    before = write_recording(tmp_path / "a.har", ["/a"], headers={"X-Trace": "1"})
    after = write_recording(tmp_path / "b.har", ["/a"], headers={"X-Trace": "2"})
    arguments = ("har", "diff", str(before), str(after))
    assert run(*arguments).exit_code == 1
    assert run(*arguments, "--ignore-header", "X-Trace").exit_code == 0


# stats


def test_a_recording_is_told_in_numbers(file: Path) -> None:
    result = run("har", "stats", str(file))
    assert result.exit_code == 0
    assert "entries     2, of them 0 failed\n" in result.output
    assert "statuses    200: 2\n" in result.output
    assert result.output.count("slowest ") == 2


def test_numbers_are_written_as_json(file: Path) -> None:
    told = json.loads(run("har", "stats", str(file), "--json", "--slowest", "1").output)
    assert (told["entries"], told["by_method"]) == (2, {"GET": 2})
    assert len(told["slowest"]) == 1


# All of them


@pytest.mark.parametrize("command", [("stats",), ("redact", "--in-place")])
def test_a_file_that_is_no_recording_is_told_in_one_sentence(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    broken = tmp_path / "broken.har"
    broken.write_text("[")
    text = error_of("har", *command, str(broken), exit_code=1)
    assert text.startswith(f"recording {str(broken)!r}: ")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("redact", ["--output", "--in-place", "--name", "--keep", "--pattern", "--canary"]),
        ("diff", ["--ignore-header", "--json", "  0  they tell the same, times aside"]),
        ("stats", ["--slowest", "--json"]),
    ],
)
def test_help_tells_options_examples_and_exit_codes(command: str, parts: list[str]) -> None:
    text = run("har", command, "--help").output
    parts = [*parts, "Exit codes:", f"    kit har {command} "]
    assert [each for each in parts if each not in text] == []


def test_help_of_the_group_tells_its_commands() -> None:
    text = run("har", "--help").output.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in text.splitlines()] == ["diff", "redact", "stats"]
