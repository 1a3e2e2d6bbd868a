"""A loop that polls a client, as a game or a GUI has one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kit import HTTPClient
from kit.clock import monotonic
from support.deadlines import scaled

FRAME_S = 0.002


def poll(client: HTTPClient, is_done: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Call `update()` once a frame until what the test wants has happened."""
    deadline = monotonic() + scaled(timeout_s)
    frame = threading.Event()
    while not is_done():
        assert monotonic() < deadline, "what the loop waits for did not happen in time"
        client.update()
        frame.wait(FRAME_S)
