"""How the body of an outgoing message is delimited (RFC 9112 section 6)."""

from __future__ import annotations

from kit.errors import LocalProtocolError
from kit.wire.http1.serialize import BodyWriter, OutgoingFields

# Statuses without a body: RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
BODYLESS = frozenset((204, 205, 304))


class Framing:
    """The delimiting of one body.

    Attributes:
        line: the framing field with its CRLF, empty if there is none.
        length: the body's length, None if it is not known.
        is_chunked: the body is sent in chunks.
        is_silent: the head tells about a body that is not sent.
        is_until_close: the body ends with the connection.
    """

    __slots__ = ("is_chunked", "is_silent", "is_until_close", "length", "line")

    def __init__(
        self,
        line: bytes = b"",
        length: int | None = None,
        *,
        is_chunked: bool = False,
        is_silent: bool = False,
        is_until_close: bool = False,
    ) -> None:
        self.line: bytes = line
        self.length: int | None = length
        self.is_chunked: bool = is_chunked
        self.is_silent: bool = is_silent
        self.is_until_close: bool = is_until_close

    def make_writer(self) -> BodyWriter:
        """Return the writer for a body that is sent in pieces."""
        return BodyWriter(length=self.length, is_chunked=self.is_chunked, is_silent=self.is_silent)


def is_tunnel(method: str, status: int) -> bool:
    """Tell whether a response turns the connection into a tunnel (RFC 9110 section 9.3.6)."""
    return method == "CONNECT" and 200 <= status < 300


def frame_response(
    status: int,
    method: str,
    version: str,
    fields: OutgoingFields,
    length: int | None,
    *,
    has_trailers: bool = False,
) -> Framing:
    """Decide how a response's body is delimited.

    Args:
        method: the request's method, "" if it is not known.
        version: the request's version.
        length: the length of the body that will be sent, None if it is not known.

    Raises:
        LocalProtocolError: the fields contradict the status or the length.
    """
    if status in BODYLESS or is_tunnel(method, status):
        return _frame_bodyless(status, fields, length)
    declared = fields.content_length
    is_silent = method == "HEAD"
    if declared is not None:
        # In answers to HEAD a handler may declare a body that it does not make.
        if length != declared and length is not None and not (is_silent and not length):
            raise _contradiction(declared, length)
        length = declared
    if length is None or fields.is_chunked or has_trailers:
        if version == "1.1":
            line = b"Transfer-Encoding: chunked\r\n"
            return Framing(line, length, is_chunked=True, is_silent=is_silent)
        if length is None:
            # RFC 9112 section 6.1: no transfer coding to a 1.0 client.
            return Framing(is_silent=is_silent, is_until_close=True)
    return Framing(b"Content-Length: %d\r\n" % length, length, is_silent=is_silent)


def _frame_bodyless(status: int, fields: OutgoingFields, length: int | None) -> Framing:
    if length:
        msg = f"a {status} response has no body, but {length} bytes were given"
        raise LocalProtocolError(msg)
    declared = fields.content_length
    if fields.is_chunked:
        raise LocalProtocolError(f"a {status} response has no body, so no transfer-encoding")
    if status == 304:
        # RFC 9110 section 15.4.5: it may tell the length that a 200 would have had.
        line = b"" if declared is None else b"Content-Length: %d\r\n" % declared
        return Framing(line, 0)
    if status == 205:
        if declared:
            raise _contradiction(declared, 0)
        return Framing(b"Content-Length: 0\r\n", 0)
    if declared is not None:
        # RFC 9110 section 8.6: must not be sent with 1xx, 204 or 2xx to CONNECT.
        raise LocalProtocolError(f"a {status} response has no body, so no content-length")
    return Framing(b"", 0)


def frame_request(
    method: str, fields: OutgoingFields, length: int | None, *, has_trailers: bool = False
) -> Framing:
    """Decide how a request's body is delimited.

    Args:
        length: the length of the body that will be sent, None if it is not known.

    Raises:
        LocalProtocolError: the fields contradict the length.
    """
    declared = fields.content_length
    if declared is not None:
        if length is not None and length != declared:
            raise _contradiction(declared, length)
        length = declared
    if length is None or fields.is_chunked or has_trailers:
        return Framing(b"Transfer-Encoding: chunked\r\n", length, is_chunked=True)
    if length or declared is not None or method in ("POST", "PUT", "PATCH"):
        # RFC 9110 section 8.6: sent even for an empty body where one is to be expected.
        return Framing(b"Content-Length: %d\r\n" % length, length)
    return Framing(b"", 0)


def _contradiction(declared: int, length: int) -> LocalProtocolError:
    return LocalProtocolError(f"content-length is {declared}, but the body has {length} bytes")
