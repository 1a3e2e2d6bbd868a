"""Requests and responses, as handlers and callers see them."""

from __future__ import annotations

from kit.messages.content import decode_content, is_gzip_acceptable
from kit.messages.encoded import BodyStream, Encoded
from kit.messages.received import error_from_transport, response_from_wire
from kit.messages.request import Request, WebSocketChannel
from kit.messages.response import ErrorResponse, JsonResponse, Response, SerializableResponse

__all__ = [
    "BodyStream",
    "Encoded",
    "ErrorResponse",
    "JsonResponse",
    "Request",
    "Response",
    "SerializableResponse",
    "WebSocketChannel",
    "decode_content",
    "error_from_transport",
    "is_gzip_acceptable",
    "response_from_wire",
]
