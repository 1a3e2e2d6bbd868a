from __future__ import annotations

import _thread
import datetime as dt
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

from kit import clock

FROZEN = "2001-02-03 04:05:06.5"
FROZEN_AT = 981173106.5


def in_bare_thread(function: Callable[[], float]) -> float:
    """Call a builtin-started thread's function, so that its stack holds nothing else."""
    results: list[float] = []
    done = threading.Lock()
    done.acquire()

    def run() -> None:
        results.append(function())
        done.release()

    _thread.start_new_thread(run, ())
    assert done.acquire(timeout=10)
    return results[0]


def in_thread(function: Callable[[], float]) -> float:
    results: list[float] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(10)
    return results[0]


def test_now_is_the_real_time_when_nothing_is_frozen() -> None:
    before = time.time()
    assert before <= clock.now() <= time.time()


def test_now_follows_frozen_time() -> None:
    with freeze_time(FROZEN):
        assert clock.now() == FROZEN_AT
    assert clock.now() > FROZEN_AT + 1e8


@pytest.mark.parametrize("call", [in_thread, in_bare_thread])
def test_now_follows_frozen_time_in_another_thread(
    call: Callable[[Callable[[], float]], float],
) -> None:
    with freeze_time(FROZEN):
        assert call(clock.now) == FROZEN_AT


def test_freezegun_itself_shows_a_thread_the_real_time() -> None:
    with freeze_time(FROZEN):
        assert in_thread(time.time) > FROZEN_AT + 1e8


def test_now_follows_a_nested_freeze_and_comes_back() -> None:
    with freeze_time(FROZEN):
        with freeze_time("1999-01-01"):
            assert clock.now() == 915148800
        assert clock.now() == FROZEN_AT


@pytest.mark.parametrize("offset_h", [-8, 0, 5.5])
def test_now_ignores_the_offset_of_a_frozen_time_zone(offset_h: float) -> None:
    with freeze_time(FROZEN, tz_offset=dt.timedelta(hours=offset_h)):
        assert clock.now() == FROZEN_AT


def test_now_follows_ticks_and_moves() -> None:
    with freeze_time(FROZEN) as frozen:
        frozen.tick(2.5)
        assert clock.now() == FROZEN_AT + 2.5
        frozen.move_to("1999-01-01")
        assert clock.now() == 915148800
    with freeze_time(FROZEN, tick=True):
        first = clock.now()
        assert FROZEN_AT <= first <= clock.now() < FROZEN_AT + 60


def test_now_tells_the_real_time_when_another_thread_unfreezes_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import freezegun.api

    with freeze_time(FROZEN):
        monkeypatch.setattr(freezegun.api, "tz_offsets", [])
        assert clock.now() > FROZEN_AT + 1e8
        monkeypatch.undo()


def test_monotonic_runs_on_while_time_is_frozen() -> None:
    with freeze_time(FROZEN):
        first = clock.monotonic()
        deadline = time.process_time() + 0.01
        while time.process_time() < deadline:
            pass
        assert clock.monotonic() - first >= 0.005
    assert clock.monotonic() - first < 60


def test_monotonic_keeps_its_scale_when_time_is_frozen_and_unfrozen() -> None:
    first = clock.monotonic()
    with freeze_time(FROZEN):
        second = clock.monotonic()
    third = clock.monotonic()
    assert first <= second <= third < first + 60


def test_both_clocks_work_when_they_are_imported_under_frozen_time() -> None:
    program = f"""
import time
from freezegun import freeze_time
real = [time.perf_counter]
with freeze_time({FROZEN!r}):
    from kit import clock
    assert clock.now() == {FROZEN_AT}, clock.now()
    first = clock.monotonic()
    while real[0]() - first < 0.001:
        pass
    assert clock.monotonic() - first >= 0.001
assert clock.now() > {FROZEN_AT} + 1e8
with freeze_time("1999-01-01"):
    assert clock.now() == 915148800, clock.now()
    assert abs(clock.monotonic() - real[0]()) < 10
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "done\n"


def test_http_date_is_the_example_of_the_rfc() -> None:
    assert clock.http_date(784111777) == b"Sun, 06 Nov 1994 08:49:37 GMT"


def test_http_date_follows_frozen_time_and_back() -> None:
    with freeze_time("1994-11-06 08:49:37"):
        assert clock.http_date() == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert b"1994" not in clock.http_date()


def test_http_date_is_made_once_per_second() -> None:
    assert clock.http_date(1000.1) is clock.http_date(1000.9)


@given(st.integers(0, 253402300799))
def test_http_date_is_what_the_standard_library_parses(at: int) -> None:
    assert parsedate_to_datetime(clock.http_date(at).decode()).timestamp() == at


@given(st.integers(0, 253402300799999))
def test_isoformat_is_what_the_standard_library_parses(at_ms: int) -> None:
    text = clock.isoformat(at_ms / 1000)
    assert text.endswith("Z")
    parsed = dt.datetime.fromisoformat(text)
    assert round(parsed.timestamp() * 1000) == at_ms


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1.5, "1970-01-01T00:00:01.500Z"),
        (0.9996, "1970-01-01T00:00:01.000Z"),
        (-0.25, "1969-12-31T23:59:59.750Z"),
    ],
)
def test_isoformat_has_milliseconds_and_utc(at: float, text: str) -> None:
    assert clock.isoformat(at) == text
