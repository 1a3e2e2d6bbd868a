"""HTTP/1.1 without I/O, for both sides of a connection (RFC 9110, RFC 9112)."""

from __future__ import annotations

from kit.wire.http1.client import ClientProtocol
from kit.wire.http1.events import (
    PEER_CLOSED,
    EndOfMessage,
    PeerClosed,
    RequestHead,
    ResponseHead,
)
from kit.wire.http1.server import ServerProtocol

__all__ = [
    "PEER_CLOSED",
    "ClientProtocol",
    "EndOfMessage",
    "PeerClosed",
    "RequestHead",
    "ResponseHead",
    "ServerProtocol",
]
