"""Frames written by hand, so that a test can break every rule of RFC 6455."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.testing import make_frame
from kit.wire.websocket import Event, WebSocketProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
LIMIT = 1000


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    masked: bool = True,
    rsv: int = 0,
) -> bytes:
    """Return one frame; masked as a client's unless told otherwise."""
    return make_frame(opcode, payload, is_final=fin, is_masked=masked, rsv=rsv)


def close_payload(code: int, reason: str | bytes = b"") -> bytes:
    """Return the payload of a close frame, allowed or not."""
    return code.to_bytes(2, "big") + (reason.encode() if isinstance(reason, str) else reason)


def server(max_message_bytes: int = LIMIT) -> WebSocketProtocol:
    """Return a server's side of an open connection without extensions."""
    return WebSocketProtocol("server", max_message_bytes=max_message_bytes)


def client(max_message_bytes: int = LIMIT) -> WebSocketProtocol:
    """Return a client's side of an open connection without extensions."""
    return WebSocketProtocol("client", max_message_bytes=max_message_bytes)


def feed(protocol: WebSocketProtocol, pieces: Iterable[bytes]) -> list[Event]:
    """Feed the pieces one by one; return all their events."""
    return [event for piece in pieces for event in protocol.receive(piece)]
