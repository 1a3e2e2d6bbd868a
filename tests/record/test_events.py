"""Streams are taken apart into what their pieces say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.record.events import EVENTS, Event, read_events


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", []),
        (b": nothing\n\n", []),
        (b"data: a\n\n", [Event("", b"a")]),
        (b"data:a\rdata:  b\r\r", [Event("", b"a\n b")]),
        (b"\xef\xbb\xbfdata: a\r\n\r\n", [Event("", b"a")]),
        (b"retry: 10\nid: 1\nevent: e\ndata\n\n", [Event("event e, id 1, retry 10", b"")]),
        (b"data: a\n\ndata: b", [Event("", b"a"), Event("", b"b")]),
        (b"data: \xff\nunknown: x\n\n", [Event("", b"\xff")]),
    ],
)
def test_server_sent_events_are_read(body: bytes, events: list[Event]) -> None:
    assert read_events(EVENTS, body) == events


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl"])
def test_each_line_is_an_event(kind: str) -> None:
    assert read_events(kind, b"1\r\n\n 2 ") == [Event("", b"1"), Event("", b"2")]


def test_the_separator_of_a_sequence_is_no_part_of_its_texts() -> None:
    assert read_events("application/json-seq", b"\x1e[1]\n\x1e[2]\n") == [
        Event("", b"[1]"),
        Event("", b"[2]"),
    ]


def test_other_bodies_have_no_pieces() -> None:
    assert read_events("text/plain", b"data: a\n\n") is None


@given(st.binary())
def test_whatever_a_body_holds_is_read(body: bytes) -> None:
    assert read_events(EVENTS, body) is not None
