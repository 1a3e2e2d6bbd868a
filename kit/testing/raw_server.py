"""A server that answers with literal bytes, by script, to test a client with."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeAlias

from kit.errors import (
    ConfigurationError,
    HandshakeError,
    LimitError,
    ProtocolError,
    StateError,
)
from kit.testing.raw import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, RawConnection
from kit.testing.raw_client import compute_accept

if TYPE_CHECKING:
    import ssl

MAX_CONNECTIONS = 256
"""At once; a further one is closed as it is accepted, and noted."""
MAX_ERRORS = 100
MAX_REQUESTS = 1000
JOIN_S = 10.0

_find_key = re.compile(rb"(?im)^sec-websocket-key:[ \t]*([^\r\n]*?)[ \t]*\r?$").search


class RawServerConnection(RawConnection):
    """A connection that a raw server has accepted; see `RawConnection`.

    Args:
        sock: a connected socket.
        ssl_context: with it TLS is spoken.
        heads: where the heads of requests are noted.
        timeout_s: how long one call may take.
        max_bytes: how much one call may read.
    """

    def __init__(
        self,
        sock: socket.socket,
        ssl_context: ssl.SSLContext | None,
        heads: list[bytes],
        *,
        timeout_s: float,
        max_bytes: int,
    ) -> None:
        self._heads = heads
        super().__init__(sock, ssl_context, timeout_s=timeout_s, max_bytes=max_bytes)

    def read_head(self) -> bytes:
        """Return a request's head, through its blank line; the server notes it."""
        head = super().read_head()
        if len(self._heads) < MAX_REQUESTS:
            self._heads.append(head)
        return head

    def answer(self, body: bytes = b"", status: str = "200 OK", *fields: str) -> None:
        """Send a well-formed response; `fields` as "Name: value"."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + body)

    def accept_upgrade(self, *fields: str) -> bytes:
        """Read a websocket's handshake and accept it; frames may follow.

        Args:
            fields: further header fields of the 101, as "Name: value".

        Returns:
            The head of the request.

        Raises:
            HandshakeError: it has no `Sec-WebSocket-Key`.
        """
        head = self.read_head()
        key = _find_key(head)
        if key is None:
            raise HandshakeError("the request is no websocket handshake: no Sec-WebSocket-Key")
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {compute_accept(key[1].decode('latin-1'))}",
            *fields,
        ]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        return head


Script: TypeAlias = bytes | Callable[[RawServerConnection], object]
"""What happens on a connection: bytes that answer its first request, or a function."""


class RawServer:
    r"""Plays one script per connection, each on a thread of its own.

        with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort") as server:
            with pytest.raises(ProtocolError):
                client.get(server.url)

    A script of bytes reads one request's head, answers with the bytes, and ends the
    connection. A function gets the connection and does what it likes; the connection is
    closed when it returns. The last script serves all further connections.

    Args:
        scripts: at least one.
        ssl_context: with it TLS is spoken, such as `kit_ca.server_context()`.
        host: where it listens, on a free port.
        timeout_s: how long one call of a connection may take.
        max_bytes: how much one call of a connection may read.

    Attributes:
        errors: what went wrong on connections that clients have broken, or let wait.
        heads: the heads of the requests, in order of arrival, as scripts have read them.
        accepted: how many connections there were.

    Raises:
        ConfigurationError: there is no script, or one is neither bytes nor callable.
    """

    def __init__(
        self,
        *scripts: Script,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        if not scripts:
            raise ConfigurationError("a raw server needs a script: bytes, or a function")
        for script in scripts:
            if not isinstance(script, bytes) and not callable(script):
                raise ConfigurationError(
                    f"a script is bytes, or a function of a connection, not {script!r}"
                )
        self._scripts = scripts
        self._context = ssl_context
        self._host = host
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._live: set[socket.socket] = set()
        self._failures: list[BaseException] = []
        self._is_over = False
        self.errors: list[Exception] = []
        self.heads: list[bytes] = []
        self.accepted: int = 0
        self.addr: tuple[str, int] = (host, 0)

    # Where it is

    @property
    def host(self) -> str:
        """The host it listens on."""
        return self.addr[0]

    @property
    def port(self) -> int:
        """The port it listens on; 0 before its start."""
        return self.addr[1]

    @property
    def url(self) -> str:
        """Its base URL, without a trailing slash."""
        scheme = "http" if self._context is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Its base URL for websockets, without a trailing slash."""
        return f"ws{self.url.removeprefix('http')}"

    # Its life

    def start(self) -> Self:
        """Listen, and accept from now on.

        Raises:
            StateError: it has been started already.
            OSError: the host cannot be listened on.
        """
        if self._listener is not None:
            raise StateError("this raw server was started already: make a new one")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, 0), family=family)
        self.addr = self._listener.getsockname()[:2]
        self._spawn(self._accept, self._listener)
        return self

    def stop(self) -> None:
        """Close everything, and wait for the scripts to end, which get an error."""
        with self._lock:
            self._is_over = True
            live = list(self._live)
        if self._listener is not None:
            _cut(self._listener)
            # Where that does not wake who accepts, a connection does.
            with contextlib.suppress(OSError):
                socket.create_connection(self.addr, 0.2).close()
            self._listener.close()
        for sock in live:
            _cut(sock)
        for thread in list(self._threads):
            thread.join(JOIN_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop()
        if kind is None and self._failures:
            raise self._failures[0]

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="kit-raw", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # it was stopped
            if not self._admit(sock):
                if not self._is_over:
                    self._note(ConnectionRefusedError(f"{MAX_CONNECTIONS} connections are open"))
                sock.close()
                if self._is_over:
                    return

    def _admit(self, sock: socket.socket) -> bool:
        with self._lock:
            if self._is_over or len(self._live) >= MAX_CONNECTIONS:
                return False
            self._live.add(sock)
        script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
        self.accepted += 1
        self._spawn(self._play, script, sock)
        return True

    def _play(self, script: Script, sock: socket.socket) -> None:
        try:
            connection = RawServerConnection(
                sock,
                self._context,
                self.heads,
                timeout_s=self._timeout_s,
                max_bytes=self._max_bytes,
            )
            if isinstance(script, bytes):
                _answer(connection, script)
            else:
                script(connection)
        except (OSError, ProtocolError, LimitError) as error:
            self._note(error)
        except BaseException as error:  # noqa: BLE001 - raised where the server is left
            self._failures.append(error)
        finally:
            with self._lock:
                self._live.discard(sock)
            sock.close()

    def _note(self, error: Exception) -> None:
        if not self._is_over and len(self.errors) < MAX_ERRORS:
            self.errors.append(error)

    def __repr__(self) -> str:
        return f"<RawServer {self.url}, {self.accepted} accepted>"


def _answer(connection: RawServerConnection, data: bytes) -> None:
    connection.read_head()
    connection.send(data)
    connection.end()
    # Closing while the client's bytes lie unread would reset the connection.
    while connection.receive():
        pass


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
