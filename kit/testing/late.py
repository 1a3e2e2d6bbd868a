"""Requests that come to a server's port when the server is gone, and whose they were."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import quote

from kit.engine.relay import Relay
from kit.errors import StateError
from kit.limits import KIB, MIB, Limits
from kit.messages import ErrorResponse
from kit.record import Journal
from kit.routing.endpoint import Miss
from kit.server import HTTPServer
from kit.testing.sources import show_request
from kit.testing.text import show_target

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from kit.engine.listener import Listener
    from kit.messages import Request, Response
    from kit.record import Exchange
    from kit.routing import Endpoint
    from kit.testing.server import CheckedServer

LATE_FIELD = "Kit-Late"
"""Names in the response to a late request whose port it was, percent-encoded."""

MAX_PORTS = 64
MAX_REQUESTS = 200
GRACE_S = 0.5
"""How long a port that is closed may take; as a rule it takes no time."""
_LIMITS = Limits(
    connections=16,
    head_bytes=16 * KIB,
    spool_bytes=64 * KIB,
    handshake_s=5.0,
    head_s=5.0,
    body_s=5.0,
    write_s=5.0,
    idle_s=5.0,
    linger_s=1.0,
)


class LateRequest(NamedTuple):
    """A request that came too late.

    Attributes:
        owner: whose port it came to.
        during: what ran when it came.
        request: its method and target, in short.
    """

    owner: str
    during: str
    request: str


class LatePorts:
    """Keeps the ports of servers that were stopped, answers what still comes there, and notes it.

    A late request gets 410 with a header field `Kit-Late`, and a body that says whose
    port it was. So it is neither lost nor taken for a request of whoever gets the
    same port next. The oldest port is closed when there are too many.

    Args:
        find_current: names what runs right now; called by any thread.
        max_ports: how many ports are kept open.
        max_requests: how many late requests are kept; more are only counted.

    Attributes:
        requests: the late requests so far.
        dropped: how many more there were.
        journal: the exchanges of the last of them.
        servers: what answers them, at each port where one came.
    """

    def __init__(
        self,
        find_current: Callable[[], str],
        *,
        max_ports: int = MAX_PORTS,
        max_requests: int = MAX_REQUESTS,
    ) -> None:
        self._find_current = find_current
        self._max_ports = max_ports
        self._max_requests = max_requests
        self._ports: deque[_LatePort] = deque()
        self._lock = threading.Lock()
        self._relay: Relay | None = None
        self.servers: list[_LateServer] = []
        self._is_closed = False
        self.requests: list[LateRequest] = []
        self.dropped: int = 0
        self.journal: Journal = Journal(max_exchanges=max_requests, max_bytes=4 * MIB)

    def retire(
        self, server: CheckedServer, owner: str, *, grace_s: float | None = None
    ) -> list[str]:
        """Stop a server, and keep its port; like its `stop` otherwise.

        Where no handler is at work it does not wait: the connections are closed a moment
        later, and so is the oldest port if there are too many.

        Raises:
            StateError: these ports have been closed.
        """
        if self._is_closed:
            raise StateError("these late ports have been closed: make a new LatePorts")
        if not server.is_running:
            return server.stop(grace_s=grace_s)
        if self._relay is None:
            self._relay = Relay.acquire(self)
        while len(self._ports) >= self._max_ports:
            # Along with the end of this server, for which the leader is woken.
            self._relay.call_next(self._ports.popleft().shut)
        port = _LatePort(self, owner, server)
        cut = server.retire(port.inherit, grace_s=grace_s)
        self._ports.append(port)
        return cut

    def close(self) -> None:
        """Close all ports; what was noted stays."""
        self._is_closed = True
        relay, self._relay = self._relay, None
        if relay is None:
            return
        try:
            while self._ports:
                relay.call(self._ports.popleft().shut)
            done = threading.Event()
            relay.call(done.set)
            done.wait(GRACE_S)
            for server in self.servers:
                server.stop(grace_s=GRACE_S)
        except StateError:
            pass  # the interpreter's exit was before, and has closed them
        finally:
            relay.release(self)

    def abandon(self) -> None:
        """Close this process's copies of the sockets, after a fork."""
        self._is_closed = True
        self._relay = None
        while self._ports:
            self._ports.popleft().abandon()

    @property
    def port_count(self) -> int:
        """How many ports are open."""
        return len(self._ports)

    def note(self, owner: str, exchange: Exchange) -> None:
        """Note a late request; called by any thread."""
        late = LateRequest(owner, self._find_current(), show_request(exchange))
        with self._lock:
            if len(self.requests) < self._max_requests:
                self.requests.append(late)
            else:
                self.dropped += 1

    def __repr__(self) -> str:
        late = len(self.requests) + self.dropped
        return f"<LatePorts {len(self._ports)} open, {late} late requests>"


class _LatePort:
    """The port of a server that was stopped; what answers there is made when something comes."""

    __slots__ = ("_address", "_context", "_listener", "_owner", "_ports", "_server")

    def __init__(self, ports: LatePorts, owner: str, server: CheckedServer) -> None:
        self._ports = ports
        self._owner = owner
        self._address = server.addr
        self._context: ssl.SSLContext | None = server._context
        self._listener: Listener | None = None
        self._server: _LateServer | None = None

    def inherit(self, listener: Listener) -> None:
        """Go on with a listener; the leader calls it."""
        self._listener = listener
        listener.hand_on(self._welcome, self._has_room)

    def _has_room(self) -> bool:
        return self._server is None or self._server._has_room()

    def _welcome(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        if self._server is None:
            self._server = _LateServer(self._ports, self._owner, self._address, self._context)
            self._ports.servers.append(self._server.start())
        self._server._welcome(sock, peer)

    def shut(self) -> None:
        """Close the port; the leader calls it."""
        if self._listener is not None:
            self._listener.shut()

    def abandon(self) -> None:
        """Close this process's copy of the socket."""
        if self._listener is not None:
            self._listener.stream.close()


class _LateServer(HTTPServer):
    """Answers at the port of a server that was stopped; its listener is that one's."""

    def __init__(
        self,
        ports: LatePorts,
        owner: str,
        address: tuple[str, int],
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(address, ssl_context=context, limits=_LIMITS, journal=ports.journal)
        self._owner = owner
        self.add_observer(_Noter(ports.note, owner))

    def start(self) -> Self:
        """Be ready for connections."""
        self._relay = Relay.acquire(self)
        self._address = self._requested
        self._state = "running"
        return self

    def resolve(self, request: Request, *, is_upgrade: bool) -> Endpoint:
        """Return what tells that the request is late."""
        del is_upgrade
        return _Gone(request.method, self._owner)


class _Noter:
    """An observer that notes what arrives at one port."""

    __slots__ = ("_note", "_owner")

    def __init__(self, note: Callable[[str, Exchange], None], owner: str) -> None:
        self._note = note
        self._owner = owner

    def started(self, exchange: Exchange) -> None:
        """Note a late request."""
        self._note(self._owner, exchange)

    def progress(self, exchange: Exchange) -> None:
        """Pass over what comes after its arrival."""

    def complete(self, exchange: Exchange) -> None:
        """Pass over its end."""

    def failed(self, exchange: Exchange, error: str) -> None:
        """Pass over its end."""


class _Gone(Miss):
    """Answers a late request."""

    __slots__ = ("_owner",)

    def __init__(self, method: str, owner: str) -> None:
        super().__init__(method, 410, self._explain)
        self._owner = owner

    def _explain(self, request: Request) -> str:
        return (
            f"{request.method} {show_target(request.target)} came too late: the server at this "
            f"port belonged to {self._owner}, which is over.\n"
            "Let whatever sends it end before the test does.\n"
        )

    def _answer(self, request: Request) -> Response:
        fields = {LATE_FIELD: quote(self._owner, safe="/:[]-_.,=+@ "), "Connection": "close"}
        return ErrorResponse(self._compose(request), 410, fields)
