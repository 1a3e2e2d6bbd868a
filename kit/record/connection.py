"""What the exchanges of one connection share."""

from __future__ import annotations

import itertools

from kit.clock import monotonic

_connection_ids = itertools.count(1)


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
    """

    __slots__ = (
        "alpn",
        "cipher",
        "connect_s",
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
        self.id = next(_connection_ids)
        self.role = role
        self.local = local
        self.peer = peer
        self.tls_version = tls_version
        self.cipher = cipher
        self.sni = sni
        self.alpn = alpn
        self.opened_at = monotonic()
        self.connect_s = connect_s
        self.handshake_s = handshake_s
        self.requests = 0

    @property
    def is_tls(self) -> bool:
        """Tell whether the connection is encrypted."""
        return self.tls_version is not None

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
