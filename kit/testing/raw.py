"""One connection of literal bytes, for tests of what a correct peer would never do."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from kit.clock import monotonic
from kit.errors import (
    ConfigurationError,
    ConnectionClosedError,
    LimitError,
    RemoteProtocolError,
    WaitTimeoutError,
)
from kit.opcodes import WebSocketOpCode
from kit.testing.raw_tls import RawTls
from kit.testing.text import show_value

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

DEFAULT_TIMEOUT_S: Final = 10.0
DEFAULT_MAX_BYTES: Final = 16 * 1024 * 1024
"""How much is read for one thing that is asked for."""

HEAD_END: Final = b"\r\n\r\n"
_BLOCK = 65536
_MASK = b"\x37\xfa\x21\x3d"
_SHOWN = 200

_match_status_line = re.compile(rb"HTTP/\d\.\d (\d{3}) ?([^\r\n]*)").match
_match_field = re.compile(rb"([^:\s]+):[ \t]*(.*?)[ \t]*").fullmatch
_match_size = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r\n").fullmatch
_match_length = re.compile(r"[0-9]{1,18}").fullmatch


class RawFrame(NamedTuple):
    """A websocket frame as it came, unmasked and nothing else undone.

    Attributes:
        opcode: the number of RFC 6455 section 5.2; 0 continues a message.
        payload: its payload, compressed if the peers have agreed on that.
        is_final: the FIN bit.
        rsv: the three reserved bits, as a number of 0 to 7.
        is_masked: whether it was masked, as a client's has to be.
    """

    opcode: int
    payload: bytes
    is_final: bool = True
    rsv: int = 0
    is_masked: bool = False

    @property
    def close_code(self) -> int | None:
        """The code in a Close frame, 1005 when it has none; None for other frames."""
        if self.opcode != WebSocketOpCode.Close:
            return None
        return int.from_bytes(self.payload[:2]) if len(self.payload) >= 2 else 1005


class RawResponse(NamedTuple):
    """A response as it came, the framing of its body undone.

    Attributes:
        head: its head, status line to blank line.
        status: the status code.
        reason: the reason phrase.
        fields: names and values of its header fields, in order.
        body: its body, decoded from chunks, and from nothing else.
    """

    head: bytes
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes = b""

    def get_all(self, name: str) -> list[str]:
        """Return the values of all fields of a name, in order."""
        return [value for field, value in self.fields if field.lower() == name.lower()]


def make_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    is_final: bool = True,
    rsv: int = 0,
    is_masked: bool = False,
) -> bytes:
    """Make one websocket frame, allowed or not (RFC 6455 section 5.2).

    Args:
        opcode: 0 to 15.
        payload: its payload.
        is_final: the FIN bit.
        rsv: the three reserved bits, as a number of 0 to 7.
        is_masked: whether it is masked, as a client's has to be.

    Raises:
        ConfigurationError: a number does not fit its bits.
    """
    if not 0 <= opcode <= 15 or not 0 <= rsv <= 7:
        raise ConfigurationError(f"an opcode is 0 to 15 and rsv 0 to 7, not {opcode!r} and {rsv!r}")
    size = len(payload)
    first = bytes([is_final << 7 | rsv << 4 | opcode])
    bit = is_masked << 7
    if size < 126:
        head = first + bytes([bit | size])
    elif size < 1 << 16:
        head = first + bytes([bit | 126]) + size.to_bytes(2)
    else:
        head = first + bytes([bit | 127]) + size.to_bytes(8)
    return head + _MASK + _apply_mask(payload, _MASK) if is_masked else head + payload


class RawConnection:
    """One connection, from either side; every wait ends, and everything read has a bound.

    Reading raises `WaitTimeoutError` when the time is up, `ConnectionClosedError` where
    the peer has ended the connection, or reset it, before what was asked for has come,
    and `LimitError` for more bytes than `max_bytes`.

    Args:
        sock: a connected socket, which is owned from now on.
        ssl_context: with it TLS is spoken, from its handshake on, which is done here.
        server_hostname: the name a client asks for; None on a server's side.
        timeout_s: how long one call may take.
        max_bytes: how much one call may read.

    Attributes:
        timeout_s: as given; may be changed.
        max_bytes: as given; may be changed.

    Raises:
        ssl.SSLError: the handshake failed.
        WaitTimeoutError: it took too long.
    """

    is_client = False

    def __init__(
        self,
        sock: socket.socket,
        ssl_context: ssl.SSLContext | None = None,
        *,
        server_hostname: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self.timeout_s = timeout_s
        self.max_bytes = max_bytes
        self._rest = b""
        self._socket = sock
        self._stream: socket.socket | RawTls = sock
        with contextlib.suppress(OSError):  # not every kind of socket has it
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ssl_context is not None:
            self.start_tls(ssl_context, server_hostname)

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        """Do a TLS handshake, and speak TLS from now on; arguments as of the class."""
        self._socket.settimeout(self.timeout_s)
        tls = RawTls(self._socket, ssl_context, server_hostname)
        try:
            tls.shake_hands()
        except TimeoutError as error:
            raise self._make_timeout("the end of the TLS handshake", b"") from error
        self._stream = tls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Sending

    def send(self, data: bytes) -> None:
        """Send bytes as they are.

        Raises:
            WaitTimeoutError: the peer does not read them.
            OSError: the connection is broken.
        """
        self._socket.settimeout(self.timeout_s)
        try:
            self._stream.sendall(data)
        except TimeoutError as error:
            raise WaitTimeoutError(
                f"{len(data)} bytes could not be sent in {self.timeout_s:g} s: "
                "the peer does not read"
            ) from error

    def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send pieces one by one, each in a segment of its own as far as the system lets it."""
        for piece in pieces:
            self.send(piece)

    def send_frame(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        is_final: bool = True,
        rsv: int = 0,
        is_masked: bool | None = None,
    ) -> None:
        """Send one websocket frame; see `make_frame`.

        Args:
            opcode: 0 to 15.
            payload: its payload.
            is_final: the FIN bit.
            rsv: the reserved bits.
            is_masked: by default as the side's role demands.
        """
        masked = self.is_client if is_masked is None else is_masked
        self.send(make_frame(opcode, payload, is_final=is_final, rsv=rsv, is_masked=masked))

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame."""
        self.send_frame(WebSocketOpCode.Close, code.to_bytes(2) + reason.encode())

    # Ending

    def end(self) -> None:
        """End this side of the connection, in TLS with its goodbye; reading goes on."""
        with contextlib.suppress(OSError):  # the peer may have been faster
            self._stream.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off: the peer gets a TCP reset."""
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def close(self) -> None:
        """Close the connection, in TLS without a goodbye; see `end`."""
        self._socket.close()

    # Receiving

    def receive(self, size: int = _BLOCK) -> bytes:
        """Return the next bytes, as many as there are; b"" at the end.

        Raises:
            WaitTimeoutError: none came.
            ConnectionClosedError: the connection was reset, or TLS was cut off.
        """
        return self._receive(size, monotonic() + self.timeout_s, "data", b"")

    def read_exactly(self, size: int) -> bytes:
        """Return so many bytes."""
        what = f"{size} bytes"
        self._check_size(size, what)
        ends_at = monotonic() + self.timeout_s
        parts: list[bytes] = []
        left = size
        while left:
            piece = self._receive(left, ends_at, what, b"".join(parts[-4:]))
            if not piece:
                raise _make_closed(what, b"".join(parts))
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)

    def read_until(self, mark: bytes) -> bytes:
        """Return everything through the next `mark`."""
        ends_at = monotonic() + self.timeout_s
        data, start, what = bytearray(), 0, repr(mark)
        while (at := data.find(mark, start)) < 0:
            start = max(0, len(data) - len(mark) + 1)
            self._check_size(len(data), what)
            piece = self._receive(_BLOCK, ends_at, what, bytes(data[-_SHOWN:]))
            if not piece:
                self._rest = bytes(data)
                raise _make_closed(what, bytes(data))
            data += piece
        self._rest = bytes(data[at + len(mark) :]) + self._rest
        return bytes(data[: at + len(mark)])

    def read_head(self) -> bytes:
        """Return the head of a request or response, through its blank line."""
        return self.read_until(HEAD_END)

    def read_to_end(self) -> bytes:
        """Return everything that comes until the peer ends the connection."""
        ends_at = monotonic() + self.timeout_s
        data, what = bytearray(), "the end of the connection"
        while piece := self._receive(_BLOCK, ends_at, what, bytes(data[-_SHOWN:])):
            data += piece
            self._check_size(len(data), what)
        return bytes(data)

    def is_at_end(self) -> bool:
        """Wait for the peer to end the connection, however; False if more bytes come first."""
        try:
            piece = self.receive()
        except ConnectionClosedError:
            return True
        self._rest = piece + self._rest
        return not piece

    def read_frame(self) -> RawFrame:
        """Return the next websocket frame, masked or not."""
        first, second = self.read_exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self.read_exactly(2 if size == 126 else 8))
        is_masked = bool(second & 0x80)
        mask = self.read_exactly(4) if is_masked else b""
        payload = self.read_exactly(size)
        if is_masked:
            payload = _apply_mask(payload, mask)
        return RawFrame(first & 15, payload, bool(first & 0x80), first >> 4 & 7, is_masked)

    def _receive(self, size: int, ends_at: float, what: str, so_far: bytes) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        left = ends_at - monotonic()
        if left <= 0:
            raise self._make_timeout(what, so_far)
        self._socket.settimeout(left)
        try:
            return self._stream.recv(size)
        except TimeoutError as error:
            raise self._make_timeout(what, so_far) from error
        except OSError as error:
            raise _make_closed(what, so_far, type(error).__name__) from error

    def _check_size(self, size: int, what: str) -> None:
        if size > self.max_bytes:
            raise LimitError("max_bytes", self.max_bytes, f"more was read in search of {what}")

    def _make_timeout(self, what: str, so_far: bytes) -> WaitTimeoutError:
        return WaitTimeoutError(f"{what} did not come in {self.timeout_s:g} s{_show_end(so_far)}")

    def __repr__(self) -> str:
        tls = ", TLS" if isinstance(self._stream, RawTls) else ""
        return f"<{type(self).__name__} fd {self._socket.fileno()}{tls}>"


def parse_head(head: bytes) -> RawResponse:
    """Take a response's head apart, leniently.

    Raises:
        RemoteProtocolError: it has no status line, or a field without a colon.
    """
    line, *rest = head.removesuffix(HEAD_END).split(b"\r\n")
    found = _match_status_line(line)
    if found is None:
        raise RemoteProtocolError(f"no status line begins the response: {show_value(line, 80)}")
    fields = []
    for one in rest:
        field = _match_field(one)
        if field is None:
            raise RemoteProtocolError(f"a header line has no name: {show_value(one, 80)}")
        fields.append((field[1].decode("latin-1"), field[2].decode("latin-1")))
    return RawResponse(head, int(found[1]), found[2].decode("latin-1"), fields)


def read_chunks(connection: RawConnection) -> bytes:
    """Read a chunked body; extensions and trailers are dropped.

    Raises:
        RemoteProtocolError: a chunk is malformed.
        LimitError: the body has more bytes than the connection may read at once.
    """
    parts: list[bytes] = []
    total = 0
    while True:
        line = connection.read_until(b"\r\n")
        found = _match_size(line)
        if found is None:
            raise RemoteProtocolError(f"a chunk's size is malformed: {show_value(line, 80)}")
        size = int(found[1], 16)
        if not size:
            break
        total += size
        connection._check_size(total, "a chunked body")
        parts.append(connection.read_exactly(size))
        if (end := connection.read_exactly(2)) != b"\r\n":
            raise RemoteProtocolError(f"a chunk is longer than its size: {show_value(end, 80)}")
    trailers = 0
    while (line := connection.read_until(b"\r\n")) != b"\r\n":
        trailers += len(line)
        connection._check_size(trailers, "the trailers' end")
    return b"".join(parts)


def read_body(connection: RawConnection, response: RawResponse, method: str) -> bytes:
    """Read a response's body by its framing (RFC 9112 section 6.3).

    Raises:
        RemoteProtocolError: the framing is malformed.
    """
    if method == "HEAD" or response.status < 200 or response.status in (204, 304):
        return b""
    if any("chunked" in value.lower() for value in response.get_all("transfer-encoding")):
        return read_chunks(connection)
    lengths = response.get_all("content-length")
    if not lengths:
        return connection.read_to_end()
    if not _match_length(lengths[0]):
        raise RemoteProtocolError(f"content-length is no number: {show_value(lengths[0], 80)}")
    return connection.read_exactly(int(lengths[0]))


def _apply_mask(payload: bytes, mask: bytes) -> bytes:
    return bytes(map(int.__xor__, payload, itertools.cycle(mask)))


def _show_end(so_far: bytes) -> str:
    return f"; so far came {show_value(so_far[-_SHOWN:], _SHOWN)}" if so_far else ""


def _make_closed(what: str, so_far: bytes, how: str = "") -> ConnectionClosedError:
    ended = f"broken ({how})" if how else "ended by the peer"
    return ConnectionClosedError(
        f"the connection was {ended} before {what} came{_show_end(so_far)}"
    )
