from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kit.clock import monotonic
from kit.engine.watch import IDLE_LOOKS, STALL_S, Watch
from support.deadlines import scaled


class Led:
    """A leader that is told when it is busy."""

    def __init__(self) -> None:
        self.turns = 0
        self.is_at_work = False
        self.promoted: list[int] = []
        self.has_promoted = threading.Event()
        self.on_look: Callable[[], None] = lambda: None

    @property
    def is_busy(self) -> bool:
        self.on_look()
        return self.is_at_work

    def promote_deputy(self, turn: int) -> None:
        self.promoted.append(turn)
        self.is_at_work = False
        self.has_promoted.set()

    def begin_turn(self, watch: Watch) -> None:
        """Do what a leader does at the start of a turn, in that order."""
        self.turns += 1
        if watch.is_asleep:
            watch.wake()
        self.is_at_work = True


@contextmanager
def looked_on(led: Led) -> Iterator[Watch]:
    watch = Watch(led)
    watch.start()
    try:
        yield watch
    finally:
        ending = threading.Thread(target=watch.stop, daemon=True)
        ending.start()
        ending.join(scaled(10))
        assert not ending.is_alive(), "the watch does not stop"


def wait_asleep(watch: Watch) -> None:
    deadline, pause = monotonic() + scaled(10), threading.Event()
    while not watch.is_asleep:
        assert monotonic() < deadline, "the watch does not fall asleep"
        pause.wait(STALL_S / 5)


def test_a_turn_that_lasts_gets_a_deputy_once_and_never_before_the_budget() -> None:
    led = Led()
    with looked_on(led) as watch:
        began = monotonic()
        led.begin_turn(watch)
        assert led.has_promoted.wait(scaled(10))
        assert monotonic() - began >= STALL_S * 0.9
    assert led.promoted == [1]


def test_short_turns_get_no_deputy() -> None:
    led = Led()
    with looked_on(led) as watch:
        for _ in range(2000):
            led.begin_turn(watch)
            led.is_at_work = False
        wait_asleep(watch)
    assert led.promoted == []


def test_the_watch_sleeps_while_nothing_happens_and_wakes_for_a_turn() -> None:
    led = Led()
    with looked_on(led) as watch:
        for turn in range(1, 6):
            wait_asleep(watch)
            led.has_promoted.clear()
            led.begin_turn(watch)
            assert led.has_promoted.wait(scaled(10)), f"turn {turn} was not seen"
    assert led.promoted == [1, 2, 3, 4, 5]


def test_a_turn_that_begins_as_the_watch_falls_asleep_is_seen() -> None:
    """The leader counts the turn, then looks whether to wake; the watch does the reverse."""
    led, looks = Led(), 0

    def begin_unseen() -> None:
        nonlocal looks
        looks += 1
        # On its last look it finds nobody busy; the turn begins right behind that.
        led.turns += looks == IDLE_LOOKS
        led.is_at_work = looks > IDLE_LOOKS

    led.on_look = begin_unseen
    with looked_on(led):
        assert led.has_promoted.wait(scaled(10))
    assert led.promoted[0] == 1


def test_a_watch_that_was_given_no_thread_can_be_stopped() -> None:
    Watch(Led()).stop()


@pytest.mark.parametrize("looks", [1, IDLE_LOOKS - 1, IDLE_LOOKS, IDLE_LOOKS + 1])
def test_a_stop_just_as_the_watch_falls_asleep_ends_it(looks: int) -> None:
    led, seen, told = Led(), 0, threading.Event()
    watch = Watch(led)

    def stop_meanwhile() -> None:
        nonlocal seen
        seen += 1
        if seen == min(looks, IDLE_LOOKS):
            ending.start()
            # Until the stop has been told, and has looked whether the watch is asleep.
            told.wait(0.05)

    ending = threading.Thread(target=watch.stop, daemon=True)
    led.on_look = stop_meanwhile
    watch.start()
    deadline, pause = monotonic() + scaled(10), threading.Event()
    while ending.ident is None and monotonic() < deadline:
        pause.wait(0.01)
    ending.join(scaled(10))
    assert not ending.is_alive(), "the watch does not stop"


def test_waking_it_from_many_threads_does_no_harm() -> None:
    led = Led()
    with looked_on(led) as watch:
        threads = [threading.Thread(target=watch.wake) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(scaled(10))
        wait_asleep(watch)
        led.begin_turn(watch)
        assert led.has_promoted.wait(scaled(10))
