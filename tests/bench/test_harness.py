from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.harness import (
    Bench,
    Growth,
    Measure,
    Metrics,
    NotHere,
    RunFailed,
    Side,
    Workload,
    is_selected,
    run_growth,
    run_workload,
)
from bench.results import SideResult


def make_bench(rounds: int) -> Bench:
    nowhere = Path("nowhere")
    return Bench(
        directory=nowhere,
        rounds=rounds,
        seconds=0.1,
        load=nowhere,
        load_has_tls=False,
        wrk="",
        npm_modules=None,
        cert=nowhere,
        key=nowhere,
        authority=nowhere,
    )


def make_side(name: str, measure: Callable[[], Metrics], log: list[str]) -> Side:
    @contextlib.contextmanager
    def open_side(bench: Bench) -> Iterator[Measure]:
        log.append(f"open {name}")

        def run() -> Metrics:
            log.append(name)
            return measure()

        yield run
        log.append(f"close {name}")

    return Side(name, "peer", open_side)


def make_work(*sides: Side, most_rounds: int = 1000) -> Workload:
    return Workload("work", "a work load", "us", "lower", sides, most_rounds)


def one() -> Metrics:
    return {"value": 1.0}


def test_the_sides_take_turns_after_a_round_that_does_not_count() -> None:
    log: list[str] = []
    work = make_work(make_side("a", one, log), make_side("b", one, log))
    result = run_workload(work, make_bench(rounds=2))
    assert log == ["open a", "open b", *"ababab", "close b", "close a"]
    assert result.sides["a"] == SideResult("peer", [{"value": 1.0}] * 2)


def test_a_work_load_bounds_its_rounds() -> None:
    work = make_work(make_side("a", one, []), most_rounds=3)
    assert len(run_workload(work, make_bench(rounds=50)).sides["a"].runs) == 3


def test_a_side_that_is_not_here_does_not_stop_the_others() -> None:
    def open_side(bench: Bench) -> contextlib.AbstractContextManager[Measure]:
        raise NotHere("node is not installed")

    work = make_work(Side("missing", "peer", open_side), make_side("a", one, []))
    sides = run_workload(work, make_bench(rounds=1)).sides
    assert sides["missing"] == SideResult("peer", [], "node is not installed")
    assert len(sides["a"].runs) == 1


def test_a_side_that_fails_once_has_no_figures_and_is_not_run_again() -> None:
    log: list[str] = []

    def fail_third() -> Metrics:
        if log.count("a") == 3:
            raise RunFailed("nothing was completed")
        return one()

    work = make_work(make_side("a", fail_third, log), make_side("b", one, log))
    sides = run_workload(work, make_bench(rounds=4)).sides
    assert sides["a"] == SideResult("peer", [], "nothing was completed")
    assert log.count("a") == 3
    assert len(sides["b"].runs) == 4


def test_growth_is_measured_size_by_size_in_each_round() -> None:
    sizes: list[int] = []

    def measure(bench: Bench, size: int) -> float:
        sizes.append(size)
        if size == 3:
            raise RunFailed("too much")
        return size * 2.0

    growth = Growth("growth.a", "A", "things", "us", (1, 2, 3), measure)
    result = run_growth(growth, make_bench(rounds=2))
    assert sizes == [1, 2, 3, 1, 2, 3]
    assert result.points == [(1, [2.0, 2.0]), (2, [4.0, 4.0])]


@pytest.mark.parametrize(
    ("selected", "is_wanted"),
    [
        ([], True),
        (["http"], True),
        (["http.get"], True),
        (["http.get.c8"], True),
        (["*.c8"], True),
        (["router", "http.get"], True),
        (["htt"], False),
        (["http.get.c"], False),
        (["http.get.c64"], False),
    ],
)
def test_work_is_selected_by_name_beginning_or_pattern(
    selected: list[str], *, is_wanted: bool
) -> None:
    assert is_selected("http.get.c8", selected) is is_wanted
