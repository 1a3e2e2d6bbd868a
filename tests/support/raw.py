"""A raw client for tests of our own server: its answers are read as strictly as can be."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kit import testing
from kit.errors import ConnectionClosedError
from support.deadlines import scaled

if TYPE_CHECKING:
    import ssl

TIMEOUT_S = 10.0


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


class RawClient(testing.RawClient):
    """One connection to a server of ours; what it answers has to be well-formed."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext | None = None,
        *,
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(
            address,
            context,
            server_hostname="localhost",
            timeout_s=scaled(TIMEOUT_S),
            receive_buffer=receive_buffer,
        )

    @property
    def address(self) -> tuple[str, int]:
        """This side's address."""
        host, port = self._socket.getsockname()
        return host, port

    def send_bytewise(self, data: bytes) -> None:
        self.send_pieces(data[index : index + 1] for index in range(len(data)))

    def receive(self, size: int = 65536) -> bytes:
        """Return some bytes, b"" at the end, however unclean."""
        try:
            return super().receive(size)
        except ConnectionClosedError:
            return b""

    def receive_strictly(self) -> bytes:
        """Return some bytes, b"" at the end in good order.

        Raises:
            ConnectionClosedError: the connection was reset, or TLS was cut off.
        """
        return super().receive()

    def read_to_end(self) -> bytes:
        """Return what comes up to the end, however unclean."""
        return b"".join(iter(self.receive, b""))

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
