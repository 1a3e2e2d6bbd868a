"""Proves that the relay never has two leaders: its selector is touched by one thread at a time."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kit.engine.relay import Relay
from support.deadlines import scaled


class GuardedSelector:
    """Passes everything on to a relay's selector, and counts uses that overlap."""

    def __init__(self, inner: selectors.BaseSelector) -> None:
        self._inner = inner
        self._alone = threading.Lock()
        self.uses = 0
        self.overlaps = 0

    @contextmanager
    def _used(self) -> Iterator[None]:
        if not self._alone.acquire(blocking=False):
            self.overlaps += 1
            yield
            return
        try:
            self.uses += 1
            yield
        finally:
            self._alone.release()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        with self._used():
            return self._inner.select(timeout)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        with self._used():
            return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        with self._used():
            return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        with self._used():
            return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


def guard(relay: Relay) -> GuardedSelector:
    """Watch over a running relay's selector from now on."""
    guarded = GuardedSelector(relay._selector)
    relay._selector = guarded  # type: ignore[assignment]
    settle(relay)
    return guarded


def settle(relay: Relay) -> None:
    """Wait until the leader has been round once."""
    reached = threading.Event()
    relay.call(reached.set)
    assert reached.wait(scaled(10)), "the relay does not take calls"


def current_relay() -> Relay:
    relay = Relay._shared
    assert relay is not None, "no relay is running"
    return relay
