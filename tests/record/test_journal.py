from __future__ import annotations

import gc
import threading
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.record import BodyRecord, Exchange, FrameLog, Journal
from support.deadlines import scaled
from support.exchanges import answer, make_connection, make_exchange, record


def test_an_exchange_is_in_the_journal_from_its_arrival_on() -> None:
    journal = Journal()
    exchange = make_exchange()
    journal.started(exchange)
    assert list(journal) == [exchange]
    assert exchange.state == "received"


def test_exchanges_stand_in_order_of_arrival_whenever_they_end() -> None:
    journal = Journal()
    slow, fast = make_exchange(), make_exchange()
    journal.started(slow)
    journal.started(fast)
    journal.complete(answer(fast))
    journal.complete(answer(slow))
    assert list(journal) == [slow, fast]


def test_completion_is_stamped_where_nobody_has() -> None:
    journal = Journal()
    exchange = make_exchange()
    journal.started(exchange)
    journal.complete(exchange)
    assert exchange.is_complete
    assert exchange.duration_s >= 0


def test_a_failure_tells_why() -> None:
    journal = Journal()
    exchange = make_exchange()
    journal.started(exchange)
    journal.failed(exchange, "connection reset by peer")
    assert (exchange.state, exchange.error) == ("failed", "connection reset by peer")


def test_the_first_error_stays() -> None:
    journal = Journal()
    exchange = make_exchange()
    exchange.error = "timed out"
    journal.started(exchange)
    journal.failed(exchange, "connection closed")
    assert exchange.error == "timed out"


def test_a_journal_is_read_like_a_list() -> None:
    journal = Journal()
    taken = [record(journal, make_exchange()) for _ in range(4)]
    assert len(journal) == 4
    assert (journal[0], journal[-1]) == (taken[0], taken[3])
    assert journal[1:3] == taken[1:3]
    assert taken[2] in journal


def test_the_end_of_the_record_is_read_by_time() -> None:
    journal = Journal(max_exchanges=5)
    connection = make_connection()
    for number in range(8):
        exchange = make_exchange(target=f"/{number}", connection=connection)
        exchange.received_at = float(number)
        record(journal, exchange)
    assert [each.path for each in journal.list_since(6.0)] == ["/6", "/7"]
    assert [each.path for each in journal.list_since(6.5)] == ["/7"]
    assert journal.list_since(9.0) == []
    assert journal.dropped == 3
    assert [each.path for each in journal.list_since(0.0)] == ["/3", "/4", "/5", "/6", "/7"]
    journal.clear()
    assert journal.list_since(0.0) == []


def test_the_end_of_the_record_is_read_while_it_grows() -> None:
    journal = Journal()
    connection = make_connection()
    first = make_exchange(target="/first", connection=connection)
    journal.started(first)

    def store() -> None:
        for _ in range(3000):
            journal.started(make_exchange(connection=connection))

    thread = threading.Thread(target=store)
    thread.start()
    while thread.is_alive():
        found = journal.list_since(first.received_at)
        assert found[0] is first
        assert [each.id for each in found] == sorted({each.id for each in found})
    assert len(journal.list_since(first.received_at)) == 3001


def test_an_index_out_of_range_tells_how_many_there_are() -> None:
    journal = Journal()
    record(journal, make_exchange())
    with pytest.raises(IndexError) as caught:
        journal[1]
    assert str(caught.value) == "journal index 1 is out of range: it has 1 exchanges"


def test_iteration_works_on_a_snapshot() -> None:
    journal = Journal()
    record(journal, make_exchange())
    for _ in journal:
        record(journal, make_exchange())
        assert len(journal) < 5
    assert len(journal) == 2


def test_the_oldest_complete_ones_are_dropped_first() -> None:
    journal = Journal(max_exchanges=3)
    websocket = make_exchange("GET", "/ws")
    journal.started(websocket)
    taken = [record(journal, make_exchange()) for _ in range(5)]
    assert list(journal) == [websocket, *taken[3:]]
    assert journal.dropped == 3


def test_open_ones_are_dropped_when_no_other_is_left() -> None:
    journal = Journal(max_exchanges=2)
    taken = [make_exchange() for _ in range(3)]
    for exchange in taken:
        journal.started(exchange)
    assert list(journal) == taken[1:]
    assert journal.dropped == 1


def test_an_open_one_that_was_dropped_does_not_come_back() -> None:
    journal = Journal(max_exchanges=1)
    first, second = make_exchange(), make_exchange()
    journal.started(first)
    journal.started(second)
    assert list(journal) == [second]
    journal.complete(answer(first, body=bytes(1000)))
    journal.complete(answer(second))
    assert list(journal) == [second]
    assert journal.recorded_bytes == second.recorded_bytes


def test_dropped_exchanges_are_freed() -> None:
    journal = Journal(max_exchanges=10)
    first = make_exchange()
    first.matches = Matches()
    freed = weakref.ref(first.matches)
    record(journal, first)
    del first
    for _ in range(100):
        record(journal, make_exchange())
    gc.collect()
    assert freed() is None


class Matches(dict[str, str]):
    """A dict that a weak reference may point to."""


def test_the_bound_on_bytes_drops_what_was_complete_first() -> None:
    journal = Journal(max_bytes=50_000, body_cap=20_000)
    taken = [record(journal, make_exchange(), body=bytes(15_000)) for _ in range(5)]
    assert list(journal) == taken[2:]
    assert journal.recorded_bytes <= 50_000
    assert journal.dropped == 2


def test_long_bodies_are_cut_to_the_cap() -> None:
    journal = Journal(body_cap=4)
    exchange = record(journal, make_exchange(), body=b"hello")
    assert isinstance(exchange.response_content, BodyRecord)
    assert (exchange.response_body, exchange.response_body_length) == (b"hell", 5)


def grow(journal: Journal, exchange: Exchange, size: int) -> None:
    if exchange.frame_log is None:
        exchange.frame_log = FrameLog()
    exchange.frame_log.add("received", 2, True, bytes(size))
    journal.progress(exchange)


def test_an_open_websocket_counts_as_its_frames_come() -> None:
    journal = Journal()
    websocket = make_exchange("GET", "/ws")
    journal.started(websocket)
    for _ in range(10):
        grow(journal, websocket, 20_000)
    assert 180_000 <= journal.recorded_bytes <= 210_000


def test_a_websocket_that_ends_is_counted_once() -> None:
    journal = Journal()
    websocket = make_exchange("GET", "/ws")
    journal.started(websocket)
    grow(journal, websocket, 50_000)
    journal.complete(answer(websocket, 101))
    assert journal.recorded_bytes == websocket.recorded_bytes
    assert 50_000 <= journal.recorded_bytes <= 53_000


def test_open_websockets_too_are_held_to_the_bound_on_bytes() -> None:
    journal = Journal(max_bytes=100_000)
    idle, first, second = (make_exchange("GET", "/ws") for _ in range(3))
    for websocket in (idle, first, second):
        journal.started(websocket)
    grow(journal, first, 60_000)
    grow(journal, second, 60_000)
    assert list(journal) == [idle, second]
    assert journal.recorded_bytes <= 100_000
    assert (first.frames, first.dropped_frames) == ([], 1)


def test_a_journal_that_is_cleared_forgets_everything() -> None:
    journal = Journal(max_exchanges=1)
    still_open = make_exchange()
    record(journal, make_exchange())
    record(journal, make_exchange())
    journal.started(still_open)
    journal.clear()
    journal.complete(answer(still_open))
    assert (len(journal), journal.dropped, journal.recorded_bytes) == (0, 0, 0)


def test_a_websocket_that_was_forgotten_is_not_counted() -> None:
    journal = Journal()
    websocket = make_exchange("GET", "/ws")
    journal.started(websocket)
    journal.clear()
    grow(journal, websocket, 50_000)
    assert (len(journal), journal.recorded_bytes) == (0, 0)


def test_an_empty_journal_is_false() -> None:
    assert not Journal()


@pytest.fixture
def shop() -> Journal:
    journal = Journal()
    record(journal, make_exchange("GET", "/user/bob?x=1", route="/user/:name"))
    record(journal, make_exchange("POST", "/user/bob", route="/user/:name"), 201)
    record(journal, make_exchange("GET", "/user/eve", route="/user/:name"), 500)
    record(journal, make_exchange("GET", "/nowhere"), 404)
    return journal


@pytest.mark.parametrize(
    ("conditions", "indices"),
    [
        ({}, [0, 1, 2, 3]),
        ({"method": "GET"}, [0, 2, 3]),
        ({"path": "/user/bob"}, [0, 1]),
        ({"route": "/user/:name"}, [0, 1, 2]),
        ({"route": "POST /user/:name"}, [1]),
        ({"route": "/user/bob"}, []),
        ({"status": 404}, [3]),
        ({"method": "GET", "path": "/user/eve", "status": 500}, [2]),
        ({"method": "PUT"}, []),
    ],
)
def test_a_filter_keeps_what_meets_every_condition(
    shop: Journal, conditions: dict[str, object], indices: list[int]
) -> None:
    assert shop.filter(**conditions) == [shop[index] for index in indices]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"max_exchanges": 0}, "max_exchanges must be a whole number of at least 1, not 0"),
        ({"max_bytes": 1.5}, "max_bytes must be a whole number of at least 1, not 1.5"),
        ({"body_cap": -1}, "body_cap must be a whole number of at least 0, not -1"),
        ({"max_exchanges": True}, "max_exchanges must be a whole number of at least 1, not True"),
    ],
)
def test_a_bound_that_cannot_work_is_refused(bounds: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Journal(**bounds)
    assert str(caught.value) == f"journal bound {message}"


def test_the_repr_tells_counts_bytes_and_drops() -> None:
    journal = Journal(max_exchanges=2)
    record(journal, make_exchange())
    kept = record(journal, make_exchange())
    journal.started(make_exchange())
    assert repr(journal) == (
        f"<Journal 2 exchanges, 1 open, {kept.recorded_bytes} bytes, 1 dropped>"
    )
    journal.clear()
    assert repr(journal) == "<Journal 0 exchanges, 0 open, 0 bytes>"


Steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "finish", "fail", "grow", "clear", "look"]), st.integers(0, 9)
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(Steps, st.integers(1, 6))
def test_whatever_happens_the_bounds_hold_and_the_books_balance(
    steps: list[tuple[str, int]], max_exchanges: int
) -> None:
    journal = Journal(max_exchanges=max_exchanges, max_bytes=60_000)
    started: list[Exchange] = []
    for step, number in steps:
        still_open = [one for one in started if not one.is_done]
        if step == "start":
            started.append(make_exchange())
            journal.started(started[-1])
        elif step == "clear":
            journal.clear()
        elif step == "look":
            assert len(journal) <= max_exchanges
        elif still_open:
            chosen = still_open[number % len(still_open)]
            if step == "grow":
                grow(journal, chosen, number * 3000)
            elif step == "finish":
                journal.complete(answer(chosen, body=bytes(number * 1000)))
            else:
                journal.failed(chosen, "reset")
    assert len(journal) <= max_exchanges
    assert journal.recorded_bytes <= 60_000
    for exchange in started:
        if not exchange.is_done:
            journal.complete(exchange)
    assert journal.recorded_bytes == sum(one.recorded_bytes for one in journal)


def test_two_journals_may_share_an_exchange() -> None:
    first, second = Journal(body_cap=10), Journal(body_cap=5)
    exchange = make_exchange()
    for journal in (first, second):
        journal.started(exchange)
    for journal in (first, second):
        journal.complete(answer(exchange, body=b"hello") if not exchange.is_done else exchange)
    assert first.recorded_bytes == second.recorded_bytes == exchange.recorded_bytes


def test_many_threads_write_and_read_at_once() -> None:
    journal = Journal(max_exchanges=50)
    each, connection = 400, make_connection()
    failures: list[BaseException] = []

    def write() -> None:
        for _ in range(each):
            record(journal, make_exchange(connection=connection))

    def read() -> None:
        for _ in range(200):
            ids = [exchange.id for exchange in journal]
            assert len(ids) <= 50 + 32 + 6
            assert len(ids) == len(set(ids))
            journal.filter(status=200)

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in [write] * 6 + [read] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(30))
    assert failures == []
    assert len(journal) == 50
    assert journal.dropped == 6 * each - 50
    assert journal.recorded_bytes == sum(one.recorded_bytes for one in journal)
