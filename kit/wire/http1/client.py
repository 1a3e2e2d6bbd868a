"""The client's side of one HTTP/1.1 connection, without any I/O (RFC 9112)."""

from __future__ import annotations

import enum

from kit.errors import LocalProtocolError, RemoteProtocolError
from kit.limits import Limits
from kit.wire.http1.bodies import BodyReader, ChunkedReader, CloseReader, LengthReader
from kit.wire.http1.buffers import InputBuffer
from kit.wire.http1.events import PEER_CLOSED, EndOfMessage, PeerClosed, ResponseHead
from kit.wire.http1.fields import FieldParser, is_token
from kit.wire.http1.framing import Framing, frame_request, is_tunnel
from kit.wire.http1.heads import parse_response_head
from kit.wire.http1.serialize import BodyWriter, Headers, OutgoingFields, Trailers, check_fields
from kit.wire.http1.start_lines import (
    check_host,
    check_partial_status_line,
    is_target,
    resolve_authority,
)

ClientEvent = ResponseHead | bytes | EndOfMessage | PeerClosed

_DEFAULT_LIMITS = Limits()
_MAX_INTERIM_RESPONSES = 64


class _Reading(enum.Enum):
    """What is expected from the peer next."""

    NOTHING = enum.auto()  # no request waits for a response
    HEAD = enum.auto()
    BODY = enum.auto()
    END = enum.auto()  # a response without a body is complete, its end not told yet
    FAILED = enum.auto()  # the peer broke the protocol: nothing is read any more
    SWITCHED = enum.auto()  # another protocol has taken over


class ClientProtocol:
    """Turns requests into bytes, and bytes from a server into events.

    One request at a time: the next one may be sent when `can_reuse` is true. Each
    final response ends with an `EndOfMessage`, but a 101 and a 2xx to CONNECT, behind
    which `take_buffer` gives what is not HTTP any more.

    Attributes:
        body_limit: the size over which a response's body is refused; None for no limit.
        last_head: the last request head as it was sent, through the blank line.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_error",
        "_fields",
        "_has_upgrade",
        "_interim_count",
        "_is_kept_alive",
        "_limits",
        "_method",
        "_reading",
        "_writer",
        "body_limit",
        "last_head",
    )

    def __init__(self, limits: Limits = _DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = InputBuffer()
        self._fields = FieldParser(limits.head_fields)
        self._reading = _Reading.NOTHING
        self._method = ""
        self._has_upgrade = False
        self._is_kept_alive = True
        self._interim_count = 0
        self._body: BodyReader | None = None
        self._writer: BodyWriter | None = None
        self._error: RemoteProtocolError | None = None
        self.body_limit: int | None = None
        self.last_head: bytes = b""

    def __repr__(self) -> str:
        state = self._reading.name.lower()
        return f"<ClientProtocol reading {state}, {len(self._buffer)} bytes buffered>"

    @property
    def is_idle(self) -> bool:
        """Whether no request is being sent and no response is outstanding."""
        return self._reading is _Reading.NOTHING and self._writer is None

    @property
    def can_reuse(self) -> bool:
        """Whether another request may be sent now."""
        return (
            self.is_idle
            and self._is_kept_alive
            and not self._buffer.is_eof
            and not len(self._buffer)
        )

    @property
    def is_receiving(self) -> bool:
        """Whether a response has arrived in part."""
        return self._reading is _Reading.BODY or (
            self._reading is _Reading.HEAD and (len(self._buffer) > 0 or self._interim_count > 0)
        )

    @property
    def is_switched(self) -> bool:
        """Whether another protocol has taken over, or a tunnel stands."""
        return self._reading is _Reading.SWITCHED

    @property
    def has_buffered(self) -> bool:
        """Whether input waits that was not parsed yet."""
        return len(self._buffer) > 0

    # What is sent

    def send_request(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes = b"",
        *,
        trailers: Trailers = (),
    ) -> bytes:
        """Return a whole request. Trailers make it chunked.

        Raises:
            LocalProtocolError: it would break the protocol. Nothing was changed.
        """
        fields = self._check_request(method, target, headers)
        framing = frame_request(method, fields, len(body), has_trailers=bool(trailers))
        if framing.is_chunked:
            writer = framing.make_writer()
            body = writer.write(body) + writer.end(trailers)
        head = self._begin_request(method, target, fields, framing)
        return head + body if body else head

    def start_request(
        self, method: str, target: str, headers: Headers, *, length: int | None
    ) -> bytes:
        """Return the head of a request whose body follows in pieces.

        Args:
            length: the body's length, None for a chunked one.

        Raises:
            LocalProtocolError: it would break the protocol. Nothing was changed.
        """
        fields = self._check_request(method, target, headers)
        framing = frame_request(method, fields, length)
        head = self._begin_request(method, target, fields, framing)
        self._writer = framing.make_writer()
        return head

    def send_data(self, data: bytes) -> bytes:
        """Return a piece of the body as it goes over the wire.

        Raises:
            LocalProtocolError: the body would be longer than declared, or none was started.
        """
        if self._writer is None:
            raise LocalProtocolError("data was given, but no request is being sent")
        try:
            return self._writer.write(data)
        except LocalProtocolError:
            self._is_kept_alive = False
            raise

    def end_request(self, trailers: Trailers = ()) -> bytes:
        """Return what ends the body, and complete the request.

        Raises:
            LocalProtocolError: the body is shorter than declared, a trailer is malformed, or
                no request was started.
        """
        if self._writer is None:
            raise LocalProtocolError("the end was given, but no request is being sent")
        try:
            ending = self._writer.end(trailers)
        except LocalProtocolError:
            self._is_kept_alive = False
            raise
        self._writer = None
        return ending

    def _check_request(self, method: str, target: str, headers: Headers) -> OutgoingFields:
        if not self.is_idle:
            raise LocalProtocolError("a request is still being sent or answered")
        if not self.can_reuse:
            raise LocalProtocolError("the connection cannot carry another request")
        if not is_token(method.encode("utf-8", "surrogatepass")):
            msg = f"method {method!r} is not a token: letters, digits and !#$%&'*+-.^_`|~ are"
            raise LocalProtocolError(msg)
        if not is_target(target.encode("utf-8", "surrogatepass")):
            msg = (
                f"target {target!r} must be visible ascii without a '#': "
                "percent-encode it and leave out the fragment"
            )
            raise LocalProtocolError(msg)
        fields = check_fields(headers)
        if fields.host is None:
            raise LocalProtocolError("host is missing: an http/1.1 request needs the header")
        try:
            host = check_host([fields.host], "1.1")
            resolve_authority(method, target, host, has_host=True)
        except RemoteProtocolError as error:
            raise LocalProtocolError(error.reason) from error
        return fields

    def _begin_request(
        self, method: str, target: str, fields: OutgoingFields, framing: Framing
    ) -> bytes:
        """Make the head; from here on nothing may fail."""
        self._method = method
        self._is_kept_alive = not fields.has_close()
        self._has_upgrade = b"upgrade" in (option.lower() for option in fields.connection)
        self._interim_count = 0
        self._reading = _Reading.HEAD
        self.last_head = b"".join(
            (
                f"{method} {target} HTTP/1.1\r\n".encode("ascii"),
                fields.lines,
                framing.line,
                fields.connection_line(b"" if self._is_kept_alive else b"close"),
                b"\r\n",
            )
        )
        return self.last_head

    # What arrives

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer; after an error they are thrown away."""
        if data and self._reading is not _Reading.FAILED:
            self._buffer.append(data)

    def receive_eof(self) -> None:
        """Take note that the peer has ended its side of the connection."""
        self._buffer.is_eof = True

    def next_event(self) -> ClientEvent | None:
        """Return the next event; None if it needs more bytes, or a request first.

        Raises:
            RemoteProtocolError: the peer broke the protocol or passed a limit. The
                connection must be closed.
        """
        if self._reading is _Reading.FAILED and self._error is not None:
            raise RemoteProtocolError(self._error.reason, self._error.status_code)
        try:
            return self._next_event()
        except RemoteProtocolError as error:
            self._error = error
            self._reading = _Reading.FAILED
            self._is_kept_alive = False
            self._body = None
            self._buffer.take_all()
            raise

    def take_buffer(self) -> bytes:
        """Remove what was not parsed and return it."""
        return self._buffer.take_all()

    def _next_event(self) -> ClientEvent | None:
        reading = self._reading
        if reading is _Reading.HEAD:
            return self._next_head()
        if self._body is not None:
            return self._next_body(self._body)
        if reading is _Reading.END:
            return self._end_response(EndOfMessage())
        if reading is _Reading.NOTHING:
            if len(self._buffer):
                msg = f"{len(self._buffer)} bytes arrived, but no request waits for a response"
                raise RemoteProtocolError(msg)
            if self._buffer.is_eof:
                return PEER_CLOSED
        return None

    def _next_head(self) -> ResponseHead | None:
        buffer = self._buffer
        raw = buffer.take_head()
        if raw is None:
            if len(buffer):
                buffer.check_partial_head(self._limits, check_partial_status_line)
            if buffer.is_eof:
                raise RemoteProtocolError(_explain_early_eof(len(buffer)))
            return None
        head = parse_response_head(raw, self._fields, self._limits)
        self._begin_response(head)
        return head

    def _begin_response(self, head: ResponseHead) -> None:
        """Decide what follows a head (RFC 9112 section 6.3)."""
        status = head.status
        if head.is_informational and status != 101:
            self._interim_count += 1
            if self._interim_count > _MAX_INTERIM_RESPONSES:
                msg = f"more than {_MAX_INTERIM_RESPONSES} interim responses to one request"
                raise RemoteProtocolError(msg)
            return
        if status == 101 and not self._has_upgrade:
            raise RemoteProtocolError("a 101 response, but the request asked for no upgrade")
        if status == 101 or is_tunnel(self._method, status):
            head.keep_alive = False
            self._is_kept_alive = False
            self._reading = _Reading.SWITCHED
            self._fields.forget()
            return
        self._is_kept_alive = self._is_kept_alive and head.keep_alive
        if self._method == "HEAD" or status in (204, 304) or head.content_length == 0:
            self._reading = _Reading.END
            return
        head.has_body = True
        self._reading = _Reading.BODY
        if head.is_chunked:
            self._body = ChunkedReader(self._fields, self._limits)
        elif head.content_length is not None:
            self._body = LengthReader(head.content_length)
        else:
            self._body = CloseReader()
            head.keep_alive = False
            self._is_kept_alive = False

    def _next_body(self, body: BodyReader) -> bytes | EndOfMessage | None:
        event = body.read(self._buffer, self.body_limit)
        if event is None and self._buffer.is_eof:
            event = body.read_eof()
        if isinstance(event, EndOfMessage):
            return self._end_response(event)
        return event

    def _end_response(self, event: EndOfMessage) -> EndOfMessage:
        self._body = None
        self._reading = _Reading.NOTHING
        if self._writer is not None:
            # The rest of the request would be taken for a next one.
            self._writer = None
            self._is_kept_alive = False
        return event


def _explain_early_eof(size: int) -> str:
    if size:
        return (
            "the peer closed the connection in the middle of a response head: "
            f"{size} bytes of it have arrived"
        )
    return "the peer closed the connection without a response"
