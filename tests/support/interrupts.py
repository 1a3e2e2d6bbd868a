"""Processes that hear Ctrl-C, also where this one does not."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def hearing_interrupts() -> Iterator[None]:
    """Have processes that are started meanwhile hear SIGINT; to be used by the main thread.

    A shell starts its background jobs with SIGINT ignored, which children inherit. What
    is handled here begins with its default there.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
