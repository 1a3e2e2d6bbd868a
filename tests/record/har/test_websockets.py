from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.record.entry import RecordedFrame
from kit.record.har import dump, format_document, load
from kit.record.har.websockets import (
    FrameFacts,
    Message,
    cut_messages,
    dump_frames,
    dump_messages,
    find_control_fault,
    join_frames,
)
from support.har_entries import make_entry, make_frame, make_response

FRAMES = (
    make_frame("send", 1, b"he", is_final=False, offset_s=0.1),
    make_frame("send", 9, b"?", offset_s=0.2),
    make_frame("receive", 2, b"\xff", offset_s=0.25),
    make_frame("send", 0, b"llo", offset_s=0.3),
    make_frame("receive", 8, b"\x03\xe8bye", offset_s=0.4),
)


def test_frames_are_joined_to_messages_in_the_order_of_their_ends() -> None:
    assert join_frames(FRAMES) == [
        Message("send", 9, b"?", 0.2),
        Message("receive", 2, b"\xff", 0.25),
        Message("send", 1, b"hello", 0.3),
        Message("receive", 8, b"\x03\xe8bye", 0.4),
    ]


def test_a_message_that_never_ended_comes_last() -> None:
    assert [message.data for message in join_frames(FRAMES[:3])] == [b"?", b"\xff", b"he"]


def test_messages_are_written_as_chrome_does() -> None:
    messages = [Message("send", 1, "hé".encode(), 0.5), Message("receive", 2, b"\xff", 1.0)]
    assert dump_messages(messages, 100.0) == [
        {"type": "send", "time": 100.5, "opcode": 1, "data": "hé"},
        {"type": "receive", "time": 101.0, "opcode": 2, "data": "/w=="},
    ]


def test_text_that_is_none_keeps_its_bytes_beside() -> None:
    [message] = dump_messages([Message("send", 1, b"a\xff", 0)], 0)
    assert (message["data"], message["_data"]) == ("a\ufffd", "Yf8=")


def test_what_messages_do_not_tell_of_frames_is_written_beside() -> None:
    cut = make_frame("receive", 2, b"ab", size=10, offset_s=0.0015)
    assert dump_frames([FRAMES[0], cut, FRAMES[4]]) == [
        {"direction": "send", "opcode": 1, "fin": False, "time": 100.0, "size": 2},
        {"direction": "receive", "opcode": 2, "fin": True, "time": 1.5, "size": 10, "kept": 2},
        {
            "direction": "receive",
            "opcode": 8,
            "fin": True,
            "time": 400.0,
            "size": 5,
            "close_code": 1000,
        },
    ]


FACTS = FrameFacts("send", 1, True, 0.0, 2, 2)


@pytest.mark.parametrize(
    ("messages", "facts"),
    [
        ([Message("send", 1, b"abc", 0)], [FACTS]),
        ([Message("send", 1, b"a", 0)], [FACTS]),
        ([Message("receive", 1, b"ab", 0)], [FACTS]),
        ([Message("send", 2, b"ab", 0)], [FACTS]),
        ([], [FACTS]),
        ([Message("send", 1, b"ab", 0)], []),
        ([Message("send", 1, b"ab", 0)] * 2, [FACTS]),
        ([], [FACTS._replace(is_final=False)]),
    ],
)
def test_facts_of_other_messages_are_told(messages: list[Message], facts: list[Any]) -> None:
    assert cut_messages(messages, facts) is None


FRAME = st.builds(
    RecordedFrame,
    direction=st.sampled_from(["send", "receive"]),
    opcode=st.sampled_from([1, 2, 8, 9, 10]),
    data=st.binary(max_size=6),
    is_final=st.booleans(),
    offset_s=st.integers(0, 10**6).map(lambda each: each / 1000),
)


def _can_be_sent(frame: RecordedFrame) -> bool:
    return frame.direction == "send" or find_control_fault(frame.opcode, frame.data) is None


@st.composite
def conversations(draw: st.DrawFn) -> list[RecordedFrame]:
    """Frames as a connection may carry them: what is begun is continued."""
    frames: list[RecordedFrame] = []
    is_open = {"send": False, "receive": False}
    for frame in draw(st.lists(FRAME.filter(_can_be_sent), max_size=10)):
        way, opcode, fin = frame.direction, frame.opcode, frame.is_final
        if opcode >= 8:
            fin = True
        else:
            opcode = 0 if is_open[way] else opcode
            is_open[way] = not fin
        offset_s, data = frame.offset_s, frame.data
        frames.append(make_frame(way, opcode, data, is_final=fin, offset_s=offset_s))
    return frames


@settings(deadline=None)
@given(conversations())
def test_every_conversation_survives_being_written_and_read(frames: list[RecordedFrame]) -> None:
    entry = make_entry(frames=tuple(frames), response=make_response(101))
    document = dump([entry], redaction=None)
    assert load(format_document(document)).entries[0].frames == tuple(frames)
