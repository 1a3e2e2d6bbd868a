"""A client that sends literal bytes, over TCP or TLS, and reads what comes back."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from typing import Self, TypeVar

from support.deadlines import scaled

TIMEOUT_S = 10.0

T = TypeVar("T")


@dataclasses.dataclass
class Answer:
    """A response as it came over the wire, its framing undone."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    trailer: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()


class TlsSocket:
    """TLS apart from its socket, so that one side of it can be ended alone."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._inbox, self._outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._inbox, self._outbox, server_hostname="localhost")
        self._drive(self._tls.do_handshake)

    def _drive(self, function: Callable[[], T]) -> T:
        while True:
            try:
                return function()
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(65536)
                if data:
                    self._inbox.write(data)
                else:
                    self._inbox.write_eof()
            finally:
                self._flush()

    def _flush(self) -> None:
        if self._outbox.pending:
            self.sock.sendall(self._outbox.read())

    def sendall(self, data: bytes) -> None:
        if data:
            self._drive(lambda: self._tls.write(data))

    def recv(self, max_bytes: int) -> bytes:
        try:
            return self._drive(lambda: self._tls.read(max_bytes))
        except ssl.SSLZeroReturnError:
            return b""

    def settimeout(self, seconds: float) -> None:
        self.sock.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        self.sock.shutdown(how)

    def close(self) -> None:
        self.sock.close()


class RawClient:
    """One connection. Every wait ends with a `TimeoutError` at the latest."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext | None = None,
        *,
        receive_buffer: int | None = None,
    ) -> None:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(scaled(TIMEOUT_S))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock: socket.socket | TlsSocket = sock
        if context is not None:
            self.sock = TlsSocket(sock, context)
        self.rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    # Sending

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        for index in range(len(data)):
            self.sock.sendall(data[index : index + 1])

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def shut_write(self) -> None:
        """End this side of the connection, in TLS with a goodbye."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break off without a goodbye: the server gets a RST."""
        sock = self.sock.sock if isinstance(self.sock, TlsSocket) else self.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    # Receiving

    def receive(self, max_bytes: int = 65536) -> bytes:
        """Return some bytes, b"" at the end, however unclean."""
        if self.rest:
            data, self.rest = self.rest[:max_bytes], self.rest[max_bytes:]
            return data
        try:
            return self.sock.recv(max_bytes)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def read_exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            data = self.receive(size)
            if not data:
                raise EOFError(f"{size} bytes are missing behind {b''.join(parts)[-200:]!r}")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def read_until(self, mark: bytes) -> bytes:
        data = self.rest
        self.rest = b""
        while mark not in data:
            piece = self.receive()
            if not piece:
                raise EOFError(f"no {mark!r} in {data[-200:]!r}")
            data += piece
        head, _, self.rest = data.partition(mark)
        return head + mark

    def read_to_end(self) -> bytes:
        parts: list[bytes] = []
        while data := self.receive():
            parts.append(data)
        return b"".join(parts)

    def read_answer(self, method: str = "GET") -> Answer:
        """Read one final or interim response, and nothing behind it."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, _, rest = lines[0].partition(" ")
        assert version == "HTTP/1.1", lines[0]
        status, _, reason = rest.partition(" ")
        fields = [_split_line(line) for line in lines[1:]]
        answer = Answer(int(status), reason, fields, b"")
        self._read_body(answer, method)
        return answer

    def _read_body(self, answer: Answer, method: str) -> None:
        codings, length = answer.value("transfer-encoding"), answer.value("content-length")
        assert codings is None or length is None
        if method == "HEAD" or answer.status < 200 or answer.status in (204, 304):
            return
        if codings is not None:
            assert codings == "chunked"
            answer.body, answer.trailer = self._read_chunks()
        elif length is not None:
            answer.body = self.read_exactly(int(length))
        else:
            answer.body = self.read_to_end()

    def _read_chunks(self) -> tuple[bytes, bytes]:
        parts: list[bytes] = []
        while size := int(self.read_until(b"\r\n").strip(), 16):
            parts.append(self.read_exactly(size))
            assert self.read_exactly(2) == b"\r\n"
        trailer = b""
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            trailer += line
        return b"".join(parts), trailer

    def is_at_end(self) -> bool:
        """Wait for the server's end of the connection; false if more data comes first."""
        return self.receive() == b""

    def ask(self, target: str = "/", method: str = "GET", *fields: str) -> Answer:
        """Send a request without a body and read the answer."""
        self.send(make_request(target, method, *fields))
        return self.read_answer(method)


def make_request(target: str = "/", method: str = "GET", *fields: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _split_line(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value
