from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import list_names, main
from bench.results import Report, SideResult, WorkResult, write_report


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*arguments])
    return result.exit_code, result.output


def write_serializable(folder: Path, theirs: float) -> None:
    sides = {
        "wirekit": SideResult("ours", [{"value": 1.0}]),
        "mpgameserver": SideResult("peer", [{"value": theirs}]),
    }
    work = WorkResult("serializable", "round trip", "us", "lower", sides)
    write_report(Report({}, 1, 1.0, [work]), folder / "bench.json")


def test_the_work_loads_are_listed() -> None:
    code, text = invoke("--list")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == [name for name, _ in list_names()]


def test_no_name_is_listed_twice() -> None:
    names = [name for name, _ in list_names()]
    assert len(set(names)) == len(names)


def test_a_name_that_is_unknown_is_refused() -> None:
    code, text = invoke("http.gets")
    assert code == 2
    assert "no work load is named http.gets: see --list" in text


@pytest.mark.parametrize(("theirs", "code"), [(20.0, 0), (2.0, 1)])
def test_the_check_tells_by_its_exit_code(tmp_path: Path, theirs: float, code: int) -> None:
    write_serializable(tmp_path, theirs)
    found, text = invoke("--check", "--output", str(tmp_path), "serializable")
    assert found == code
    assert f"serializable against mpgameserver            x{theirs:.2f}, wanted" in text


def test_a_check_without_a_run_says_how_to_make_one(tmp_path: Path) -> None:
    code, text = invoke("--check", "--output", str(tmp_path))
    assert code == 1
    path = tmp_path / "bench.json"
    assert text == f"Error: there is no {path}: run the work loads first, `tox -e bench`\n"


def test_a_check_that_measured_nothing_does_not_pass(tmp_path: Path) -> None:
    write_report(Report({}, 1, 1.0), tmp_path / "bench.json")
    assert invoke("--check", "--output", str(tmp_path))[0] == 2
