"""What a test has started or opened and left behind: threads and file descriptors.

A snapshot is taken before the first function-scoped fixture and compared after
the last, so what wider fixtures hold is in both. The usual case, nothing left,
costs two short listings; only a difference is looked at twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping

from support.deadlines import scaled

GRACE_S = 2.0
"""How long a thread that is just ending, or a close on its way, is waited for."""

FOREIGN_THREADS = (
    "asyncio_",  # an event loop's default executor, kept for the loop's life
    "execnet",  # xdist's channel to the controller
    "pytest_timeout",
    "Trio thread",  # trio's, kept for a while for the next who needs one
)
"""Beginnings of the names of threads that the tools around a test may start in it."""

FOREIGN_FILES = ("/dev/", "/proc/", "/sys/")
"""Where files lie that are opened once and kept, such as /dev/urandom."""

_FD_DIRECTORY = "/proc/self/fd"


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """The threads and open descriptors (number to what it is) of one moment."""

    threads: frozenset[threading.Thread]
    descriptors: Mapping[int, str]


def take_snapshot() -> Snapshot:
    """Return what runs and is open now; descriptors only where /proc tells them."""
    return Snapshot(frozenset(threading.enumerate()), dict(_list_descriptors()))


def find_leaks(before: Snapshot, grace_s: float = GRACE_S) -> list[str]:
    """Return one line per thing that was not there `before` and stays."""
    if not _differs(before):
        return []
    gc.collect()  # what only garbage holds is a ResourceWarning's business, not ours
    deadline = time.monotonic() + scaled(grace_s)
    for thread in _new_threads(before):
        thread.join(max(0.0, deadline - time.monotonic()))
    # A descriptor may be closed by a thread of a wider scope: nothing to wait on but time.
    pause = threading.Event()
    while _differs(before) and time.monotonic() < deadline:
        pause.wait(0.01)
    return [
        *(f"thread {_describe_thread(thread)}" for thread in _new_threads(before)),
        *(f"descriptor {_describe_descriptor(*item)}" for item in _new_descriptors(before)),
    ]


def format_leaks(leaks: list[str]) -> str:
    """Return the text a leaking test fails with."""
    return "\n".join(
        [
            f"the test left {len(leaks)} thing(s) behind; stop or close them before it ends:",
            *(f"  {leak}" for leak in leaks),
        ]
    )


def _differs(before: Snapshot) -> bool:
    return bool(_new_threads(before) or _new_descriptors(before))


def _new_threads(before: Snapshot) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before.threads
        and thread is not threading.current_thread()
        # A thread that Python has not started cannot be joined or judged.
        and not isinstance(thread, threading._DummyThread)
        and not thread.name.startswith(FOREIGN_THREADS)
    ]


def _new_descriptors(before: Snapshot) -> list[tuple[int, str]]:
    return [
        (number, target)
        for number, target in _list_descriptors()
        if before.descriptors.get(number) != target and not target.startswith(FOREIGN_FILES)
    ]


def _list_descriptors() -> Iterator[tuple[int, str]]:
    try:
        numbers = os.listdir(_FD_DIRECTORY)  # noqa: PTH208 - Path objects are slow, tests many
    except OSError:
        return
    for number in numbers:
        # The listing's own descriptor is among the numbers, and closed by now.
        with contextlib.suppress(OSError):
            yield int(number), os.readlink(f"{_FD_DIRECTORY}/{number}")  # noqa: PTH115


def _describe_thread(thread: threading.Thread) -> str:
    kind = "daemon" if thread.daemon else "not a daemon"
    frame = sys._current_frames().get(thread.ident or 0)
    where = ""
    if frame is not None:
        at = traceback.extract_stack(frame)[-1]
        where = f", in {at.name} ({at.filename}:{at.lineno})"
    return f"{thread.name!r} ({kind}){where}"


def _describe_descriptor(number: int, target: str) -> str:
    if not target.startswith("socket:"):
        return f"{number}: {target}"
    with socket.socket(fileno=os.dup(number)) as copy:
        ends = [_describe_end(end) for end in (copy.getsockname, copy.getpeername)]
    return f"{number}: {target} {ends[0]} -> {ends[1]}"


def _describe_end(name: object) -> str:
    try:
        return str(name()) if callable(name) else "?"
    except OSError:
        return "nobody"
