"""The server's side of one HTTP/1.1 connection, without any I/O (RFC 9112)."""

from __future__ import annotations

import enum

from kit.clock import http_date
from kit.errors import LocalProtocolError, RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1.bodies import BodyReader, ChunkedReader, LengthReader
from kit.wire.http1.buffers import InputBuffer
from kit.wire.http1.events import PEER_CLOSED, EndOfMessage, PeerClosed, RequestHead
from kit.wire.http1.fields import FieldParser
from kit.wire.http1.framing import BODYLESS, Framing, frame_response, is_tunnel
from kit.wire.http1.heads import parse_request_head
from kit.wire.http1.serialize import (
    STATUS_LINES,
    BodyWriter,
    Headers,
    OutgoingFields,
    Trailers,
    check_fields,
    status_line,
)
from kit.wire.http1.start_lines import check_partial_request_line

ServerEvent = RequestHead | bytes | EndOfMessage | PeerClosed

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DEFAULT_LIMITS = Limits()
_UNCOMMON_METHODS = frozenset(("CONNECT", "HEAD"))
_COMMON_STATUS_LINES = {
    status: line
    for status, line in STATUS_LINES.items()
    if status >= 200 and status not in BODYLESS
}


class _Reading(enum.Enum):
    """What is expected from the peer next."""

    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()  # the request is complete, and waits for its response
    FAILED = enum.auto()  # the peer broke the protocol: nothing is read any more
    CLOSED = enum.auto()  # the last response was sent
    SWITCHED = enum.auto()  # another protocol has taken over


_HEAD = _Reading.HEAD
_BODY = _Reading.BODY
_NOTHING = _Reading.NOTHING
_FAILED = _Reading.FAILED
_CLOSED = _Reading.CLOSED
_SWITCHED = _Reading.SWITCHED


class ServerProtocol:
    """Turns bytes from a client into events, and responses into bytes.

    Feed it with `receive` and pull with `next_event`. A pipelined request waits in
    the buffer until the response before it is complete.

    Attributes:
        body_limit: the size over which the current request's body gets 413; None, as it
            is at each new request, for no limit.
        keep_alive: the connection may carry another request after the current response.
        last_head: the last head as it was sent, through the blank line.
        is_response_started: a head of the final response was made.
        is_response_complete: the final response was made as a whole.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_error",
        "_fields",
        "_has_seen_crlf",
        "_has_unread_body",
        "_is_common",
        "_is_continue_due",
        "_last_parsed",
        "_limits",
        "_reading",
        "_request",
        "_writer",
        "body_limit",
        "is_response_complete",
        "is_response_started",
        "keep_alive",
        "last_head",
    )

    def __init__(self, limits: Limits = _DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = InputBuffer()
        self._fields = FieldParser(limits.head_fields)
        self._reading = _HEAD
        self._request: RequestHead | None = None
        self._last_parsed: RequestHead | None = None
        self._body: BodyReader | None = None
        self._writer: BodyWriter | None = None
        self._error: RemoteProtocolError | None = None
        self._has_seen_crlf = False
        self._has_unread_body = False
        self._is_continue_due = False
        # A request of the commonest kind waits for its response: the fast path.
        self._is_common = False
        self.body_limit: int | None = None
        self.keep_alive: bool = True
        self.last_head: bytes = b""
        self.is_response_started: bool = False
        self.is_response_complete: bool = False

    def __repr__(self) -> str:
        return f"<ServerProtocol {self._reading.name.lower()}, {len(self._buffer)} bytes buffered>"

    # What arrives

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; after the last request they are thrown away."""
        if data and self._reading is not _FAILED and self._reading is not _CLOSED:
            self._buffer.append(data)

    def receive_eof(self) -> None:
        """Take note that the peer has ended its side of the connection."""
        self._buffer.is_eof = True

    @property
    def is_receiving(self) -> bool:
        """Whether a request has arrived in part, even if its rest is not wanted any more."""
        return (
            self._reading is _BODY
            or self._has_unread_body
            or (self._reading is _HEAD and len(self._buffer) > 0)
        )

    @property
    def has_buffered(self) -> bool:
        """Whether input waits that was not parsed yet."""
        return len(self._buffer) > 0

    def next_event(self) -> ServerEvent | None:
        """Return the next event; None if it needs more bytes, or the response first.

        Raises:
            RemoteProtocolError: the peer broke the protocol or passed a limit. Only an
                error response may follow, and the connection must be closed.
        """
        reading = self._reading
        try:
            if reading is _HEAD:
                return self._next_head()
            if self._body is not None:
                return self._next_body(self._body)
        except RemoteProtocolError as error:
            self.fail(error)
            raise
        if reading is _FAILED and self._error is not None:
            raise RemoteProtocolError(self._error.reason, self._error.status_code)
        return PEER_CLOSED if reading is _CLOSED and self._buffer.is_eof else None

    def _next_head(self) -> RequestHead | PeerClosed | None:
        buffer = self._buffer
        raw = buffer.take_head()
        if raw is None:
            self._check_partial_head()
            if not buffer.is_eof:
                return None
            if not len(buffer):
                return PEER_CLOSED
            msg = (
                "the peer closed the connection in the middle of a request head: "
                f"{len(buffer)} bytes of it have arrived"
            )
            raise RemoteProtocolError(msg)
        head = self._last_parsed
        # Clients repeat themselves: what was said in the same bytes means the same.
        if head is None or raw != head.raw:
            try:
                head = self._last_parsed = parse_request_head(
                    raw, self._fields, self._limits, may_skip_crlf=not self._has_seen_crlf
                )
            except RemoteProtocolError:
                buffer.replace(raw)
                raise
        self._begin_request(head)
        return head

    def _check_partial_head(self) -> None:
        buffer = self._buffer
        if not self._has_seen_crlf and buffer.data.startswith(b"\r\n", buffer.position):
            self._has_seen_crlf = True
            buffer.advance(buffer.position + 2)
        if len(buffer) and not (len(buffer) == 1 and buffer.data[buffer.position] == 0x0D):
            buffer.check_partial_head(self._limits, self._check_partial_line)

    def _check_partial_line(self, buffer: InputBuffer, start: int) -> bool:
        return check_partial_request_line(buffer, start, self._limits.target_bytes)

    def _begin_request(self, head: RequestHead) -> None:
        self._request = head
        self._has_seen_crlf = False
        self._is_continue_due = head.expects_continue
        self.body_limit = None
        self.keep_alive = head.keep_alive
        self.is_response_started = False
        self.is_response_complete = False
        self._is_common = (
            head.keep_alive and head.http_version == "1.1" and head.method not in _UNCOMMON_METHODS
        )
        if not head.has_body:
            self._reading = _NOTHING
            return
        self._reading = _BODY
        if head.is_chunked:
            self._body = ChunkedReader(self._fields, self._limits)
        else:
            self._body = LengthReader(head.content_length or 0)

    def _next_body(self, body: BodyReader) -> bytes | EndOfMessage | None:
        event = body.read(self._buffer, self.body_limit)
        if event is None and self._buffer.is_eof:
            event = body.read_eof()
        if event.__class__ is EndOfMessage:
            self._body = None
            self._reading = _NOTHING
        return event

    def fail(self, error: RemoteProtocolError) -> None:
        """Give up on the peer, for a reason of the caller's such as a time-out.

        As after an error from `next_event`, only an error response may follow, and until
        then `take_buffer` gives the bytes of a head that was refused.
        """
        if self._request is None:
            self.is_response_started = self.is_response_complete = False
        if self._reading is not _HEAD:
            self._buffer.take_all()
        self._error = error
        self._is_common = False
        self._reading = _FAILED
        self.keep_alive = False
        self._body = None
        self._fields.forget()

    # What is sent

    def send_continue(self) -> bytes:
        """Return the 100 that the peer waits for; nothing if it does not, or no longer."""
        if not self._is_continue_due or self.is_response_started:
            return b""
        self._is_continue_due = False
        return _CONTINUE

    def send_response(
        self,
        status: int,
        headers: Headers,
        body: bytes = b"",
        *,
        close: bool = False,
        trailers: Trailers = (),
    ) -> bytes:
        """Return a whole response; interim ones (1xx but 101) may come before the final one.

        Date, the framing fields and Connection are added. Trailers make it chunked;
        a 1.0 client does not get them.

        Raises:
            LocalProtocolError: it would break the protocol. Nothing was changed.
        """
        if self._is_common and self._reading is _NOTHING and not (close or trailers):
            fields = check_fields(headers)
            line = _COMMON_STATUS_LINES.get(status)
            if line is not None and fields.is_plain:
                return self._send_common(line, fields, body)
        fields = self._check_response(status, headers)
        if status < 200:
            return self._send_interim(status, fields, body)
        framing = self._frame(status, fields, len(body), has_trailers=bool(trailers))
        if framing.is_chunked:
            writer = framing.make_writer()
            body = writer.write(body) + writer.end(trailers)
        elif framing.is_silent:
            body = b""
        head = self._begin_response(status, fields, framing, close=close)
        self._finish_response()
        return head + body if body else head

    def _send_common(self, line: bytes, fields: OutgoingFields, body: bytes) -> bytes:
        """Do what `send_response` does, where neither side asked for anything special."""
        head = b"%b%bDate: %b\r\nContent-Length: %d\r\n\r\n" % (
            line,
            fields.lines,
            http_date(),
            len(body),
        )
        response = head + body
        self.last_head = head
        self.is_response_started = self.is_response_complete = True
        self._is_common = False
        self._request = None
        self._reading = _HEAD
        return response

    def start_response(
        self, status: int, headers: Headers, *, length: int | None, close: bool = False
    ) -> bytes:
        """Return the head of a response whose body follows in pieces.

        Args:
            length: the body's length. None for a chunked body, or, to a 1.0 client, one
                that ends with the connection.

        Raises:
            LocalProtocolError: it would break the protocol. Nothing was changed.
        """
        fields = self._check_response(status, headers)
        if status < 200:
            raise LocalProtocolError(f"an interim response ({status}) has no body to be started")
        framing = self._frame(status, fields, length)
        head = self._begin_response(status, fields, framing, close=close)
        self._writer = framing.make_writer()
        return head

    def send_data(self, data: bytes) -> bytes:
        """Return a piece of the body as it goes over the wire.

        Raises:
            LocalProtocolError: the body would be longer than declared, or none was started.
                The connection must be closed.
        """
        writer = self._writer
        if writer is None:
            raise LocalProtocolError("data was given, but no response is being sent")
        try:
            return writer.write(data)
        except LocalProtocolError:
            self.keep_alive = False
            raise

    def end_response(self, trailers: Trailers = ()) -> bytes:
        """Return what ends the body, and complete the response.

        Raises:
            LocalProtocolError: the body is shorter than declared, a trailer is malformed, or
                no response was started. The connection must be closed.
        """
        writer = self._writer
        if writer is None:
            raise LocalProtocolError("the end was given, but no response is being sent")
        try:
            ending = writer.end(trailers)
        except LocalProtocolError:
            self.keep_alive = False
            raise
        self._finish_response()
        return ending

    def switch_protocols(self, headers: Headers) -> bytes:
        """Return a 101 response; what follows is not HTTP (RFC 9110 section 15.2.2).

        `take_buffer` gives what has already arrived behind the request.

        Raises:
            LocalProtocolError: it would break the protocol. Nothing was changed.
        """
        request = self._request
        if request is None or self._reading is not _NOTHING or request.http_version != "1.1":
            raise LocalProtocolError("no complete http/1.1 request waits for another protocol")
        fields = self._check_response(101, headers)
        if all(name.lower() != b"upgrade" for name, _ in headers):
            raise LocalProtocolError("a 101 response needs an upgrade header")
        self._check_interim(101, fields)
        self._is_common = False
        self.last_head = status_line(101) + fields.lines + b"Connection: Upgrade\r\n\r\n"
        self.keep_alive = False
        self.is_response_started = True
        self._reading = _SWITCHED
        self._finish_response()
        return self.last_head

    def take_buffer(self) -> bytes:
        """Remove what was not parsed, or was refused, and return it."""
        return self._buffer.take_all()

    def _check_response(self, status: int, headers: Headers) -> OutgoingFields:
        """Check that a response may be sent now, and its fields."""
        if self.is_response_started and not self.is_response_complete:
            raise LocalProtocolError("a response was already started")
        if not 100 <= status <= 599:
            raise LocalProtocolError(f"status must be an integer of 100 to 599, not {status!r}")
        if self._reading is _FAILED:
            if status < 400:
                msg = f"only an error response may follow a protocol error, not {status}"
                raise LocalProtocolError(msg)
        elif self._request is None:
            raise LocalProtocolError("no request waits for a response")
        return check_fields(headers)

    def _frame(
        self, status: int, fields: OutgoingFields, length: int | None, *, has_trailers: bool = False
    ) -> Framing:
        request = self._request
        if request is None:
            return frame_response(status, "", "1.1", fields, length, has_trailers=has_trailers)
        method, version = request.method, request.http_version
        return frame_response(status, method, version, fields, length, has_trailers=has_trailers)

    def _begin_response(
        self, status: int, fields: OutgoingFields, framing: Framing, *, close: bool
    ) -> bytes:
        """Make the head of a final response; from here on nothing may fail."""
        request = self._request
        option = b""
        if (
            close
            or not self.keep_alive
            or framing.is_until_close
            # The rest of an unread body cannot be told from a next request.
            or self._reading is not _NOTHING
            or fields.has_close()
        ):
            self.keep_alive = False
            option = b"close"
        elif request is not None and request.http_version == "1.0":
            option = b"keep-alive"
        date = b"" if fields.has_date else b"Date: " + http_date() + b"\r\n"
        head = b"".join(
            (
                STATUS_LINES.get(status) or status_line(status),
                fields.lines,
                date,
                framing.line,
                fields.connection_line(option),
                b"\r\n",
            )
        )
        self._is_common = False
        if request is not None and is_tunnel(request.method, status):
            self._reading = _SWITCHED
            self.keep_alive = False
        self.last_head = head
        self.is_response_started = True
        self.is_response_complete = False
        return head

    def _finish_response(self) -> None:
        self._writer = None
        self._request = None
        self.is_response_complete = True
        if self._reading is _SWITCHED:
            self._fields.forget()
        elif self._reading is _NOTHING and self.keep_alive:
            self._reading = _HEAD
        else:
            self._has_unread_body = self._reading is _BODY
            self._reading = _CLOSED
            self._body = None
            self._buffer.take_all()

    def _send_interim(self, status: int, fields: OutgoingFields, body: bytes) -> bytes:
        if status == 101:
            raise LocalProtocolError("a 101 response is made by switch_protocols")
        if body:
            raise LocalProtocolError(f"a {status} response has no body, {len(body)} bytes given")
        self._check_interim(status, fields)
        if status == 100:
            self._is_continue_due = False
        self.last_head = status_line(status) + fields.lines + b"\r\n"
        return self.last_head

    def _check_interim(self, status: int, fields: OutgoingFields) -> None:
        request = self._request
        if request is None or request.http_version != "1.1":
            # RFC 9110 section 15.2: never to a 1.0 client.
            raise LocalProtocolError(f"a {status} response cannot be sent to an http/1.0 client")
        if fields.is_chunked or fields.content_length is not None:
            # RFC 9110 section 8.6 and RFC 9112 section 6.1.
            raise LocalProtocolError(f"a {status} response has no body, so no framing headers")
