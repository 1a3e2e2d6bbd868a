"""A server that does exactly what a test says, right or wrong, connection by connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

from support.deadlines import scaled

WAIT_S = 10.0


class Line:
    """One accepted connection, as a script uses it. Every wait has a limit."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(scaled(WAIT_S))
        self.sock = sock
        self._rest = b""

    def read_head(self) -> bytes:
        """Read a request's head, through the blank line; b"" at the end."""
        while b"\r\n\r\n" not in self._rest:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def read_body(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        while len(self._rest) < size:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"{size - len(self._rest)} bytes are missing")
            self._rest += data
        body, self._rest = self._rest[:size], self._rest[size:]
        return body

    def send(self, data: bytes) -> None:
        """Send everything."""
        self.sock.sendall(data)

    def answer(self, body: bytes = b"", status: str = "200 OK", *fields: str) -> None:
        """Send a response with its length."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def await_end(self) -> None:
        """Read until the client has closed."""
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while self.sock.recv(65536):
                pass


Script = Callable[[Line], None]


class ScriptedServer:
    """Runs one script per connection, each on a thread of its own.

    Attributes:
        accepted: how many connections there were.
    """

    def __init__(self, *scripts: Script, context: ssl.SSLContext | None = None) -> None:
        self._scripts = scripts
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(scaled(WAIT_S))
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self.accepted = 0
        self.addr: tuple[str, int] = self._listener.getsockname()

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(scaled(WAIT_S))
        if self._errors and kind is None:
            raise self._errors[0]

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="scripted", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._spawn(self._run, script, sock)

    def _run(self, script: Script, sock: socket.socket) -> None:
        try:
            with sock:
                if self._context is None:
                    script(Line(sock))
                else:
                    with self._context.wrap_socket(sock, server_side=True) as secure:
                        script(Line(secure))
        except BaseException as error:
            self._errors.append(error)
