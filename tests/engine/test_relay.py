from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.clock import monotonic
from kit.engine.bench import Bench
from kit.engine.channel import BENCH, EXPIRED, GONE, PARKED, READ, RESUME, Channel
from kit.engine.relay import Relay
from kit.errors import StateError
from kit.wire.streams import SocketStream
from support.deadlines import scaled
from support.lead import GuardedSelector, guard, settle


class User:
    def abandon(self) -> None:
        """Nothing is held."""


class Line(Channel):
    """One end of a socket pair; the test has the other."""

    def __init__(self, relay: Relay, act: Callable[[Line, int], int]) -> None:
        sock, self.other = socket.socketpair()
        self.other.settimeout(scaled(10))
        super().__init__(relay, SocketStream(sock))
        self.act = act
        self.turns: list[int] = []
        self.threads: list[int] = []
        self.errors: list[BaseException] = []
        self.ended = threading.Event()
        self.stalled = threading.Event()
        self.is_slow = False
        self.came_back_count = 0

    def step(self, ready: int) -> int:
        self.turns.append(ready)
        self.threads.append(threading.get_ident())
        return self.act(self, ready)

    def expire(self) -> int:
        return self.step(EXPIRED)

    def fail(self, error: BaseException) -> None:
        self.errors.append(error)

    def note_stall(self) -> None:
        self.stalled.set()

    def is_hot(self) -> bool:
        return self.is_slow

    def came_back(self) -> None:
        self.came_back_count += 1

    def close(self) -> None:
        super().close()
        self.ended.set()


def echo(line: Line, ready: int) -> int:
    data = line.stream.recv(100)
    if data == b"":
        line.close()
        return GONE
    if data:
        line.write(data.upper())
    return READ


@pytest.fixture
def relay() -> Iterator[Relay]:
    user = User()
    relay = Relay.acquire(user)
    guarded = guard(relay)
    yield relay
    relay.release(user)
    assert guarded.overlaps == 0


@pytest.fixture
def join(relay: Relay) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def make(act: Callable[[Line, int], int] = echo, want: int = READ) -> Line:
        line = Line(relay, act)
        lines.append(line)
        relay.adopt(line, want)
        return line

    yield make
    for line in lines:
        line.other.close()
    for line in lines:
        assert line.ended.wait(scaled(10)), "a channel outlived its peer"


Join = Callable[..., Line]


def test_a_channel_gets_a_turn_when_it_is_ready(join: Join) -> None:
    line = join()
    line.other.send(b"ab")
    assert line.other.recv(10) == b"AB"
    line.other.send(b"c")
    assert line.other.recv(10) == b"C"
    assert line.turns == [READ, READ]


def test_a_user_shares_the_relay_and_the_last_one_ends_it() -> None:
    first, second = User(), User()
    relay = Relay.acquire(first)
    assert Relay.acquire(second) is relay
    relay.release(first)
    settle(relay)
    relay.release(second)
    with pytest.raises(StateError) as raised:
        relay.call(list)
    assert str(raised.value) == "the relay has stopped: start the server or client again"
    relay.release(second)


def test_a_turn_that_lasts_hands_the_lead_over_and_keeps_its_channel(
    relay: Relay, join: Join
) -> None:
    go = threading.Event()

    def hold(line: Line, ready: int) -> int:
        assert go.wait(scaled(10))
        return echo(line, ready)

    slow, quick = join(hold), join()
    slow.other.send(b"slow")
    assert slow.stalled.wait(scaled(10))
    quick.other.send(b"quick")
    assert quick.other.recv(10) == b"QUICK"
    assert slow.threads[0] != quick.threads[0]
    go.set()
    assert slow.other.recv(10) == b"SLOW"
    settle(relay)
    slow.other.send(b"again")
    assert slow.other.recv(10) == b"AGAIN"
    assert relay.stalls >= 1
    assert slow.came_back_count >= 2


def test_a_turn_on_the_bench_is_no_stall(relay: Relay, join: Join) -> None:
    def act(line: Line, ready: int) -> int:
        if ready == READ:
            return BENCH
        threading.Event().wait(0.03)
        return echo(line, ready)

    # On a busy machine any turn may stall, but not always the one on the leader.
    for _ in range(20):
        line = join(act)
        line.other.send(b"x")
        assert line.other.recv(10) == b"X"
        assert line.turns == [READ, RESUME]
        assert line.threads[0] != line.threads[1]
        if not line.stalled.is_set():
            return
    pytest.fail("each turn was taken for a stall")


def test_a_bench_thread_stays_with_a_hot_channel(relay: Relay, join: Join) -> None:
    def act(line: Line, ready: int) -> int:
        return BENCH if len(line.turns) == 1 else echo(line, ready)

    line = join(act)
    line.is_slow = True
    line.other.send(b"x")
    for _ in range(5):
        assert line.other.recv(10) == b"X"
        line.other.send(b"x")
    assert line.other.recv(10) == b"X"
    assert len(set(line.threads[1:])) == 1
    assert line.threads[0] not in line.threads[1:]


def test_a_hot_channel_past_its_deadline_goes_back_to_the_leader(join: Join) -> None:
    def act(line: Line, ready: int) -> int:
        if ready == EXPIRED:
            line.close()
            return GONE
        if len(line.turns) == 1:
            line.deadline = monotonic() + 0.05
            return BENCH
        return echo(line, ready)

    line = join(act)
    line.is_slow = True
    began = monotonic()
    while not line.ended.is_set() and monotonic() < began + scaled(5):
        try:
            line.other.send(b"x")
            line.other.recv(10)
        except OSError:
            break
    assert line.turns[-1] == EXPIRED


def test_a_parked_channel_waits_to_be_resumed(relay: Relay, join: Join) -> None:
    parked = threading.Event()

    def act(line: Line, ready: int) -> int:
        if ready == READ and not parked.is_set():
            parked.set()
            return PARKED
        return echo(line, ready)

    line = join(act)
    line.other.send(b"x")
    assert parked.wait(scaled(10))
    settle(relay)
    settle(relay)
    assert line.turns == [READ]
    assert line.is_parked
    relay.resume(line)
    assert line.other.recv(10) == b"X"
    assert line.turns == [READ, RESUME]


def test_a_poke_gives_a_turn(relay: Relay, join: Join) -> None:
    line = join()
    relay.poke(line)
    settle(relay)
    assert line.turns == [RESUME]
    line.other.send(b"x")
    assert line.other.recv(10) == b"X"


def test_a_poke_while_a_bench_thread_has_the_channel_is_not_lost(relay: Relay, join: Join) -> None:
    """The owner may have looked for the last time, and be about to give it back."""
    entered, go, poked = threading.Event(), threading.Event(), threading.Event()

    def act(line: Line, ready: int) -> int:
        if len(line.turns) == 1:
            return BENCH
        if len(line.turns) == 2:
            entered.set()
            assert go.wait(scaled(10))
            return READ
        poked.set()
        return echo(line, ready)

    line = join(act)
    line.other.send(b"x")
    assert entered.wait(scaled(10))
    line.stream.recv(1)  # so that nothing but the poke can cause a turn
    relay.poke(line)
    settle(relay)
    go.set()
    assert poked.wait(scaled(10)), "the poke was lost"
    assert line.turns == [READ, RESUME, RESUME]


def test_a_deadline_causes_a_turn(join: Join) -> None:
    def act(line: Line, ready: int) -> int:
        if ready == EXPIRED:
            line.close()
            return GONE
        line.stream.recv(100)
        line.deadline = monotonic() + 0.05
        return READ

    line = join(act)
    began = monotonic()
    line.other.send(b"x")
    assert line.ended.wait(scaled(10))
    assert monotonic() - began >= 0.05
    assert line.turns[-1] == EXPIRED


def test_many_deadlines_at_once_all_expire_though_one_turn_stalls(join: Join) -> None:
    at = monotonic() + 0.1
    lines = []
    for index in range(20):

        def act(line: Line, ready: int, *, is_slow: bool = index == 3) -> int:
            if ready == EXPIRED:
                if is_slow:
                    assert line.stalled.wait(scaled(10))
                line.close()
                return GONE
            return READ

        lines.append(join(act))
        lines[-1].deadline = at
    for line in lines:
        line.relay.poke(line)
    for line in lines:
        assert line.ended.wait(scaled(10)), "a deadline was lost with the lead"


def test_calls_run_in_order_on_the_leader(relay: Relay) -> None:
    seen: list[int] = []
    done = threading.Event()
    for number in range(100):
        relay.call(seen.append, number)
    relay.call(done.set)
    assert done.wait(scaled(10))
    assert seen == list(range(100))


def test_no_call_is_lost_between_many_threads(relay: Relay) -> None:
    done = threading.Semaphore(0)

    def give() -> None:
        for _ in range(500):
            relay.call(done.release)

    threads = [threading.Thread(target=give) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(20))
    for _ in range(2000):
        assert done.acquire(timeout=scaled(10)), "a call was lost"


def test_a_call_made_in_a_turn_that_loses_the_lead_is_not_lost(relay: Relay, join: Join) -> None:
    made = threading.Semaphore(0)

    def act(line: Line, ready: int) -> int:
        line.stalled.clear()
        data = line.stream.recv(100)
        if data == b"":
            line.close()
            return GONE
        relay.call(made.release)
        if data == b"s":
            line.stalled.wait(scaled(10))
        relay.call(made.release)
        return READ

    line = join(act)
    for index in range(60):
        line.other.send(b"s" if index % 3 == 0 else b"q")
        for _ in range(2):
            assert made.acquire(timeout=scaled(10)), "a call was lost"


def test_a_call_later_is_made_in_time_unless_cancelled(relay: Relay) -> None:
    called: list[float] = []
    done = threading.Event()
    began = monotonic()
    cancelled = relay.call_later(0.01, lambda: called.append(-1.0))
    cancelled.cancel()
    relay.call_later(0.05, done.set)
    assert done.wait(scaled(10))
    assert monotonic() - began >= 0.05
    assert called == []


def test_an_error_of_a_call_is_logged_and_the_relay_goes_on(
    relay: Relay, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: BaseException) -> None:
        raise error

    line = join()
    relay.call(fail, ValueError("no"))
    relay.call(fail, SystemExit())
    line.other.send(b"x")
    assert line.other.recv(10) == b"X"
    settle(relay)
    assert caplog.text.count("unexpected error in the relay") == 2


def test_a_channel_that_cannot_even_fail_is_closed_and_the_lead_stays_one(
    relay: Relay, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Line):
        def fail(self, error: BaseException) -> None:
            raise RuntimeError("cannot fail")

    def act(line: Line, ready: int) -> int:
        raise ValueError("no")

    broken, line = Broken(relay, act), join()
    relay.adopt(broken, READ)
    broken.other.send(b"x")
    assert broken.ended.wait(scaled(10))
    settle(relay)
    assert relay.desk == []
    for _ in range(3):
        line.other.send(b"x")
        assert line.other.recv(10) == b"X"
    assert "unexpected error" in caplog.text
    broken.other.close()


def test_a_channel_that_cannot_be_polled_is_ended(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(relay, echo)
    line.stream.close()
    relay.adopt(line, READ)
    assert line.ended.wait(scaled(10))
    settle(relay)
    assert len(line.errors) == 1
    assert not line.is_registered
    line.other.close()


class PoorBench(Bench):
    """A bench on a system that gives no thread for a while."""

    refusals = 0

    def _start(self, job: Callable[[], None]) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise RuntimeError("can't start new thread")
        super()._start(job)


@pytest.mark.parametrize("started", [0, 1])
def test_a_relay_that_is_given_no_thread_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, started: int
) -> None:
    start, left = threading.Thread.start, [None] * started

    def start_some(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    relay = Relay()
    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", start_some)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        relay.start()
    assert threading.active_count() == before
    assert relay._wake_in.fileno() == relay._wake_out.fileno() == -1
    assert relay._selector.get_map() is None


@pytest.fixture
def poor() -> Iterator[tuple[Relay, PoorBench, GuardedSelector]]:
    relay = Relay()
    relay._bench = bench = PoorBench("poor-bench")
    relay.start()
    guarded = guard(relay)
    yield relay, bench, guarded
    relay.stop()
    assert guarded.overlaps == 0


def test_without_a_thread_a_slow_turn_runs_in_place(
    poor: tuple[Relay, PoorBench, GuardedSelector], caplog: pytest.LogCaptureFixture
) -> None:
    relay, bench, _ = poor
    line = Line(relay, lambda line, ready: BENCH if ready == READ else echo(line, ready))
    bench.refusals = 1
    relay.adopt(line, READ)
    line.other.send(b"x")
    assert line.other.recv(10) == b"X"
    assert "it runs in place: can't start new thread" in caplog.text
    line.other.close()
    assert line.ended.wait(scaled(10))


def test_without_a_thread_for_a_deputy_the_lead_is_given_as_soon_as_there_is_one(
    poor: tuple[Relay, PoorBench, GuardedSelector], caplog: pytest.LogCaptureFixture
) -> None:
    relay, bench, _ = poor
    go = threading.Event()

    def hold(line: Line, ready: int) -> int:
        go.wait(scaled(10))
        return echo(line, ready)

    slow, quick = Line(relay, hold), Line(relay, echo)
    for line in (slow, quick):
        relay.adopt(line, READ)
    bench.refusals = 5
    slow.other.send(b"x")
    assert slow.stalled.wait(scaled(10))
    quick.other.send(b"x")
    assert quick.other.recv(10) == b"X"
    assert caplog.text.count("no thread to poll on") == 1
    go.set()
    assert slow.other.recv(10) == b"X"
    for line in (slow, quick):
        line.other.close()
        assert line.ended.wait(scaled(10))


def test_a_stop_without_a_thread_for_a_deputy_is_bounded() -> None:
    relay = Relay()
    relay._bench = bench = PoorBench("poor-bench")
    relay.start()
    go = threading.Event()

    def hold(line: Line, ready: int) -> int:
        go.wait(scaled(10))
        return echo(line, ready)

    line = Line(relay, hold)
    relay.adopt(line, READ)
    settle(relay)
    bench.refusals = 1_000_000
    line.other.send(b"x")
    assert line.stalled.wait(scaled(10))
    began = monotonic()
    relay.stop()
    assert monotonic() - began < scaled(4)
    go.set()
    assert line.ended.wait(scaled(10))
    line.other.close()


# The end


def make_relay() -> Relay:
    relay = Relay()
    relay.start()
    return relay


def test_a_stop_ends_every_registered_channel() -> None:
    relay = make_relay()
    lines = [Line(relay, echo) for _ in range(20)]
    for line in lines:
        relay.adopt(line, READ)
    relay.stop()
    for line in lines:
        assert line.is_closed
        assert [str(error) for error in line.errors] == ["the relay has stopped"]
        line.other.close()


def test_a_channel_brought_back_after_the_stop_is_ended_by_its_owner(
    caplog: pytest.LogCaptureFixture,
) -> None:
    relay = make_relay()
    go = threading.Event()

    def hold(line: Line, ready: int) -> int:
        if ready == READ:
            return BENCH
        assert go.wait(scaled(20))
        return READ

    line = Line(relay, hold)
    relay.adopt(line, READ)
    line.other.send(b"x")
    settle(relay)
    with caplog.at_level(logging.WARNING, "kit"):
        relay.stop()
    assert "handlers still running when the relay stopped, on kit-bench-" in caplog.text
    assert not line.is_closed
    go.set()
    assert line.ended.wait(scaled(10))
    line.other.close()


def test_a_poke_after_the_stop_does_not_touch_what_others_own() -> None:
    relay = make_relay()
    relay.stop()
    line = Line(relay, echo)
    relay.poke(line)
    relay.resume(line)
    assert not line.ended.is_set()
    relay.adopt(line, READ)
    assert line.ended.wait(0)
    line.other.close()


def test_channels_handed_over_during_the_stop_all_end() -> None:
    for _ in range(100):
        relay = make_relay()
        lines = [Line(relay, echo) for _ in range(4)]

        def give(relay: Relay = relay, lines: list[Line] = lines) -> None:
            for line in lines:
                relay.adopt(line, READ)

        giver = threading.Thread(target=give)
        giver.start()
        relay.stop()
        giver.join(scaled(10))
        for line in lines:
            assert line.ended.wait(scaled(10)), "a channel was left to nobody"
            line.other.close()


def test_the_lead_is_one_while_turns_last_about_as_long_as_the_budget(
    relay: Relay, join: Join
) -> None:
    """Promotion races the return of the turn, over and over."""
    pauses = [0.0, 0.004, 0.0049, 0.0051, 0.006, 0.0075, 0.0099, 0.0101]

    def act(line: Line, ready: int) -> int:
        pause_s = pauses[len(line.turns) % len(pauses)]
        if pause_s:
            threading.Event().wait(pause_s)
        return echo(line, ready)

    lines = [join(act) for _ in range(4)]

    def talk(line: Line, failures: list[Any]) -> None:
        for number in range(100):
            text = f"n{number}"
            line.other.send(text.encode())
            answer = line.other.recv(100)
            if answer != text.upper().encode():
                failures.append((text, answer))

    failures: list[Any] = []
    threads = [threading.Thread(target=talk, args=(line, failures)) for line in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(30))
        assert not thread.is_alive()
    assert failures == []
    assert relay.stalls > 0


def test_a_call_that_wakes_nobody_is_made_before_the_next_one_that_does(relay: Relay) -> None:
    called: list[str] = []
    done = threading.Event()

    def finish() -> None:
        called.append("second")
        done.set()

    settle(relay)
    relay.call_next(called.append, "first")
    relay.call(finish)
    assert done.wait(scaled(10))
    assert called == ["first", "second"]
