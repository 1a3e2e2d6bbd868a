"""A server's connection: bytes in, a handler's call, bytes out.

One phase follows the other, each a method that does what can be done without
waiting and returns what to poll for:

    handshake -> read -> (bench | coroutine) -> write -> read ... -> closed
                   |                              `-> pump (a streamed body)
                   |-> a ServerSession (a websocket)
                   |-> drain (what a refused peer still sends)
                   `-> hold (what a fault has ended)

From `write` on it is `Responding` that goes on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from kit.clock import monotonic
from kit.engine.channel import BENCH, GONE, PARKED, READ
from kit.engine.handling import Application, note_tls, summarize
from kit.engine.intake import Intake
from kit.engine.pace import is_slow
from kit.engine.responding import RECEIVE_BYTES, Responding
from kit.engine.sending import body_too_large, serialize_refusal
from kit.engine.session import ServerSession, accept
from kit.engine.timers import NEVER
from kit.errors import HandshakeError, LimitError, RemoteProtocolError
from kit.headers import Headers
from kit.messages import ErrorResponse, Request
from kit.record import ConnectionInfo, Exchange, UnparsedHead
from kit.record.connection import AFTER_REFUSAL, AFTER_WEBSOCKET, AS_STOPPED, BY_PEER, BY_RESET
from kit.wire.faulty import FaultyStream
from kit.wire.http1 import EndOfMessage, RequestHead
from kit.wire.streams import TlsStream

if TYPE_CHECKING:
    from kit.engine.relay import Relay
    from kit.messages import Response
    from kit.routing.endpoint import Endpoint
    from kit.wire.streams import Stream

logger: logging.Logger = logging.getLogger("kit")

SHAKING = "TLS handshake"
"""What a connection does until it is encrypted, as `describe_phase` tells it."""


class Connection(Responding):
    """One accepted socket, for as long as it lives."""

    __slots__ = (
        "_has_head_begun",
        "_may_block",
        "_returned",
        "_session",
    )

    # Assigned here too, so declared again for type checkers.
    endpoint: Endpoint
    exchange: Exchange | None

    def __init__(
        self, relay: Relay, stream: Stream, app: Application, info: ConnectionInfo
    ) -> None:
        super().__init__(relay, stream, app, info)
        is_tls = isinstance(stream, TlsStream)
        limits = app.limits
        self.deadline: float = monotonic() + (limits.handshake_s if is_tls else limits.idle_s)
        self._phase = self._shake if is_tls else self._read
        if isinstance(stream, FaultyStream):
            self._phase = self._hold  # it has gone wrong before anything was read
        self._has_head_begun = False
        self._session: ServerSession | None = None
        self._may_block = False
        self._returned: tuple[Any, BaseException | None] = (None, None)

    def step(self, ready: int) -> int:
        """Go on with the present phase."""
        return self._phase(ready)

    # Input

    def _shake(self, ready: int) -> int:
        if not self.stream.handshake():
            return self.stream.blocked_on
        note_tls(self.info, self.stream)
        self._phase = self._read
        return self._await_more()

    def _read(self, ready: int) -> int:
        data = self.stream.recv(RECEIVE_BYTES)
        if data is None:
            return self.stream.blocked_on
        if data:
            self._protocol.receive(data)
        else:
            self._protocol.receive_eof()
        return self._advance()

    def _advance(self) -> int:
        """Take what the protocol has understood, request by request."""
        next_event = self._protocol.next_event
        self._phase = self._read
        while True:
            try:
                event = next_event()
            except RemoteProtocolError as error:
                return self._refuse(error)
            if event is None:
                return self._await_more()
            if isinstance(event, RequestHead):
                want = self._begin(event)
            elif isinstance(event, bytes):
                want = self._take_body(event)
            elif isinstance(event, EndOfMessage):
                want = self._end_body(event)
            else:
                self.info.note_end(BY_PEER)  # between two requests
                want = self._leave()
            if want is not None:
                return want

    def _await_more(self) -> int:
        if self.stream.has_pending():
            return self._read(READ)
        limits = self.app.limits
        if not self._protocol.is_receiving:
            if self.is_stopping:
                self.info.note_end(AS_STOPPED)
                return self._leave()
            self.deadline = monotonic() + limits.idle_s
        elif self._intake is None and not self._has_head_begun:
            self._has_head_begun = True
            self.deadline = monotonic() + limits.head_s
        return READ

    def _begin(self, head: RequestHead) -> int | None:
        """Find what answers a request, and go on to its body or its handler."""
        self._has_head_begun = False
        info = self.info
        info.requests += 1
        # A copy, as the next request may have the same head, and handlers may change theirs.
        fields = head.raw_headers.copy()
        request = Request.from_wire(info.peer, head.method, head.target, fields, None)
        request.http_version = head.http_version
        if info.tls_version is not None:
            request.scheme = "https"
        is_upgrade = bool(head.upgrade) and "websocket" in map(str.strip, head.upgrade.split(","))
        self.request = request
        self.endpoint = endpoint = self.app.resolve(request, is_upgrade=is_upgrade)
        self.exchange = exchange = Exchange(info, info.requests, head)
        exchange.endpoint = endpoint
        exchange.matches = request.matches
        is_taken_over = (self.app.faults.has_faults or endpoint.fault_rules) and self._find_fault()
        self.app.observer.started(exchange)
        if is_taken_over:
            return self._hold(READ)
        if head.has_body:
            return self._expect_body(head)
        return self._answer()

    def _find_fault(self) -> bool:
        """Find the fault the present request is to have; True when that takes it over."""
        request, rules = self.request, self.endpoint.fault_rules
        return self._inject(
            self.app.faults.choose(
                request.method,
                request.path,
                is_reuse=self.info.requests > 1,
                is_handshake=self._is_handshake(),
                more=rules,
            )
        )

    def _find_stub_fault(self) -> bool:
        """Find the fault that a stub has which the body was needed to choose."""
        is_free = cast("Exchange", self.exchange).fault is None
        return self._inject(
            self.app.faults.choose_among(
                self.endpoint.fault_rules,
                is_reuse=self.info.requests > 1,
                is_handshake=self._is_handshake(),
                is_free=is_free,
            )
        )

    def _expect_body(self, head: RequestHead) -> int | None:
        limit, length = self.endpoint.max_content_length, head.content_length
        is_too_large = length is not None and length > limit
        if not self.endpoint.is_match and (is_too_large or head.expects_continue):
            return self._run()  # RFC 9110 section 10.1.1: the final status at once
        if length is not None and is_too_large:
            return self._refuse(body_too_large(length, limit))
        if head.expects_continue:
            self.write(self._protocol.send_continue())
        self._protocol.body_limit = limit
        self._intake = Intake(self.app.limits.spool_bytes, self.app.body_cap)
        self.deadline = monotonic() + self.app.limits.body_s
        return None

    def _take_body(self, piece: bytes) -> int | None:
        intake = cast("Intake", self._intake)
        try:
            if intake.take(piece):
                self.deadline = monotonic() + self.app.limits.body_s
        except OSError as error:
            self.note_exception(error)
            return self._refuse(RemoteProtocolError(f"the body cannot be stored: {error}", 507))
        return None

    def _end_body(self, end: EndOfMessage) -> int | None:
        exchange, intake = cast("Exchange", self.exchange), cast("Intake", self._intake)
        self.request.attach_body(intake.finish())
        exchange.request_content = intake.record()
        if end.trailers:
            exchange.request_trailers = end.trailers
            self.request.trailers = Headers.from_raw(end.trailers)
        return self._answer()

    # The handler

    def _answer(self) -> int | None:
        """Answer a request that is there as a whole, after what it has to wait for."""
        if self.endpoint.needs_body:
            self.decide()
            if self.endpoint.fault_rules and self._find_stub_fault():
                return self._hold(READ)
        if self.app.gates.has_gates and self.find_gate():
            self._phase = self._pass_gate
            return PARKED
        return self._wait_and_run()

    def _pass_gate(self, ready: int) -> int:
        self._gate = None
        return self._go_on(self._wait_and_run())

    def _wait_and_run(self) -> int | None:
        if self.endpoint.delay_s:
            self.delay(self.endpoint.delay_s)
            self._phase = self._run_now
            return PARKED
        return self._run()

    def _run_now(self, ready: int) -> int:
        return self._go_on(self._run())

    def _run(self) -> int | None:
        endpoint = self.endpoint
        if endpoint.is_websocket:
            return self._open_websocket()
        if endpoint.is_async:
            self._phase = self._take_returned
            self.launch(endpoint.call(self.request), self._note_returned)
            return PARKED
        if is_slow(endpoint) and not self._may_block:
            self._phase = self._run_on_bench
            return BENCH
        try:
            result = self.call_handler(self.request)
        except BaseException as error:
            result = self.answer_exception(error)
        return self._respond(result)

    def _run_on_bench(self, ready: int) -> int:
        self._may_block = True
        want = self._run()
        self._may_block = False
        return self._advance() if want is None else want

    def _note_returned(self, result: object, error: BaseException | None) -> None:
        self._returned = (result, error)

    def _take_returned(self, ready: int) -> int:
        (result, error), self._returned = self._returned, (None, None)
        if error is not None:
            result = self.answer_exception(error)
        return self._go_on(self._respond(result))

    # The end

    def _refuse(self, error: RemoteProtocolError) -> int:
        """Answer what must not reach a handler, and close."""
        exchange = self.exchange
        if exchange is None:
            head = UnparsedHead(self._protocol.take_buffer())
            exchange = self.exchange = Exchange(self.info, self.info.requests + 1, head)
            self.app.observer.started(exchange)
        self._protocol.fail(error)
        if self._protocol.is_response_started:
            return self.break_off(error)
        data = serialize_refusal(self._protocol, error)
        exchange.response_status = error.status_code
        exchange.response_head = self._protocol.last_head
        exchange.response_content = data[len(exchange.response_head) :]
        exchange.first_byte_at = monotonic()
        self.write(data)
        self.report_failed(error.reason)
        self.info.note_end(AFTER_REFUSAL)
        return self._drain_first()

    def close(self) -> None:
        """Close the socket and tell the server."""
        if not self.is_closed:
            self.info.closed_at = monotonic()
            with self._output_lock:
                super().close()
            if self._intake is not None:
                self._intake.close()
            self._let_go_of_source()
            self.leave_gate()
            self.app.note_closed(self)

    def describe_phase(self) -> str:
        """Tell in words what the connection does between two exchanges."""
        return SHAKING if self._phase == self._shake else "idle"

    def fail(self, error: BaseException) -> None:
        """Report what broke the connection off."""
        if self._phase == self._shake:
            logger.info("TLS handshake with %s failed: %s", self.info.peer, error)
        told = summarize(error)
        is_reset = isinstance(error, ConnectionResetError)
        self.info.note_end(BY_RESET if is_reset else f"by an error: {told}")
        self.report_failed(told)

    def expire(self) -> int:
        """End what took too long."""
        limits, phase = self.app.limits, self._phase
        if self._session is not None:
            return self._session.expire()
        if phase == self._read and self._protocol.is_receiving:
            part, name = ("head", "head_s") if self._intake is None else ("body", "body_s")
            limit = f"limit {name}: {getattr(limits, name):g} s"
            reason = f"the request's {part} did not arrive in time ({limit})"
            return self._refuse(RemoteProtocolError(reason, 408))
        if phase == self._hold:
            return self.break_off(cast("FaultyStream", self.stream).make_error())
        if self._unsent_bytes:
            return self.break_off(LimitError("write_s", limits.write_s, "the peer reads nothing"))
        if phase == self._shake:
            return self.break_off(LimitError("handshake_s", limits.handshake_s, "it took too long"))
        self.info.note_end(f"as it was idle for {limits.idle_s:g} s (limit idle_s)")
        return self._leave()

    def begin_stop(self) -> None:
        """Close when idle, else with the end of the response; the leader calls it."""
        self.is_stopping = True
        if (self.is_registered or self.is_parked) and self._session is None and self.is_held():
            self.relay.settle(self, self.break_off(cast("FaultyStream", self.stream).make_error()))
            return
        if not self.is_registered:
            return
        if self._session is not None:
            self._session.begin_stop()
        elif self._phase == self._read or (self.exchange is None and not self._unsent_bytes):
            self.report_failed("the server stopped before the whole request had arrived")
            self.info.note_end(AS_STOPPED)
            self.relay.settle(self, self._leave())

    def came_back(self) -> None:
        """Catch up on a stop that began while a handler had the connection."""
        if self.is_stopping:
            self.relay.call(self.begin_stop)
        elif self._phase == self._hold:
            self.relay.poke(self)  # which no readiness may do

    # Websockets

    def _open_websocket(self) -> int | None:
        try:
            accepted = accept(self.request, self.endpoint, self.app.limits)
        except HandshakeError as error:
            return self._respond(ErrorResponse(error.reason, error.status_code, error.headers))
        self._session = session = ServerSession(self, accepted)
        self._output_lock = session.lock
        self.request._channel = session
        self._phase = session.step
        return session.start()

    def send_switch(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Send the 101, and return its head; the session holds its lock."""
        self.deadline = NEVER
        self.write(self._protocol.switch_protocols(headers))
        return self._protocol.last_head

    def take_buffer(self) -> bytes:
        """Return what came behind the handshake."""
        return self._protocol.take_buffer()

    def refuse_websocket(self, response: Response | None, error: BaseException | None) -> int:
        """Answer the handshake with something else than a 101."""
        self._session = None
        return self._go_on(self._respond(response or self.make_error_response(error)))

    def end_websocket(self, *, has_more: bool) -> int:
        """Close after a websocket has ended.

        Args:
            has_more: whether the peer may still be sending: then the Close would be lost
                unless that is read.
        """
        self._session = None
        self.info.note_end(AFTER_WEBSOCKET)
        if has_more:
            return self._drain_first()
        with self._output_lock:
            self.stream.say_goodbye()
        self.close()
        return GONE
