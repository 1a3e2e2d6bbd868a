"""A websocket of a server joined to one of upstream's.

Messages go through the asyncio loop, in both directions and in order, so neither side's
threads ever wait for the other side's locks. Each side answers its own pings; beside
that they are passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

from kit.clock import monotonic
from kit.engine.client_session import ClientSession
from kit.engine.session import ServerSession
from kit.engine.transaction import Transaction
from kit.errors import ConnectionClosedError, KitError
from kit.limits import MIB
from kit.messages import ErrorResponse, Response
from kit.opcodes import WebSocketOpCode
from kit.proxy.fields import (
    Carrier,
    describe_upstream,
    handshake_fields,
    join_head,
    response_fields,
    upstream_target,
    without,
)
from kit.record import FrameLog
from kit.wire.websocket import ClientHandshake

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.engine.requester import Requester
    from kit.messages import Request
    from kit.record import Exchange, Observers
    from kit.wire.http1 import ResponseHead

KEPT_FRAMES: Final = 50_000
KEPT_FRAME_BYTES: Final = 16 * MIB
"""How much of the frames of a websocket an observer is shown."""
ROOM: Final = 1024
"""Messages of upstream that wait to be passed on; then no more is read."""

NORMAL, GOING_AWAY, NO_CODE, BROKEN, FAILED = 1000, 1001, 1005, 1006, 1011
_PING = int(WebSocketOpCode.Ping)


class _UpstreamSession(ClientSession):
    """The client's side, recorded frame by frame."""

    def __init__(self, tunnel: Tunnel, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tunnel = tunnel

    def agree(self, connection: Requester, head: ResponseHead) -> None:
        """Take the connection over, and record from its first frame on."""
        super().agree(connection, head)
        if self._link is not None:
            self._link.protocol.tap = self._tunnel.begin_record(head)


class Tunnel:
    """One websocket on its way through.

    Args:
        client: reaches upstream.
        observer: told of the exchange with upstream.
        prefix: stands before the path upstream.
    """

    def __init__(self, client: Carrier, observer: Observers, prefix: str) -> None:
        self._client = client
        self._observer = observer
        self._prefix = prefix
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._backlog = 0
        self._is_throttled = False
        self._opened: asyncio.Future[Response | None] = self._loop.create_future()
        self._session: ClientSession
        self._request: Request
        self._exchange: Exchange

    # The handler's calls

    async def open(self, request: Request) -> Response | None:
        """Open upstream's websocket, then this side's; or return upstream's refusal.

        Raises:
            Exception: upstream cannot be reached, or its handshake is not valid.
        """
        self._request = request
        limits = self._client.limits
        handshake = ClientHandshake(
            subprotocols=list_offered(request),
            compress="permessage-deflate" in request.headers.text("sec-websocket-extensions", ""),
            max_message_bytes=limits.message_bytes,
        )
        self._session = session = _UpstreamSession(
            self, handshake, limits, self._deliver, self._has_room
        )
        fields = handshake_fields(request, is_recorded=len(self._observer) > 0)
        transaction = Transaction(
            self._client._origin,
            "GET",
            upstream_target(request, self._prefix),
            [*fields, *handshake.headers],
            None,
            sink=None,
            redirects=0,
            finish=self._note_refusal,
        )
        transaction.upgrade = session
        pool = self._client._started()
        sent = transaction.fields()
        self._exchange = describe_upstream(self._client, "GET", transaction.target, sent)
        self._observer.started(self._exchange)
        self._exchange.handled_at = monotonic()
        pool.submit(transaction)
        try:
            return await self._opened
        except asyncio.CancelledError:
            pool.cancel(transaction)
            session.close(GOING_AWAY, "")
            raise

    def send_up(self, payload: str | bytes) -> None:
        """Pass a message on."""
        # When upstream is closed, its Close is on the way to the client already.
        with contextlib.suppress(ConnectionClosedError):
            self._session.send(payload)

    def close_up(self, code: int | None, reason: str) -> None:
        """Pass on that the client has closed."""
        with contextlib.suppress(KitError):
            self._session.close(*_sayable(code, reason, broken=GOING_AWAY))

    # The relay's threads

    def begin_record(self, head: ResponseHead) -> Callable[[str, int, bool, bytes], None]:
        """Record upstream's 101; return what is to be told of each frame."""
        exchange = self._exchange
        exchange.response_status = head.status
        exchange.response_head = head.raw
        exchange.first_byte_at = monotonic()
        exchange.frame_log = log = FrameLog(KEPT_FRAMES, KEPT_FRAME_BYTES)
        return self._pass_pings(log.add, self._ping_down)

    def _pass_pings(
        self, record: Callable[[str, int, bool, bytes], None], ping: Callable[[bytes], None]
    ) -> Callable[[str, int, bool, bytes], None]:
        def tap(direction: str, opcode: int, fin: bool, payload: bytes) -> None:  # noqa: FBT001 - the tap's signature
            record(direction, opcode, fin, payload)
            if opcode == _PING and direction == "received":
                self._call(ping, payload)

        return tap

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        # The loop may have ended, with the relay, before the last frame came.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _deliver(self, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        with self._lock:
            self._backlog += 1
        if opcode == WebSocketOpCode.Close:
            self._finish_record()
        self._call(self._pass_down, opcode, payload)

    def _has_room(self) -> bool:
        with self._lock:
            self._is_throttled = self._backlog >= ROOM
            return not self._is_throttled

    def _note_refusal(self, transaction: Transaction) -> None:
        exchange = self._exchange
        exchange.done_at = monotonic()
        if transaction.error is None:
            line = f"HTTP/1.1 {transaction.status} {transaction.reason}"
            exchange.response_status = transaction.status
            exchange.response_head = join_head(line, transaction.raw_headers)
            exchange.response_content = transaction.whole_body()
            self._observer.complete(exchange)
        else:
            exchange.error = f"the websocket did not open: {transaction.error}"
            self._observer.failed(exchange, exchange.error)
        self._session._is_over.set()
        self._call(self._refuse, transaction)

    def _finish_record(self) -> None:
        exchange, session = self._exchange, self._session
        exchange.close_code = session.close_code
        exchange.done_at = monotonic()
        if session.error is None and session.close_code != BROKEN:
            self._observer.complete(exchange)
        else:
            exchange.error = f"the websocket broke: {session.error or 'there was no Close'}"
            self._observer.failed(exchange, exchange.error)

    # The loop's thread

    def _pass_down(self, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        with self._lock:
            self._backlog -= 1
            goes_on = self._is_throttled and self._backlog <= ROOM // 2
        if goes_on:
            self._session.go_on()
        try:
            if opcode == WebSocketOpCode.Open:
                self._accept()
            elif opcode == WebSocketOpCode.Close:
                self._close_down()
            else:
                self._request.send(payload)
        except (KitError, OSError):
            # The client has left, or reads nothing: there is nobody to pass this on to.
            self.close_up(GOING_AWAY, "")

    def _accept(self) -> None:
        """Open this side with the subprotocol that upstream has chosen."""
        channel, name = self._request._channel, self._session.subprotocol
        if isinstance(channel, ServerSession):
            accepted = channel._accepted
            if name is not None:
                accepted.headers.append((b"Sec-WebSocket-Protocol", name.encode()))
                accepted.subprotocol = accepted.protocol.subprotocol = name
            channel._open()
            record = channel.protocol.tap
            if record is not None:
                channel.protocol.tap = self._pass_pings(record, self._ping_up)
        if not self._opened.done():
            self._opened.set_result(None)

    def _close_down(self) -> None:
        session = self._session
        if not self._opened.done():
            self._opened.set_exception(
                session.error or ConnectionClosedError("it closed the websocket at once")
            )
        else:
            code, reason = _sayable(session.close_code, session.close_reason, broken=FAILED)
            self._request.close(code, reason)

    def _refuse(self, transaction: Transaction) -> None:
        if self._opened.done():
            return
        if transaction.error is not None:
            self._opened.set_exception(transaction.error)
            return
        fields = without(response_fields(transaction.raw_headers), (b"content-length",))
        if 200 <= transaction.status <= 599:
            body = transaction.whole_body()
            self._opened.set_result(Response(body, transaction.status, fields))
        else:
            text = f"upstream answered a websocket's handshake with {transaction.status}\n"
            self._opened.set_result(ErrorResponse(text, 502))

    def _ping_down(self, payload: bytes) -> None:
        with contextlib.suppress(KitError):
            self._request.ping(payload)

    def _ping_up(self, payload: bytes) -> None:
        with contextlib.suppress(KitError):
            self._session.ping(payload)


def list_offered(request: Request) -> list[str]:
    """List the subprotocols that a client offers, each once, in the case it gave them."""
    lines = request.headers.get("sec-websocket-protocol", [])
    names = (name.strip(" \t") for line in lines for name in line.decode("latin-1").split(","))
    return list(dict.fromkeys(filter(None, names)))


def _sayable(code: int | None, reason: str, *, broken: int) -> tuple[int, str]:
    """Return a close code and reason as a Close can carry them (RFC 6455 section 7.4.1)."""
    if code is None or code == NO_CODE:
        return NORMAL, ""
    return (broken, "") if code == BROKEN else (code, reason)
