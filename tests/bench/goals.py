"""Compares a report to the goals: which hold, which fall short, which were not measured."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

import msgspec

from bench.figures import find_median, find_ratios
from bench.results import VALUE, Report, WorkResult

PATH = Path(__file__).with_name("goals.toml")

Verdict = Literal["holds", "falls short", "not measured"]


class Goal(msgspec.Struct, forbid_unknown_fields=True):
    """One goal; `goals.toml` tells what its fields mean."""

    work: list[str]
    peers: list[str] = []
    ratio: float | None = None
    metric: str = VALUE
    over_metric: str = ""
    over_work: str = ""
    at_most: float | None = None
    at_least: float | None = None

    def __post_init__(self) -> None:
        if [self.ratio, self.at_most, self.at_least].count(None) != 2:
            raise ValueError("a goal has one of ratio, at_most and at_least")


class Goals(msgspec.Struct, forbid_unknown_fields=True):
    """All goals.

    Attributes:
        tolerance: the part by which a figure may miss its goal and still hold it.
    """

    tolerance: float
    goal: list[Goal]


class Outcome(msgspec.Struct):
    """What became of one goal on one work load, against one peer if it speaks of them."""

    verdict: Verdict
    what: str
    found: str = ""
    wanted: str = ""


def read_goals(path: Path = PATH) -> Goals:
    """Read the committed goals."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Goals)


def judge(report: Report, goals: Goals, known: Iterable[str]) -> list[Outcome]:
    """Compare a report to the goals, for each of the known work loads they speak of."""
    names = list(known)
    return [
        outcome
        for goal in goals.goal
        for name in names
        if any(fnmatch(name, pattern) for pattern in goal.work)
        for outcome in judge_work(report, name, goal, goals.tolerance)
    ]


def judge_work(report: Report, name: str, goal: Goal, tolerance: float) -> Iterator[Outcome]:
    """Compare one work load to a goal."""
    work = report.find(name)
    if work is None:
        yield Outcome("not measured", name)
    elif work.ours() is None:
        side = work.sides.get("wirekit")
        reason = side.not_here if side is not None else "wirekit was not measured"
        yield Outcome("falls short", name, reason, "a figure")
    elif goal.ratio is not None:
        yield from judge_ratios(work, goal, goal.ratio, tolerance)
    else:
        yield judge_bound(report, work, goal, tolerance)


def judge_ratios(work: WorkResult, goal: Goal, least: float, tolerance: float) -> Iterator[Outcome]:
    """Compare the median of the rounds' ratios, peer by peer."""
    ours = work.ours()
    assert ours is not None
    measured = work.peers()
    for name in goal.peers or measured:
        what = f"{work.name} against {name}"
        theirs = measured.get(name)
        ratios = find_ratios(ours.values(), theirs.values(), work.better) if theirs else []
        if not ratios:
            yield Outcome("not measured", what)
            continue
        found = find_median(ratios)
        verdict: Verdict = "holds" if found >= least * (1 - tolerance) else "falls short"
        yield Outcome(verdict, what, f"x{found:.2f}", f"at least x{least:.2f}")


def judge_bound(report: Report, work: WorkResult, goal: Goal, tolerance: float) -> Outcome:
    """Compare one figure of ours to its bound."""
    what, found = find_figure(report, work, goal)
    if found is None:
        return Outcome("not measured", what)
    if goal.at_most is not None:
        holds, wanted = found <= goal.at_most * (1 + tolerance), f"at most {goal.at_most:g}"
    else:
        assert goal.at_least is not None
        holds, wanted = found >= goal.at_least * (1 - tolerance), f"at least {goal.at_least:g}"
    unit = "" if goal.over_work or goal.over_metric else f" {work.unit}"
    verdict: Verdict = "holds" if holds else "falls short"
    return Outcome(verdict, what, f"{found:.4g}{unit}", f"{wanted}{unit}")


def find_figure(report: Report, work: WorkResult, goal: Goal) -> tuple[str, float | None]:
    """Return what is compared, in words and as a number; None if it was not measured."""
    figure = find_ours(work, goal.metric)
    what = work.name if goal.metric == VALUE else f"{work.name} {goal.metric}"
    if goal.over_metric:
        below, what = find_ours(work, goal.over_metric), f"{what} over {goal.over_metric}"
    elif goal.over_work:
        other = report.find(goal.over_work)
        below = find_ours(other, goal.metric) if other is not None else None
        what = f"{what} over {goal.over_work}"
    else:
        return what, figure
    return what, figure / below if figure is not None and below else None


def find_ours(work: WorkResult, metric: str) -> float | None:
    """Return the median of one of our metrics."""
    ours = work.ours()
    values = ours.values(metric) if ours is not None else []
    return find_median(values) if values else None


def format_outcomes(outcomes: Iterable[Outcome]) -> str:
    """Write the outcomes: those that fall short last, where they are seen."""
    order: tuple[Verdict, ...] = ("not measured", "holds", "falls short")
    listed = sorted(outcomes, key=lambda outcome: order.index(outcome.verdict))
    lines = [format_outcome(outcome) for outcome in listed]
    counts = [
        f"{sum(outcome.verdict == verdict for outcome in listed)} {verdict}"
        for verdict in ("holds", "falls short", "not measured")
    ]
    return "\n".join(
        [*lines, "", ", ".join(counts).replace("holds", "hold").replace("falls", "fall")]
    )


def format_outcome(outcome: Outcome) -> str:
    """Write one outcome."""
    found = f"{outcome.found}, wanted {outcome.wanted}" if outcome.wanted else ""
    return f"{outcome.verdict:<13} {outcome.what:<44} {found}".rstrip()
