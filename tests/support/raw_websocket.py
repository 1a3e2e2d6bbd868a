"""A websocket client that sends literal frames."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from support.raw import Answer, RawClient, make_request
from support.websocket_frames import frame

KEY = base64.b64encode(bytes(16)).decode()
ACCEPT = base64.b64encode(
    hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
).decode()
FIELDS = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
)


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    is_final: bool = True
    rsv: int = 0


def make_handshake(target: str = "/ws", *fields: str) -> bytes:
    return make_request(target, "GET", *FIELDS, *fields)


class RawWebSocket:
    """The frames on a raw connection.

    Args:
        behind: bytes to be sent in one piece with the handshake.
    """

    def __init__(
        self, client: RawClient, target: str = "/ws", *fields: str, behind: bytes = b""
    ) -> None:
        self.client = client
        client.send(make_handshake(target, *fields) + behind)
        self.answer: Answer = client.read_answer()

    def send(self, opcode: int, payload: bytes = b"", **options: bool | int) -> None:
        self.client.send(frame(opcode, payload, **options))  # type: ignore[arg-type]

    def read(self) -> Frame:
        first, second = self.client.read_exactly(2)
        assert not second & 0x80, "a server must not mask"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self.client.read_exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self.client.read_exactly(8), "big")
        payload = self.client.read_exactly(size)
        return Frame(first & 15, payload, bool(first & 0x80), first >> 4 & 7)

    def read_close(self) -> tuple[int, str]:
        """Read frames up to the Close; return its code and reason."""
        while (found := self.read()).opcode != 8:
            pass
        return int.from_bytes(found.payload[:2], "big"), found.payload[2:].decode()
