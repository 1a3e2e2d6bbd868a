from __future__ import annotations

from dataclasses import replace

from kit.record.entry import Timings
from kit.record.har import SlowEntry, stats
from support.har_entries import STARTED_AT, make_entry, make_frame, make_request, make_response

ENTRIES = [
    replace(
        make_entry("POST", "/slow", request=make_request("POST", "/slow", body=b"abc")),
        timings=Timings(wait=900),
    ),
    make_entry(response=make_response(404, b"12345"), index=1, timings=Timings(wait=10)),
    make_entry(response=make_response(0, error="gone", body_size=-1), index=2),
    replace(
        make_entry(frames=(make_frame("send", 1, b"a"),) * 3, response=make_response(101), index=3),
        timings=Timings(receive=99_000),
        started_at=STARTED_AT + 1,
    ),
]


def test_a_recording_is_counted() -> None:
    counted = stats(ENTRIES, slowest=2)
    assert (counted.entries, counted.websockets, counted.frames, counted.failed) == (4, 1, 3, 1)
    assert counted.by_status == {0: 1, 101: 1, 200: 1, 404: 1}
    assert list(counted.by_method.items()) == [("GET", 3), ("POST", 1)]
    assert counted.by_host == {"shop.test": 4}
    assert (counted.request_bytes, counted.response_bytes) == (3, 5)
    assert counted.duration_s == 100.0
    assert counted.slowest == (
        SlowEntry(0, "POST", "http://shop.test/slow", 900),
        SlowEntry(1, "GET", "http://shop.test/", 10),
    )


def test_the_numbers_are_told_as_text() -> None:
    assert stats(ENTRIES, slowest=1).lines() == [
        "entries     4, of them 1 failed",
        "websockets  1, 3 frames",
        "bodies      3 bytes sent, 5 received",
        "duration    100.000 s",
        "statuses    0: 1, 101: 1, 200: 1, 404: 1",
        "methods     GET: 3, POST: 1",
        "hosts       shop.test: 4",
        "slowest     900.0 ms  0 POST http://shop.test/slow",
    ]


def test_the_numbers_are_told_as_json() -> None:
    told = stats(ENTRIES[:1]).to_json()
    assert told["by_status"] == {"200": 1}
    assert told["slowest"] == [
        {"entry": 0, "method": "POST", "url": "http://shop.test/slow", "duration_ms": 900}
    ]


def test_an_empty_recording_has_numbers_too() -> None:
    counted = stats([])
    assert (counted.entries, counted.duration_s, counted.slowest) == (0, 0.0, ())
    assert counted.lines()[4] == "statuses    none"
