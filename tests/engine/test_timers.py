from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.engine.timers import NEVER, TICK_S, Call, Timers


@dataclasses.dataclass(eq=False)
class Thing:
    deadline: float = NEVER
    alarm: float = NEVER


def test_nothing_is_due_where_nothing_is_watched() -> None:
    timers: Timers[Thing] = Timers()
    assert timers.seconds_to_next(5.0) is None
    assert timers.take_due(5.0) == ([], [])


def test_what_never_ends_is_not_watched() -> None:
    timers: Timers[Thing] = Timers()
    timers.watch(Thing())
    assert timers.seconds_to_next(0.0) is None


@given(deadline=st.floats(0, 1e7, allow_nan=False), steps=st.lists(st.floats(0, 0.2), max_size=20))
@settings(max_examples=300)
def test_a_deadline_is_never_early_and_late_by_a_tick_at_most(
    deadline: float, steps: list[float]
) -> None:
    timers: Timers[Thing] = Timers()
    thing = Thing(deadline)
    timers.watch(thing)
    now = max(0.0, deadline - 0.3)
    for step in [*steps, 2.0]:
        now += step
        expired, _ = timers.take_due(now)
        if expired:
            assert expired == [thing]
            assert now >= deadline
            assert thing.alarm == NEVER
            return
        assert now < deadline + TICK_S * 1.001
    pytest.fail("it never expired")


def test_a_deadline_moved_later_costs_nothing_until_its_bucket_comes_due() -> None:
    timers: Timers[Thing] = Timers()
    thing = Thing(1.0)
    timers.watch(thing)
    alarm = thing.alarm
    thing.deadline = 5.0
    timers.watch(thing)
    assert thing.alarm == alarm
    assert timers.take_due(2.0) == ([], [])
    assert thing.alarm >= 5.0
    assert timers.take_due(6.0) == ([thing], [])


def test_a_deadline_moved_earlier_is_looked_at_earlier() -> None:
    timers: Timers[Thing] = Timers()
    thing = Thing(50.0)
    timers.watch(thing)
    thing.deadline = 1.0
    timers.watch(thing)
    assert timers.take_due(1.1) == ([thing], [])
    assert timers.take_due(60.0) == ([], [])


def test_a_deadline_taken_back_is_dropped() -> None:
    timers: Timers[Thing] = Timers()
    thing = Thing(1.0)
    timers.watch(thing)
    thing.deadline = NEVER
    assert timers.take_due(2.0) == ([], [])
    assert (thing.alarm, timers.seconds_to_next(2.0)) == (NEVER, None)


def test_what_is_forgotten_does_not_expire() -> None:
    timers: Timers[Thing] = Timers()
    things = [Thing(1.0), Thing(1.01)]
    for thing in things:
        timers.watch(thing)
    timers.forget(things[0])
    timers.forget(things[0])
    assert timers.take_due(2.0) == ([things[1]], [])
    timers.forget(things[1])


def test_what_expired_can_be_watched_again() -> None:
    timers: Timers[Thing] = Timers()
    thing = Thing(1.0)
    timers.watch(thing)
    timers.take_due(2.0)
    thing.deadline = 3.0
    timers.watch(thing)
    assert timers.take_due(4.0) == ([thing], [])


def test_calls_come_in_the_order_of_their_times_and_only_when_due() -> None:
    timers: Timers[Thing] = Timers()
    late, early, same = Call(2.0, list), Call(1.0, list), Call(1.0, list)
    for call in (late, early, same):
        timers.call_at(call)
    assert timers.seconds_to_next(0.5) == 0.5
    assert timers.take_due(0.9) == ([], [])
    assert timers.take_due(1.0) == ([], [early, same])
    assert timers.take_due(9.0) == ([], [late])


def test_a_cancelled_call_has_no_function() -> None:
    call = Call(1.0, list)
    call.cancel()
    assert call.function is None


def test_the_nearest_of_deadlines_and_calls_counts() -> None:
    timers: Timers[Thing] = Timers()
    timers.watch(Thing(3.0))
    assert timers.seconds_to_next(1.0) == pytest.approx(2.0, abs=TICK_S * 1.01)
    timers.call_at(Call(2.0, list))
    assert timers.seconds_to_next(1.0) == 1.0
    assert timers.seconds_to_next(9.0) == 0.0


def test_a_thousand_things_share_few_buckets() -> None:
    timers: Timers[Thing] = Timers()
    for index in range(1000):
        timers.watch(Thing(75.0 + index / 100_000))
    assert len(timers._buckets) <= 2
