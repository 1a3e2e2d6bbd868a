from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from freezegun import freeze_time

from kit.clock import monotonic
from kit.errors import ConfigurationError, WaitTimeoutError
from kit.record import Exchange, FrameLog, Journal
from kit.record.waiting import AsyncInbox
from support.deadlines import scaled
from support.exchanges import answer, make_connection, make_exchange, record

LONG_S = scaled(20)


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(LONG_S)
        assert not thread.is_alive()


def once_someone_waits(journal: Journal, work: Callable[[], object]) -> Callable[[], None]:
    """Make a function that does the work as soon as a waiter is enlisted."""

    def run() -> None:
        while not journal._inboxes:
            time.sleep(0)
        work()

    return run


def fail_to_find(journal: Journal, *args: object, **options: object) -> list[str]:
    with pytest.raises(WaitTimeoutError) as caught:
        journal.wait_for(*args, timeout=0, **options)  # type: ignore[arg-type]
    text = re.sub(r"\d+\.\d ms", "T", str(caught.value))
    text = re.sub(r"<Exchange \d+", "<Exchange N", text)
    return re.sub(r"exchange \d+$", "exchange N", text, flags=re.MULTILINE).splitlines()


def test_what_has_arrived_already_is_found_at_once() -> None:
    journal = Journal()
    exchange = record(journal, make_exchange())
    assert journal.wait_for("GET /user/bob", timeout=0) == [exchange]


def test_a_wait_ends_when_the_exchange_arrives() -> None:
    journal = Journal()
    exchange = make_exchange()
    with in_thread(once_someone_waits(journal, lambda: journal.started(exchange))):
        assert journal.wait_for("/user/bob", timeout=LONG_S) == [exchange]


def test_a_wait_for_a_state_ends_when_it_is_reached() -> None:
    journal = Journal()
    exchange = make_exchange()
    journal.started(exchange)
    with in_thread(once_someone_waits(journal, lambda: journal.complete(answer(exchange)))):
        found = journal.wait_for(state="complete", timeout=LONG_S)
    assert found == [exchange]


def test_a_wait_for_failure_ends_when_an_exchange_fails() -> None:
    journal = Journal()
    exchange = make_exchange()
    journal.started(exchange)
    with in_thread(once_someone_waits(journal, lambda: journal.failed(exchange, "reset"))):
        assert journal.wait_for(state="failed", timeout=LONG_S) == [exchange]


def test_a_wait_sees_the_progress_of_a_websocket() -> None:
    journal = Journal()
    exchange = make_exchange("GET", "/ws")
    journal.started(exchange)

    def send() -> None:
        exchange.frame_log = FrameLog()
        for _ in range(3):
            exchange.frame_log.add("received", 1, True, b"x")
            journal.progress(exchange)

    with in_thread(once_someone_waits(journal, send)):
        assert journal.wait_for(lambda one: len(one.frames) >= 3, timeout=LONG_S) == [exchange]


def test_an_exchange_counts_once_however_often_it_moves() -> None:
    journal = Journal()
    exchange = record(journal, make_exchange())
    journal.progress(exchange)
    with pytest.raises(WaitTimeoutError):
        journal.wait_for("/user/bob", count=2, timeout=0)


def test_the_first_to_arrive_are_returned_and_no_more_than_asked_for() -> None:
    journal = Journal()
    taken = [record(journal, make_exchange()) for _ in range(4)]
    assert journal.wait_for(count=2, timeout=0) == taken[:2]


def test_no_match_means_any_exchange() -> None:
    journal = Journal()
    exchange = record(journal, make_exchange("DELETE", "/x"))
    assert journal.wait_for(timeout=0) == [exchange]


@pytest.mark.parametrize(
    "match",
    [
        "/user/:name",
        "GET /user/:name",
        "/user/bob",
        "GET /user/bob",
        "/user/bob?x=1",
        "http://shop.test:81/user/bob?x=1",
        "GET http://shop.test:81/user/bob?x=1",
    ],
)
def test_text_matches_route_path_target_or_url(match: str) -> None:
    journal = Journal()
    exchange = record(journal, make_exchange("GET", "/user/bob?x=1", route="/user/:name"))
    assert journal.wait_for(match, timeout=0) == [exchange]


@pytest.mark.parametrize(
    "match", ["POST /user/:name", "/user", "/user/bo", "/user/:other", "http://shop.test/user/bob"]
)
def test_text_that_differs_does_not_match(match: str) -> None:
    journal = Journal()
    record(journal, make_exchange("GET", "/user/bob?x=1", route="/user/:name"))
    with pytest.raises(WaitTimeoutError):
        journal.wait_for(match, timeout=0)


def test_the_asterisk_can_be_waited_for() -> None:
    journal = Journal()
    exchange = record(journal, make_exchange("OPTIONS", "*"))
    assert journal.wait_for("OPTIONS *", timeout=0) == [exchange]


@pytest.mark.parametrize("match", ["user", "GET", "", " /user", "GET  /user", "GET PUT /user"])
def test_text_that_says_nothing_is_refused(match: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Journal().wait_for(match, timeout=0)
    assert str(caught.value) == (
        f"match {match!r} is not understood: expected a route's pattern, a path or a URL, "
        'with or without a method before it, for example "GET /user/:name"'
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count must be a whole number of at least 1, not 0"),
        ({"count": True}, "count must be a whole number of at least 1, not True"),
        ({"timeout": -1}, "timeout must be a finite number of seconds of at least 0, not -1"),
        (
            {"timeout": float("inf")},
            "timeout must be a finite number of seconds of at least 0, not inf",
        ),
        (
            {"state": "done"},
            "state 'done' is not one of received, handling, responding, complete, failed",
        ),
        ({"match": 3}, "match must be text, a function or None, not int"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Journal().wait_for(**options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_timeout_tells_that_nothing_came() -> None:
    assert fail_to_find(Journal(), "GET /user/:name") == [
        "waited 0 s for 1 exchange that matches GET /user/:name to be received, 0 did",
        "nothing has arrived: does the client use this server's address?",
    ]


def test_a_timeout_lists_what_came_and_what_was_nearest() -> None:
    journal = Journal()
    record(journal, make_exchange("GET", "/users/bob"), 404)
    record(journal, make_exchange("POST", "/user/bob", route="/user/:name"))
    assert fail_to_find(journal, "GET /user/:name") == [
        "waited 0 s for 1 exchange that matches GET /user/:name to be received, 0 did",
        "arrived (2):",
        "  <Exchange N GET /users/bob -> 404 (T)>",
        "  <Exchange N POST /user/bob -> 200 (T)>",
        "nearest:",
        "  exchange N",
        "    ✗ method POST, expected GET",
        "    ✓ route /user/:name, path /user/bob",
        "  exchange N",
        "    ✓ method GET",
        "    ✗ no route, path /users/bob, expected /user/:name",
    ]


def test_a_timeout_marks_what_counted() -> None:
    journal = Journal()
    record(journal, make_exchange())
    assert fail_to_find(journal, "/user/bob", count=2) == [
        "waited 0 s for 2 exchanges that match /user/bob to be received, 1 did",
        "arrived (1):",
        "  <Exchange N GET /user/bob -> 200 (T)> (counted)",
    ]


def test_a_timeout_tells_of_one_that_matches_in_another_state() -> None:
    journal = Journal()
    journal.started(make_exchange())
    assert fail_to_find(journal, "/user/bob", state="complete") == [
        "waited 0 s for 1 exchange that matches /user/bob to be complete, 0 did",
        "arrived (1):",
        "  <Exchange N GET /user/bob -> received (T)>",
        "nearest:",
        "  exchange N",
        "    ✓ no route, path /user/bob",
        "    ✗ state received, expected complete",
    ]


def test_a_timeout_lists_the_last_ten_alone() -> None:
    journal = Journal()
    for number in range(14):
        record(journal, make_exchange(target=f"/{number}"))
    lines = fail_to_find(journal, lambda one: False)
    assert lines[1] == "arrived (the last 10 of 14):"
    assert [line.split()[3] for line in lines[2:]] == [f"/{number}" for number in range(4, 14)]


def test_a_timeout_names_the_function_and_where_it_is_written() -> None:
    line = fail_to_find(Journal(), is_never)[0]
    number = is_never.__code__.co_firstlineno
    assert line == (
        f"waited 0 s for 1 exchange that matches is_never (test_waiting.py:{number}) "
        "to be received, 0 did"
    )


def is_never(exchange: Exchange) -> bool:
    return False


def test_a_timeout_is_a_timeout_error() -> None:
    with pytest.raises(TimeoutError):
        Journal().wait_for(timeout=0)


def test_a_match_that_raises_ends_the_wait_with_its_own_error() -> None:
    journal = Journal()
    exchange = make_exchange()
    journal.started(exchange)
    with pytest.raises(TypeError) as caught:
        journal.wait_for(lambda one: one.status >= 400, timeout=0)  # type: ignore[operator]
    (note,) = caught.value.__notes__
    assert re.sub(r"\d+\.\d ms", "T", note) == (
        "raised by the match given to wait_for when asked about "
        f"<Exchange {exchange.id} GET /user/bob -> received (T)>; "
        "state='complete' asks only about complete exchanges"
    )


def test_a_match_is_asked_only_in_the_waiting_thread() -> None:
    journal = Journal()
    asked: set[int] = set()

    def match(exchange: Exchange) -> bool:
        asked.add(threading.get_ident())
        return True

    with in_thread(once_someone_waits(journal, lambda: record(journal, make_exchange()))):
        journal.wait_for(match, timeout=LONG_S)
    assert asked == {threading.get_ident()}


def test_a_wait_leaves_nothing_behind() -> None:
    journal = Journal()
    with pytest.raises(WaitTimeoutError):
        journal.wait_for(timeout=0)
    assert journal._inboxes == ()


def test_an_exchange_that_is_dropped_meanwhile_still_counts() -> None:
    journal = Journal(max_exchanges=1)

    def send() -> None:
        for number in range(3):
            record(journal, make_exchange(target=f"/{number}"))

    with in_thread(once_someone_waits(journal, send)):
        found = journal.wait_for("/0", timeout=LONG_S)
    assert [one.target for one in found] == ["/0"]


def test_a_slow_match_is_told_of_as_such() -> None:
    journal = Journal(max_exchanges=2)

    def match(exchange: Exchange) -> bool:
        for _ in range(600):
            record(journal, make_exchange(target="/more"))
        return False

    record(journal, make_exchange())
    with pytest.raises(WaitTimeoutError) as caught:
        journal.wait_for(match, timeout=0.001)
    assert re.search(
        r"^the match was too slow to see \d+ of those that moved$", str(caught.value), re.MULTILINE
    )


def test_frozen_time_does_not_stop_a_timeout() -> None:
    began = monotonic()
    with freeze_time("2020-01-01"), pytest.raises(WaitTimeoutError) as caught:
        Journal().wait_for(timeout=0.05)
    assert 0.05 <= monotonic() - began < LONG_S
    assert str(caught.value).startswith("waited 0.05 s for 1 exchange to be received, 0 did")


def test_moving_frozen_time_does_not_end_a_wait() -> None:
    journal = Journal()
    exchange = make_exchange()
    with freeze_time("2020-01-01") as frozen:

        def send() -> None:
            frozen.tick(100_000)
            journal.started(exchange)

        with in_thread(once_someone_waits(journal, send)):
            assert journal.wait_for(timeout=LONG_S) == [exchange]


def test_a_coroutine_can_wait_without_blocking_its_loop() -> None:
    journal = Journal()
    exchange = make_exchange()

    async def send() -> None:
        while not journal._inboxes:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)
        journal.started(exchange)

    async def main() -> list[Exchange]:
        sending = asyncio.create_task(send())
        found = await journal.wait_for_async("/user/bob", timeout=LONG_S)
        await sending
        return found

    assert asyncio.run(main()) == [exchange]


def test_a_coroutine_is_woken_from_other_threads() -> None:
    journal = Journal()
    exchange = make_exchange()
    with in_thread(once_someone_waits(journal, lambda: journal.started(exchange))):
        assert asyncio.run(journal.wait_for_async(timeout=LONG_S)) == [exchange]


def test_a_coroutine_finds_what_has_arrived_already() -> None:
    journal = Journal()
    exchange = record(journal, make_exchange())
    assert asyncio.run(journal.wait_for_async("/user/bob", timeout=0)) == [exchange]


def test_a_coroutine_times_out_also_under_frozen_time() -> None:
    with freeze_time("2020-01-01"), pytest.raises(WaitTimeoutError) as caught:
        asyncio.run(Journal().wait_for_async(timeout=0.05))
    assert str(caught.value).startswith("waited 0.05 s for 1 exchange to be received, 0 did")


def test_a_coroutine_that_is_cancelled_leaves_nothing_behind() -> None:
    journal = Journal()

    async def main() -> None:
        waiting = asyncio.create_task(journal.wait_for_async(timeout=LONG_S))
        while not journal._inboxes:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert journal._inboxes == ()


def test_an_arrival_after_the_loop_has_closed_disturbs_nobody() -> None:
    async def enlist() -> AsyncInbox:
        return AsyncInbox(10)

    inbox = asyncio.run(enlist())
    exchange = make_exchange()
    inbox.put(exchange)
    assert inbox.drain() == [exchange]


@pytest.mark.parametrize("state", ["received", "complete"])
def test_no_wake_up_is_lost_between_threads(state: str) -> None:
    connection = make_connection()
    for _ in range(200):
        journal = Journal()
        barrier = threading.Barrier(3)

        def send(journal: Journal = journal, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(LONG_S)
            record(journal, make_exchange(connection=connection))

        with in_thread(send), in_thread(send):
            barrier.wait(LONG_S)
            assert len(journal.wait_for(count=2, timeout=LONG_S, state=state)) == 2


def test_many_waiters_are_all_woken() -> None:
    journal = Journal()
    found: list[int] = []

    def wait() -> None:
        found.append(len(journal.wait_for(count=30, timeout=LONG_S, state="complete")))

    waiters = [threading.Thread(target=wait) for _ in range(8)]
    for waiter in waiters:
        waiter.start()
    for _ in range(30):
        record(journal, make_exchange())
    for waiter in waiters:
        waiter.join(LONG_S)
    assert found == [30] * 8


def test_no_wake_up_is_lost_between_a_thread_and_a_loop() -> None:
    journal = Journal()

    async def main() -> None:
        for number in range(1, 101):
            waiting = asyncio.create_task(
                journal.wait_for_async(count=number, timeout=LONG_S, state="complete")
            )
            sender = threading.Thread(target=record, args=(journal, make_exchange()))
            sender.start()
            assert len(await waiting) == number
            sender.join(LONG_S)

    asyncio.run(main())
