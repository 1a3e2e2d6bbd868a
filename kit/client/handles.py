"""What the client's methods return: a request, or a websocket, on its way."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from kit.client.composing import build_response
from kit.errors import StateError, WaitTimeoutError
from kit.limits import MIB
from kit.loops import LoopSignal
from kit.messages import Response
from kit.opcodes import WebSocketOpCode

if TYPE_CHECKING:
    from kit.client.client import HTTPClient
    from kit.engine.client_session import ClientSession
    from kit.engine.transaction import Transaction

Waker = Callable[[], None]
ResponseCallback = Callable[[Response], object]
MessageCallback = Callable[[WebSocketOpCode, "str | bytes"], object]

WEBSOCKET_ROOM = 1024
"""Messages of one websocket that wait to be polled; then no more is read."""
WEBSOCKET_ROOM_BYTES = 16 * MIB
"""How long these messages may be, taken together."""


class RequestHandle:
    """A request on its way; made by the client's request methods.

    The response is there when `done()`; callbacks run later, when the client
    hands the request over in `update()` or `getResponses()`.
    """

    __slots__ = (
        "_callback",
        "_client",
        "_is_cancelled",
        "_is_done",
        "_response",
        "_transaction",
        "_url",
        "_wakers",
        "method",
        "path",
    )

    def __init__(
        self, client: HTTPClient, method: str, path: str, callback: ResponseCallback | None
    ) -> None:
        self.method: str = method
        self.path: str = path
        self._client = client
        self._callback = callback
        self._transaction: Transaction | None = None
        self._url = ""
        self._response: Response | None = None
        self._wakers: tuple[Waker, ...] = ()
        self._is_done = False
        self._is_cancelled = False

    @property
    def response(self) -> Response | None:
        """The response, None until the request is done.

        A failed transport gives an `ErrorResponse` with `status_code` 0.
        """
        if self._response is None and self._is_done and self._transaction is not None:
            self._response = build_response(self._transaction, self._client.limits)
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
            event = threading.Event()
            self._enlist(event.set)
            try:
                event.wait(timeout)
            finally:
                self._dismiss(event.set)
        return self._give_result(timeout)

    async def wait_async(self, timeout: float | None = None) -> Response:
        """Wait like `wait`, in an event loop: asyncio's, or trio's.

        A wait that is cancelled leaves the request alone.
        """
        if not self._is_done:
            signal = LoopSignal()
            self._enlist(signal.set)
            try:
                if timeout is not None:
                    signal.start_timer(timeout)
                await signal.wait()
            finally:
                self._dismiss(signal.set)
                signal.close()
        return self._give_result(timeout)

    def _enlist(self, wake: Waker) -> None:
        """Have a waiter woken once it is done, at once if it is already."""
        with self._client._lock:
            if not self._is_done:
                self._wakers = (*self._wakers, wake)
                return
        wake()

    def _dismiss(self, wake: Waker) -> None:
        with self._client._lock:
            self._wakers = tuple(other for other in self._wakers if other != wake)

    def _give_result(self, timeout: float | None) -> Response:
        if not self._is_done:
            state = "unknown" if self._transaction is None else self._transaction.state
            raise WaitTimeoutError(
                f"{self.method} {self.path} was not done after {timeout:g} s: {state}"
            )
        return cast("Response", self.response)

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
        self._wakers: list[Waker] = []
        self._is_throttled = False
        self._undelivered = 0
        self._undelivered_bytes = 0
        self._is_finished = False

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
        return build_response(self._transaction, self._client.limits)

    def send(self, payload: str | bytes) -> None:
        """Send a Text (str) or Binary (bytes) message; safe from any thread.

        Never waits: what the server does not read yet is kept.

        Raises:
            StateError: the websocket is not open yet.
            ConnectionClosedError: it is closed, or did not open.
            LimitError: more than `Limits.message_bytes` and `output_bytes` lie unsent.
        """
        self._session.send(payload)

    def ping(self, payload: bytes = b"") -> None:
        """Send a Ping of at most 125 bytes."""
        self._session.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; the Close is delivered when it is done.

        One that is not open yet is given up. A second call does nothing.
        """
        self._session.close(code, reason)
        self._client._abort(cast("Transaction", self._transaction))

    def getMessages(self) -> Iterator[tuple[WebSocketOpCode, str | bytes]]:  # noqa: N802
        """Yield what has arrived, without waiting."""
        while (message := self._take()) is not None:
            yield message

    def receive(self, timeout: float | None = None) -> tuple[WebSocketOpCode, str | bytes]:
        """Block until the next (opcode, payload) is there; for tests, not for a loop.

        Raises:
            WaitTimeoutError: nothing came within `timeout` seconds.
            StateError: there is a callback, which gets the messages; or the Close
                has been received before.
        """
        self._check_receives()
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._messages or self._is_finished, timeout):
                raise self._make_timeout_error(timeout)
        message = self._take()
        if message is None:
            raise self._make_end_error()
        return message

    async def receive_async(
        self, timeout: float | None = None
    ) -> tuple[WebSocketOpCode, str | bytes]:
        """Wait like `receive`, in an event loop: asyncio's, or trio's.

        A wait that is cancelled has taken nothing.
        """
        self._check_receives()
        signal = LoopSignal()
        with self._arrived:
            self._wakers.append(signal.set)
        try:
            while (message := self._take()) is None:
                if self._is_finished:
                    raise self._make_end_error()
                if signal.is_expired:
                    raise self._make_timeout_error(timeout)
                if timeout is not None:
                    signal.start_timer(timeout)
                await signal.wait()
        finally:
            with self._arrived:
                self._wakers.remove(signal.set)
            signal.close()
        return message

    def _check_receives(self) -> None:
        if self._callback is not None:
            raise StateError("this websocket has a callback, which gets its messages in update()")

    def _make_timeout_error(self, timeout: float | None) -> WaitTimeoutError:
        return WaitTimeoutError(f"nothing arrived on websocket {self.path} within {timeout:g} s")

    def _make_end_error(self) -> StateError:
        return StateError(f"websocket {self.path} is closed, and its Close was received")

    def _take(self) -> tuple[WebSocketOpCode, str | bytes] | None:
        try:
            message = self._messages.popleft()
        except IndexError:
            return None
        self._note_taken(*message)
        return message

    def _note_taken(self, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        with self._arrived:
            self._undelivered -= 1
            self._undelivered_bytes -= len(payload)
            if opcode == WebSocketOpCode.Close:
                self._is_finished = True
                self._wake_all()
            goes_on = (
                self._is_throttled
                and self._undelivered <= WEBSOCKET_ROOM // 2
                and self._undelivered_bytes <= WEBSOCKET_ROOM_BYTES // 2
            )
            if goes_on:
                self._is_throttled = False
        if goes_on:
            self._session.go_on()

    def _wake_all(self) -> None:
        self._arrived.notify_all()
        for wake in self._wakers:
            wake()

    # The relay's threads

    def _deliver(self, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        with self._arrived:
            self._undelivered += 1
            self._undelivered_bytes += len(payload)
            if self._callback is None:
                self._messages.append((opcode, payload))
            else:
                self._client._inbox.append((self, opcode, payload))
            self._wake_all()
        if opcode == WebSocketOpCode.Close:
            self._client._forget_socket(self)

    def _has_room(self) -> bool:
        with self._arrived:
            self._is_throttled = (
                self._undelivered >= WEBSOCKET_ROOM
                or self._undelivered_bytes >= WEBSOCKET_ROOM_BYTES
            )
            return not self._is_throttled

    def __repr__(self) -> str:
        code = self.close_code
        state = self._session.describe() if code is None else f"closed {code}"
        return f"<WebSocketHandle {self.path}: {state}>"
