"""A client that sends what it is told, byte by byte, to test a server with."""

from __future__ import annotations

import base64
import hashlib
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kit.errors import ConfigurationError, HandshakeError
from kit.testing.raw import (
    DEFAULT_MAX_BYTES,
    DEFAULT_TIMEOUT_S,
    RawConnection,
    RawResponse,
    parse_head,
    read_body,
)

if TYPE_CHECKING:
    import ssl

WEBSOCKET_KEY: Final = base64.b64encode(bytes(16)).decode()
"""The key of every handshake of a raw client."""

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def compute_accept(key: str) -> str:
    """Return the `Sec-WebSocket-Accept` that answers a key (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class RawClient(RawConnection):
    r"""One connection to a server, over which literal bytes go.

        with RawClient("http://127.0.0.1:8000") as client:
            client.send(b"GET / HTTP/1.1\nHost: bare-line-feeds\n\n")
            assert client.read_response().status == 400
            assert client.is_at_end()

    It is connected when it has been made. Reading and its errors: see `RawConnection`.

    Args:
        where: the server's (host, port), or a URL, of which scheme and authority count.
        ssl_context: with it TLS is spoken, and only then: a URL of https or wss needs one,
            such as `kit_ca.client_context()`.
        server_hostname: the name that is asked for in TLS; by default the host.
        timeout_s: how long one call may take.
        max_bytes: how much one call may read.
        receive_buffer: the system's receive buffer in bytes, small to have a server wait.

    Attributes:
        authority: host and port, as they stand in a Host field.

    Raises:
        ConfigurationError: `where` is neither, or the scheme does not fit `ssl_context`.
        OSError: nobody listens there, or the TLS handshake fails.
        WaitTimeoutError: the handshake took too long.
    """

    is_client = True

    def __init__(
        self,
        where: str | tuple[str, int],
        ssl_context: ssl.SSLContext | None = None,
        *,
        server_hostname: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_bytes: int = DEFAULT_MAX_BYTES,
        receive_buffer: int | None = None,
    ) -> None:
        host, port = _read_where(where, has_context=ssl_context is not None)
        self.authority: str = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        sock = _connect(host, port, timeout_s, receive_buffer)
        try:
            super().__init__(
                sock,
                ssl_context,
                server_hostname=None if ssl_context is None else server_hostname or host,
                timeout_s=timeout_s,
                max_bytes=max_bytes,
            )
        except BaseException:
            sock.close()
            raise

    def request(
        self, method: str = "GET", target: str = "/", *fields: str, body: bytes = b""
    ) -> RawResponse:
        """Send a well-formed request and read its response; `fields` as "Name: value".

        Host is sent if it is not among the fields, and Content-Length for a body if no
        framing is.
        """
        self.send(self.make_head(method, target, *fields, length=len(body)) + body)
        return self.read_response(method)

    def make_head(
        self, method: str = "GET", target: str = "/", *fields: str, length: int = 0
    ) -> bytes:
        """Make the head of a request; `length` is that of its body."""
        names = {field.partition(":")[0].lower() for field in fields}
        lines = [f"{method} {target} HTTP/1.1"]
        if "host" not in names:
            lines.append(f"Host: {self.authority}")
        lines += fields
        if length and names.isdisjoint({"content-length", "transfer-encoding"}):
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def read_response(self, method: str = "GET") -> RawResponse:
        """Read one response, interim or final, and nothing behind it.

        Args:
            method: the request's, as a response to HEAD has no body.

        Raises:
            RemoteProtocolError: it is too broken to tell where it ends.
        """
        response = parse_head(self.read_head())
        return response._replace(body=read_body(self, response, method))

    def upgrade(self, target: str = "/", *fields: str) -> RawResponse:
        """Do a websocket handshake; frames may follow. Returns the 101.

        Args:
            target: the request target.
            fields: further header fields, as "Name: value".

        Raises:
            HandshakeError: the server refuses it, or does not know how.
        """
        self.send(self.make_upgrade(target, *fields))
        response = self.read_response()
        if response.status != 101:
            raise HandshakeError(f"the server answered {response.status} to the handshake, not 101")
        accept = response.get_all("sec-websocket-accept")
        if accept != [compute_accept(WEBSOCKET_KEY)]:
            raise HandshakeError(f"the server's Sec-WebSocket-Accept is {accept}, which is wrong")
        return response

    def make_upgrade(self, target: str = "/", *fields: str) -> bytes:
        """Make the request of a websocket handshake; see `upgrade`."""
        return self.make_head(
            "GET",
            target,
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {WEBSOCKET_KEY}",
            "Sec-WebSocket-Version: 13",
            *fields,
        )


def _read_where(where: object, *, has_context: bool) -> tuple[str, int]:
    if isinstance(where, tuple) and len(where) >= 2:
        return str(where[0]), int(where[1])
    url = urlsplit(where) if isinstance(where, str) else None
    if url is None or url.scheme not in _PORTS or not url.hostname:
        raise ConfigurationError(
            f'a raw client connects to (host, port) or a URL such as "http://127.0.0.1:8000", '
            f"not to {where!r}"
        )
    if (_PORTS[url.scheme] == 443) is not has_context:
        advice = "leave ssl_context out" if has_context else "give ssl_context="
        raise ConfigurationError(f"ssl_context does not fit {url.scheme}://: {advice}")
    return url.hostname, url.port or _PORTS[url.scheme]


def _connect(host: str, port: int, timeout_s: float, receive_buffer: int | None) -> socket.socket:
    if receive_buffer is None:
        return socket.create_connection((host, port), timeout_s)
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, number)
    try:
        # Before connecting, as the window is agreed on then.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(timeout_s)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
