"""The websocket opcodes a handler sees."""

from __future__ import annotations

import enum


class WebSocketOpCode(enum.IntEnum):
    """Opcodes of RFC 6455 section 5.2, and `Open`, which is ours.

    A websocket handler is called with `Open`, `Text`, `Binary` and `Close`.
    `Ping` and `Pong` are answered by the framework; they appear in records.
    """

    Text = 1
    Binary = 2
    Close = 8
    Ping = 9
    Pong = 10
    Open = 255
    """Non-standard: the connection was opened."""
