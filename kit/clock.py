"""Two clocks: a real one for time-outs, and the one that people read.

Time-outs must run on while a test has frozen time, so `monotonic` is immune to
freezegun. Everything a person reads (the `Date` header, a cookie's expiry, a
record's start) must agree with the test's idea of time, so `now` follows
freezegun and time-machine, from whichever thread it is called.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
from importlib.machinery import BuiltinImporter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


def _load_real_time() -> ModuleType:
    """Make a second copy of the built-in `time` module.

    freezegun replaces functions in `time` and in every module of `sys.modules`
    that holds one of them. It cannot know of this copy, so it makes no
    difference whether time was frozen before this module was imported or after.
    """
    spec = importlib.util.spec_from_loader("time", BuiltinImporter)
    assert spec is not None  # `time` is built into every CPython  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    BuiltinImporter.exec_module(module)
    return module


_REAL_TIME = _load_real_time()

monotonic: Callable[[], float] = _REAL_TIME.perf_counter
"""Return seconds that only go forward, whatever has been frozen; only differences mean anything.

`perf_counter` rather than `time.monotonic`: its resolution is finer on Windows, and no
time-travelling library slows it down below Python, where even a second copy of the
module would notice. The function itself, as every request asks for it several times.
"""

# In a tuple, because freezegun replaces the class where it is a module's attribute.
# Under frozen time `datetime.datetime` is a subclass that freezegun made.
_REAL_DATETIME = tuple(
    cls for cls in dt.datetime.__mro__ if f"{cls.__module__}.{cls.__name__}" == "datetime.datetime"
)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# The last second formatted and its text, swapped as one object so that threads may race.
_last_date: tuple[int, bytes] = (-1, b"")


def now() -> float:
    """Return POSIX seconds as the test sees them: frozen, travelled or real."""
    if dt.datetime not in _REAL_DATETIME:
        # freezegun's `time.time` tells the real time to callers that it finds close to
        # the `threading` module, such as a relay thread; its datetime makes no such
        # exception. Naive on purpose: with a tz_offset its aware `now(UTC)` is shifted.
        try:
            return dt.datetime.now().timestamp()  # noqa: DTZ005
        except IndexError:
            pass  # another thread has unfrozen time in the middle of the call
    # time-machine patches below Python, so the copy's function follows it.
    seconds: float = _REAL_TIME.time()
    return seconds


def http_date(at: float | None = None) -> bytes:
    """Format POSIX seconds (default: `now()`) as IMF-fixdate (RFC 9110 section 5.6.7)."""
    global _last_date  # noqa: PLW0603
    second = int((now() if at is None else at) // 1)
    last_second, text = _last_date
    if second != last_second:
        year, month, day, hour, minute, sec, weekday, *_ = _REAL_TIME.gmtime(second)
        text = (
            f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} "
            f"{hour:02}:{minute:02}:{sec:02} GMT"
        ).encode("ascii")
        _last_date = (second, text)
    return text


def isoformat(at: float) -> str:
    """Format POSIX seconds as ISO 8601 in UTC with milliseconds, as HAR wants it."""
    second, millisecond = divmod(round(at * 1000), 1000)
    year, month, day, hour, minute, sec, *_ = _REAL_TIME.gmtime(second)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{sec:02}.{millisecond:03}Z"
