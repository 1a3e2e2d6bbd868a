"""The polling client."""

from __future__ import annotations

from kit.client.client import HTTPClient
from kit.client.handles import RequestHandle, WebSocketHandle

__all__ = ["HTTPClient", "RequestHandle", "WebSocketHandle"]
