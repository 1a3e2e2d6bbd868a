"""What a websocket connection reports to whoever feeds it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.opcodes import WebSocketOpCode


@dataclasses.dataclass(slots=True)
class Message:
    """A whole user message, put together from its fragments and decompressed.

    Attributes:
        opcode: `Text` with a `str` payload, or `Binary` with `bytes`.
    """

    opcode: WebSocketOpCode
    payload: str | bytes


@dataclasses.dataclass(slots=True)
class Ping:
    """A ping came; its pong is already queued."""

    payload: bytes


@dataclasses.dataclass(slots=True)
class Pong:
    """A pong came, asked for or not."""

    payload: bytes


@dataclasses.dataclass(slots=True)
class Closed:
    """The connection is over; always the last event, and reported once.

    Attributes:
        code: the peer's close code; 1005 when its close frame had none, 1006 when
            the stream ended without one (RFC 6455 section 7.1.5); the code this
            side sent when it failed the connection.
        reason: the peer's words, or what was wrong.
        is_clean: whether both sides sent a close frame and neither broke the protocol.
    """

    code: int
    reason: str
    is_clean: bool


Event = Message | Ping | Pong | Closed
