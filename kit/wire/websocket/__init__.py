"""Websockets without I/O: the handshake and the frames, both roles.

`WebSocketProtocol` is imported when first asked for: it stands on the `websockets`
package, which a program that never opens a websocket need not load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.wire.websocket.events import Closed, Event, Message, Ping, Pong
from kit.wire.websocket.handshake import Accepted, ClientHandshake, accept_handshake

if TYPE_CHECKING:
    from kit.wire.websocket.protocol import WebSocketProtocol

__all__ = [
    "Accepted",
    "ClientHandshake",
    "Closed",
    "Event",
    "Message",
    "Ping",
    "Pong",
    "WebSocketProtocol",
    "accept_handshake",
]


if not TYPE_CHECKING:  # or type checkers would take any misspelt name

    def __getattr__(name: str) -> object:
        if name != "WebSocketProtocol":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from kit.wire.websocket.protocol import WebSocketProtocol

        return WebSocketProtocol
