"""What one request and its answer were."""

from __future__ import annotations

import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING

from kit.clock import monotonic, now
from kit.headers import Headers
from kit.record.capture import BodyRecord, FrameLog, FrameRecord, trim_body
from kit.record.connection import format_address
from kit.record.heads import parse_fields, to_origin_form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kit.record.connection import ConnectionInfo
    from kit.record.heads import RecordedHead, RecordedRoute

    RawHeaders = Sequence[tuple[bytes, bytes]]

STATES = ("received", "handling", "responding", "complete", "failed")

_TARGET_SHOWN = 80
# The objects of an exchange beside its head, bodies and frames.
_OVERHEAD = 1024
# A head is held raw and as parsed pairs; measured at about four times its bytes.
_HEAD_FACTOR = 4

_exchange_ids = itertools.count(1)


class Exchange:
    """One request and its answer, filled in as they happen.

    The connection's owner sets the attributes, in any thread; whatever is not
    stored is worked out when it is read. Bodies are bytes, or a `BodyRecord`
    when they were too long to keep.

    Attributes:
        id: the exchange's number in this process, in order of arrival.
        connection: what the exchanges of the connection share.
        ordinal: the request's number on its connection, from 1.
        request_head: the head as parsed by kit.wire, or an `UnparsedHead`.
        request_content: the request's body.
        request_trailers: header fields that followed a chunked request body.
        endpoint: the route that took the request; None until it is resolved.
        matches: the path components the route's names stand for.
        response_status: the final status code; None until one is sent.
        response_head: the response's head as sent, status line to blank line.
        response_content: the response's body.
        response_trailers: header fields that followed a chunked response body.
        fault: the fault that was applied on purpose.
        exception: what the handler raised.
        error: why the exchange failed on its way; None if it did not.
        frame_log: the frames of a websocket; None for anything else.
        close_code: the websocket's final close code; None while it is open.
        recorded_bytes: about how much memory it holds; 0 until it is done.
        started_at: POSIX seconds of the clock people read, which tests may freeze.
        received_at: the request's head was complete (a client: began to be sent).
        handler_started_at: the handler was called (a client: has no such time).
        handled_at: the handler returned (a client: the request was sent).
        first_byte_at: the response's first byte was sent (a client: received).
        done_at: the response's last byte was sent (a client: received).

    The last five are real-monotonic seconds, None when it has not happened.
    """

    __slots__ = (
        "close_code",
        "connection",
        "done_at",
        "endpoint",
        "error",
        "exception",
        "fault",
        "first_byte_at",
        "frame_log",
        "handled_at",
        "handler_started_at",
        "id",
        "matches",
        "ordinal",
        "received_at",
        "recorded_bytes",
        "request_content",
        "request_head",
        "request_trailers",
        "response_content",
        "response_head",
        "response_status",
        "response_trailers",
        "started_at",
    )

    def __init__(
        self,
        connection: ConnectionInfo,
        ordinal: int,
        request_head: RecordedHead,
        received_at: float | None = None,
    ) -> None:
        self.id: int = next(_exchange_ids)
        self.connection: ConnectionInfo = connection
        self.ordinal: int = ordinal
        self.request_head: RecordedHead = request_head
        self.request_content: bytes | BodyRecord = b""
        self.request_trailers: RawHeaders = ()
        self.endpoint: RecordedRoute | None = None
        self.matches: Mapping[str, str] | None = None
        self.response_status: int | None = None
        self.response_head: bytes = b""
        self.response_content: bytes | BodyRecord = b""
        self.response_trailers: RawHeaders = ()
        self.fault: object | None = None
        self.exception: BaseException | None = None
        self.error: str | None = None
        self.frame_log: FrameLog | None = None
        self.close_code: int | None = None
        self.started_at: float = now()
        self.received_at: float = monotonic() if received_at is None else received_at
        self.handler_started_at: float | None = None
        self.handled_at: float | None = None
        self.first_byte_at: float | None = None
        self.done_at: float | None = None
        self.recorded_bytes: int = 0

    # What the exchange has come to.

    @property
    def state(self) -> str:
        """One of "received", "handling", "responding", "complete" and "failed"."""
        if self.error is not None:
            return "failed"
        if self.done_at is not None:
            return "complete"
        if self.first_byte_at is not None:
            return "responding"
        return "received" if self.handler_started_at is None else "handling"

    def has_reached(self, state: str) -> bool:
        """Tell whether the exchange is in this state or has gone through it.

        A failed exchange has reached what came before it failed, and never
        "complete"; an exchange that is complete has reached all but "failed".
        """
        if state == "received":
            return True
        if state == "failed":
            return self.error is not None
        is_complete = self.done_at is not None and self.error is None
        if state == "responding":
            return is_complete or self.first_byte_at is not None
        if state == "handling":
            return is_complete or self.handler_started_at is not None
        return is_complete

    @property
    def is_complete(self) -> bool:
        """Tell whether the response was sent to its last byte."""
        return self.done_at is not None and self.error is None

    @property
    def is_failed(self) -> bool:
        """Tell whether the exchange ended without a whole response."""
        return self.error is not None

    @property
    def is_done(self) -> bool:
        """Tell whether the exchange is complete or failed."""
        return self.done_at is not None

    @property
    def duration_s(self) -> float:
        """Seconds from the request's arrival to the response's end, or to now."""
        end = monotonic() if self.done_at is None else self.done_at
        return end - self.received_at

    # The request.

    @property
    def method(self) -> str:
        """The request's method; empty when the request does not parse."""
        return self.request_head.method

    @property
    def target(self) -> str:
        """The request target exactly as it came."""
        return self.request_head.target

    @property
    def path(self) -> str:
        """The target's path, undecoded, without query and fragment."""
        return to_origin_form(self.target).partition("#")[0].partition("?")[0]

    @property
    def query(self) -> str:
        """The target's query, undecoded, without its question mark."""
        return to_origin_form(self.target).partition("#")[0].partition("?")[2]

    @property
    def url(self) -> str:
        """The absolute URL, its authority taken from the Host header or else the server."""
        target = self.target
        if "://" in target.partition("?")[0]:
            return target
        scheme = "https" if self.connection.is_tls else "http"
        host = self.request_headers.text("host")
        if not host:
            is_server = self.connection.role == "server"
            host = format_address(self.connection.local if is_server else self.connection.peer)
        return f"{scheme}://{host}{'' if target == '*' else target}"

    @property
    def http_version(self) -> str:
        """The version in the request line, "1.0" or "1.1"."""
        return self.request_head.http_version

    @property
    def request_headers(self) -> Headers:
        """The request's header fields, order and case as they came."""
        return Headers.from_raw(self.request_head.raw_headers)

    @property
    def request_body(self) -> bytes:
        """The request's body, or as much of it as was kept."""
        return _kept(self.request_content)

    @property
    def request_body_length(self) -> int:
        """How many bytes the request's body had, kept or not."""
        return _length(self.request_content)

    @property
    def route(self) -> str | None:
        """The pattern of the route that took the request; None when none did."""
        endpoint = self.endpoint
        return endpoint.pattern if endpoint is not None and endpoint.is_match else None

    @property
    def handler(self) -> str | None:
        """The name of the handler that took the request; None when none did."""
        endpoint = self.endpoint
        return endpoint.name if endpoint is not None and endpoint.is_match else None

    # The response.

    @property
    def status(self) -> int | None:
        """The final status code; None until there is one."""
        return self.response_status

    @property
    def reason(self) -> str:
        """The reason phrase as sent; the standard one when no head is recorded."""
        if self.response_head:
            line = self.response_head.partition(b"\r\n")[0].decode("latin-1")
            return line.partition(" ")[2].partition(" ")[2]
        try:
            return HTTPStatus(self.response_status or 0).phrase
        except ValueError:
            return ""

    @property
    def response_headers(self) -> Headers:
        """The response's header fields, order and case as they were sent."""
        return Headers.from_raw(parse_fields(self.response_head))

    @property
    def response_body(self) -> bytes:
        """The response's body as sent, or as much of it as was kept."""
        return _kept(self.response_content)

    @property
    def response_body_length(self) -> int:
        """How many bytes the response's body had, kept or not."""
        return _length(self.response_content)

    # The websocket.

    @property
    def is_websocket(self) -> bool:
        """Tell whether the exchange became a websocket."""
        return self.frame_log is not None

    @property
    def frames(self) -> list[FrameRecord]:
        """The websocket frames kept so far, in wire order; empty without a websocket."""
        return self.frame_log.records() if self.frame_log is not None else []

    @property
    def dropped_frames(self) -> int:
        """How many websocket frames were counted and not kept."""
        return self.frame_log.dropped_frames if self.frame_log is not None else 0

    # The journal's side.

    def settle(self, body_cap: int) -> int:
        """Cut bodies above `body_cap` bytes; estimate and note the memory that is held.

        Called once, when the exchange is done; sets and returns `recorded_bytes`.
        """
        request, response = self.request_content, self.response_content
        if type(request) is not bytes or len(request) > body_cap:
            self.request_content = request = _trim(request, body_cap)
        if type(response) is not bytes or len(response) > body_cap:
            self.response_content = response = _trim(response, body_cap)
        size = len(request) if type(request) is bytes else len(_kept(request))
        size += len(response) if type(response) is bytes else len(_kept(response))
        size += _OVERHEAD + _HEAD_FACTOR * len(self.request_head.raw) + len(self.response_head)
        if self.frame_log is not None:
            size += self.frame_log.recorded_bytes
        self.recorded_bytes = size
        return size

    def __repr__(self) -> str:
        method, target = self.method, self.target
        if not method:
            return f"<Exchange {self.id} unparsed request -> {self._outcome()}>"
        if len(target) > _TARGET_SHOWN:
            target = f"{target[:_TARGET_SHOWN]}…"
        return f"<Exchange {self.id} {method} {target} -> {self._outcome()}>"

    def _outcome(self) -> str:
        duration = f"({self.duration_s * 1000:.1f} ms)"
        status = "" if self.response_status is None else f"{self.response_status} "
        if self.error is not None:
            return f"{status}failed: {self.error} {duration}"
        if self.frame_log is None:
            return f"{status}{duration}" if self.is_done else f"{status}{self.state} {duration}"
        closed = "open" if self.close_code is None else f"closed {self.close_code}"
        return f"{status}websocket, {len(self.frame_log)} frames, {closed} {duration}"


def _kept(content: bytes | BodyRecord) -> bytes:
    return content.kept if isinstance(content, BodyRecord) else content


def _trim(content: bytes | BodyRecord, cap: int) -> bytes | BodyRecord:
    return content if isinstance(content, BodyRecord) else trim_body(content, cap)


def _length(content: bytes | BodyRecord) -> int:
    return content.length if isinstance(content, BodyRecord) else len(content)
