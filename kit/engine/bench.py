"""The bench: idle threads, ready to take the lead or to run a slow handler."""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Callable

from kit.clock import monotonic

Job = Callable[[], None]

logger: logging.Logger = logging.getLogger("kit")

MAX_THREADS = 1024
"""Handlers that can block at once; further ones wait for a thread."""
IDLE_S = 10.0
"""How long a thread without work stays."""


class Bench:
    """Threads that wait for work, the one that waited least first.

    A thread is made when no idle one is there, up to `max_threads`; beyond
    that jobs wait in order. `run` is safe from any thread.
    """

    def __init__(self, name: str, max_threads: int = MAX_THREADS) -> None:
        self._name = name
        self._max_threads = max_threads
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._backlog: collections.deque[Job] = collections.deque()
        self._threads: set[threading.Thread] = set()
        self._made = 0
        self._is_closed = False

    def run(self, job: Job) -> None:
        """Run a job on an idle thread, on a new one, or when one is free.

        Raises:
            RuntimeError: the system gives no further thread.
        """
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None and len(self._threads) >= self._max_threads:
                self._enqueue(job)
                return
            if worker is None:
                self._start(job)
                return
        worker.wake(job)

    def run_urgent(self, job: Job) -> None:
        """Run a job at once, whatever the bound, as `run` does otherwise."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                self._start(job)
                return
        worker.wake(job)

    def close(self, timeout_s: float) -> list[str]:
        """End every idle thread and wait for the busy ones, `timeout_s` for all of them.

        Returns:
            The names of the threads that were still busy then.
        """
        deadline = monotonic() + timeout_s
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            threads = [t for t in self._threads if t is not threading.current_thread()]
        for worker in idle:
            worker.wake(None)
        for thread in threads:
            thread.join(max(0.0, deadline - monotonic()))
        return [thread.name for thread in threads if thread.is_alive()]

    def abandon(self) -> None:
        """Keep no thread: after a fork, in the child, which has at most the caller."""
        self._lock = threading.Lock()
        self._is_closed = True
        self._idle, self._threads = [], set()

    def _enqueue(self, job: Job) -> None:
        if not self._backlog:
            logger.warning(
                "all %d handler threads are busy: further slow handlers wait", self._max_threads
            )
        self._backlog.append(job)

    def _start(self, job: Job) -> None:
        self._made += 1
        worker = _Worker(self, job)
        thread = threading.Thread(
            target=worker.work, name=f"{self._name}-{self._made}", daemon=True
        )
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            raise

    def _next_job(self, worker: _Worker) -> Job | None:
        """Give a worker its next job, now or when there is one; None sends it home."""
        with self._lock:
            if self._backlog:
                return self._backlog.popleft()
            if self._is_closed:
                return None
            self._idle.append(worker)
        return worker.await_job()

    def _leave(self, worker: _Worker) -> bool:
        """Let an idle worker go, unless it has been chosen in this very moment."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            return True

    def _forget(self, thread: threading.Thread) -> None:
        with self._lock:
            self._threads.discard(thread)


class _Worker:
    __slots__ = ("_bench", "_gate", "_job")

    def __init__(self, bench: Bench, job: Job) -> None:
        self._bench = bench
        self._job: Job | None = job
        self._gate = threading.Lock()
        self._gate.acquire()

    def wake(self, job: Job | None) -> None:
        self._job = job
        self._gate.release()

    def work(self) -> None:
        try:
            job = self._job
            while job is not None:
                self._job = None
                self._run(job)
                job = self._bench._next_job(self)
        finally:
            self._bench._forget(threading.current_thread())

    def await_job(self) -> Job | None:
        if not self._gate.acquire(timeout=IDLE_S):
            if self._bench._leave(self):
                return None
            self._gate.acquire()  # chosen just as the wait ran out: it opens now
        return self._job

    def _run(self, job: Job) -> None:
        try:
            job()
        except BaseException:
            # Handlers' exceptions never come this far; the thread must survive ours.
            logger.exception("unexpected error on a handler thread")
