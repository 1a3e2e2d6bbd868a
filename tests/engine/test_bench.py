from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

import kit.engine.bench
from kit.clock import monotonic
from kit.engine.bench import Bench
from support.deadlines import scaled


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench("test-bench", max_threads=4)
    yield bench
    assert bench.close(scaled(10)) == []


class Work:
    """A job that waits to be released."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.began.set()
        assert self.go.wait(scaled(20))


def test_a_job_runs_on_another_thread(bench: Bench) -> None:
    work = Work()
    bench.run(work)
    assert work.began.wait(scaled(10))
    assert work.thread is not None
    assert work.thread is not threading.current_thread()
    assert (work.thread.name, work.thread.daemon) == ("test-bench-1", True)
    work.go.set()


def wait_idle(bench: Bench, count: int) -> None:
    deadline, pause = monotonic() + scaled(10), threading.Event()
    while len(bench._idle) != count:
        assert monotonic() < deadline, f"{len(bench._idle)} idle threads, not {count}"
        pause.wait(0.001)


def test_an_idle_thread_is_used_again(bench: Bench) -> None:
    names = set()
    for _ in range(20):
        work = Work()
        work.go.set()
        bench.run(work)
        assert work.began.wait(scaled(10))
        assert work.thread is not None
        names.add(work.thread.name)
        wait_idle(bench, 1)
    assert names == {"test-bench-1"}


def test_jobs_beyond_the_bound_wait_in_order_and_the_log_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    busy = [Work() for _ in range(4)]
    for work in busy:
        bench.run(work)
    order: list[int] = []
    done = threading.Semaphore(0)

    def note(number: int) -> None:
        order.append(number)
        done.release()

    with caplog.at_level(logging.WARNING, "kit"):
        for number in range(5):
            bench.run(lambda number=number: note(number))  # type: ignore[misc]
    assert [record.getMessage() for record in caplog.records] == [
        "all 4 handler threads are busy: further slow handlers wait"
    ]
    assert order == []
    busy[0].go.set()
    for _ in range(5):
        assert done.acquire(timeout=scaled(10))
    assert order == [0, 1, 2, 3, 4]
    for work in busy:
        work.go.set()


def test_an_urgent_job_waits_for_nobody(bench: Bench) -> None:
    busy = [Work() for _ in range(4)]
    for work in busy:
        bench.run(work)
    urgent = Work()
    bench.run_urgent(urgent)
    assert urgent.began.wait(scaled(10))
    for work in [*busy, urgent]:
        work.go.set()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt()])
def test_a_thread_survives_what_a_job_raises(
    bench: Bench, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    bench.run(fail)
    wait_idle(bench, 1)
    work = Work()
    work.go.set()
    bench.run(work)
    assert work.began.wait(scaled(10))
    assert work.thread is not None
    assert work.thread.name == "test-bench-1"
    assert "unexpected error on a handler thread" in caplog.text


def test_a_thread_without_work_leaves(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit.engine.bench, "IDLE_S", 0.01)
    work = Work()
    work.go.set()
    bench.run(work)
    assert work.began.wait(scaled(10))
    assert work.thread is not None
    work.thread.join(scaled(10))
    assert not work.thread.is_alive()
    assert (bench._idle, bench._threads) == ([], set())


def test_no_job_is_lost_as_threads_leave(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit.engine.bench, "IDLE_S", 0.0005)
    done = threading.Semaphore(0)
    pause = threading.Event()
    for number in range(1500):
        bench.run(done.release)
        if number % 3 == 0:
            pause.wait(0.0005)
    for _ in range(1500):
        assert done.acquire(timeout=scaled(10)), "a job was lost"


def test_jobs_from_many_threads_each_run_once(bench: Bench) -> None:
    done = threading.Semaphore(0)

    def give() -> None:
        for _ in range(200):
            bench.run(done.release)

    givers = [threading.Thread(target=give) for _ in range(6)]
    for giver in givers:
        giver.start()
    for giver in givers:
        giver.join(scaled(20))
    for _ in range(1200):
        assert done.acquire(timeout=scaled(10))
    assert not done.acquire(blocking=False)


def test_closing_names_the_busy_threads_after_one_time_limit_for_all() -> None:
    bench = Bench("test-bench")
    busy = [Work() for _ in range(10)]
    for work in busy:
        bench.run(work)
        assert work.began.wait(scaled(10))
    began = monotonic()
    assert sorted(bench.close(0.1)) == sorted(f"test-bench-{n}" for n in range(1, 11))
    assert monotonic() - began < 0.1 + scaled(0.5)
    for work in busy:
        work.go.set()
    assert bench.close(scaled(10)) == []


def test_a_job_may_close_its_own_bench() -> None:
    bench, names = Bench("test-bench"), []
    ended = threading.Event()

    def close() -> None:
        names.append(bench.close(scaled(10)))
        ended.set()

    bench.run(close)
    assert ended.wait(scaled(20))
    assert names == [[]]


def test_a_system_without_threads_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            bench.run(lambda: None)
    assert bench._threads == set()
    work = Work()
    work.go.set()
    bench.run(work)
    assert work.began.wait(scaled(10))
