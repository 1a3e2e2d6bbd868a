"""The byte seam: everything above it reads and writes a `Stream`.

A stream never blocks. `recv` returns None and `send` returns 0 when the
system has no bytes, or no room, right now; `blocked_on` then says which
readiness to wait for (TLS may need to write in order to read). `b""` is the
end of the peer's data. Whatever else goes wrong is an `OSError`.
"""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import ssl
import struct
import sys
import traceback
from typing import Protocol

READ = 1
WRITE = 2

Address = tuple[str, int]

# struct linger: on, for 0 seconds. Windows has it in shorts.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Stream(Protocol):
    """What a connection needs of its transport."""

    blocked_on: int
    """READ or WRITE: what the last `None` or 0 waits for."""

    def fileno(self) -> int: ...
    def handshake(self) -> bool:
        """Return True once bytes may flow; call again when `blocked_on` is ready."""
        ...

    def recv(self, max_bytes: int) -> bytes | None: ...
    def send(self, data: bytes | memoryview) -> int: ...
    def has_pending(self) -> bool:
        """Tell whether bytes are decrypted already, which no poll will announce."""
        ...

    def say_goodbye(self) -> None:
        """Tell the peer, where the transport can, that the end is no accident."""
        ...

    def shutdown_write(self) -> None:
        """Tell the peer that nothing more will come."""
        ...

    def spoil(self) -> None:
        """See to it that the peer cannot take the coming `close` for a good end."""
        ...

    def reset(self) -> None:
        """See to it that the coming `close` resets the connection, whatever it carries."""
        ...

    def cut(self) -> None:
        """Break the connection off; safe from any thread, the owner still closes."""
        ...

    def close(self) -> None: ...


def _drop_linger(sock: socket.socket) -> None:
    # Without lingering TCP ends with a RST in place of a FIN.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


class SocketStream:
    """A plain TCP socket."""

    __slots__ = ("blocked_on", "sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock: socket.socket = sock
        self.blocked_on: int = READ

    def fileno(self) -> int:
        return self.sock.fileno()

    def handshake(self) -> bool:
        return True

    def recv(self, max_bytes: int) -> bytes | None:
        try:
            return self.sock.recv(max_bytes)
        except BlockingIOError:
            self.blocked_on = READ
            return None

    def send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except BlockingIOError:
            self.blocked_on = WRITE
            return 0

    def has_pending(self) -> bool:
        return False

    def say_goodbye(self) -> None:
        pass  # closing says it

    def shutdown_write(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def spoil(self) -> None:
        self.reset()

    def reset(self) -> None:
        _drop_linger(self.sock)

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.sock.close()

    def __repr__(self) -> str:
        return f"<SocketStream fd {self.sock.fileno()}>"


def _close_half_wrapped(error: OSError) -> None:
    """Close what `wrap_socket` made of a socket before it failed, as only its frames hold it.

    It fails where the peer resets the connection meanwhile, and leaves the descriptor open.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        half_wrapped = frame.f_locals.get("self")
        if isinstance(half_wrapped, ssl.SSLSocket):
            half_wrapped.close()


class TlsStream:
    """A TLS connection over a TCP socket, never blocking.

    Attributes:
        was_cut: the peer ended the connection without TLS's own goodbye, so
            what came before may be cut short (RFC 8446 section 6.1).
    """

    __slots__ = ("_is_shut", "blocked_on", "sock", "was_cut")

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None = None,
    ) -> None:
        sock.setblocking(False)
        try:
            self.sock: ssl.SSLSocket = context.wrap_socket(
                sock,
                server_side=server_hostname is None,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
        except OSError as error:
            _close_half_wrapped(error)
            raise
        self.blocked_on: int = READ
        self.was_cut: bool = False
        self._is_shut = False

    def fileno(self) -> int:
        return self.sock.fileno()

    def handshake(self) -> bool:
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            self.blocked_on = READ
            return False
        except ssl.SSLWantWriteError:
            self.blocked_on = WRITE
            return False
        return True

    def recv(self, max_bytes: int) -> bytes | None:
        if self._is_shut:
            return self._recv_sealed(max_bytes)
        try:
            return self.sock.recv(max_bytes)
        except ssl.SSLWantReadError:
            self.blocked_on = READ
        except ssl.SSLWantWriteError:
            self.blocked_on = WRITE
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            self.was_cut = True
            return b""
        return None

    def _recv_sealed(self, max_bytes: int) -> bytes | None:
        # After our goodbye OpenSSL takes data of the peer's for an error. All that can be
        # wanted of it now is that it is read, so that TCP does not reset.
        try:
            return socket.socket.recv(self.sock, max_bytes)
        except BlockingIOError:
            self.blocked_on = READ
            return None

    def send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except ssl.SSLWantWriteError:
            self.blocked_on = WRITE
        except ssl.SSLWantReadError:
            self.blocked_on = READ
        return 0

    def has_pending(self) -> bool:
        return self.sock.pending() > 0

    def spoil(self) -> None:
        pass  # the missing goodbye tells

    def reset(self) -> None:
        _drop_linger(self.sock)

    def say_goodbye(self) -> None:
        # The peer's own goodbye is not waited for: SSLWantReadError is the usual end.
        with contextlib.suppress(OSError, ValueError):
            self.sock.unwrap()

    def shutdown_write(self) -> None:
        self.say_goodbye()
        self._is_shut = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_WR)

    def cut(self) -> None:
        # SSLSocket.shutdown() would drop the TLS state under its owner's feet.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self.sock.close()

    def __repr__(self) -> str:
        return f"<TlsStream fd {self.sock.fileno()} {self.sock.version()}>"


class MemoryStream:
    """One end of an in-memory pair: what one sends, the other receives.

    Made by `memory_pair`. Holds at most `capacity` bytes in each direction.
    """

    __slots__ = ("_capacity", "_inbox", "_peer", "blocked_on", "is_closed", "is_finished")

    def __init__(self, capacity: int) -> None:
        self._inbox: collections.deque[bytes] = collections.deque()
        self._capacity = capacity
        self._peer = self
        self.blocked_on: int = READ
        self.is_finished: bool = False
        self.is_closed: bool = False

    def fileno(self) -> int:
        return -1

    def handshake(self) -> bool:
        return True

    def recv(self, max_bytes: int) -> bytes | None:
        if self._inbox:
            piece = self._inbox.popleft()
            if len(piece) > max_bytes:
                self._inbox.appendleft(piece[max_bytes:])
            return piece[:max_bytes]
        if self._peer.is_finished or self.is_closed:
            return b""
        self.blocked_on = READ
        return None

    def send(self, data: bytes | memoryview) -> int:
        if self.is_finished or self._peer.is_closed:
            raise BrokenPipeError("the other end of the pair is closed")
        room = self._capacity - sum(map(len, self._peer._inbox))
        if room <= 0:
            self.blocked_on = WRITE
            return 0
        piece = bytes(data[:room])
        if piece:  # as an empty one would look like the end
            self._peer._inbox.append(piece)
        return len(piece)

    def has_pending(self) -> bool:
        return bool(self._inbox)

    def say_goodbye(self) -> None:
        pass  # closing says it

    def shutdown_write(self) -> None:
        self.is_finished = True

    def spoil(self) -> None:
        pass  # there is but one kind of end

    def reset(self) -> None:
        pass  # there is but one kind of end

    def cut(self) -> None:
        self.is_finished = self.is_closed = True

    def close(self) -> None:
        self.cut()


def memory_pair(capacity: int = 65536) -> tuple[MemoryStream, MemoryStream]:
    """Return two streams that are connected to each other."""
    left, right = MemoryStream(capacity), MemoryStream(capacity)
    left._peer, right._peer = right, left
    return left, right


def count_in_flight(stream: Stream) -> int:
    """Count the bytes that the system has taken and the peer's has not; 0 where nobody knows."""
    if not sys.platform.startswith("linux") or stream.fileno() < 0:
        return 0
    import fcntl
    import termios

    number = fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(number, sys.byteorder)


def wait_ready(stream: Stream, event: int, timeout_s: float) -> bool:
    """Block until the stream is ready for `event` (READ or WRITE), or broken.

    For threads that may wait; returns False when the time is up.
    """
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(stream.fileno(), select.POLLIN if event == READ else select.POLLOUT)
        return bool(poller.poll(max(0.0, timeout_s) * 1000))
    readable, writable = ([stream], []) if event == READ else ([], [stream])
    return any(select.select(readable, writable, [], max(0.0, timeout_s)))
