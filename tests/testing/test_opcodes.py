from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest

from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode as Op
from kit.record import Exchange, FrameLog, FrameRecord
from kit.testing import assert_opcodes
from support.exchanges import answer, make_exchange


def make_websocket(*frames: tuple[str, int, bool, bytes], max_bytes: int = 1000) -> Exchange:
    exchange = answer(make_exchange("GET", "/chat"), 101)
    exchange.close_code = 1000
    exchange.frame_log = FrameLog(max_frames=50, max_bytes=max_bytes)
    for frame in frames:
        exchange.frame_log.add(*frame)
    return exchange


def make_chat() -> Exchange:
    return make_websocket(
        ("received", 1, True, b"hello"),
        ("sent", 1, True, b"welcome"),
        ("received", 9, True, b"beat"),
        ("sent", 10, True, b"beat"),
        ("received", 2, False, b"\x00"),
        ("sent", 1, True, b"busy"),
        ("received", 0, True, b"\x01"),
        ("received", 8, True, b"\x03\xe8bye"),
        ("sent", 8, True, b"\x03\xe8"),
    )


def fail_opcodes(*args: Any, **options: Any) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        assert_opcodes(*args, **options)
    text = re.sub(r"<Exchange \d+", "<Exchange N", str(caught.value))
    return text.splitlines()


@pytest.mark.parametrize(
    "expected",
    [
        [Op.Open, Op.Text, Op.Text, Op.Text, Op.Binary, Op.Close, Op.Close],
        [Op.Text, Op.Text, Op.Text, Op.Binary, Op.Close, Op.Close],
        [
            (Op.Open, b""),
            (Op.Text, "hello"),
            (Op.Text, "welcome"),
            (Op.Text, "busy"),
            (Op.Binary, b"\x00\x01"),
            (Op.Close, (1000, "bye")),
            (Op.Close, 1000),
        ],
    ],
)
def test_an_exchange_is_compared_in_wire_order(expected: list[Any]) -> None:
    assert_opcodes(make_chat(), expected)


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("received", [(Op.Text, "hello"), (Op.Binary, b"\x00\x01"), (Op.Close, 1000)]),
        ("sent", [(Op.Text, "welcome"), (Op.Text, "busy"), Op.Close]),
    ],
)
def test_one_direction_can_be_looked_at_alone(direction: str, expected: list[Any]) -> None:
    assert_opcodes(make_chat(), [Op.Open, *expected], direction=direction)


def test_pings_and_pongs_count_when_asked_for() -> None:
    expected = [Op.Text, Op.Ping, Op.Binary, Op.Close]
    assert_opcodes(make_chat(), expected, direction="received", include_control=True)


def test_pings_and_pongs_count_when_expected() -> None:
    assert_opcodes(make_chat(), [Op.Text, Op.Ping, Op.Binary, Op.Close], direction="received")


def test_a_list_of_frames_is_compared_without_an_opening() -> None:
    assert_opcodes(make_chat().frames[:2], [(Op.Text, "hello"), (Op.Text, "welcome")])


@pytest.mark.parametrize(
    "collected",
    [
        [Op.Open, Op.Text, Op.Close],
        [(Op.Open, b""), (Op.Text, "hi"), (Op.Close, b"")],
    ],
)
def test_what_a_handler_has_collected_is_compared(collected: list[Any]) -> None:
    assert_opcodes(collected, [Op.Open, (Op.Text, "hi"), Op.Close])
    assert_opcodes(iter(collected), [Op.Open, Op.Text, Op.Close])


def test_payloads_are_compared_by_equality() -> None:
    assert_opcodes([(Op.Text, "at 12:00")], [(Op.Text, mock.ANY)])


def test_nothing_equals_nothing() -> None:
    assert_opcodes([], [])
    assert_opcodes(make_websocket(), [])
    assert_opcodes(make_websocket(), [Op.Open])


def test_a_failure_walks_to_where_they_part() -> None:
    expected = [Op.Open, (Op.Text, "hello"), (Op.Binary, b"\x00"), Op.Close, Op.Text]
    assert fail_opcodes(make_chat(), expected, direction="received") == [
        "the websocket's opcodes part from what was expected at step 3:",
        "  ✓ 1 Open",
        "  ✓ 2 Text 'hello' (received)",
        r"  ✗ 3 expected Binary b'\x00', got Binary b'\x00\x01' (received, 2 frames)",
        r"    4 Close b'\x03\xe8bye' (received) (not compared)",
        "    still expected after that: Close, Text",
        "<Exchange N GET /chat -> 101 websocket, 9 frames, closed 1000 (4.0 ms)>",
    ]


def test_a_sequence_that_is_too_short_tells_what_is_missing() -> None:
    assert fail_opcodes([Op.Open, Op.Text], [Op.Open, Op.Text, (Op.Text, "x"), Op.Close]) == [
        "the websocket's opcodes part from what was expected at step 3:",
        "  ✓ 1 Open",
        "  ✓ 2 Text",
        "  ✗ 3 expected Text 'x', but there is no more",
        "    still expected after that: Close",
    ]


def test_a_sequence_that_is_too_long_tells_what_is_left() -> None:
    assert fail_opcodes([Op.Open] + [Op.Text] * 14, [Op.Open]) == [
        "the websocket's opcodes part from what was expected at step 2:",
        "  ✓ 1 Open",
        "  ✗ 2 expected the end, got Text",
        *(f"    {number} Text (not compared)" for number in range(3, 13)),
        "    and 3 more",
    ]


def test_a_long_payload_is_cut_in_the_report() -> None:
    line = fail_opcodes([(Op.Text, "a" * 100)], [])[1]
    assert line == f"  ✗ 1 expected the end, got Text '{'a' * 59}… (102 characters)"


def test_an_open_websocket_is_told_of_as_such() -> None:
    websocket = make_websocket(("received", 1, True, b"x"))
    websocket.done_at = websocket.close_code = None
    assert fail_opcodes(websocket, [Op.Open, Op.Text, Op.Close])[-1] == (
        "it is still open: journal.wait_for(..., state='complete') waits for its end"
    )


def test_an_exchange_that_never_was_a_websocket_is_told_of_as_such() -> None:
    exchange = answer(make_exchange("GET", "/chat"), 404)
    lines = fail_opcodes(exchange, [Op.Open])
    assert lines[1] == "  ✗ 1 expected Open, but there is no more"
    assert lines[-1] == "it never became a websocket"


def test_a_message_without_its_end_is_told_of_as_such() -> None:
    websocket = make_websocket(("received", 1, False, b"hal"))
    assert fail_opcodes(websocket, [Op.Open])[2] == (
        "  ✗ 2 expected the end, got Text 'hal' (received, not finished)"
    )


def test_payloads_and_frames_that_were_not_kept_are_told_of() -> None:
    websocket = make_websocket(("sent", 1, True, b"hello"), max_bytes=2)
    log = websocket.frame_log
    assert log is not None
    log.dropped_frames = 7
    lines = fail_opcodes(websocket, [(Op.Text, "hello")])
    assert lines[1] == (
        "  ✗ 1 expected Text 'hello', got Text 'he' (sent, only 2 of 5 bytes were recorded)"
    )
    assert lines[-1] == "7 of its frames were not kept in the record"


@pytest.mark.parametrize(
    ("wanted", "payload"),
    [(1001, b"\x03\xe8"), ((1000, "no"), b"\x03\xe8bye"), (1000, b""), (b"\x03\xe9", b"\x03\xe8")],
)
def test_another_close_is_a_difference(wanted: Any, payload: bytes) -> None:
    frame = FrameRecord("sent", 8, True, payload, len(payload), 0.0)
    with pytest.raises(AssertionError):
        assert_opcodes([frame], [(Op.Close, wanted)])


@pytest.mark.parametrize("wanted", [1005, (1005, ""), b""])
def test_a_close_without_a_code_is_1005(wanted: Any) -> None:
    assert_opcodes([FrameRecord("sent", 8, True, b"", 0, 0.0)], [(Op.Close, wanted)])


def test_the_two_directions_may_interleave_within_a_message() -> None:
    websocket = make_websocket(
        ("received", 1, False, b"a"),
        ("sent", 2, False, b"1"),
        ("received", 0, True, b"b"),
        ("sent", 0, True, b"2"),
    )
    assert_opcodes(websocket, [(Op.Text, "ab"), (Op.Binary, b"12")])


def test_frames_may_stand_among_opcodes() -> None:
    frame = FrameRecord("received", 1, True, b"hi", 2, 0.0)
    assert_opcodes([Op.Open, frame, Op.Close], [Op.Open, (Op.Text, "hi"), Op.Close])


def test_a_frame_with_a_reserved_opcode_is_shown() -> None:
    frame = FrameRecord("received", 3, True, b"?", 1, 0.0)
    assert fail_opcodes([frame], [Op.Text])[1] == (
        "  ✗ 1 expected Text, got opcode 3 b'?' (received)"
    )


@pytest.mark.parametrize("item", ["Text", 3, (Op.Text,), (Op.Text, "a", "b"), None])
def test_what_is_no_opcode_is_refused(item: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_opcodes([], [item])  # type: ignore[list-item]
    assert str(caught.value) == (
        f"{item!r} is neither a WebSocketOpCode nor a pair (WebSocketOpCode, payload)"
    )


@pytest.mark.parametrize("websocket", ["Text", b"", 3])
def test_what_is_no_websocket_is_refused(websocket: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_opcodes(websocket, [])
    assert str(caught.value) == (
        "expected an Exchange, frames, opcodes or (opcode, payload) pairs, "
        f"not {type(websocket).__name__}"
    )


def test_a_direction_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_opcodes([], [], direction="both")
    assert str(caught.value) == "direction must be 'sent', 'received' or None, not 'both'"
