"""What the exchanges of one connection share."""

from __future__ import annotations

import itertools

from kit.clock import monotonic

_connection_ids = itertools.count(1)

BY_PEER = "by the peer"
BY_RESET = "by the peer, with a reset"
AFTER_RESPONSE = "after the response"
AFTER_REFUSAL = "after a refusal"
AFTER_WEBSOCKET = "after the websocket"
AS_STOPPED = "as the server stopped"

ORDINARY_ENDS = frozenset((BY_PEER, AFTER_RESPONSE, AFTER_WEBSOCKET, AS_STOPPED))
"""How a connection ends when nothing has gone wrong."""


class ConnectionInfo:
    """What the exchanges of one connection share.

    Attributes:
        id: the connection's number in this process.
        role: "server" or "client": which side this process is.
        local: this side's address, as the socket tells it.
        peer: the other side's address.
        tls_version: for example "TLSv1.3"; None on a plain connection.
        cipher: the cipher suite's name; None on a plain connection.
        sni: the server name the client asked for.
        alpn: the application protocol that was agreed on.
        opened_at: real-monotonic seconds.
        connect_s: how long the TCP connect took; None on the server's side.
        handshake_s: how long the TLS handshake took.
        requests: how many requests the connection has carried.
        closed_at: real-monotonic seconds; None while it is open.
        end: how it came to its end, for example "by the peer" or "after the response";
            None until that is known. It can be known before the connection is closed.

    The last two are known of a server's connections alone.
    """

    __slots__ = (
        "alpn",
        "cipher",
        "closed_at",
        "connect_s",
        "end",
        "handshake_s",
        "id",
        "local",
        "opened_at",
        "peer",
        "requests",
        "role",
        "sni",
        "tls_version",
    )

    def __init__(
        self,
        role: str,
        local: tuple[str, int],
        peer: tuple[str, int],
        *,
        tls_version: str | None = None,
        cipher: str | None = None,
        sni: str | None = None,
        alpn: str | None = None,
        connect_s: float | None = None,
        handshake_s: float | None = None,
    ) -> None:
        self.id: int = next(_connection_ids)
        self.role: str = role
        self.local: tuple[str, int] = local
        self.peer: tuple[str, int] = peer
        self.tls_version: str | None = tls_version
        self.cipher: str | None = cipher
        self.sni: str | None = sni
        self.alpn: str | None = alpn
        self.opened_at: float = monotonic()
        self.connect_s: float | None = connect_s
        self.handshake_s: float | None = handshake_s
        self.requests: int = 0
        self.closed_at: float | None = None
        self.end: str | None = None

    @property
    def is_tls(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.tls_version is not None

    def note_end(self, how: str) -> None:
        """Note how the connection comes to its end; the first to say it knows best."""
        if self.end is None:
            self.end = how

    def __repr__(self) -> str:
        tls = f", {self.tls_version}" if self.tls_version else ""
        return (
            f"<ConnectionInfo {self.id} {self.role} {format_address(self.local)} "
            f"peer {format_address(self.peer)}, {self.requests} requests{tls}>"
        )


def format_address(address: tuple[object, ...]) -> str:
    """Format a socket's address as host:port, an IPv6 host in brackets."""
    # A unix socket's address has no port.
    if len(address) < 2:
        return str(address[0]) if address else "(no address)"
    host, port = str(address[0]), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
