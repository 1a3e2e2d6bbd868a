"""The polling client: requests that never block the loop that makes them."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from kit.clock import monotonic
from kit.engine.client_session import ClientSession
from kit.engine.pool import CancelledError, Pool
from kit.engine.relay import Relay
from kit.engine.transaction import MAX_REDIRECTS, Body, Origin, Transaction
from kit.errors import ConfigurationError, LimitError, StateError, WaitTimeoutError
from kit.headers import Headers, HeadersLike
from kit.limits import Limits
from kit.messages import Response, decode_content, error_from_transport, response_from_wire
from kit.opcodes import WebSocketOpCode
from kit.wire import tls
from kit.wire.websocket import ClientHandshake

if TYPE_CHECKING:
    import ssl

    from kit.serializable import Serializable

    Payload = bytes | str | dict[str, Any] | list[Any] | Serializable | IO[bytes] | None
    Query = Mapping[str, Any] | Sequence[tuple[str, Any]] | str | None

ResponseCallback = Callable[[Response], object]
MessageCallback = Callable[[WebSocketOpCode, "str | bytes"], object]

DEFAULT_TIMEOUT_S = 30.0
DEFAULT_PORTS = {"http": 80, "https": 443}
WEBSOCKET_ROOM = 1024
"""Messages of one websocket that wait to be polled; then no more is read."""
STOP_S = 2.0


class RequestHandle:
    """A request on its way; made by the client's request methods.

    The response is there when `done()`; callbacks run later, when the client
    hands the request over in `update()` or `getResponses()`.
    """

    __slots__ = (
        "_callback",
        "_client",
        "_event",
        "_is_cancelled",
        "_is_done",
        "_response",
        "_transaction",
        "_url",
        "method",
        "path",
    )

    def __init__(
        self, client: HTTPClient, method: str, path: str, callback: ResponseCallback | None
    ) -> None:
        self.method = method
        self.path = path
        self._client = client
        self._callback = callback
        self._transaction: Transaction | None = None
        self._url = ""
        self._response: Response | None = None
        self._event: threading.Event | None = None
        self._is_done = False
        self._is_cancelled = False

    @property
    def response(self) -> Response | None:
        """The response, None until the request is done.

        A failed transport gives an `ErrorResponse` with `status_code` 0.
        """
        if self._response is None and self._is_done and self._transaction is not None:
            self._response = _build_response(self._transaction, self._client.limits)
        return self._response

    def done(self) -> bool:
        """Tell whether the response is there, or the request was cancelled."""
        return self._is_done

    def cancelled(self) -> bool:
        """Tell whether the request was cancelled before it was done."""
        return self._is_cancelled

    def cancel(self) -> bool:
        """Stop the work; its callback will not run, and it is not handed over.

        Returns:
            False if the request was done already.
        """
        return self._client._cancel(self)

    def wait(self, timeout: float | None = None) -> Response:
        """Block until the request is done; for tests, not for a loop.

        Args:
            timeout: seconds; None waits for as long as the client's own limits allow.

        Returns:
            The response, as in `response`.

        Raises:
            WaitTimeoutError: it was not done in time.
        """
        if not self._is_done:
            event = self._client._event_for(self)
            if not self._is_done and not event.wait(timeout):
                state = "unknown" if self._transaction is None else self._transaction.state
                raise WaitTimeoutError(f"{self.method} {self.path} was not done after {timeout:g} s: {state}")
        response = self.response
        if response is None:
            raise StateError(f"{self.method} {self.path} has no response")
        return response

    def __repr__(self) -> str:
        if self._is_cancelled:
            outcome = "cancelled"
        elif self._is_done:
            outcome = repr(self.response)
        else:
            outcome = self._transaction.state if self._transaction else "new"
        return f"<RequestHandle {self.method} {self.path}: {outcome}>"


class WebSocketHandle:
    """A client's websocket; made by `HTTPClient.websocket`.

    With a callback, each (opcode, payload) is given to it in the client's
    `update()`. Without one they wait here, for `getMessages()` or `receive()`.
    """

    def __init__(self, client: HTTPClient, path: str, callback: MessageCallback | None) -> None:
        self.path = path
        self._client = client
        self._callback = callback
        self._session: ClientSession
        self._transaction: Transaction | None = None
        self._messages: collections.deque[tuple[WebSocketOpCode, str | bytes]] = collections.deque()
        self._arrived = threading.Condition()
        self._is_throttled = False
        self._undelivered = 0

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on, if any (RFC 6455 section 1.9)."""
        return self._session.subprotocol

    @property
    def close_code(self) -> int | None:
        """The close code; None while open; 1006 when it never opened or broke."""
        return self._session.close_code

    @property
    def close_reason(self) -> str:
        """The reason given with the close code."""
        return self._session.close_reason

    @property
    def response(self) -> Response | None:
        """The response that refused the handshake, or says why there is none."""
        if self._transaction is None or not self._session.is_over:
            return None
        if self._transaction.status == 0 and self._transaction.error is None:
            return None
        return _build_response(self._transaction, self._client.limits)

    def send(self, payload: str | bytes) -> None:
        """Send a Text (str) or Binary (bytes) message; safe from any thread.

        Raises:
            StateError: the websocket is not open yet.
            ConnectionClosedError: it is closed, or did not open.
        """
        self._session.send(payload)

    def ping(self, payload: bytes = b"") -> None:
        """Send a Ping of at most 125 bytes."""
        self._session.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; the Close is delivered when it is done."""
        self._session.close(code, reason)

    def getMessages(self) -> Iterator[tuple[WebSocketOpCode, str | bytes]]:  # noqa: N802
        """Yield what has arrived, without waiting."""
        while (message := self._take()) is not None:
            yield message

    def receive(self, timeout: float | None = None) -> tuple[WebSocketOpCode, str | bytes]:
        """Block until the next (opcode, payload) is there; for tests, not for a loop.

        Raises:
            WaitTimeoutError: nothing came within `timeout` seconds.
            StateError: there is a callback, which gets the messages; or the Close was received.
        """
        if self._callback is not None:
            raise StateError("this websocket has a callback, which gets its messages in update()")
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._messages or self._session.is_over, timeout):
                raise WaitTimeoutError(f"nothing arrived on websocket {self.path} within {timeout:g} s")
        message = self._take()
        if message is None:
            raise StateError(f"websocket {self.path} is closed, and its Close was received")
        return message

    def _take(self) -> tuple[WebSocketOpCode, str | bytes] | None:
        try:
            message = self._messages.popleft()
        except IndexError:
            return None
        self._note_taken()
        return message

    def _note_taken(self) -> None:
        with self._arrived:
            self._undelivered -= 1
            goes_on = self._is_throttled and self._undelivered <= WEBSOCKET_ROOM // 2
            if goes_on:
                self._is_throttled = False
        if goes_on:
            self._session.go_on()

    # The relay's threads

    def _deliver(self, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        with self._arrived:
            self._undelivered += 1
            if self._callback is None:
                self._messages.append((opcode, payload))
            else:
                self._client._inbox.append((self, opcode, payload))
            self._arrived.notify_all()

    def _has_room(self) -> bool:
        with self._arrived:
            self._is_throttled = self._undelivered >= WEBSOCKET_ROOM
            return not self._is_throttled

    def __repr__(self) -> str:
        code = self.close_code
        state = "open" if code is None else f"closed {code}"
        return f"<WebSocketHandle {self.path}: {state}>"


class HTTPClient:
    """An HTTP and websocket client for loops that must never block.

    Request methods return a `RequestHandle` at once. `update()`, called once a
    frame, hands completed requests over and runs their callbacks, on the
    caller's thread and nowhere else.

    Args:
        addr: (host, port) of the server.
        protocol: "http" or "https".
        cafile: path of the CA certificates to trust, PEM; the system's if None.
        ssl_context: for what a path can't say; instead of `cafile`.
        timeout_s: a request fails after this long without progress.
        max_connections: connections kept to each server; further requests wait.
        max_pending: requests that may be pending at once.
        max_redirects: how many redirects are followed for one request.
        limits: the bounds.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        addr: tuple[str, int],
        protocol: str = "http",
        *,
        cafile: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_connections: int = 16,
        max_pending: int = 10_000,
        max_redirects: int = MAX_REDIRECTS,
        limits: Limits | None = None,
    ) -> None:
        self._origin = _check_origin(addr, protocol)
        if cafile is not None and ssl_context is not None:
            raise ConfigurationError("give either cafile or ssl_context, not both")
        self._context = ssl_context if cafile is None else tls.client_context(cafile)
        self.limits = limits or Limits()
        self._timeout_s = timeout_s
        self._max_connections = max_connections
        self._max_pending = max_pending
        self._max_redirects = max_redirects
        self._relay: Relay | None = None
        self._pool: Pool | None = None
        self._lock = threading.Lock()
        self._state = "new"
        self._inbox: collections.deque[Any] = collections.deque()
        self._unfinished: set[RequestHandle] = set()
        self._sockets: set[WebSocketHandle] = set()
        self._pending = 0

    # Life

    def start(self) -> Self:
        """Be ready for requests; returns the client.

        Raises:
            StateError: it was started before.
        """
        with self._lock:
            if self._state != "new":
                raise StateError(f"the client is {self._state} already: make a new HTTPClient")
            self._relay = Relay.acquire(self)
            self._pool = Pool(
                self._relay,
                self.limits,
                context_for=self._context_for,
                timeout_s=self._timeout_s,
                max_connections=self._max_connections,
            )
            self._state = "started"
        return self

    def stop(self) -> None:
        """Cancel what is pending and close the connections. Stopping twice does nothing."""
        with self._lock:
            was_started, self._state = self._state == "started", "stopped"
        if not was_started or self._pool is None or self._relay is None:
            return
        for handle in list(self._unfinished):
            self._cancel(handle)
        for socket in list(self._sockets):
            with contextlib.suppress(StateError, ConnectionError):
                socket.close(1001, "the client stops")
        self._pool.close(STOP_S)
        self._relay.release(self)

    def abandon(self) -> None:
        """Let go of everything, after a fork."""
        self._state = "stopped"

    def __enter__(self) -> Self:
        return self if self._state == "started" else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.stop)

    # Requests

    def get(
        self,
        path: str,
        query: Query = None,
        headers: HeadersLike | None = None,
        callback: ResponseCallback | None = None,
        *,
        sink: IO[bytes] | None = None,
    ) -> RequestHandle:
        """Begin a GET.

        Args:
            path: the path, quoted where needed.
            query: parameters; a list gives one of each.
            headers: request headers.
            callback: called with the response, in `update()`.
            sink: a file that takes the body of a successful response as it comes,
                so that a large one is not held in memory.

        Raises:
            StateError: the client is not started.
            LimitError: `max_pending` requests are pending.
        """
        return self._request("GET", path, None, query, headers, callback, sink=sink)

    def delete(
        self,
        path: str,
        query: Query = None,
        headers: HeadersLike | None = None,
        callback: ResponseCallback | None = None,
    ) -> RequestHandle:
        """Begin a DELETE; see `get`."""
        return self._request("DELETE", path, None, query, headers, callback)

    def post(
        self,
        path: str,
        payload: Payload,
        query: Query = None,
        headers: HeadersLike | None = None,
        callback: ResponseCallback | None = None,
    ) -> RequestHandle:
        """Begin a POST; see `get`.

        Args:
            path: the path, quoted where needed.
            payload: bytes, str, dict or list (sent as JSON), `Serializable`, a
                binary file, or None.
            query: parameters.
            headers: request headers.
            callback: called with the response, in `update()`.
        """
        return self._request("POST", path, payload, query, headers, callback)

    def put(
        self,
        path: str,
        payload: Payload,
        query: Query = None,
        headers: HeadersLike | None = None,
        callback: ResponseCallback | None = None,
    ) -> RequestHandle:
        """Begin a PUT; see `post`."""
        return self._request("PUT", path, payload, query, headers, callback)

    def request(
        self,
        method: str,
        path: str,
        payload: Payload = None,
        query: Query = None,
        headers: HeadersLike | None = None,
        callback: ResponseCallback | None = None,
    ) -> RequestHandle:
        """Begin a request with any method; see `post`."""
        return self._request(method, path, payload, query, headers, callback)

    def websocket(
        self,
        path: str,
        query: Query = None,
        headers: HeadersLike | None = None,
        callback: MessageCallback | None = None,
        *,
        subprotocols: Sequence[str] = (),
        compress: bool = True,
    ) -> WebSocketHandle:
        """Open a websocket; its messages are polled like responses.

        Args:
            path: the path, quoted where needed.
            query: parameters.
            headers: request headers.
            callback: called with (opcode, payload) in `update()`: `Open` once,
                each message, `Close` once, also when it could not be opened.
            subprotocols: what to offer, preferred first.
            compress: whether to offer permessage-deflate (RFC 7692).

        Raises:
            StateError: the client is not started.
        """
        pool = self._started()
        handle = WebSocketHandle(self, path, callback)
        handshake = ClientHandshake(
            subprotocols=subprotocols,
            compress=compress,
            max_message_bytes=self.limits.message_bytes,
        )
        session = ClientSession(handshake, self.limits, handle._deliver, handle._has_room)
        handle._session = session

        def finish(transaction: Transaction) -> None:
            session.give_up(transaction.error)

        transaction = Transaction(
            self._origin,
            "GET",
            _build_target(path, query),
            [*Headers(headers).raw, *handshake.headers],
            None,
            sink=None,
            redirects=0,
            finish=finish,
        )
        transaction.upgrade = session
        handle._transaction = transaction
        self._sockets.add(handle)
        pool.submit(transaction)
        return handle

    def _request(
        self,
        method: str,
        path: str,
        payload: Payload,
        query: Query,
        headers: HeadersLike | None,
        callback: ResponseCallback | None,
        *,
        sink: IO[bytes] | None = None,
    ) -> RequestHandle:
        pool = self._started()
        body, content_type = _encode_payload(payload)
        handle = RequestHandle(self, method, path, callback)
        handle._transaction = transaction = Transaction(
            self._origin,
            method,
            _build_target(path, query),
            _complete_headers(headers, content_type),
            body,
            sink=sink,
            redirects=self._max_redirects,
            finish=lambda transaction: self._take_result(handle, transaction),
        )
        with self._lock:
            if self._pending >= self._max_pending:
                raise LimitError(
                    "max_pending", self._max_pending, "too many requests are pending: call update()"
                )
            self._pending += 1
            self._unfinished.add(handle)
        pool.submit(transaction)
        return handle

    def _started(self) -> Pool:
        if self._pool is None:
            raise StateError("the client is not started: call start() first, or use `with`")
        if self._state != "started":
            raise StateError("the client has been stopped: make a new HTTPClient")
        return self._pool

    # Polling

    def update(self) -> None:
        """Hand over what is complete and run its callbacks, without waiting."""
        for _ in self.getResponses():
            pass

    def getResponses(self) -> Iterator[RequestHandle]:  # noqa: N802
        """Yield each completed request, after running its callback.

        Messages of websockets with a callback are given to it as well, in the
        order of arrival. What a callback raises comes out here; the rest
        stays for the next call.
        """
        # What arrives meanwhile is left for the next time, so that this ends.
        for _ in range(len(self._inbox)):
            try:
                item = self._inbox.popleft()
            except IndexError:
                return
            if isinstance(item, RequestHandle):
                if self._hand_over(item):
                    yield item
            else:
                handle, opcode, payload = item
                handle._note_taken()
                handle._callback(opcode, payload)

    def pending(self) -> int:
        """Count the requests that have not been handed over yet."""
        return self._pending

    def _hand_over(self, handle: RequestHandle) -> bool:
        with self._lock:
            if handle._is_cancelled:
                return False
            self._pending -= 1
        if handle._callback is not None and handle.response is not None:
            handle._callback(handle.response)
        return True

    # The relay's threads

    def _take_result(self, handle: RequestHandle, transaction: Transaction) -> None:
        with self._lock:
            self._unfinished.discard(handle)
            if handle._is_done:
                return
            handle._is_done = True
            event = handle._event
            self._inbox.append(handle)
        if event is not None:
            event.set()

    def _event_for(self, handle: RequestHandle) -> threading.Event:
        with self._lock:
            if handle._event is None:
                handle._event = threading.Event()
                if handle._is_done:
                    handle._event.set()
            return handle._event

    def _cancel(self, handle: RequestHandle) -> bool:
        transaction = handle._transaction
        with self._lock:
            if handle._is_done or transaction is None:
                return False
            handle._is_done = handle._is_cancelled = True
            transaction.error = CancelledError("the request was cancelled")
            handle._response = error_from_transport(transaction.error, transaction.url)
            self._unfinished.discard(handle)
            self._pending -= 1
            event = handle._event
        if event is not None:
            event.set()
        if self._pool is not None:
            self._pool.cancel(transaction)
        return True

    def _context_for(self, origin: Origin) -> ssl.SSLContext:
        if self._context is None:
            self._context = tls.client_context()
        return self._context

    def __repr__(self) -> str:
        scheme, host, port = self._origin
        return f"<HTTPClient {scheme}://{host}:{port} {self._state}, {self._pending} pending>"


def _check_origin(addr: object, protocol: object) -> Origin:
    if protocol not in DEFAULT_PORTS:
        raise ConfigurationError(f'protocol must be "http" or "https", not {protocol!r}')
    if (
        not isinstance(addr, tuple | list)
        or len(addr) != 2  # noqa: PLR2004 - host and port
        or not isinstance(addr[0], str)
        or not addr[0]
        or isinstance(addr[1], bool)
        or not isinstance(addr[1], int)
        or not 0 < addr[1] <= 65535  # noqa: PLR2004 - 16 bits
    ):
        raise ConfigurationError(
            f'addr must be (host, port) of the server, for example ("127.0.0.1", 8080), not {addr!r}'
        )
    return str(protocol), addr[0], addr[1]


def _build_target(path: str, query: Query) -> str:
    if not path.startswith("/"):
        raise ConfigurationError(f'path must begin with "/", not {path!r}')
    target = quote(path.partition("#")[0], safe="/%:@!$&'()*+,;=-._~?")
    if not query:
        return target
    encoded = query if isinstance(query, str) else urlencode(query, doseq=True)
    return f"{target}{'&' if '?' in target else '?'}{encoded}"


def _encode_payload(payload: Payload) -> tuple[Body | None, bytes]:
    """Give the body, and the Content-Type that goes with the payload's kind."""
    if payload is None:
        return None, b""
    if isinstance(payload, bytes | bytearray | memoryview):
        return Body(bytes(payload)), b"application/octet-stream"
    if isinstance(payload, str):
        return Body(payload.encode()), b"text/plain; charset=utf-8"
    if isinstance(payload, dict | list):
        return Body(json.dumps(payload).encode()), b"application/json"
    if hasattr(payload, "dumpb"):
        return Body(payload.dumpb()), b"application/vnd.msgpack"
    if hasattr(payload, "read"):
        return Body(payload), b"application/octet-stream"
    raise TypeError(
        f"payload is {type(payload).__name__}, expected bytes, str, dict, list, "
        "a Serializable, a binary file or None"
    )


def _complete_headers(headers: HeadersLike | None, content_type: bytes) -> list[tuple[bytes, bytes]]:
    given = Headers(headers)
    fields = list(given.raw)
    if content_type and b"content-type" not in given:
        fields.append((b"Content-Type", content_type))
    if b"accept-encoding" not in given:
        fields.append((b"Accept-Encoding", b"gzip"))
    if b"user-agent" not in given:
        from kit.version import __version__

        fields.append((b"User-Agent", b"wirekit/" + __version__.encode()))
    return fields


def _build_response(transaction: Transaction, limits: Limits) -> Response:
    if transaction.error is not None:
        return error_from_transport(transaction.error, transaction.url)
    try:
        body = decode_content(transaction.raw_headers, transaction.whole_body(), limits.response_bytes)
    except Exception as error:  # noqa: BLE001 - becomes the response
        return error_from_transport(error, transaction.url)
    return response_from_wire(
        transaction.status, transaction.reason, transaction.raw_headers, body, transaction.url
    )


__all__ = ["HTTPClient", "RequestHandle", "WebSocketHandle", "monotonic"]
