from __future__ import annotations

from kit.engine.pace import QUICK_RUNS, Pace, is_slow, note_run, note_stall
from kit.engine.watch import STALL_S


class Route:
    pace: Pace | None = None


def slow_route() -> Route:
    route = Route()
    note_stall(route)
    return route


def test_a_route_is_quick_until_it_has_stalled() -> None:
    route = Route()
    assert not is_slow(route)
    note_run(route, 10.0)
    assert not is_slow(route)
    note_stall(route)
    assert is_slow(route)


def test_a_run_of_quick_calls_makes_a_route_quick_again() -> None:
    route = slow_route()
    for _ in range(QUICK_RUNS - 1):
        note_run(route, STALL_S / 2)
        assert is_slow(route)
    note_run(route, STALL_S / 2)
    assert not is_slow(route)


def test_one_slow_call_among_quick_ones_starts_the_count_anew() -> None:
    route = slow_route()
    for _ in range(QUICK_RUNS - 1):
        note_run(route, 0.0)
    note_run(route, STALL_S * 2)
    for _ in range(QUICK_RUNS - 1):
        note_run(route, 0.0)
    assert is_slow(route)


def test_a_route_that_was_quick_again_may_stall_again() -> None:
    route = slow_route()
    for _ in range(QUICK_RUNS):
        note_run(route, 0.0)
    note_stall(route)
    assert is_slow(route)
    for _ in range(QUICK_RUNS - 1):
        note_run(route, 0.0)
    assert is_slow(route)
