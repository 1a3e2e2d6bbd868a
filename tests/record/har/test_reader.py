from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import RecordingError
from kit.record.har import HarLimits, Page, load
from support.har_entries import har_of, raw_entry


def refusal(source: Any, **limits: int) -> str:
    with pytest.raises(RecordingError) as caught:
        load(source, limits=HarLimits(**limits))
    return str(caught.value)


def test_a_file_of_one_entry_is_read() -> None:
    recording = load(har_of(raw_entry(), creator={"name": "tool", "version": "3"}))
    [entry] = recording
    assert (entry.index, entry.request.method, entry.request.url) == (0, "GET", "http://shop.test/")
    assert (recording.creator, recording.path, len(recording)) == (("tool", "3"), "", 1)
    assert entry.started_at == 1_767_225_600.25


def test_a_file_is_read_by_its_path_and_remembers_it(tmp_path: Path) -> None:
    file = tmp_path / "one.har"
    file.write_bytes(har_of(raw_entry()))
    assert load(file).path == load(str(file)).path == str(file)


def test_pages_are_read() -> None:
    page = {
        "startedDateTime": "2026-01-01T01:00:00+01:00",
        "id": "tests/test_a.py::test_b",
        "title": "b",
        "pageTimings": {},
        "_kit": {"outcome": "passed"},
    }
    expected = Page(
        id="tests/test_a.py::test_b",
        title="b",
        started_at=1_767_225_600.0,
        kit={"outcome": "passed"},
    )
    assert load(har_of(pages=[page])).pages == (expected,)


def test_what_the_file_says_of_itself_is_kept() -> None:
    assert load(har_of(_kit={"dropped": 3})).kit == {"dropped": 3}


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_byte_order_mark_is_no_matter(mark: str) -> None:
    assert len(load(mark.encode() + har_of(raw_entry()))) == 1


def test_a_lone_surrogate_is_no_matter() -> None:
    entry = raw_entry(response={"status": 200, "content": {"text": "a\ud800b"}})
    assert load(har_of(entry)).entries[0].response.body == b"a\xed\xa0\x80b"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T00:00:00.5+02:00", 1_767_218_400.5),
        ("2026-01-01T00:00:00.123456789Z", 1_767_225_600.123),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
    ],
)
def test_times_are_read_with_their_zone(text: str, seconds: float) -> None:
    assert load(har_of(raw_entry(startedDateTime=text))).entries[0].started_at == seconds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "recording: the file is empty, expected JSON"),
        (
            b"PK\x03\x04...",
            "recording: it is a ZIP archive: unpack it and give the .har file in it",
        ),
        (b"[]", "recording: it is not HAR: expected `object`, got `array`"),
        (b"{}", "recording: it is not HAR: object missing required field `log`"),
        (
            b'{"log": {"entries": 3}}',
            "recording: it is not HAR: expected `array`, got `int` - at `$.log.entries`",
        ),
        (
            b'{"log": {"entries": [NaN]}}',
            "recording: the file is not JSON: NaN is not a JSON number",
        ),
        (
            har_of(raw_entry(), {"startedDateTime": "", "request": {"method": 3}}),
            (
                "recording, entry 1: it is not HAR: expected `str`, got `int` - at "
                "`$.log.entries[1].request.method`"
            ),
        ),
        (
            har_of(raw_entry(startedDateTime="yesterday")),
            (
                "recording, entry 0: startedDateTime 'yesterday' is no time such as "
                "2026-01-31T12:00:00.000Z"
            ),
        ),
        (
            har_of(raw_entry(startedDateTime="0001-01-01T00:00:00+12:00")),
            (
                "recording, entry 0: startedDateTime '0001-01-01T00:00:00+12:00' is no time such "
                "as 2026-01-31T12:00:00.000Z"
            ),
        ),
    ],
    ids=["empty", "zip", "array", "no log", "no entries", "NaN", "type", "time", "early time"],
)
def test_what_is_no_har_is_refused_with_the_entry_named(data: bytes, message: str) -> None:
    assert refusal(data) == message


def test_the_file_is_named_in_messages(tmp_path: Path) -> None:
    file = tmp_path / "bad.har"
    file.write_bytes(har_of(raw_entry(), raw_entry(startedDateTime="")))
    with pytest.raises(RecordingError) as caught:
        load(file)
    assert str(caught.value).startswith(f"recording {str(file)!r}, entry 1: startedDateTime ''")
    assert (caught.value.path, caught.value.entry) == (str(file), 1)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    file = str(tmp_path / "no.har")
    assert refusal(file) == f"recording {file!r}: there is no such file"


def test_a_directory_is_told(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)).startswith(
        f"recording {str(tmp_path)!r}: the file cannot be read: "
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"file_bytes": 20}, "recording: it has more than 20 bytes: the limit file_bytes is 20"),
        ({"entries": 1}, "recording: it has 2 entries: the limit entries is 1"),
        (
            {"nesting": 3},
            "recording, entry 1: _kit is nested more deeply than 3, the limit nesting",
        ),
    ],
)
def test_a_file_that_passes_a_limit_is_refused(limits: dict[str, int], message: str) -> None:
    data = har_of(raw_entry(), raw_entry(_kit={"a": [[[1]]]}))
    assert refusal(data, **limits) == message


def test_a_file_on_disk_is_not_read_beyond_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "long.har"
    file.write_bytes(b" " * 1000)
    message = f"recording {str(file)!r}: it has more than 10 bytes: the limit file_bytes is 10"
    assert refusal(file, file_bytes=10) == message


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"log":{"entries":[{"_kit":'])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert "recording" in refusal(opening.encode() * 100_000)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NAMES = [
    *("startedDateTime", "request", "response", "method", "url", "headers", "name", "value"),
    *("content", "text", "encoding", "_file", "postData", "params", "status", "timings", "wait"),
    *("_webSocketMessages", "type", "opcode", "data", "time", "_kit", "frames", "chunks", "fin"),
    *("direction", "size", "kept", "request_body", "_resourceType", "_eventSourceMessages"),
]
TEXTS = st.sampled_from(
    ["2026-01-01T00:00:00Z", "http://a.test/", "base64", "send", "receive", "../x", "websocket"]
)
HAR_LIKE = st.recursive(
    TEXTS | st.integers(-5, 300) | st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)
    ),
    max_leaves=40,
)


def load_or_refuse(data: bytes) -> None:
    try:
        load(data)
    except RecordingError:
        pass


@settings(deadline=None)
@given(st.binary())
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    load_or_refuse(data)


@settings(deadline=None)
@given(JSON_VALUES)
def test_no_json_raises_anything_else(value: object) -> None:
    load_or_refuse(json.dumps(value).encode())


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(NAMES), HAR_LIKE, max_size=8),
    st.dictionaries(st.sampled_from(NAMES), HAR_LIKE, max_size=8),
)
def test_nothing_like_har_raises_anything_else(entry: dict[str, Any], kit: dict[str, Any]) -> None:
    load_or_refuse(har_of({**raw_entry(), **entry, "_kit": kit}))
    load_or_refuse(har_of(raw_entry(response=entry, request=kit)))
