"""Websocket frames as Chrome writes messages, and what that leaves out.

`_webSocketMessages` lists whole messages and control frames; how a message was cut
into frames stands in the entry's `_kit.frames`. Both together give the frames back.
"""

from __future__ import annotations

import base64
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from kit.record.entry import RECEIVE, SEND, RecordedFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TEXT = 1
_CONTROL = 8
_CLOSE = 8
_CONTROL_NAMES = {8: "Close", 9: "Ping", 10: "Pong"}
_CONTROL_BYTES = 125


class Message(NamedTuple):
    """A message as it stands in a file.

    Attributes:
        direction: "send" or "receive", seen from the client.
        opcode: of its first frame.
        data: the payload.
        offset_s: when its last frame went, in seconds since the entry's start.
    """

    direction: str
    opcode: int
    data: bytes
    offset_s: float


def join_frames(frames: Iterable[RecordedFrame]) -> list[Message]:
    """Join frames to messages, in the order in which they ended; unended ones come last."""
    messages: list[Message] = []
    begun: dict[str, list[RecordedFrame]] = {SEND: [], RECEIVE: []}
    for frame in frames:
        if frame.opcode >= _CONTROL:
            messages.append(_join([frame]))
            continue
        parts = begun[frame.direction]
        parts.append(frame)
        if frame.is_final:
            messages.append(_join(parts))
            parts.clear()
    messages += [_join(parts) for parts in begun.values() if parts]
    return messages


def _join(parts: Sequence[RecordedFrame]) -> Message:
    first, last = parts[0], parts[-1]
    data = b"".join(part.data for part in parts)
    return Message(first.direction, first.opcode, data, last.offset_s)


class FrameFacts(NamedTuple):
    """What `_kit.frames` tells of a frame.

    Attributes:
        direction: as in `RecordedFrame`, like the others.
        kept: how many bytes of the payload are in the file.
    """

    direction: str
    opcode: int
    is_final: bool
    offset_s: float
    size: int
    kept: int


def dump_messages(messages: Iterable[Message], started_at: float) -> list[dict[str, Any]]:
    """Write messages as `_webSocketMessages`: text as text, the rest in base64."""
    return [_dump_message(message, started_at) for message in messages]


def _dump_message(message: Message, started_at: float) -> dict[str, Any]:
    dumped: dict[str, Any] = {
        "type": message.direction,
        "time": round(started_at + message.offset_s, 6),
        "opcode": message.opcode,
    }
    coded = base64.b64encode(message.data).decode("ascii")
    if message.opcode != _TEXT:
        return {**dumped, "data": coded}
    try:
        return {**dumped, "data": message.data.decode()}
    except UnicodeError:
        # Text must be UTF-8; what is not was cut off, or sent to see what happens.
        return {**dumped, "data": message.data.decode("utf-8", "replace"), "_data": coded}


def dump_frames(frames: Iterable[RecordedFrame]) -> list[dict[str, Any]]:
    """Write what messages do not tell of frames."""
    return [_dump_frame(frame) for frame in frames]


def _dump_frame(frame: RecordedFrame) -> dict[str, Any]:
    dumped: dict[str, Any] = {
        "direction": frame.direction,
        "opcode": frame.opcode,
        "fin": frame.is_final,
        "time": round(frame.offset_s * 1000, 3),
        "size": frame.size,
    }
    if frame.is_truncated:
        dumped["kept"] = len(frame.data)
    if frame.close_code is not None:
        dumped["close_code"] = frame.close_code
    return dumped


def cut_messages(
    messages: Sequence[Message], facts: Sequence[FrameFacts]
) -> tuple[RecordedFrame, ...] | None:
    """Cut messages into the frames they came in; None if the facts are not theirs."""
    rest = deque(messages)
    begun: dict[str, list[int]] = {SEND: [], RECEIVE: []}
    payloads: dict[int, bytes] = {}
    for index, frame in enumerate(facts):
        parts = [index]
        if frame.opcode < _CONTROL:
            parts = begun[frame.direction]
            parts.append(index)
            if not frame.is_final:
                continue
            begun[frame.direction] = []
        if not rest or not _deal(rest.popleft(), facts, parts, payloads):
            return None
    for parts in begun.values():
        if parts and not (rest and _deal(rest.popleft(), facts, parts, payloads)):
            return None
    if rest:
        return None
    return tuple(_restore(frame, payloads[index]) for index, frame in enumerate(facts))


def _restore(frame: FrameFacts, payload: bytes) -> RecordedFrame:
    return RecordedFrame(
        direction=frame.direction,
        opcode=frame.opcode,
        data=payload,
        offset_s=frame.offset_s,
        is_final=frame.is_final,
        size=frame.size,
    )


def _deal(
    message: Message,
    facts: Sequence[FrameFacts],
    parts: Sequence[int],
    payloads: dict[int, bytes],
) -> bool:
    """Give each frame its bytes of the message; tell whether they fit."""
    first = facts[parts[0]]
    if (message.direction, message.opcode) != (first.direction, first.opcode):
        return False
    start = 0
    for part in parts:
        payloads[part] = message.data[start : start + facts[part].kept]
        start += facts[part].kept
    return start == len(message.data)


def find_control_fault(opcode: int, data: bytes) -> str | None:
    """Say why a control frame cannot be sent (RFC 6455 section 5.5); None if it can."""
    name = _CONTROL_NAMES.get(opcode)
    if name is None:
        return None
    if len(data) > _CONTROL_BYTES:
        return f"the payload of a {name} has {len(data)} bytes, allowed are {_CONTROL_BYTES}"
    return _find_close_fault(data) if opcode == _CLOSE and len(data) > 1 else None


def _find_close_fault(data: bytes) -> str | None:
    from websockets.frames import EXTERNAL_CLOSE_CODES

    code = int.from_bytes(data[:2], "big")
    if code not in EXTERNAL_CLOSE_CODES and not 3000 <= code < 5000:
        return f"close code {code}, allowed are 1000 to 1003, 1007 to 1014 and 3000 to 4999"
    try:
        data[2:].decode()
    except UnicodeDecodeError:
        return "the reason of a Close is not UTF-8"
    return None
