"""What counts as a failure, and how it is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from autobahn import suite, summary

OK = {"behavior": "OK", "behaviorClose": "OK"}
UNCLEAN = {"behavior": "OK", "behaviorClose": "UNCLEAN"}
FAILED = {"behavior": "FAILED", "behaviorClose": "OK"}
LOOSE = {"behavior": "NON-STRICT", "behaviorClose": "OK"}
TOLD = {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"}


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (OK, "ok"),
        (LOOSE, "non-strict"),
        (TOLD, "informational"),
        (FAILED, "failed"),
        (UNCLEAN, "failed"),
        ({"behavior": "OK", "behaviorClose": "WRONG CODE"}, "failed"),
        ({"behavior": "UNIMPLEMENTED", "behaviorClose": "OK"}, "failed"),
    ],
)
def test_a_case_is_as_good_as_its_worse_part(case: dict[str, str], verdict: str) -> None:
    assert summary.judge(case) == verdict


def test_a_failure_is_one_whatever_the_other_does() -> None:
    theirs = {"1.1": OK, "1.2": OK, "2.1": FAILED, "2.10": LOOSE, "2.9": OK, "2.11": FAILED}
    ours = {"1.1": OK, "1.2": FAILED, "2.1": FAILED, "2.10": UNCLEAN, "3.1": FAILED, "3.2": OK}
    assert summary.find_failures(ours, theirs) == ["1.2", "2.1", "2.9", "2.10", "2.11", "3.1"]


def test_a_failure_is_one_though_the_other_was_not_run() -> None:
    assert summary.find_failures({"1.1": FAILED, "1.2": OK}, {}) == ["1.1"]


def test_the_table_has_both_side_by_side() -> None:
    table = summary.format_table("server", {"1.1": OK, "9.1": LOOSE}, {"1.1": FAILED, "9.1": OK})
    assert table.splitlines()[2:] == [
        "| 1 framing | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 1 |",
        "| 9 limits | 1 | 0 | 1 | 0 | 0 | 1 | 0 | 0 | 0 |",
        "| all | 2 | 1 | 1 | 0 | 0 | 1 | 0 | 0 | 1 |",
    ]
    assert summary.find_differences({"1.1": OK}, {"1.1": FAILED}) == ["1.1: ok, theirs failed"]


def test_results_that_were_not_written_are_missed(tmp_path: Path) -> None:
    with pytest.raises(suite.SuiteError) as caught:
        suite.read_index(tmp_path)
    assert str(caught.value) == f"the suite wrote no results, see the logs in {tmp_path}"
    (tmp_path / "index.json").write_text(json.dumps({"a": {"1.1": OK}}), encoding="utf-8")
    assert suite.read_index(tmp_path) == {"a": {"1.1": OK}}


def test_without_a_python_2_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv(suite.PYTHON_VARIABLE, sys.executable)
    with pytest.raises(suite.SuiteError) as caught:
        suite.find_python()
    assert str(caught.value) == (
        "no Python 2.7 was found, which the Autobahn test suite needs: "
        "set KIT_AUTOBAHN_PYTHON to the path of one"
    )
