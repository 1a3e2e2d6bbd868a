"""The HTTP and websocket server."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Self

from kit.engine.binding import check_address, format_base, listen, quote_path
from kit.engine.connection import Connection
from kit.engine.listener import Listener
from kit.engine.relay import Relay
from kit.errors import AddressError, ConfigurationError, StateError
from kit.expect import ExpectationHost
from kit.faults.host import ServerFaultHost
from kit.limits import Limits, check_limits
from kit.loops import run_in_thread
from kit.record import ConnectionInfo, Journal, Observer, Observers
from kit.routing import Endpoint, Resource, Route, Router
from kit.routing.router import check_fallback
from kit.wire import tls
from kit.wire.streams import READ, SocketStream, TlsStream

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from kit.engine.handling import Handling
    from kit.messages import Request
    from kit.record import Exchange
    from kit.routing.router import Fallback, RouteTuple
    from kit.wire.streams import Stream

logger: logging.Logger = logging.getLogger("kit")

CUT_S = 1.0
"""How long `stop()` waits for a connection that it has cut."""


class HTTPServer(ServerFaultHost, ExpectationHost):
    """Serves resources over HTTP/1.1 and websockets, plain or with TLS.

    All servers of a process share one relay, so a server is little more than a
    listening socket: starting and stopping one takes well under a millisecond.

    Args:
        addr: (host, port); port 0 takes a free one.
        privkey: path of the private key, PEM.
        cert: path of the certificate chain, PEM; with both the server speaks TLS.
        ssl_context: for what two paths can't say; instead of `privkey` and `cert`.
        limits: the bounds.
        journal: where exchanges are recorded; one of its own if None.

    Raises:
        ConfigurationError: an argument cannot work.
        TlsFileError: a PEM file cannot be used.
    """

    def __init__(
        self,
        addr: tuple[str, int],
        privkey: str | os.PathLike[str] | None = None,
        cert: str | os.PathLike[str] | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._requested = check_address(addr)
        self._context = _choose_context(privkey, cert, ssl_context)
        self.limits: Limits = check_limits(limits)
        self.journal: Journal = _check_journal(journal)
        self.observer: Observer = self.journal
        self.body_cap: int = self.journal.body_cap
        super().__init__()
        self._router = Router()
        self._lock = threading.Lock()
        self._state = "new"
        self._address: tuple[str, int] | None = None
        self._relay: Relay | None = None
        self._listener: Listener | None = None
        self._connections: set[Connection] = set()
        self._emptied = threading.Condition()
        self._finished = threading.Event()

    # Routes

    def registerRoutes(self, routes: Resource | Iterable[RouteTuple]) -> None:
        """Register a resource, or (method, pattern, callback) tuples, also while serving.

        Raises:
            PatternError: a pattern is malformed.
            ConfigurationError: something else about a route is.
        """
        self._router.registerRoutes(routes)

    def routes(self) -> list[Route]:
        """List what is registered, in the order it is matched."""
        return self._router.routes()

    @property
    def router(self) -> Router:
        """The router that finds each request's handler."""
        return self._router

    @property
    def fallback(self) -> Fallback | None:
        """What answers that no stub and no route takes, such as a cassette; None for nobody."""
        return self._router.fallback

    @fallback.setter
    def fallback(self, fallback: Fallback | None) -> None:
        self._router.fallback = check_fallback(fallback)

    # Addresses

    @property
    def addr(self) -> tuple[str, int]:
        """The (host, port) the server listens on; before `start` as it was given."""
        return self._address or self._requested

    @property
    def host(self) -> str:
        """The host the server listens on."""
        return self.addr[0]

    @property
    def port(self) -> int:
        """The port the server listens on; 0 before `start` if a free one is to be taken."""
        return self.addr[1]

    @property
    def is_tls(self) -> bool:
        """Whether the server speaks TLS."""
        return self._context is not None

    @property
    def url(self) -> str:
        """The server's base URL, without a trailing slash.

        Raises:
            StateError: the port is not known yet.
        """
        return self._base("https" if self.is_tls else "http")

    def url_for(self, path: str) -> str:
        """Return the URL of a path on this server; the path is quoted where needed."""
        return self.url + quote_path(path)

    def ws_url_for(self, path: str) -> str:
        """Return the websocket URL (`ws` or `wss`) of a path on this server."""
        return self._base("wss" if self.is_tls else "ws") + quote_path(path)

    def _base(self, scheme: str) -> str:
        if self.port == 0:
            raise StateError("the server has no port yet: start() it first")
        return format_base(scheme, self.addr)

    # Life

    @property
    def is_running(self) -> bool:
        """Whether the server accepts connections."""
        return self._state == "running"

    def start(self) -> Self:
        """Listen and serve, on the relay's threads; returns the server.

        Raises:
            AddressError: the address is in use, not ours, or not allowed.
            StateError: the server runs already, or has been stopped.
        """
        with self._lock:
            if self._state != "new":
                raise StateError(START_TWICE[self._state].format(self._describe()))
            sock = self._open_socket()
            try:
                self._relay = Relay.acquire(self)
            except (RuntimeError, OSError) as error:
                sock.close()
                raise AddressError(self._requested, f"the system is exhausted: {error}") from error
            self._address = sock.getsockname()[:2]
            self._listener = Listener(self._relay, sock, self._welcome, self._has_room)
            self._state = "running"
            self._relay.adopt(self._listener, READ)
        return self

    def stop(self, *, grace_s: float | None = None) -> list[str]:
        """Stop accepting, let running handlers finish, then cut what is left.

        Idle connections are closed at once; websockets get a Close with 1001.
        Stopping twice, or before the start, does nothing.

        Args:
            grace_s: how long handlers may take; `Limits.grace_s` if None.

        Returns:
            What was cut: each connection and what it was doing.
        """
        if grace_s is not None and not isinstance(grace_s, int | float):
            raise ConfigurationError(f"grace_s must be seconds, such as 2.5, not {grace_s!r}")
        with self._lock:
            before, self._state = self._state, "stopped"
        if before == "new":
            self._finished.set()
        if before != "running" or self._relay is None:
            return []
        relay = self._relay
        cut: list[str] = []
        try:
            self.gates.release_all()
            relay.call(self._begin_stop)
            if not self._await_emptied(self.limits.grace_s if grace_s is None else grace_s):
                cut = self._cut_all(relay)
        except StateError as error:
            logger.debug("%s was ended by the interpreter's exit: %s", self._describe(), error)
        finally:
            relay.release(self)
            self._finished.set()
        return cut

    def run(self) -> None:
        """Serve until interrupted (Ctrl-C), or until another thread calls `stop`.

        Starts the server if that is still to do; returns at once if it has been
        stopped already.
        """
        if self._state == "new":
            self.start()
        try:
            # With a time limit, as on Windows an endless wait hears no Ctrl-C.
            while not self._finished.wait(0.5):
                pass
        except KeyboardInterrupt:
            logger.info("interrupted: stopping %s", self._describe())
        finally:
            self.stop()

    def __enter__(self) -> Self:
        return self if self._state == "running" else self.start()

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

    def __repr__(self) -> str:
        return (
            f"<HTTPServer {self._describe()} {self._state}, {len(self._connections)} connections>"
        )

    def _describe(self) -> str:
        host, port = self.addr
        return f"{'https' if self.is_tls else 'http'}://{host}:{port}"

    # What has come

    def wait_for(
        self,
        match: str | Callable[[Exchange], object] | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
        state: str = "received",
    ) -> list[Exchange]:
        """Wait until so many matching requests have come; see `Journal.wait_for`."""
        return self.journal.wait_for(match, count=count, timeout=timeout, state=state)

    async def wait_for_async(
        self,
        match: str | Callable[[Exchange], object] | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
        state: str = "received",
    ) -> list[Exchange]:
        """Wait like `wait_for`, in an event loop."""
        return await self.journal.wait_for_async(match, count=count, timeout=timeout, state=state)

    # What the connections ask

    def add_observer(self, observer: Observer) -> None:
        """Have another observer told of every exchange, beside the journal."""
        self.observer = Observers(self.observer, observer)

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what answers a request."""
        router = self._router
        if not self.stubs.has_stubs:
            return router.resolve(request, is_upgrade=is_upgrade)
        return self.resolve_stubs(request, router, is_upgrade=is_upgrade)

    def note_closed(self, connection: Handling) -> None:
        """Take a connection off the list."""
        self._connections.discard(connection)
        if self._state != "running":
            with self._emptied:
                self._emptied.notify_all()

    def abandon(self) -> None:
        """Close this process's copies of the sockets, after a fork."""
        self._state = "stopped"
        # Other threads may have held these at the moment of the fork.
        self._lock, self._emptied = threading.Lock(), threading.Condition()
        self._finished.set()
        for channel in (*self._connections, self._listener):
            if channel is not None:
                with contextlib.suppress(OSError):
                    channel.stream.close()
        self._connections = set()

    def _open_socket(self) -> socket.socket:
        return listen(self._requested)

    # The leader

    def _has_room(self) -> bool:
        return len(self._connections) < self.limits.connections

    def _welcome(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        relay = self._relay
        if relay is None or self._state != "running":
            sock.close()
            return
        try:
            local = sock.getsockname()[:2]
            stream = self._open_stream(sock)
        except OSError as error:
            # The peer went away between its connect and our accept.
            logger.debug("a connection from %s ended at once: %s", peer, error)
            sock.close()
            return
        connection = Connection(relay, stream, self, ConnectionInfo("server", local, peer))
        self._connections.add(connection)
        relay.adopt(connection, READ)

    def _open_stream(self, sock: socket.socket) -> Stream:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.connection_faults.has_faults:
            faulty = self.spoil_connection(SocketStream(sock))
            if faulty is not None:
                return faulty
        return SocketStream(sock) if self._context is None else TlsStream(sock, self._context)

    def _begin_stop(self) -> None:
        self._end_listening()
        for connection in list(self._connections):
            connection.begin_stop()
        with self._emptied:
            self._emptied.notify_all()

    def _end_listening(self) -> None:
        if self._listener is not None:
            self._listener.shut()

    # The end

    def _left(self) -> list[Connection]:
        # A handler that stops its own server does not wait for itself.
        me = threading.get_ident()
        return [one for one in list(self._connections) if one.thread_id != me]

    def _await_emptied(self, timeout_s: float) -> bool:
        with self._emptied:
            return self._emptied.wait_for(lambda: self._is_shut() and not self._left(), timeout_s)

    def _is_shut(self) -> bool:
        return self._listener is None or self._listener.is_closed

    def _cut_all(self, relay: Relay) -> list[str]:
        left = self._left()
        told = [connection.describe() for connection in left]
        logger.warning("%s had to cut: %s", self._describe(), "; ".join(told) or "its listener")
        for connection in left:
            connection.stream.cut()
        relay.call(self._close_parked)
        self._await_emptied(CUT_S)
        return told

    def _close_parked(self) -> None:
        for connection in list(self._connections):
            if connection.is_parked:
                connection.break_off(StateError("the server stopped"))


START_TWICE = {
    "running": "{} runs already: start() was called twice",
    "stopped": "{} has been stopped and cannot start again: make a new HTTPServer",
}


def _choose_context(
    privkey: str | os.PathLike[str] | None,
    cert: str | os.PathLike[str] | None,
    ssl_context: ssl.SSLContext | None,
) -> ssl.SSLContext | None:
    if ssl_context is not None:
        if privkey is not None or cert is not None:
            raise ConfigurationError("give either privkey and cert, or ssl_context, not both")
        _check_context(ssl_context)
        return ssl_context
    if cert is None and privkey is None:
        return None
    return tls.server_context(cert, privkey)


def _check_context(context: object) -> None:
    import ssl

    if not isinstance(context, ssl.SSLContext) or context.protocol is ssl.PROTOCOL_TLS_CLIENT:
        raise ConfigurationError(
            "ssl_context must be an ssl.SSLContext for servers, "
            f"such as ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) makes, not {context!r}"
        )


def _check_journal(journal: object) -> Journal:
    if journal is None:
        return Journal()
    if not isinstance(journal, Journal):
        raise ConfigurationError(f"journal must be a kit.Journal, not {journal!r}")
    return journal
