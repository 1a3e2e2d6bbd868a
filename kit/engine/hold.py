"""Keeps the relay running while no server or client does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kit.engine.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Holder:
    """A user of the relay that has no sockets."""

    def abandon(self) -> None:
        """Do nothing: there is nothing to let go of after a fork."""


@contextlib.contextmanager
def keep_relay() -> Iterator[None]:
    """Keep the threads that servers and clients share running inside the block.

    They start with the first server or client of a process and stop with the
    last; around many short-lived servers this saves starting and stopping
    them each time. It has no other effect.
    """
    holder = _Holder()
    relay = Relay.acquire(holder)
    try:
        yield
    finally:
        relay.release(holder)
