"""Assertions on what crossed a websocket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode
from kit.record import Exchange, FrameRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

Expected: TypeAlias = "WebSocketOpCode | tuple[WebSocketOpCode, Any]"

_CONTROL = (WebSocketOpCode.Ping, WebSocketOpCode.Pong)
_DIRECTIONS = ("sent", "received", None)
_SHOWN_BYTES = 60
_SHOWN_REST = 10
_ANY = object()


class _Step(NamedTuple):
    """One event of a websocket: a message, a control frame, or its opening.

    `notes` tells what is peculiar about it, `length` what its payload would
    have been had all of it been kept.
    """

    opcode: int
    payload: Any
    notes: str = ""

    def __str__(self) -> str:
        return f"{_name(self.opcode)}{_show(self.payload)}"


def assert_opcodes(
    websocket: Exchange | Iterable[Any],
    expected: Iterable[Expected],
    *,
    direction: str | None = None,
    include_control: bool = False,
) -> None:
    """Assert that a websocket's opcodes, and payloads where given, are these in order.

    Messages that were sent in several frames count as one. Ping and Pong are
    left out unless `expected` names one of them.

    Args:
        websocket: a recorded exchange, its frames, or opcodes and (opcode,
            payload) pairs that a handler has collected. An exchange begins with
            `Open`, which `expected` may leave out.
        expected: opcodes and (opcode, payload) pairs. Of a Close the payload may
            be the code, or (code, reason); payloads are compared with `==`.
        direction: "sent" or "received" as seen from the side that recorded, or
            None for both in wire order. Plain opcodes have no direction.
        include_control: whether Ping and Pong count.

    Raises:
        AssertionError: they differ; the text walks through to where they part.
    """
    __tracebackhide__ = True
    if direction not in _DIRECTIONS:
        msg = f"direction must be 'sent', 'received' or None, not {direction!r}"
        raise ConfigurationError(msg)
    wanted = [_parse_step(item) for item in expected]
    exchange = websocket if isinstance(websocket, Exchange) else None
    got = list(_read(websocket, direction))
    if not include_control and not any(step.opcode in _CONTROL for step in wanted):
        got = [step for step in got if step.opcode not in _CONTROL]
    if got[:1] and exchange is not None and not _begins_with_open(wanted):
        got = got[1:]
    parted = _find_parting(got, wanted)
    if parted is not None:
        raise AssertionError(_describe(got, wanted, parted, exchange))


def _begins_with_open(steps: Sequence[_Step]) -> bool:
    return bool(steps) and steps[0].opcode == WebSocketOpCode.Open


def _read(websocket: Exchange | Iterable[Any], direction: str | None) -> Iterator[_Step]:
    if isinstance(websocket, Exchange):
        if websocket.is_websocket:
            yield _Step(WebSocketOpCode.Open, b"")
        yield from _assemble(websocket.frames, direction)
        return
    if isinstance(websocket, str | bytes) or not isinstance(websocket, Iterable):
        msg = (
            "expected an Exchange, frames, opcodes or (opcode, payload) pairs, "
            f"not {type(websocket).__name__}"
        )
        raise ConfigurationError(msg)
    items = list(websocket)
    if items and all(isinstance(item, FrameRecord) for item in items):
        yield from _assemble(items, direction)
    else:
        yield from map(_parse_step, items)


def _assemble(frames: Iterable[FrameRecord], direction: str | None) -> Iterator[_Step]:
    """Join the frames of each message; the two directions may interleave."""
    unfinished: dict[str, list[FrameRecord]] = {}
    for frame in frames:
        if direction is not None and frame.direction != direction:
            continue
        if frame.opcode >= WebSocketOpCode.Close:
            yield _Step(frame.opcode, _read_payload([frame]), frame.direction)
            continue
        message = unfinished.setdefault(frame.direction, [])
        message.append(frame)
        if frame.is_final:
            del unfinished[frame.direction]
            yield _message_step(message, frame.direction)
    for side, message in unfinished.items():
        yield _message_step(message, f"{side}, not finished")


def _message_step(message: Sequence[FrameRecord], notes: str) -> _Step:
    if len(message) > 1:
        notes = f"{notes}, {len(message)} frames"
    kept, length = sum(len(one.payload) for one in message), sum(one.length for one in message)
    if kept < length:
        notes = f"{notes}, only {kept} of {length} bytes were recorded"
    return _Step(message[0].opcode, _read_payload(message), notes)


def _read_payload(message: Sequence[FrameRecord]) -> str | bytes:
    payload = b"".join(frame.payload for frame in message)
    if message[0].opcode == WebSocketOpCode.Text:
        return payload.decode("utf-8", "replace")
    return payload


def _parse_step(item: object) -> _Step:
    if isinstance(item, FrameRecord):
        return _Step(item.opcode, _read_payload([item]), item.direction)
    if isinstance(item, int) and item in list(WebSocketOpCode):
        return _Step(item, _ANY)
    if isinstance(item, tuple) and len(item) == 2 and item[0] in list(WebSocketOpCode):
        return _Step(item[0], item[1])
    msg = f"{item!r} is neither a WebSocketOpCode nor a pair (WebSocketOpCode, payload)"
    raise ConfigurationError(msg)


def _find_parting(got: Sequence[_Step], wanted: Sequence[_Step]) -> int | None:
    for index, (one, other) in enumerate(zip(got, wanted, strict=False)):
        if not _is_equal(one, other):
            return index
    return None if len(got) == len(wanted) else min(len(got), len(wanted))


def _is_equal(got: _Step, wanted: _Step) -> bool:
    if got.opcode != wanted.opcode:
        return False
    if wanted.payload is _ANY or got.payload is _ANY or bool(got.payload == wanted.payload):
        return True
    if got.opcode != WebSocketOpCode.Close or not isinstance(got.payload, bytes):
        return False
    code, reason = _read_close(got.payload)
    return wanted.payload in (code, (code, reason))


def _read_close(payload: bytes) -> tuple[int, str]:
    # RFC 6455 section 7.1.5: 1005 stands for a Close frame without a code.
    code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
    return code, payload[2:].decode("utf-8", "replace")


def _describe(
    got: Sequence[_Step], wanted: Sequence[_Step], parted: int, exchange: Exchange | None
) -> str:
    lines = [f"the websocket's opcodes part from what was expected at step {parted + 1}:"]
    for number, step in enumerate(got[:parted], 1):
        lines.append(f"  ✓ {number} {step}{_note(step)}")
    lines.append(f"  ✗ {parted + 1} {_describe_parting(got, wanted, parted)}")
    for number, step in enumerate(got[parted + 1 :][:_SHOWN_REST], parted + 2):
        lines.append(f"    {number} {step}{_note(step)} (not compared)")
    left_out = len(got) - parted - 1 - _SHOWN_REST
    if left_out > 0:
        lines.append(f"    and {left_out} more")
    rest = wanted[parted + 1 :]
    if rest:
        lines.append(f"    still expected after that: {', '.join(map(str, rest))}")
    return "\n".join(lines + _describe_exchange(exchange))


def _describe_parting(got: Sequence[_Step], wanted: Sequence[_Step], parted: int) -> str:
    if parted >= len(wanted):
        return f"expected the end, got {got[parted]}{_note(got[parted])}"
    if parted >= len(got):
        return f"expected {wanted[parted]}, but there is no more"
    return f"expected {wanted[parted]}, got {got[parted]}{_note(got[parted])}"


def _describe_exchange(exchange: Exchange | None) -> list[str]:
    if exchange is None:
        return []
    lines = [repr(exchange)]
    if not exchange.is_websocket:
        lines.append("it never became a websocket")
    elif not exchange.is_done:
        lines.append("it is still open: journal.wait_for(..., state='complete') waits for its end")
    if exchange.dropped_frames:
        lines.append(f"{exchange.dropped_frames} of its frames were not kept in the record")
    return lines


def _note(step: _Step) -> str:
    return f" ({step.notes})" if step.notes else ""


def _name(opcode: int) -> str:
    try:
        return WebSocketOpCode(opcode).name
    except ValueError:
        return f"opcode {opcode}"


def _show(payload: object) -> str:
    if payload is _ANY or payload == b"":
        return ""
    text = repr(payload)
    if len(text) > _SHOWN_BYTES:
        return f" {text[:_SHOWN_BYTES]}… ({len(text)} characters)"
    return f" {text}"
