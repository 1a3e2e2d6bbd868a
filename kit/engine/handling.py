"""Running the handler of a connection's present request, and telling what became of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, cast

from kit.clock import monotonic
from kit.engine.channel import Channel
from kit.engine.pace import is_slow, note_run, note_stall
from kit.errors import BodyError, FaultError, HandlerReturnError, describe_error
from kit.messages import ErrorResponse, Request, Response
from kit.wire.faulty import FaultyStream
from kit.wire.streams import Stream, TlsStream

if TYPE_CHECKING:
    from kit.engine.relay import Relay
    from kit.expect import Gate, Gates
    from kit.faults.book import FaultBook
    from kit.limits import Limits
    from kit.record import ConnectionInfo, Exchange, Observer
    from kit.routing import Endpoint

logger: logging.Logger = logging.getLogger("kit")


def escape_surrogates(record: logging.LogRecord) -> bool:
    """Make a logged traceback such as any file or pipe can take; a filter, passes all."""
    if record.exc_info and not record.exc_text:
        text = logging.Formatter().formatException(record.exc_info)
        record.exc_text = text.encode("utf-8", "backslashreplace").decode()
    return True


# What a handler raises may quote what a peer has sent, lone surrogates and all.
logger.addFilter(escape_surrogates)

Starter = Callable[[Callable[[], None]], object]
"""Starts what a parked connection waits for, and has it call the function at its end."""
Note = Callable[[object, "BaseException | None"], None]

NO_ENDPOINT = cast("Endpoint", None)
NO_REQUEST = cast("Request", None)


class Application(Protocol):
    """What a connection asks of its server."""

    limits: Limits
    observer: Observer
    body_cap: int
    gates: Gates
    faults: FaultBook

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what answers a request; a miss is an endpoint too."""
        ...

    def note_closed(self, connection: Handling) -> None:
        """Take the connection off the list."""
        ...


class Handling(Channel):
    """A server's channel, as far as it concerns the handler.

    Attributes:
        app: the server.
        info: what its exchanges share.
        endpoint: what answers the present request.
        request: the present request.
        exchange: the record of the present request, None between two.
        is_stopping: the server stops; the present response is the last.
        thread_id: the thread a handler runs on right now, or 0.
    """

    __slots__ = (
        "_gate",
        "_starter",
        "app",
        "endpoint",
        "exchange",
        "info",
        "is_stopping",
        "request",
        "thread_id",
    )

    def __init__(
        self, relay: Relay, stream: Stream, app: Application, info: ConnectionInfo
    ) -> None:
        super().__init__(relay, stream)
        self.app: Application = app
        self.info: ConnectionInfo = info
        self.endpoint: Endpoint = NO_ENDPOINT
        self.request: Request = NO_REQUEST
        self.exchange: Exchange | None = None
        self.is_stopping: bool = False
        self.thread_id: int = 0
        self._starter: Starter | None = None
        self._gate: Gate | None = None

    def describe_phase(self) -> str:
        """Tell in words what the connection does between two exchanges."""
        return "idle"

    def call_handler(self, *arguments: Any) -> Any:
        """Call the endpoint; used for requests and websocket events alike."""
        exchange = cast("Exchange", self.exchange)
        began = monotonic()
        if exchange.handler_started_at is None:
            exchange.handler_started_at = began
            self.app.observer.progress(exchange)
        self.thread_id = threading.get_ident()
        try:
            return self.endpoint.call(*arguments)
        finally:
            self.thread_id = 0
            if self.endpoint.pace is not None:
                note_run(self.endpoint, monotonic() - began)

    def launch(self, coroutine: Coroutine[Any, Any, Any], note: Note) -> None:
        """Start a coroutine as soon as the connection is parked, never before.

        Its end resumes the connection, which by then nobody else may own.
        """
        exchange = cast("Exchange", self.exchange)
        if exchange.handler_started_at is None:
            exchange.handler_started_at = monotonic()
            self.app.observer.progress(exchange)

        def start(resume: Callable[[], None]) -> None:
            def done(result: object, error: BaseException | None) -> None:
                note(result, error)
                resume()

            self.relay.run_coroutine(coroutine, done)

        self._starter = start

    def parked(self) -> int | None:
        """Start what the connection waits for; the leader calls it."""
        if self._starter is not None:
            start, self._starter = self._starter, None
            start(lambda: self.relay.resume(self))
        elif isinstance(self.stream, FaultyStream):
            pause_s = self.stream.pause_left_s
            if pause_s > 0:
                self.relay.call_later(pause_s, lambda: self.relay.resume(self))
            elif not self.stream.is_ended:
                self.relay.resume(self)  # the pause has ended by now
        return None

    def decide(self) -> None:
        """Choose among the stubs by the request's body, now that it is there."""
        self.endpoint = endpoint = self.endpoint.decide(self.request)
        exchange = cast("Exchange", self.exchange)
        exchange.endpoint = endpoint
        exchange.matches = self.request.matches

    def find_gate(self) -> bool:
        """Tell whether a gate holds the request; then the connection is to be parked."""
        gate = self._gate = self.app.gates.find(self.request)
        if gate is None:
            return False

        def start(resume: Callable[[], None]) -> None:
            if gate.admit(self.request, resume):
                resume()

        self._starter = start
        return True

    def delay(self, seconds: float) -> None:
        """Wait before the handler is called; the connection is to be parked."""
        self._starter = lambda resume: self.relay.call_later(seconds, resume)

    def leave_gate(self) -> None:
        """Be held no more, as the connection is closed."""
        if self._gate is not None:
            self._gate.discard(self.request)
            self._gate = None

    # What went wrong

    def answer_exception(self, error: BaseException) -> Response:
        """Make the answer of what a handler raised: 400 for a bad body, else 500."""
        if isinstance(error, BodyError):
            return ErrorResponse(str(error), 400)
        self.note_exception(error)
        return self.make_error_response(error)

    def make_error_response(self, error: BaseException | None) -> Response:
        """Make the 500 that tells what a handler raised."""
        text = f"handler {self.endpoint.name} raised {summarize(error)}"
        if isinstance(error, HandlerReturnError):
            text = str(error)  # which names the handler, and says what to do
        return ErrorResponse(text.encode("utf-8", "backslashreplace").decode(), 500)

    def note_exception(self, error: BaseException) -> None:
        """Keep what a handler raised: in the exchange, and in the log with its traceback."""
        if self.exchange is not None:
            self.exchange.exception = error
        logger.error(
            "%s %s: handler %s raised an exception",
            self.request.method,
            self.request.target,
            self.endpoint.name,
            exc_info=error,
        )

    def report_failed(self, reason: str) -> None:
        """Tell the observer that the present exchange, if any, has failed."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            self.app.observer.failed(exchange, reason)

    # What others ask

    def report_progress(self) -> None:
        """Tell the observer that the exchange has moved on: frames have crossed, or a head."""
        exchange = self.exchange  # another thread may end it in between
        if exchange is not None:
            self.app.observer.progress(exchange)

    def note_stall(self) -> None:
        """Remember that the route is slow."""
        if self.endpoint is not NO_ENDPOINT:
            note_stall(self.endpoint)

    def is_hot(self) -> bool:
        """Stay on the bench with a slow route's connection, unless the server stops."""
        return self.endpoint is not NO_ENDPOINT and is_slow(self.endpoint) and not self.is_stopping

    def describe(self) -> str:
        """Tell in words what the connection is doing."""
        peer = f"{self.info.peer[0]}:{self.info.peer[1]}"
        exchange = self.exchange
        if exchange is None:
            return f"{peer}: {self.describe_phase()}"
        if exchange.is_websocket:
            doing = "open websocket"
        elif exchange.handled_at is not None:
            doing = "sending the response"
        elif exchange.handler_started_at is not None:
            doing = f"in handler {self.endpoint.name}"
        else:
            doing = "receiving the request"
        return (
            f"{peer}: {exchange.method} {exchange.target}, {doing} for {exchange.duration_s:.1f} s"
        )


def summarize(error: BaseException | None) -> str:
    """Give an exception in one line, its type first."""
    if isinstance(error, FaultError):
        return str(error)  # which says itself what it is
    return type(error).__name__ if error is None else describe_error(error)


def note_tls(info: ConnectionInfo, stream: Stream) -> None:
    """Note what a TLS handshake has agreed on."""
    if isinstance(stream, TlsStream):
        info.tls_version = stream.sock.version()
        cipher = stream.sock.cipher()
        info.cipher = cipher[0] if cipher else None
        info.alpn = stream.sock.selected_alpn_protocol()
        info.sni = getattr(stream.sock, "kit_sni", None)
        info.handshake_s = monotonic() - info.opened_at
