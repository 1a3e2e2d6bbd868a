"""The polling client: requests that never block the loop that makes them."""

from __future__ import annotations

import collections
import contextlib
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, Self, cast

from kit.client.composing import (
    build_target,
    check_bound,
    check_callable,
    check_method,
    check_origin,
    check_sink,
    complete_headers,
    encode_payload,
)
from kit.client.handles import (
    MessageCallback,
    RequestHandle,
    ResponseCallback,
    WebSocketHandle,
)
from kit.engine.client_session import ClientSession
from kit.engine.pool import CancelledError, Pool
from kit.engine.relay import Relay
from kit.engine.transaction import MAX_REDIRECTS, Transaction
from kit.errors import ConfigurationError, HandshakeError, KitError, LimitError, StateError
from kit.faults.host import FaultHost
from kit.limits import Limits, check_limits
from kit.loops import run_in_thread
from kit.messages import error_from_transport
from kit.wire import tls
from kit.wire.websocket import ClientHandshake

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from kit.client.composing import Payload, Query
    from kit.headers import HeadersLike

DEFAULT_TIMEOUT_S = 30.0
STOP_S = 2.0


class HTTPClient(FaultHost):
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
        max_connections: connections to each server, beside open websockets;
            further requests wait.
        max_pending: requests that may be pending at once.
        max_redirects: how many redirects are followed for one request, which fails
            when there are more; 0 gives redirects as they are.
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
        super().__init__()
        self._origin = check_origin(addr, protocol)
        if cafile is not None and ssl_context is not None:
            raise ConfigurationError("give either cafile or ssl_context, not both")
        _check_context(ssl_context)
        check_bound("timeout_s", timeout_s, least=sys.float_info.min)
        check_bound("max_connections", max_connections, least=1)
        check_bound("max_pending", max_pending, least=1)
        check_bound("max_redirects", max_redirects, least=0)
        self._context = ssl_context if cafile is None else tls.client_context(cafile)
        self.limits: Limits = check_limits(limits)
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

    _role = "client"

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
                get_context=self._get_context,
                timeout_s=self._timeout_s,
                max_connections=self._max_connections,
            )
            self._state = "started"
        return self

    def stop(self) -> None:
        """Cancel what is pending and close the connections. Stopping twice does nothing."""
        with self._lock:
            was_started, self._state = self._state == "started", "stopped"
            unfinished, sockets = list(self._unfinished), list(self._sockets)
        if not was_started or self._pool is None or self._relay is None:
            return
        try:
            for handle in unfinished:
                self._cancel(handle)
            for socket in sockets:
                with contextlib.suppress(KitError):
                    socket._session.say_goodbye("the client stops")
            self._pool.close(STOP_S)
        finally:
            self._relay.release(self)
        for socket in list(self._sockets):
            socket._session.give_up(CancelledError("the client has stopped"))

    def abandon(self) -> None:
        """Close this process's copies of the sockets, after a fork."""
        self._state = "stopped"
        # Another thread may have held it at the moment of the fork.
        self._lock = threading.Lock()
        if self._pool is not None:
            self._pool.abandon()

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
        await run_in_thread(self.stop)

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
            sink: a binary file that takes the body of a successful response as it
                comes, so that a large one is not held in memory; a content coding
                that was asked for in `headers` is left on.

        Raises:
            StateError: the client is not started.
            LimitError: `max_pending` requests are pending.
            ConfigurationError: the path does not begin with a slash.
            LocalProtocolError: a header cannot be sent.
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
        self._started()
        check_callable("callback", callback)
        handle = WebSocketHandle(self, path, callback)
        handshake = ClientHandshake(
            subprotocols=subprotocols,
            compress=compress,
            max_message_bytes=self.limits.message_bytes,
        )
        session = ClientSession(handshake, self.limits, handle._deliver, handle._has_room)
        handle._session = session

        def finish(transaction: Transaction) -> None:
            session.give_up(transaction.error or _explain_refusal(transaction))

        transaction = Transaction(
            self._origin,
            "GET",
            build_target(path, query),
            [*complete_headers(headers), *handshake.headers],
            None,
            sink=None,
            redirects=0,
            finish=finish,
        )
        transaction.upgrade = session
        handle._transaction = transaction
        with self._lock:
            pool = self._started()
            if len(self._sockets) >= self._max_pending:
                raise LimitError("max_pending", self._max_pending, "too many websockets are open")
            self._sockets.add(handle)
        self._submit(pool, transaction)
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
        self._started()
        check_callable("callback", callback)
        check_sink(sink)
        body, content_type = encode_payload(payload)
        handle = RequestHandle(self, method, path, callback)
        handle._transaction = transaction = Transaction(
            self._origin,
            check_method(method),
            build_target(path, query),
            complete_headers(
                headers, content_type, accept_encoding=b"gzip" if sink is None else b"identity"
            ),
            body,
            sink=sink,
            redirects=self._max_redirects,
            finish=lambda _: self._take_result(handle),
        )
        with self._lock:
            pool = self._started()
            if self._pending >= self._max_pending:
                raise LimitError(
                    "max_pending", self._max_pending, "too many requests are pending: call update()"
                )
            self._pending += 1
            self._unfinished.add(handle)
        self._submit(pool, transaction)
        return handle

    def _submit(self, pool: Pool, transaction: Transaction) -> None:
        if self.faults.has_faults:
            path = transaction.target.partition("?")[0]
            transaction.injection = self.faults.choose(
                transaction.method, path, is_handshake=transaction.upgrade is not None
            )
        pool.submit(transaction)

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

    def getResponses(self) -> Iterator[RequestHandle]:
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
                self._hand_over(item)
                yield item
            else:
                handle, opcode, payload = item
                handle._note_taken(opcode, payload)
                handle._callback(opcode, payload)

    def pending(self) -> int:
        """Count the requests that have not been handed over yet."""
        return self._pending

    def _hand_over(self, handle: RequestHandle) -> None:
        with self._lock:
            self._pending -= 1
        if handle._callback is not None and handle.response is not None:
            handle._callback(handle.response)

    # The relay's threads

    def _take_result(self, handle: RequestHandle) -> None:
        with self._lock:
            self._unfinished.discard(handle)
            if handle._is_done:
                return
            handle._is_done = True
            wakers, handle._wakers = handle._wakers, ()
            self._inbox.append(handle)
        for wake in wakers:
            wake()

    def _cancel(self, handle: RequestHandle) -> bool:
        transaction = handle._transaction
        with self._lock:
            if handle._is_done or transaction is None:
                return False
            transaction.error = CancelledError("the request was cancelled")
            handle._response = error_from_transport(transaction.error, transaction.url)
            # Last, as others look at it without the lock.
            handle._is_done = handle._is_cancelled = True
            self._unfinished.discard(handle)
            self._pending -= 1
            wakers, handle._wakers = handle._wakers, ()
        for wake in wakers:
            wake()
        self._abort(transaction)
        return True

    def _abort(self, transaction: Transaction) -> None:
        # There is no transaction before the pool.
        cast("Pool", self._pool).cancel(transaction)

    def _forget_socket(self, handle: WebSocketHandle) -> None:
        with self._lock:
            self._sockets.discard(handle)

    def _get_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = tls.client_context()
        return self._context

    def __repr__(self) -> str:
        scheme, host, port = self._origin
        return f"<HTTPClient {scheme}://{host}:{port} {self._state}, {self._pending} pending>"


def _check_context(context: object) -> None:
    if context is None:
        return
    import ssl

    if not isinstance(context, ssl.SSLContext) or context.protocol is ssl.PROTOCOL_TLS_SERVER:
        raise ConfigurationError(
            "ssl_context must be an ssl.SSLContext for clients, "
            f"such as ssl.create_default_context() makes, not {context!r}"
        )


def _explain_refusal(transaction: Transaction) -> HandshakeError:
    return HandshakeError(
        f"the server answered {transaction.status} to the websocket handshake, expected 101",
        transaction.status,
    )
