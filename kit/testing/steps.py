"""What happened on a websocket, step by step: messages, control frames, the opening."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kit.errors import ConfigurationError
from kit.opcodes import WebSocketOpCode
from kit.record import Exchange, FrameRecord
from kit.testing.text import escape, show_value

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN: Final = int(WebSocketOpCode.Open)
CLOSE: Final = int(WebSocketOpCode.Close)
ANY: Final[Any] = object()
"""Stands for a payload that nobody knows or asks for."""

_SHOWN = 60
_OPCODES = frozenset(WebSocketOpCode)
_OPPOSITE = {"sent": "received", "received": "sent"}


class Step(NamedTuple):
    """One event of a websocket: a message, a control frame, or its opening.

    Attributes:
        opcode: of the message's first frame.
        payload: text of a Text message, bytes of others; ANY where it is not known.
        number: which of `Exchange.frames` it is, from 1, "2-4" where there are
            several; of an opening 0; elsewhere the place in what was given.
        direction: "sent" or "received" as seen from the server, "" where unknown.
        at: real-monotonic seconds; None where unknown.
        notes: what is peculiar about it.
    """

    opcode: int
    payload: Any
    number: str = ""
    direction: str = ""
    at: float | None = None
    notes: str = ""

    def __str__(self) -> str:
        return f"{name_opcode(self.opcode)}{show_payload(self.opcode, self.payload)}"


def read_steps(websocket: Exchange | Iterable[Any], direction: str | None) -> list[Step]:
    """Read the steps of an exchange, of frames, or of what a handler has collected.

    Args:
        websocket: see `assert_opcodes`.
        direction: only the messages sent, or received, by the server; None for all.
    """
    if isinstance(websocket, Exchange):
        steps = list(_read_exchange(websocket))
    elif isinstance(websocket, str | bytes) or not isinstance(websocket, Iterable):
        msg = (
            "expected an Exchange, frames, opcodes or (opcode, payload) pairs, "
            f"not {type(websocket).__name__}"
        )
        raise ConfigurationError(msg)
    else:
        steps = list(_read_collected(list(websocket)))
    if direction is None:
        return steps
    return [step for step in steps if step.direction in ("", direction)]


def _read_exchange(exchange: Exchange) -> Iterator[Step]:
    if exchange.is_websocket:
        yield Step(OPEN, b"", "0", at=exchange.first_byte_at)
    for step in _assemble(exchange.frames):
        if exchange.connection.role == "client":
            yield step._replace(direction=_OPPOSITE[step.direction])
        else:
            yield step


def _read_collected(items: list[Any]) -> Iterator[Step]:
    if items and all(isinstance(item, FrameRecord) for item in items):
        yield from _assemble(items)
        return
    for number, item in enumerate(items, 1):
        if isinstance(item, FrameRecord):
            yield _make_step([(number, item)])
        elif isinstance(item, int) and item in _OPCODES:
            yield Step(item, ANY, str(number))
        elif isinstance(item, tuple) and len(item) == 2 and item[0] in _OPCODES:
            yield Step(item[0], item[1], str(number))
        else:
            msg = f"{item!r} is neither a WebSocketOpCode nor a pair (WebSocketOpCode, payload)"
            raise ConfigurationError(msg)


def _assemble(frames: Iterable[FrameRecord]) -> Iterator[Step]:
    """Join the frames of each message; the two directions may interleave."""
    unfinished: dict[str, list[tuple[int, FrameRecord]]] = {}
    for numbered in enumerate(frames, 1):
        frame = numbered[1]
        if frame.opcode >= CLOSE:
            yield _make_step([numbered])
            continue
        message = unfinished.setdefault(frame.direction, [])
        message.append(numbered)
        if frame.is_final:
            del unfinished[frame.direction]
            yield _make_step(message)
    for message in unfinished.values():
        yield _make_step(message, "not finished")


def _make_step(numbered: Sequence[tuple[int, FrameRecord]], *notes: str) -> Step:
    (first, frame), last = numbered[0], numbered[-1][0]
    message = [each for _, each in numbered]
    kept, length = sum(len(each.payload) for each in message), sum(each.length for each in message)
    told = list(notes)
    if len(message) > 1:
        told.append(f"{len(message)} frames")
    if kept < length:
        told.append(f"only {kept} of {length} bytes were recorded")
    number = str(first) if first == last else f"{first}-{last}"
    payload = read_payload(message)
    return Step(frame.opcode, payload, number, frame.direction, frame.at, ", ".join(told))


def read_payload(message: Sequence[FrameRecord]) -> str | bytes:
    """Join the payload of a message's frames, as text where it is a Text message."""
    payload = b"".join(frame.payload for frame in message)
    if message[0].opcode == WebSocketOpCode.Text:
        return payload.decode("utf-8", "replace")
    return payload


def read_close(payload: bytes) -> tuple[int, str]:
    """Split a Close frame's payload into code and reason."""
    # RFC 6455 section 7.1.5: 1005 stands for a Close frame without a code.
    code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
    return code, payload[2:].decode("utf-8", "replace")


def name_opcode(opcode: int) -> str:
    """Name an opcode; one that RFC 6455 reserves by its number."""
    return WebSocketOpCode(opcode).name if opcode in _OPCODES else f"opcode {opcode}"


def show_payload(opcode: int, payload: object) -> str:
    """Show a payload behind its opcode, shortened; nothing where there is none."""
    if payload is ANY or payload in (b"", ""):
        return " ''" if opcode == WebSocketOpCode.Text and payload == "" else ""
    if opcode == CLOSE and isinstance(payload, bytes):
        code, reason = read_close(payload)
        return f" {code}{f' {show_value(reason, _SHOWN)}' if reason else ''}"
    if opcode == CLOSE and isinstance(payload, tuple):
        return escape("".join(f" {show_value(each, _SHOWN)}" for each in payload))
    return f" {show_value(payload, _SHOWN)}"
