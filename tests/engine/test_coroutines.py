from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from freezegun import freeze_time

from kit.engine.coroutines import Coroutines
from support.deadlines import scaled


class Outcome:
    """Takes the result of a coroutine."""

    def __init__(self) -> None:
        self.results: list[tuple[Any, BaseException | None]] = []
        self.thread: threading.Thread | None = None
        self._done = threading.Event()

    def __call__(self, result: Any, error: BaseException | None) -> None:
        self.results.append((result, error))
        self.thread = threading.current_thread()
        self._done.set()

    def wait(self) -> tuple[Any, BaseException | None]:
        assert self._done.wait(scaled(10)), "the coroutine did not end"
        return self.results[0]


@pytest.fixture
def coroutines() -> Iterator[Coroutines]:
    coroutines = Coroutines()
    yield coroutines
    coroutines.stop(scaled(10))


async def nap() -> str:
    await asyncio.sleep(0.001)
    return "rested"


def test_a_coroutine_runs_on_the_loops_thread(coroutines: Coroutines) -> None:
    outcome = Outcome()
    coroutines.run(nap(), outcome)
    assert outcome.wait() == ("rested", None)
    assert outcome.thread is not None
    assert outcome.thread.name == "kit-asyncio"


def test_no_thread_runs_before_the_first_coroutine() -> None:
    Coroutines().stop(scaled(10))
    assert "kit-asyncio" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(2), KeyboardInterrupt()])
def test_what_a_coroutine_raises_is_its_outcome_and_the_loop_goes_on(
    coroutines: Coroutines, error: BaseException
) -> None:
    async def fail() -> None:
        raise error

    first, second = Outcome(), Outcome()
    coroutines.run(fail(), first)
    assert first.wait() == (None, error)
    coroutines.run(nap(), second)
    assert second.wait() == ("rested", None)


def test_many_wait_at_the_same_time(coroutines: Coroutines) -> None:
    arrived = 0

    async def meet() -> int:
        nonlocal arrived
        arrived += 1
        while arrived < 200:  # noqa: ASYNC110 - the test's own rendezvous
            await asyncio.sleep(0.001)
        return arrived

    outcomes = [Outcome() for _ in range(200)]
    for outcome in outcomes:
        coroutines.run(meet(), outcome)
    assert [outcome.wait() for outcome in outcomes] == [(200, None)] * 200


def test_a_stop_cancels_what_runs_and_tells_its_outcome(coroutines: Coroutines) -> None:
    entered, cleaned = threading.Event(), threading.Event()

    async def wait_for_ever() -> None:
        entered.set()
        try:
            await asyncio.sleep(1000)
        finally:
            cleaned.set()

    outcome = Outcome()
    coroutines.run(wait_for_ever(), outcome)
    assert entered.wait(scaled(10))
    coroutines.stop(scaled(10))
    result, error = outcome.wait()
    assert (result, str(error)) == (None, "the handler was cancelled")
    assert cleaned.is_set()


def test_a_coroutine_that_ignores_its_cancellation_is_given_up(coroutines: Coroutines) -> None:
    entered, end = threading.Event(), threading.Event()

    async def stubborn() -> None:
        entered.set()
        while not end.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                pass

    outcome = Outcome()
    coroutines.run(stubborn(), outcome)
    assert entered.wait(scaled(10))
    stopping = threading.Thread(target=coroutines.stop, args=(scaled(10),))
    stopping.start()
    _, error = outcome.wait()
    assert str(error) == "the handler went on although it was cancelled"
    end.set()
    stopping.join(scaled(10))
    assert len(outcome.results) == 1


def test_the_late_end_of_a_coroutine_that_was_given_up_is_no_second_outcome(
    coroutines: Coroutines,
) -> None:
    entered, ended = threading.Event(), threading.Event()
    releases: list[asyncio.Future[None]] = []
    errors: list[BaseException | None] = []

    async def stubborn() -> None:
        releases.append(release := asyncio.get_running_loop().create_future())
        entered.set()
        while not release.done():
            try:
                await asyncio.shield(release)
            except asyncio.CancelledError:
                pass
        ended.set()

    def done(_: object, error: BaseException | None) -> None:
        errors.append(error)
        releases[0].set_result(None)

    coroutines.run(stubborn(), done)
    assert entered.wait(scaled(10))
    coroutines.stop(scaled(10))
    assert ended.is_set()
    assert [str(error) for error in errors] == ["the handler went on although it was cancelled"]


def test_a_coroutine_may_stop_the_loop_it_runs_on(coroutines: Coroutines) -> None:
    async def stop() -> str:
        coroutines.stop(scaled(10))
        return "stopped"

    outcome = Outcome()
    coroutines.run(stop(), outcome)
    assert outcome.wait()[0] in ("stopped", None)


def test_a_stopped_loop_starts_again_with_the_next_coroutine(coroutines: Coroutines) -> None:
    for _ in range(20):
        outcome = Outcome()
        coroutines.run(nap(), outcome)
        assert outcome.wait() == ("rested", None)
        coroutines.stop(scaled(10))


def test_sleep_goes_on_in_frozen_time(coroutines: Coroutines) -> None:
    with freeze_time("2031-04-05"):
        outcome = Outcome()
        coroutines.run(nap(), outcome)
        assert outcome.wait() == ("rested", None)
