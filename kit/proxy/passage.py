"""One request to upstream, and its response on the way back."""

from __future__ import annotations

import collections
import contextlib
import threading
from typing import TYPE_CHECKING, Final

from kit.clock import monotonic
from kit.engine.handling import note_tls, summarize
from kit.engine.transaction import Body, Transaction
from kit.errors import LimitError, RemoteProtocolError
from kit.headers import Headers
from kit.limits import MIB
from kit.messages import Response
from kit.messages.content import media_type
from kit.proxy.fields import (
    describe_upstream,
    join_head,
    request_fields,
    response_fields,
    upstream_target,
    without,
)
from kit.record import BodyCapture
from kit.record.taking import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kit.headers import RawHeaders
    from kit.limits import Limits
    from kit.messages import Request
    from kit.proxy.fields import Carrier
    from kit.record import Observers

KEPT_BYTES: Final = 64 * MIB
"""How much of a body an observer is shown."""
KEPT_PIECES: Final = 50_000
"""Of how many of its pieces it is shown when they came, and where they end."""

_NO_BODY: Final = frozenset((204, 205, 304))
_LENGTH: Final = frozenset((b"content-length",))


class Passage(Transaction):
    """One request to upstream, whose response is given on as it comes.

    The relay's threads fill it; the thread that gives it on waits in `await_response`
    and, for a streamed one, iterates over it.
    """

    def __init__(self, client: Carrier, observer: Observers, request: Request, prefix: str) -> None:
        target = upstream_target(request, prefix)
        has_body = b"content-length" in request.headers or bool(request.body)
        super().__init__(
            client._origin,
            request.method,
            target,
            request_fields(request, is_recorded=len(observer) > 0),
            Body(request.body) if has_body else None,
            sink=None,
            redirects=0,
            finish=self._end,
        )
        self._pool = client._started()
        self._observer = observer
        self._exchange = describe_upstream(client, request.method, target, self.fields())
        self._exchange.request_content = request.body
        self._capture = BodyCapture(KEPT_BYTES, max_marks=KEPT_PIECES)
        self._moved = threading.Condition()
        self._unread: collections.deque[bytes] = collections.deque()
        self._unread_bytes = 0
        self._is_over = False
        self._is_left = False

    def submit(self) -> None:
        """Begin."""
        self._observer.started(self._exchange)
        self._exchange.handled_at = monotonic()
        self._pool.submit(self)

    # The relay's threads

    def begin_response(self, status: int, reason: str, raw_headers: RawHeaders) -> None:
        """Take the final head."""
        exchange = self._exchange
        exchange.first_byte_at = monotonic()
        exchange.response_status = status
        exchange.response_head = join_head(f"HTTP/1.1 {status} {reason}", raw_headers)
        if self.connection is not None:
            note_tls(exchange.connection, self.connection.stream)
        with self._moved:
            super().begin_response(status, reason, raw_headers)
            self._moved.notify_all()

    def take(self, piece: bytes, limits: Limits) -> None:
        """Take a piece of the body.

        Raises:
            LimitError: more lies unread than `Limits.response_bytes`.
        """
        self._capture.feed(piece)
        with self._moved:
            self._unread_bytes += len(piece)
            if self._unread_bytes > limits.response_bytes:
                what = f"the response of {self.url} is larger, or read too slowly"
                raise LimitError("response_bytes", limits.response_bytes, what)
            self._unread.append(piece)
            self._moved.notify_all()

    def _end(self, _: Transaction) -> None:
        exchange, record = self._exchange, self._capture.record()
        exchange.response_content = record.kept if record.is_complete else record
        exchange.response_trailers = self.raw_trailers or ()
        exchange.done_at = monotonic()
        if self.error is None or self._was_enough():
            self._observer.complete(exchange)
        else:
            exchange.error = summarize(self.error)
            self._observer.failed(exchange, exchange.error)
        with self._moved:
            self._is_over = True
            self._moved.notify_all()

    def _was_enough(self) -> bool:
        """Tell whether it is a stream that has no end of its own, and the client has left."""
        kind = Headers.from_raw(self.raw_headers).text(b"content-type", "")
        return self._is_left and self.status > 0 and media_type(kind) in STREAMS

    # Whoever gives it on

    def await_response(self) -> Response:
        """Wait for the head and, if its length is told, for the body.

        It ends with the client's `timeout_s` at the latest.

        Raises:
            Exception: what went wrong before there was a response to pass on.
        """
        with self._moved:
            self._moved.wait_for(lambda: self.status or self._is_over)
        if self.status and not 200 <= self.status <= 599:
            self.close()
            raise RemoteProtocolError(f"it answered with the status {self.status}")
        if not self.status:
            raise self.error or ConnectionError("there was no response")
        return self._make_response(response_fields(self.raw_headers))

    def _make_response(self, fields: RawHeaders) -> Response:
        is_measured = any(name.lower() in _LENGTH for name, _ in fields)
        if self.status in _NO_BODY:
            return _make_plain(None, self.status, without(fields, _LENGTH))
        if self.method == "HEAD" and is_measured:
            return _make_plain((), self.status, fields)
        if self.method == "HEAD" or not is_measured:
            return _make_plain(self, self.status, fields, lambda: self.raw_trailers)
        whole = b"".join(self)
        return _make_plain(whole, self.status, without(fields, _LENGTH))

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._moved:
                self._moved.wait_for(lambda: self._unread or self._is_over)
                if not self._unread:
                    break
                piece = self._unread.popleft()
                self._unread_bytes -= len(piece)
            yield piece
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Give the request up, if it is not over."""
        if not self._is_over:
            self._is_left = True
            connection = self.connection
            if connection is not None:
                # Closed in good order with its window full, a socket would not be heard of
                # by an upstream that goes on sending, for as long as the kernel keeps it.
                with contextlib.suppress(OSError):
                    connection.stream.reset()
            self._pool.cancel(self)


def _make_plain(
    payload: object,
    status: int,
    fields: RawHeaders,
    trailers: Callable[[], RawHeaders] | None = None,
) -> Response:
    response = Response(payload, status, fields, trailers=trailers)
    # What upstream does not tell of its payload is not told here either.
    response._content_type = None
    return response
