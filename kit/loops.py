"""Waiting in whatever event loop runs: asyncio's, or trio's."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from kit.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopSignal:
    """Wakes a coroutine from any thread; made and awaited in its event loop.

    Attributes:
        is_expired: whether the time of its timer is over.

    Raises:
        StateError: no event loop runs here.
    """

    __slots__ = ("_event", "_schedule", "_timer", "is_expired")

    def __init__(self) -> None:
        self._event: Any
        self._schedule: Callable[[Callable[[], object]], object]
        trio = find_trio()
        if trio is not None:
            self._event = trio.Event()
            self._schedule = _schedule_in_trio(trio)
        else:
            self._event, self._schedule = _find_asyncio()
        self._timer: threading.Timer | None = None
        self.is_expired: bool = False

    def set(self) -> None:
        """Wake the coroutine; any thread."""
        self._schedule(self._fire)

    def _fire(self) -> None:
        self._event.set()

    def start_timer(self, seconds: float) -> None:
        """Wake it also when this time is over; a second timer is not started."""
        # A loop's own timers stand still while a test freezes time; a thread's do not.
        if self._timer is None:
            self._timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._expire)
            self._timer.daemon = True
            self._timer.start()

    def _expire(self) -> None:
        self.is_expired = True
        self.set()

    async def wait(self) -> None:
        """Wait until it is set, and clear it."""
        await self._event.wait()
        # trio's events are never cleared.
        self._event = type(self._event)()

    def close(self) -> None:
        """End the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()


def find_trio() -> Any:
    """Return trio if this is one of its tasks, else None; never imports it."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


def _schedule_in_trio(trio: Any) -> Callable[[Callable[[], object]], object]:
    token = trio.lowlevel.current_trio_token()

    def schedule(function: Callable[[], object]) -> None:
        try:
            token.run_sync_soon(function)
        except trio.RunFinishedError:
            pass  # the run ended under a wait that nobody will resume

    return schedule


def _find_asyncio() -> tuple[Any, Callable[[Callable[[], object]], object]]:
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise StateError(
            "no event loop runs here: await this in asyncio or trio, or take what blocks"
        ) from None

    def schedule(function: Callable[[], object]) -> None:
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            pass  # the loop has closed under a wait that nobody will resume

    return asyncio.Event(), schedule


async def run_in_thread(function: Callable[[], object]) -> None:
    """Run what blocks beside the event loop, and wait for its end."""
    trio = find_trio()
    if trio is not None:
        await trio.to_thread.run_sync(function)
        return
    import asyncio

    await asyncio.to_thread(function)
