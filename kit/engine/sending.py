"""From what a handler returned to bytes for the wire, or to the reason why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import HandlerReturnError, LocalProtocolError, RemoteProtocolError
from kit.messages import Encoded, Response, is_gzip_acceptable

if TYPE_CHECKING:
    from kit.messages import Request
    from kit.wire.http1 import ServerProtocol

BODYLESS = frozenset((204, 205, 304))
"""Statuses without a body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5)."""
JOINED_BYTES = 65536
"""A body up to this size leaves together with its head; a larger one is not copied."""
_REFUSAL_HEADERS = ((b"Content-Type", b"text/plain; charset=utf-8"),)


def serialize(
    protocol: ServerProtocol, name: str, request: Request, response: object, *, close: bool
) -> tuple[bytes, Encoded]:
    """Return what to send first, and the response; a streamed body is to be sent yet.

    Args:
        name: the handler's name.
        close: whether the connection ends with this response.

    Raises:
        HandlerReturnError: it is no response.
        LocalProtocolError: it would break the wire. A streamed body is closed.
        Exception: whatever serializing the payload raised.
    """
    if not isinstance(response, Response):
        raise HandlerReturnError(name, response)
    try:
        accept_gzip = response.compress and is_gzip_acceptable(request.headers)
        encoded = response.encode(accept_gzip=accept_gzip)
        status, headers, body = encoded.status, encoded.raw_headers, encoded.body
        _check_final(name, encoded)
        if isinstance(body, bytes) and len(body) <= JOINED_BYTES:
            return protocol.send_response(status, headers, body, close=close), encoded
        data = protocol.start_response(status, headers, length=encoded.length, close=close)
    except BaseException:
        close_source(response.payload)
        raise
    return data, encoded


def _check_final(name: str, encoded: Encoded) -> None:
    status = encoded.status
    if status < 200:
        # RFC 9110 section 15.2: interim, so the client would wait for another one.
        raise LocalProtocolError(
            f"handler {name} returned status {status}, which is not final: return 200 to 599"
        )
    if status in BODYLESS and encoded.length is None:
        raise LocalProtocolError(f"a {status} response has no body, but a stream was given")


def serialize_refusal(protocol: ServerProtocol, error: RemoteProtocolError) -> bytes:
    """Return the answer to what must not reach a handler; the connection ends with it."""
    text = f"{error.reason}\n".encode("utf-8", "backslashreplace")
    return protocol.send_response(error.status_code, _REFUSAL_HEADERS, text, close=True)


def body_too_large(length: int, limit: int) -> RemoteProtocolError:
    """Return the error of a body that is announced to be longer than the route takes."""
    return RemoteProtocolError(
        f"the request body has {length} bytes, this route takes {limit} (max_content_length)", 413
    )


def close_source(source: object) -> None:
    """Close what a body is streamed from, if that can be closed."""
    close = getattr(source, "close", None)
    if close is not None:
        close()
