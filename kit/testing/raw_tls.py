"""TLS apart from its socket, so that one side of a connection can be ended alone."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

T = TypeVar("T")

_BLOCK = 65536


class RawTls:
    """What of a socket's methods a raw connection needs, over TLS.

    Args:
        sock: a connected socket with a timeout.
        context: of the side's role.
        server_hostname: the name a client asks for; None on a server's side.
    """

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        self._socket = sock
        self._inbox, self._outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._inbox,
            self._outbox,
            server_side=context.protocol is ssl.PROTOCOL_TLS_SERVER,
            server_hostname=server_hostname,
        )

    def shake_hands(self) -> None:
        """Do the handshake."""
        self._drive(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        if data:
            self._drive(lambda: self._tls.write(data))

    def recv(self, size: int) -> bytes:
        """Return some bytes; b"" where the peer has said goodbye."""
        try:
            return self._drive(lambda: self._tls.read(size))
        except ssl.SSLZeroReturnError:
            return b""

    def shutdown(self, how: int) -> None:
        """Say goodbye, and end the socket's side; the peer's goodbye is not waited for."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        self._socket.shutdown(how)

    def _drive(self, function: Callable[[], T]) -> T:
        while True:
            try:
                return function()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._socket.recv(_BLOCK)
                if data:
                    self._inbox.write(data)
                else:
                    self._inbox.write_eof()
            finally:
                self._flush()

    def _flush(self) -> None:
        if self._outbox.pending:
            self._socket.sendall(self._outbox.read())
