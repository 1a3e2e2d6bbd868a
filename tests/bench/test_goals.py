from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.catalogue import list_workloads
from bench.goals import Goal, Goals, Outcome, format_outcomes, judge, read_goals
from bench.harness import is_selected
from bench.results import Report, SideResult, WorkResult


def make_report(ours: list[dict[str, float]], **theirs: float) -> Report:
    sides = {"wirekit": SideResult("ours", ours, "" if ours else "it failed")}
    sides |= {name: SideResult("peer", [{"value": value}]) for name, value in theirs.items()}
    return Report({}, 1, 1.0, [WorkResult("a.b", "AB", "ms", "lower", sides)])


def judge_one(report: Report, **goal: Any) -> list[Outcome]:
    return judge(report, Goals(0.1, [Goal(["a.*"], **goal)]), ["a.b", "c.d"])


@pytest.mark.parametrize(
    ("theirs", "verdict"),
    [(40.0, "holds"), (36.0, "holds"), (35.9, "falls short"), (5.0, "falls short")],
)
def test_a_ratio_holds_within_the_tolerance(theirs: float, verdict: str) -> None:
    [outcome] = judge_one(make_report([{"value": 10.0}], peer=theirs), ratio=4.0)
    assert outcome.verdict == verdict
    assert (outcome.what, outcome.wanted) == ("a.b against peer", "at least x4.00")


def test_a_ratio_is_asked_of_every_peer_that_was_measured() -> None:
    outcomes = judge_one(make_report([{"value": 1.0}], one=2.0, two=0.5), ratio=1.0)
    assert [(each.what, each.verdict, each.found) for each in outcomes] == [
        ("a.b against one", "holds", "x2.00"),
        ("a.b against two", "falls short", "x0.50"),
    ]


def test_a_named_peer_that_is_not_here_is_told() -> None:
    outcomes = judge_one(make_report([{"value": 1.0}], one=2.0), ratio=1.0, peers=["two"])
    assert outcomes == [Outcome("not measured", "a.b against two")]


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        ({"at_most": 10.0}, "holds"),
        ({"at_most": 9.1}, "holds"),
        ({"at_most": 9.0}, "falls short"),
        ({"at_least": 11.1}, "holds"),
        ({"at_least": 11.2}, "falls short"),
    ],
)
def test_a_bound_holds_within_the_tolerance(bound: dict[str, float], verdict: str) -> None:
    [outcome] = judge_one(make_report([{"value": 10.0}]), **bound)
    assert outcome.verdict == verdict
    assert outcome.found == "10 ms"


def test_a_metric_is_compared_to_another_one() -> None:
    report = make_report([{"value": 1.0, "p50_us": 10.0, "p99_us": 60.0}])
    [outcome] = judge_one(report, metric="p99_us", over_metric="p50_us", at_most=5.0)
    assert outcome == Outcome("falls short", "a.b p99_us over p50_us", "6", "at most 5")


def test_a_work_load_is_compared_to_another_one() -> None:
    report = make_report([{"value": 3.0}])
    sides = {"wirekit": SideResult("ours", [{"value": 2.0}])}
    report.work.append(WorkResult("c.d", "CD", "ms", "lower", sides))
    [outcome] = judge_one(report, over_work="c.d", at_most=1.5)
    assert outcome == Outcome("holds", "a.b over c.d", "1.5", "at most 1.5")


def test_what_was_not_measured_beside_it_is_told() -> None:
    [outcome] = judge_one(make_report([{"value": 3.0}]), over_work="c.d", at_most=1.5)
    assert outcome == Outcome("not measured", "a.b over c.d")


def test_a_work_load_that_was_not_run_is_not_measured() -> None:
    assert judge_one(Report({}, 1, 1.0), ratio=1.0) == [Outcome("not measured", "a.b")]


def test_a_failure_of_ours_falls_short() -> None:
    outcomes = judge_one(make_report([]), ratio=1.0)
    assert outcomes == [Outcome("falls short", "a.b", "it failed", "a figure")]


def test_outcomes_are_listed_with_what_falls_short_last() -> None:
    outcomes = [
        Outcome("falls short", "a", "x0.50", "at least x1.00"),
        Outcome("holds", "b", "x2.00", "at least x1.00"),
        Outcome("not measured", "c"),
    ]
    assert [line.split() for line in format_outcomes(outcomes).splitlines()] == [
        ["not", "measured", "c"],
        ["holds", "b", "x2.00,", "wanted", "at", "least", "x1.00"],
        ["falls", "short", "a", "x0.50,", "wanted", "at", "least", "x1.00"],
        [],
        ["1", "hold,", "1", "fall", "short,", "1", "not", "measured"],
    ]


@pytest.mark.parametrize("bounds", [{}, {"ratio": 1.0, "at_most": 2.0}])
def test_a_goal_has_one_bound(bounds: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"work": ["a"], **bounds}, Goal)
    assert str(caught.value) == "a goal has one of ratio, at_most and at_least"


def test_a_goal_with_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "goals.toml"
    path.write_text('tolerance = 0.1\n[[goal]]\nwork = ["a"]\nratios = 2.0\n', encoding="ascii")
    with pytest.raises(msgspec.ValidationError, match=r"unknown field `ratios`"):
        read_goals(path)


def test_every_committed_goal_speaks_of_work_loads_and_peers_that_exist() -> None:
    works = list_workloads()
    for goal in read_goals().goal:
        for pattern in goal.work:
            spoken_of = [work for work in works if is_selected(work.name, [pattern])]
            assert spoken_of, pattern
            for work in spoken_of:
                assert set(goal.peers) <= {side.name for side in work.sides}
        assert not goal.over_work or any(work.name == goal.over_work for work in works)


def test_every_work_load_has_a_goal() -> None:
    patterns = [pattern for goal in read_goals().goal for pattern in goal.work]
    assert [w.name for w in list_workloads() if not is_selected(w.name, patterns)] == []
