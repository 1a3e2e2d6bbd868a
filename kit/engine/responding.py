"""The output half of a server's connection: a response out, whole or streamed, then what follows.

What was ordered to go wrong begins and ends here too; how it does is the stream's business.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

from kit.clock import monotonic
from kit.engine.channel import BENCH, GONE, READ, RESUME
from kit.engine.handling import NO_REQUEST, Application, Handling
from kit.engine.pace import is_slow
from kit.engine.sending import close_source, serialize
from kit.engine.timers import NEVER
from kit.messages import BodyStream
from kit.record import BodyCapture
from kit.record.connection import AFTER_RESPONSE
from kit.wire.faulty import FaultyStream
from kit.wire.http1 import RequestHead, ServerProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from kit.engine.intake import Intake
    from kit.engine.relay import Relay
    from kit.faults.book import Injection
    from kit.messages import Encoded
    from kit.record import ConnectionInfo, Exchange
    from kit.wire.streams import Stream

RECEIVE_BYTES = 65536
DRAIN_READS = 64
"""Reads of refused input in one turn, so that a flood of it starves nobody."""
LINGERS = 10
"""How many times `linger_s` a peer that goes on sending keeps what a fault has ended."""
NO_LOCK = contextlib.nullcontext()


class Responding(Handling):
    """A server's channel, as far as it concerns the response."""

    __slots__ = (
        "_capture",
        "_intake",
        "_lingers_until",
        "_output_lock",
        "_phase",
        "_protocol",
        "_source",
    )

    # Assigned here too, so declared again for type checkers.
    deadline: float
    exchange: Exchange | None
    stream: Stream

    def __init__(
        self, relay: Relay, stream: Stream, app: Application, info: ConnectionInfo
    ) -> None:
        super().__init__(relay, stream, app, info)
        self._phase: Callable[[int], int] = self._drain
        self._protocol = ServerProtocol(app.limits)
        self._intake: Intake | None = None
        self._capture: BodyCapture | None = None
        self._source: Iterator[bytes] | None = None
        self._lingers_until = NEVER
        # Threads that send on a websocket may be at the stream when it is closed.
        self._output_lock: AbstractContextManager[object] = NO_LOCK

    def _advance(self) -> int:
        """Take what the protocol has understood, request by request."""
        raise NotImplementedError

    def _go_on(self, want: int | None) -> int:
        return self._advance() if want is None else want

    def _respond(self, response: object) -> int | None:
        """Send a response; None when it is sent and another request may be read."""
        exchange = cast("Exchange", self.exchange)
        exchange.handled_at = monotonic()
        try:
            data, encoded = self._serialize(response)
        except BaseException as error:
            data, encoded = self._serialize(self.answer_exception(error))
        exchange.response_status = encoded.status
        exchange.response_head = self._protocol.last_head
        exchange.first_byte_at = monotonic()
        if not isinstance(encoded.body, bytes):
            self.write(data)
            self.report_progress()
            return self._start_pump(encoded.body)
        # Before the client can have it: who has the answer finds it on record.
        exchange.response_content = b"" if self.request.method == "HEAD" else encoded.body
        self.write(data)
        if not self._protocol.is_response_complete:
            self.write(self._protocol.send_data(encoded.body) + self._protocol.end_response())
        if self._unsent_bytes:
            self.report_progress()
            return self._await_flush(self._finish_flush)
        return self._complete()

    def _serialize(self, response: object) -> tuple[bytes, Encoded]:
        name, close = self.endpoint.name, self.is_stopping
        return serialize(self._protocol, name, self.request, response, close=close)

    def _await_flush(self, phase: Callable[[int], int]) -> int:
        if isinstance(self.stream, FaultyStream) and self.stream.is_ended:
            return self._hold(READ)
        self._phase = phase
        self.deadline = monotonic() + self.app.limits.write_s
        return self.stream.blocked_on

    def _finish_flush(self, ready: int) -> int:
        if not self.flush():
            return self._await_flush(self._finish_flush)
        return self._go_on(self._complete())

    def _start_pump(self, source: Iterator[bytes]) -> int | None:
        self._source = source
        self._capture = BodyCapture(self.app.body_cap)
        if self.request.method == "HEAD":
            self._let_go_of_source()
            self._source = iter(())
        return self._pump_on()

    def _pump(self, ready: int) -> int:
        if is_slow(self.endpoint) and ready != RESUME:
            return BENCH
        return self._go_on(self._pump_on())

    def _pump_on(self) -> int | None:
        """Send the streamed body as fast as the peer takes it."""
        capture, source = cast("BodyCapture", self._capture), cast("Iterator[bytes]", self._source)
        while True:
            if self._unsent_bytes and not self.flush():
                return self._await_flush(self._pump)
            try:
                piece = next(source, None)
                data = (
                    self._end_stream(source) if piece is None else self._protocol.send_data(piece)
                )
            except BaseException as error:
                # The head is out: all that can be done is to end in mid-body.
                self.note_exception(error)
                if self.request.http_version == "1.0":
                    self.stream.spoil()  # its body may end where the connection does
                return self.break_off(error)
            if data:
                self.write(data)
            if piece is None:
                return self._end_pump()
            capture.feed(piece)

    def _end_stream(self, source: Iterator[bytes]) -> bytes:
        if not isinstance(source, BodyStream) or source.make_trailers is None:
            return self._protocol.end_response()
        trailers = source.make_trailers()
        data = self._protocol.end_response(trailers)
        if self.request.http_version != "1.0":
            cast("Exchange", self.exchange).response_trailers = trailers
        return data

    def _end_pump(self) -> int | None:
        self._record_stream()
        self._source = None
        if self._unsent_bytes:
            return self._await_flush(self._finish_flush)
        return self._complete()

    def _record_stream(self) -> None:
        """Note in the exchange what was streamed, to its end or as far as it came."""
        capture, self._capture = self._capture, None
        if capture is not None and self.exchange is not None:
            record = capture.record()
            self.exchange.response_content = record.kept if record.is_complete else record

    def report_failed(self, reason: str) -> None:
        """Tell the observer that the present exchange, if any, has failed."""
        self._record_stream()
        super().report_failed(reason)

    def _complete(self) -> int | None:
        """The response is out: report it, and be ready for the next request."""
        exchange, self.exchange = cast("Exchange", self.exchange), None
        self.app.observer.complete(exchange)
        has_fault = exchange.fault is not None
        if self._intake is not None:
            self._intake.close()
            self._intake = None
        self.request = NO_REQUEST
        if has_fault and not self._end_fault():
            return self._hold(READ)
        if self._protocol.keep_alive:
            return None
        self.info.note_end(AFTER_RESPONSE)
        # What a client has pipelined all the same is thrown away as well.
        return self._drain_first() if self._has_input() else self._leave()

    def _has_input(self) -> bool:
        return self._protocol.is_receiving or bool(self.stream.recv(RECEIVE_BYTES))

    # Faults

    def _is_handshake(self) -> bool:
        """Tell whether the present request asks for a websocket."""
        head = cast("Exchange", self.exchange).request_head
        upgrade = head.upgrade if isinstance(head, RequestHead) else ""
        return "websocket" in map(str.strip, upgrade.split(","))

    def _inject(self, injection: Injection | None) -> bool:
        """Have the present request go wrong; True when its handling is taken over."""
        if injection is None:
            return False
        from kit.faults.fault import MissedFault

        exchange = cast("Exchange", self.exchange)
        fault, tamper = injection
        exchange.fault = MissedFault(fault, tamper)
        tamper.watch(lambda: setattr(exchange, "fault", fault))
        if not isinstance(self.stream, FaultyStream):
            self.stream = FaultyStream(self.stream, is_server=True)
        is_taken_over = self.stream.apply(str(fault), tamper)
        if is_taken_over:
            exchange.response_status = fault.status
        return is_taken_over

    def _end_fault(self) -> bool:
        """Do what a fault does last; False when it has ended the connection."""
        return not isinstance(self.stream, FaultyStream) or self.stream.finish()

    def _hold(self, ready: int) -> int:
        """Let a fault have the connection, until it breaks it or the peer leaves."""
        stream = cast("FaultyStream", self.stream)
        self._phase = self._hold
        stream.flush()
        self.deadline = self._linger() if stream.is_finished else NEVER
        return stream.blocked_on

    def _linger(self) -> float:
        """Return until when what the peer sends is swallowed: a while from its last byte on."""
        now, linger_s = monotonic(), self.app.limits.linger_s
        if self._lingers_until == NEVER:
            self._lingers_until = now + LINGERS * linger_s
        return min(now + linger_s, self._lingers_until)

    # The end

    def _drain_first(self) -> int:
        # Closing with unread input makes TCP reset, which can overtake the response.
        self._phase = self._drain
        self.deadline = monotonic() + self.app.limits.linger_s
        if not self._unsent_bytes:
            self.stream.shutdown_write()
        return self.want_both()

    def _drain(self, ready: int) -> int:
        if self._unsent_bytes and self.flush():
            self.stream.shutdown_write()
        for _ in range(DRAIN_READS):
            data = self.stream.recv(RECEIVE_BYTES)
            if data == b"":
                return self._leave()
            if data is None:
                break
        return self.want_both()

    def _leave(self) -> int:
        """Close in good order."""
        self.stream.say_goodbye()
        self.close()
        return GONE

    def _let_go_of_source(self) -> None:
        source, self._source = self._source, None
        try:
            close_source(source)
        except BaseException as error:
            self.note_exception(error)
