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


def make_handshake(target: str = "/ws", *fields: str) -> bytes:
    return make_request(target, "GET", *FIELDS, *fields)


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    is_final: bool = True
    rsv: int = 0


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
        opcode, payload, is_final, rsv, is_masked = self.client.read_frame()
        assert not is_masked, "a server must not mask"
        return Frame(opcode, payload, is_final, rsv)

    def read_close(self) -> tuple[int, str]:
        """Read frames up to the Close; return its code and reason."""
        while (found := self.read()).opcode != 8:
            pass
        return int.from_bytes(found.payload[:2], "big"), found.payload[2:].decode()
