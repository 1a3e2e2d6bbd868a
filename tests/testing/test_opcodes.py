from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest

from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode as Op
from kit.record import Exchange, FrameLog, FrameRecord
from kit.testing import (
    any_order,
    assert_opcodes,
    json_payload,
    optional,
    received,
    repeat,
    sent,
)
from support.exchanges import answer, make_exchange


def make_websocket(*frames: tuple[str, int, bool, bytes], max_bytes: int = 1000) -> Exchange:
    exchange = answer(make_exchange("GET", "/chat"), 101)
    exchange.close_code = 1000
    exchange.first_byte_at = exchange.received_at
    exchange.frame_log = log = FrameLog(max_frames=50, max_bytes=max_bytes)
    for frame in frames:
        log.add(*frame)
    # Ten milliseconds apart, as texts are compared.
    log._frames = [
        (*frame[:-1], exchange.received_at + number / 100)
        for number, frame in enumerate(log._frames, 1)
    ]
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
        "the websocket parts from what was expected at frames 5-7:",
        "  ✓ 0    +0.0 ms             Open",
        "  ✓ 1    +10.0 ms  received  Text 'hello'",
        r"  ✗ 5-7  +50.0 ms  received  Binary b'\x00\x01' (2 frames)",
        r"    expected Binary b'\x00'",
        "    8    +80.0 ms  received  Close 1000 'bye' (not compared)",
        "    still expected after that: Close, Text",
        "<Exchange N GET /chat -> 101 websocket, 9 frames, closed 1000 (4.0 ms)>",
    ]


def test_a_sequence_that_is_too_short_tells_what_is_missing() -> None:
    assert fail_opcodes([Op.Open, Op.Text], [Op.Open, Op.Text, (Op.Text, "x"), Op.Close]) == [
        "the websocket ends too early:",
        "  ✓ 1  Open",
        "  ✓ 2  Text",
        "  ✗ expected Text 'x', but there is no more",
        "    still expected after that: Close",
    ]


def test_a_sequence_that_is_too_long_tells_what_is_left() -> None:
    assert fail_opcodes([Op.Open] + [Op.Text] * 14, [Op.Open]) == [
        "the websocket parts from what was expected at step 2:",
        "  ✓ 1   Open",
        "  ✗ 2   Text",
        "    expected the end",
        *(f"    {number:<2}  Text (not compared)" for number in range(3, 13)),
        "    and 3 more",
    ]


def test_a_long_payload_is_cut_in_the_report() -> None:
    line = fail_opcodes([(Op.Text, "a" * 100)], [])[1]
    assert line == f"  ✗ 1  Text '{'a' * 59}… (100 characters)"


def test_an_open_websocket_is_told_of_as_such() -> None:
    websocket = make_websocket(("received", 1, True, b"x"))
    websocket.done_at = websocket.close_code = None
    assert fail_opcodes(websocket, [Op.Open, Op.Text, Op.Close])[-1] == (
        "it is still open: journal.wait_for(..., state='complete') waits for its end"
    )


def test_an_exchange_that_never_was_a_websocket_is_told_of_as_such() -> None:
    exchange = answer(make_exchange("GET", "/chat"), 404)
    lines = fail_opcodes(exchange, [Op.Open])
    assert lines[:2] == [
        "nothing happened on the websocket:",
        "  ✗ expected Open, but there is no more",
    ]
    assert lines[-1] == "it never became a websocket"


def test_a_message_without_its_end_is_told_of_as_such() -> None:
    websocket = make_websocket(("received", 1, False, b"hal"))
    assert fail_opcodes(websocket, [Op.Open])[2] == (
        "  ✗ 1  +10.0 ms  received  Text 'hal' (not finished)"
    )


def test_payloads_and_frames_that_were_not_kept_are_told_of() -> None:
    websocket = make_websocket(("sent", 1, True, b"hello"), max_bytes=2)
    log = websocket.frame_log
    assert log is not None
    log.dropped_frames = 7
    lines = fail_opcodes(websocket, [(Op.Text, "hello")])
    assert lines[1:3] == [
        "  ✗ 1  +10.0 ms  sent  Text 'he' (only 2 of 5 bytes were recorded)",
        "    expected Text 'hello'",
    ]
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


def test_frames_can_be_expected() -> None:
    frames = make_chat().frames
    assert_opcodes(frames, [*frames[:2], Op.Ping, Op.Pong, Op.Text, Op.Binary, *frames[-2:]])


def test_a_frame_with_a_reserved_opcode_is_shown() -> None:
    frame = FrameRecord("received", 3, True, b"?", 1, 0.0)
    assert fail_opcodes([frame], [Op.Text])[1:] == [
        "  ✗ 1  +0.0 ms  received  opcode 3 b'?'",
        "    expected Text",
    ]


@pytest.mark.parametrize("item", ["Text", 3, (Op.Text,), (Op.Text, "a", "b"), None, ...])
def test_what_is_no_opcode_is_refused(item: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_opcodes([], [item])
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


# What may vary


def is_short(payload: str) -> bool:
    return len(payload) < 6


def is_greeting(payload: str) -> bool:
    assert payload.startswith("hel"), "it must begin\nwith hel"
    return True


def is_number(payload: str) -> bool:
    return int(payload) >= 0


CHAT: list[Any] = [
    (Op.Open, ""),
    (Op.Text, "hello"),
    (Op.Text, '{"qty": 2, "tags": ["a"]}'),
    (Op.Text, "tick"),
    (Op.Text, "tick"),
    (Op.Binary, b"\x00\x01"),
    (Op.Close, (1000, "bye")),
]


@pytest.mark.parametrize(
    "expected",
    [
        [Op.Open, repeat(Op.Text), Op.Binary, Op.Close],
        [Op.Open, repeat(Op.Text, 4, 4), Op.Binary, Op.Close],
        [Op.Open, repeat(Op.Text), (Op.Text, "tick"), Op.Binary, Op.Close],
        [Op.Open, optional(Op.Text), repeat(Op.Text, at_least=3), Op.Binary, Op.Close],
        [Op.Open, optional(Op.Binary), Op.Text, repeat([Op.Text], 0), repeat(Op.Binary), Op.Close],
        [Op.Open, Op.Text, Op.Text, repeat((Op.Text, "tick")), any_order(Op.Close, Op.Binary)],
        [Op.Open, any_order(Op.Binary, Op.Text, Op.Text, repeat((Op.Text, "tick"))), Op.Close],
        [Op.Open, any_order([(Op.Text, "tick"), Op.Binary], repeat(Op.Text)), Op.Close],
        [repeat(any_order(Op.Open, Op.Text)), repeat(Op.Text, 2), Op.Binary, Op.Close],
        [repeat([optional(Op.Open), optional(Op.Text)]), Op.Binary, optional(Op.Close)],
    ],
)
def test_what_may_vary_is_expected_with_groups(expected: list[Any]) -> None:
    assert_opcodes(CHAT, expected)


@pytest.mark.parametrize(
    "expected",
    [
        [Op.Open, repeat(Op.Text), Op.Close],
        [Op.Open, repeat(Op.Text, at_most=3), Op.Binary, Op.Close],
        [Op.Open, repeat(Op.Text, at_least=5), Op.Binary, Op.Close],
        [Op.Open, repeat(Op.Text), Op.Binary, Op.Close, repeat(Op.Text)],
        [Op.Open, any_order(Op.Binary, Op.Text), repeat(Op.Text), Op.Close],
        [Op.Open, repeat(Op.Text), repeat(Op.Text, 4), Op.Binary, Op.Close],
        [optional([Op.Open, Op.Binary]), repeat(Op.Text), Op.Binary, Op.Close],
    ],
)
def test_groups_that_do_not_fit_fail(expected: list[Any]) -> None:
    with pytest.raises(AssertionError):
        assert_opcodes(CHAT, expected)


@pytest.mark.parametrize(
    ("opcode", "payload", "wanted"),
    [
        (Op.Text, "hello", "hello"),
        (Op.Text, "hello", ...),
        (Op.Text, "hello", re.compile("h.*o")),
        (Op.Text, "hello", re.compile(b"h.*o")),
        (Op.Binary, b"hello", re.compile("h.*o")),
        (Op.Text, "hello", is_short),
        (Op.Text, "hello", is_greeting),
        (Op.Text, "3", is_number),
        (Op.Text, '{"a": [1.0, true]}', json_payload({"a": [1, True]})),
        (Op.Binary, b'{"b":1,"a":2}', json_payload({"a": 2, "b": 1})),
        (Op.Close, b"\x03\xe8bye", 1000),
        (Op.Close, b"\x03\xe8bye", "bye"),
        (Op.Close, b"\x03\xe8bye", re.compile("b.e")),
        (Op.Close, b"\x03\xe8bye", (1000, re.compile("b.e"))),
        (Op.Close, b"\x03\xe8bye", (..., "bye")),
        (Op.Close, b"\x03\xe8bye", (lambda code: code < 1002, ...)),
        (Op.Close, b"\x03\xe8bye", lambda end: end == (1000, "bye")),
        (Op.Close, b"\x03\xe8bye", b"\x03\xe8bye"),
    ],
)
def test_a_payload_is_judged_in_many_ways(opcode: Op, payload: Any, wanted: Any) -> None:
    assert_opcodes([(opcode, payload)], [(opcode, wanted)])


@pytest.mark.parametrize(
    ("opcode", "payload", "wanted", "told"),
    [
        (Op.Text, "hello", re.compile("h"), ["expected Text matching 'h'"]),
        (Op.Binary, b"\xff", re.compile("."), ["expected Binary matching '.'"]),
        (
            Op.Text,
            "hello you",
            is_short,
            [
                (
                    "expected Text accepted by is_short "
                    f"(test_opcodes.py:{is_short.__code__.co_firstlineno})"
                )
            ],
        ),
        (
            Op.Text,
            "bye",
            is_greeting,
            [
                (
                    "expected Text accepted by is_greeting "
                    f"(test_opcodes.py:{is_greeting.__code__.co_firstlineno})"
                ),
                "  it raised AssertionError: it must begin",
            ],
        ),
        (
            Op.Text,
            "x",
            is_number,
            [
                (
                    "expected Text accepted by is_number "
                    f"(test_opcodes.py:{is_number.__code__.co_firstlineno})"
                ),
                "  it raised ValueError: invalid literal for int() with base 10: 'x'",
            ],
        ),
        (
            Op.Text,
            '{"qty": 3, "more": 1}',
            json_payload({"qty": 2}),
            [
                "expected Text with JSON {'qty': 2}",
                "  $.qty: expected 2, got 3",
                "  $.more: unexpected, got 1",
            ],
        ),
        (
            Op.Text,
            "{",
            json_payload(1),
            [
                "expected Text with JSON 1",
                (
                    "  it is not JSON: Expecting property name enclosed in double quotes: "
                    "line 1 column 2 (char 1)"
                ),
            ],
        ),
        (
            Op.Text,
            "x" * 50 + "abc",
            "x" * 50 + "abd",
            [
                f"expected Text '{'x' * 50}abd'",
                f"  they part at index 52: expected …'{'x' * 18}abd', got …'{'x' * 18}abc'",
            ],
        ),
        (Op.Text, "a", b"a", ["expected Text b'a'", "  expected bytes, got str"]),
        (
            Op.Close,
            b"\x03\xe8",
            json_payload(1),
            ["expected Close with JSON 1", "  it is tuple, not JSON text"],
        ),
        (Op.Close, b"\x03\xe8bye", (1001, ...), ["expected Close 1001 ..."]),
        (Op.Close, b"\x03\xe8bye", re.compile("x"), ["expected Close matching 'x'"]),
    ],
)
def test_a_payload_that_is_another_is_explained(
    opcode: Op, payload: Any, wanted: Any, told: list[str]
) -> None:
    lines = fail_opcodes([(opcode, payload)], [(opcode, wanted)])
    assert [line[4:] for line in lines[2:]] == told


def test_true_is_not_one_in_json() -> None:
    with pytest.raises(AssertionError):
        assert_opcodes([(Op.Text, "true")], [(Op.Text, json_payload(1))])


def test_what_has_no_json_form_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        json_payload({"a": b"bytes"})
    assert "bytes" in str(caught.value)


def test_the_direction_is_expected_item_by_item() -> None:
    chat = make_chat()
    assert_opcodes(
        chat,
        [
            received([Op.Open, (Op.Text, "hello")]),
            sent(repeat(Op.Text)),
            received(Op.Binary),
            received((Op.Close, 1000)),
            sent(Op.Close),
        ],
    )
    assert fail_opcodes(chat, [sent(Op.Text)])[:3] == [
        "the websocket parts from what was expected at frame 1:",
        "  ✗ 1    +10.0 ms  received  Text 'hello'",
        "    expected sent Text",
    ]


def test_a_clients_record_is_read_from_the_servers_side() -> None:
    websocket = make_websocket(("sent", 1, True, b"hello"), ("received", 1, True, b"welcome"))
    websocket.connection.role = "client"
    assert_opcodes(websocket, [received((Op.Text, "hello")), sent((Op.Text, "welcome"))])
    assert_opcodes(websocket, [(Op.Text, "welcome")], direction="sent")


def test_a_direction_that_nobody_recorded_cannot_be_expected() -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_opcodes([Op.Open, (Op.Text, "hi")], [sent(Op.Text)])
    assert str(caught.value) == (
        "whether it was sent cannot be told of Text 'hi', which a handler has collected: "
        "give the recorded exchange"
    )


def test_an_item_cannot_have_both_directions() -> None:
    with pytest.raises(ConfigurationError) as caught:
        sent([Op.Open, received((Op.Text, "x"))])
    assert str(caught.value) == "received Text 'x' cannot be sent as well"


def test_the_close_that_answers_a_close_may_be_left_out() -> None:
    assert_opcodes(make_chat(), [Op.Open, repeat(Op.Text), Op.Binary, Op.Close])
    assert fail_opcodes(make_chat(), [repeat(Op.Text), Op.Binary, (Op.Close, 1001)])[0] == (
        "the websocket parts from what was expected at frame 8:"
    )


@pytest.mark.parametrize(
    "closes",
    [
        [("sent", 8, True, b""), ("sent", 8, True, b"")],
        [("received", 8, True, b""), ("sent", 8, True, b""), ("sent", 1, True, b"")],
        [("received", 8, True, b""), ("sent", 8, True, b""), ("sent", 8, True, b"")],
    ],
)
def test_a_second_close_of_any_other_kind_counts(closes: list[Any]) -> None:
    with pytest.raises(AssertionError):
        assert_opcodes(make_websocket(*closes), [Op.Close])


def test_of_a_long_walk_the_last_steps_are_shown() -> None:
    lines = fail_opcodes([Op.Text] * 30 + [Op.Binary], [repeat(Op.Text), Op.Close])
    assert lines == [
        "the websocket parts from what was expected at step 31:",
        "  ✓ the first 10 steps as expected",
        *(f"  ✓ {number}  Text" for number in range(11, 31)),
        "  ✗ 31  Binary",
        "    expected Text or Close",
    ]


def test_many_alternatives_are_cut() -> None:
    expected = any_order(*((Op.Text, str(number)) for number in range(20)))
    (_, _, wanted, rest) = fail_opcodes([Op.Binary], [expected])
    assert wanted == (
        "    expected Text '0' or Text '1' or Text '2' or Text '3' or Text '4' or Text '5' or "
        "Text '6' or Text '7' or 12 more"
    )
    assert rest.startswith("    still expected after that: any_order(Text '0', Text '1', ")


@pytest.mark.parametrize(
    ("expected", "rest"),
    [
        ([repeat(Op.Text, at_least=3), Op.Close], "repeat(Text), Close"),
        ([Op.Text, Op.Text, repeat(Op.Text, 2, 3), optional(Op.Ping)], None),
        ([Op.Text, any_order(Op.Text, Op.Close), Op.Binary], "Text, Binary"),
        (
            [[Op.Text, [optional(Op.Text), Op.Pong], repeat(Op.Text)], Op.Close],
            "repeat(Text), Close",
        ),
    ],
)
def test_what_was_still_expected_is_told(expected: list[Any], rest: str | None) -> None:
    lines = fail_opcodes([Op.Text, Op.Binary], expected)
    told = [line for line in lines if "still expected" in line]
    if rest is None:
        assert told == [
            "    still expected after that: repeat(Text, at_least=2, at_most=3), optional(Ping)"
        ]
    else:
        assert told == [f"    still expected after that: {rest}"]


def test_control_characters_of_a_peer_never_reach_the_terminal() -> None:
    websocket = make_websocket(
        ("received", 1, True, "\x1b[2J\u202e\n".encode()),
        ("received", 8, True, b"\x03\xe8\x1b[2J"),
    )
    text = "\n".join(fail_opcodes(websocket, [Op.Binary]))
    assert all(line.isprintable() for line in text.splitlines())
    assert r"Text '\x1b[2J\u202e\n'" in text
    assert r"Close 1000 '\x1b[2J'" in text


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: repeat(Op.Text, -1), "at_least must be a whole number of at least 0, not -1"),
        (lambda: repeat(Op.Text, True), "at_least must be a whole number of at least 0, not True"),
        (lambda: repeat(Op.Text, 3, 2), "at_most must be a whole number of at least 3, not 2"),
        (lambda: repeat(Op.Text, 0, 0), "at_most must be a whole number of at least 1, not 0"),
        (any_order, "any_order needs the items it is to take: any_order(Text, Binary)"),
        (
            lambda: optional("x"),  # type: ignore[arg-type]
            "'x' is neither a WebSocketOpCode nor a pair (WebSocketOpCode, payload)",
        ),
        (
            lambda: assert_opcodes([], repeat(Op.Text)),  # type: ignore[arg-type]
            "expected a list of items, not repeat(Text): put it into a list",
        ),
    ],
)
def test_groups_that_cannot_be_are_refused(make: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert str(caught.value) == told


def test_a_live_websocket_is_asserted_on(serve: Any) -> None:
    from websockets.sync.client import connect

    from kit.routing import websocket

    @websocket("/echo")
    def echo(request: Any, opcode: Op, payload: Any) -> None:
        if payload:
            request.send(payload)

    server = serve(("GET", "/echo", echo))
    with connect(server.ws_url_for("/echo")) as peer:
        for text in ("one", "two"):
            peer.send(text)
            peer.recv(timeout=10)
    (exchange,) = server.journal.wait_for("/echo", state="complete")
    assert_opcodes(exchange, [Op.Open, repeat([received(Op.Text), sent(Op.Text)]), Op.Close])
    assert_opcodes(exchange, [Op.Open, Op.Text, Op.Text, Op.Close], direction="received")


def test_a_json_payload_is_shown_as_it_is_written() -> None:
    assert repr(json_payload({"qty": [1, None]})) == "json_payload({'qty': [1, None]})"
