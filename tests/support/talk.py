"""A plain peer on a raw socket: sends what it is told, reads responses one by one."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from types import TracebackType
from typing import Self

from support.deadlines import scaled

TIMEOUT_S = 20.0


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Talk:
    """One connection, every wait on it with a time limit."""

    def __init__(
        self,
        address: tuple[str, int],
        *,
        context: ssl.SSLContext | None = None,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self.sock = socket.socket()
        if receive_buffer_bytes is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.sock.settimeout(scaled(TIMEOUT_S))
        try:
            self.sock.connect(address)
            if context is not None:
                self.sock = context.wrap_socket(self.sock, server_hostname=address[0])
        except BaseException:
            self.sock.close()
            raise
        self._file = self.sock.makefile("rb")

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, *targets: str) -> None:
        """Send GET requests, in one write."""
        self.send(b"".join(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % t.encode() for t in targets))

    def read_head(self) -> Answer:
        """Read a response's head; raises EOFError where there is none."""
        line = self._file.readline(65536)
        if not line.endswith(b"\r\n"):
            raise EOFError(f"the connection ended: {line!r}")
        headers = {}
        while (field := self._file.readline(65536)) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(line.split()[1]), headers, b"")

    def read_answer(self) -> Answer:
        """Read a response with its body."""
        head = self.read_head()
        if head.headers.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self.read_chunk, b""))
        else:
            length = int(head.headers.get("content-length", "0"))
            body = self._file.read(length)
            if len(body) < length:
                raise EOFError(f"the body ended after {len(body)} of {length} bytes")
        return Answer(head.status, head.headers, body)

    def read_chunk(self) -> bytes:
        line = self._file.readline(65536)
        if not line.endswith(b"\r\n"):
            raise EOFError(f"the body ended: {line!r}")
        chunk = self._file.read(int(line, 16))
        self._file.readline()
        return chunk

    def get(self, target: str) -> Answer:
        self.ask(target)
        return self.read_answer()

    def is_ended(self) -> bool:
        """Wait for the server to close, or to break, the connection."""
        try:
            while self._file.read(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def reset(self) -> None:
        """Vanish, as a process that was killed does."""
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
