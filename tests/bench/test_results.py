from __future__ import annotations

from pathlib import Path

from bench.results import GrowthResult, Report, SideResult, WorkResult, read_report, write_report


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    sides = {
        "wirekit": SideResult("ours", [{"value": 2.0, "p50_us": 3.0}]),
        "other": SideResult("peer", not_here="other is not installed"),
    }
    report = Report(
        machine={"cores": "2"},
        rounds=1,
        seconds=0.5,
        work=[WorkResult("http.get", "GET", "requests/s", "higher", sides)],
        growth=[GrowthResult("growth.body", "by size", "bytes", "us", [(1, [2.0])])],
    )
    write_report(report, tmp_path / "bench.json")
    assert read_report(tmp_path / "bench.json") == report


def test_peers_are_those_that_were_measured() -> None:
    run = {"value": 1.0}
    sides = {
        "wirekit": SideResult("ours", [run]),
        "here": SideResult("peer", [run]),
        "missing": SideResult("peer", not_here="not installed"),
        "ceiling (C)": SideResult("ceiling", [run]),
    }
    assert list(WorkResult("a", "A", "us", "lower", sides).peers()) == ["here"]


def test_a_metric_is_listed_round_by_round() -> None:
    side = SideResult("ours", [{"value": 1.0, "p50_us": 5.0}, {"value": 2.0}])
    assert side.values() == [1.0, 2.0]
    assert side.values("p50_us") == [5.0]
