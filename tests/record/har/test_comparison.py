from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kit.record.entry import Entry
from kit.record.har import compare_entries, diff
from support.har_entries import JSON, make_entry, make_frame, make_request, make_response


def numbered(*entries: Entry) -> list[Entry]:
    return [replace(entry, index=index) for index, entry in enumerate(entries)]


def test_the_same_exchanges_are_the_same_whenever_they_were() -> None:
    entry = make_entry(path="/a?b=c")
    later = replace(
        entry,
        started_at=0.0,
        connection="9",
        kit={"role": "client"},
        request=make_request(path="/a?b=c", headers=((b"Date", b"now"), (b"Host", b"x"))),
    )
    change = diff([entry], [later])
    assert change.is_same
    assert change.lines() == ["1 the same, 0 changed, 0 removed, 0 added"]


def test_exchanges_are_paired_by_method_and_path_in_their_order() -> None:
    before = numbered(make_entry(path="/a?1=1"), make_entry("PUT", "/a"), make_entry(path="/a?2=2"))
    after = numbered(make_entry(path="/a?1=1"), make_entry(path="/a?3=3"), make_entry(path="/b"))
    change = diff(before, after)
    assert not change.is_same
    assert change.lines() == [
        "1 the same, 1 changed, 1 removed, 1 added",
        "- 1 PUT /a",
        "+ 2 GET /b",
        "~ 2 GET /a?2=2",
        "    query: expected [('2', '2')], got [('3', '3')]",
    ]


def test_a_change_is_told_as_json_too() -> None:
    before, after = make_entry(path="/a"), make_entry(path="/a", response=make_response(404))
    assert diff([before], [after, make_entry("PUT", "/b", index=1)]).to_json() == {
        "same": 0,
        "removed": [],
        "added": [{"entry": 1, "method": "PUT", "url": "http://shop.test/b"}],
        "changed": [
            {
                "entry": 0,
                "method": "GET",
                "url": "http://shop.test/a",
                "after": 0,
                "differences": ["status: expected 200, got 404"],
            }
        ],
    }


def response(**given: Any) -> dict[str, Any]:
    return {"response": make_response(**given)}


def socket(*frames: Any) -> dict[str, Any]:
    return {"frames": tuple(make_frame(*frame) for frame in frames)}


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        (
            response(headers=((b"A", b"1"), (b"a", b"2"))),
            response(headers=((b"A", b"1"), (b"B", b"3"))),
            [
                "response header a: expected ['1', '2'], got ['1']",
                "response header b: expected absent, got ['3']",
            ],
        ),
        (
            response(headers=JSON, body=b'{"a": 1, "b": [1, 2]}'),
            response(headers=JSON, body=b'{"b": [1, 3], "a": 1.0}'),
            ["response body $.b[1]: expected 2, got 3"],
        ),
        (
            response(headers=JSON, body=b'{"a"'),
            response(headers=JSON, body=b'{"b"'),
            ["response body: expected '{\"a\"', got '{\"b\"'"],
        ),
        (response(body=b"a"), response(body=b"b"), ["response body: expected 'a', got 'b'"]),
        (
            response(body=b"\xff"),
            response(body=b"\xfe"),
            ["response body: expected b'\\xff', got b'\\xfe'"],
        ),
        (
            response(body=b"a", body_size=9, is_truncated=True),
            response(body=b"a", body_size=8, is_truncated=True),
            ["response body, its length: expected 9, got 8"],
        ),
        (
            response(headers=((b"Content-Encoding", b"gzip"),), body=b"a"),
            response(body=b"a"),
            [],
        ),
        (
            socket(("send", 1, b"a"), ("receive", 1, b"b")),
            socket(("receive", 1, b"b"), ("send", 1, b"a")),
            [],
        ),
        (
            socket(("send", 1, b"a"), ("send", 2, b"b")),
            socket(("send", 1, b"c")),
            [
                "websocket send 0: expected opcode 1 b'a', got opcode 1 b'c'",
                "websocket send 1: expected opcode 2 b'b', got none",
            ],
        ),
        (socket(), {}, ["websocket: expected True, got False"]),
        (
            socket(),
            socket(*[("receive", 1, b"x")] * 14),
            [
                *(
                    f"websocket receive {index}: expected none, got opcode 1 b'x'"
                    for index in range(12)
                ),
                "websocket receive: 2 further messages",
            ],
        ),
    ],
)
def test_differences_are_told(
    before: dict[str, Any], after: dict[str, Any], differences: list[str]
) -> None:
    assert compare_entries(make_entry(**before), make_entry(**after)) == differences


def test_which_header_fields_may_differ_can_be_said() -> None:
    before = make_entry(response=make_response(headers=((b"X-Id", b"1"), (b"Date", b"x"))))
    after = make_entry(response=make_response(headers=((b"X-Id", b"2"), (b"Date", b"y"))))
    assert len(diff([before], [after], ignored_headers=()).changed[0].differences) == 2
    assert diff([before], [after], ignored_headers=["x-id", "date"]).is_same
