"""One asyncio loop on a thread of its own, for `async def` handlers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from kit.clock import monotonic

if TYPE_CHECKING:
    import asyncio

CANCEL_S = 0.5
"""How long a stop waits for coroutines that it has cancelled."""

Done = Callable[[Any, BaseException | None], None]


class Coroutines:
    """Runs coroutines; the loop and its thread start with the first one.

    The loop keeps the real monotonic time, so that a frozen clock stops no
    `asyncio.sleep` in a handler.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: dict[asyncio.Task[Any], Done] = {}

    @property
    def is_running(self) -> bool:
        """Whether the loop has been started."""
        return self._loop is not None

    def run(self, coroutine: Coroutine[Any, Any, Any], done: Done) -> None:
        """Run a coroutine and call `done(result, error)` on the loop's thread."""
        with self._lock:
            loop = self._loop or self._start()
        loop.call_soon_threadsafe(self._spawn, coroutine, done)

    def stop(self, timeout_s: float) -> None:
        """Cancel what still runs and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        loop.call_soon_threadsafe(self._cancel_all)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _start(self) -> asyncio.AbstractEventLoop:
        import asyncio

        self._loop = loop = asyncio.SelectorEventLoop()
        loop.time = monotonic  # type: ignore[method-assign]
        self._thread = threading.Thread(
            target=self._serve, args=(loop,), name="kit-asyncio", daemon=True
        )
        self._thread.start()
        return loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, Any], done: Done) -> None:
        import asyncio

        task = asyncio.get_running_loop().create_task(_run_to_end(coroutine))
        self._tasks[task] = done
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[tuple[Any, BaseException | None]]) -> None:
        done = self._tasks.pop(task, None)
        if done is None:
            return  # it went on after it was cancelled, and has been given up
        if task.cancelled():
            done(None, RuntimeError("the handler was cancelled"))
        else:
            done(*task.result())

    def _cancel_all(self) -> None:
        import asyncio

        async def drain(tasks: list[asyncio.Task[Any]]) -> None:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_S)
            for task in tasks:
                done = self._tasks.pop(task, None)
                if done is not None:
                    done(None, RuntimeError("the handler went on although it was cancelled"))

        loop = asyncio.get_running_loop()
        if not self._tasks:
            loop.stop()
            return
        ending = loop.create_task(drain(list(self._tasks)))
        ending.add_done_callback(lambda _: loop.stop())


async def _run_to_end(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    import asyncio

    try:
        return await coroutine, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        # A handler's SystemExit would end the loop for every other handler.
        return None, error
