"""The bytes that have arrived and are not parsed yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import LocalProtocolError, RemoteProtocolError
from kit.wire.http1.fields import check_bytes, too_many_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.limits import Limits

_END_OF_HEAD = b"\r\n\r\n"


class InputBuffer:
    """Bytes from the peer, from `position` on not parsed yet.

    A message that came in one piece is parsed where it lies; only what came in
    several pieces is joined, and the scan for its end goes on where it stopped.
    """

    __slots__ = ("_is_line_checked", "_lines", "_scanned", "data", "is_eof", "position")

    def __init__(self) -> None:
        self.data: bytes | bytearray = b""
        self.position: int = 0
        self.is_eof: bool = False
        self._scanned = 0
        self._lines = 0
        self._is_line_checked = False

    def __len__(self) -> int:
        return len(self.data) - self.position

    def append(self, data: bytes) -> None:
        """Add bytes that have arrived.

        Raises:
            LocalProtocolError: after `is_eof` was set.
        """
        if self.is_eof:
            raise LocalProtocolError("data was given after the end of the stream")
        if self.position >= len(self.data):
            self.data = data if type(data) is bytes else bytes(data)
            self.position = self._scanned = 0
            return
        if isinstance(self.data, bytes):
            self.data = bytearray(memoryview(self.data)[self.position :])
        else:
            del self.data[: self.position]
        self._scanned = max(0, self._scanned - self.position)
        self.position = 0
        self.data += data

    def take(self, size: int) -> bytes:
        """Remove up to `size` bytes and return them."""
        start = self.position
        end = min(start + size, len(self.data))
        piece = bytes(self.data[start:end])
        self.advance(end)
        return piece

    def take_all(self) -> bytes:
        """Remove everything and return it."""
        return self.take(len(self))

    def replace(self, data: bytes) -> None:
        """Drop everything and hold `data` instead."""
        self.data = data
        self.position = self._scanned = 0

    def advance(self, position: int) -> None:
        """Drop what lies before `position`."""
        if position >= len(self.data):
            self.data = b""
            position = 0
        self.position = self._scanned = position

    def take_head(self) -> bytes | None:
        """Remove bytes through the next blank line and return them; None if it is not here."""
        data = self.data
        start = self.position
        scanned = self._scanned - 3
        end = data.find(_END_OF_HEAD, max(start, scanned))
        if end < 0:
            return None
        end += 4
        self._lines = 0
        self._is_line_checked = False
        head = data[start:end]
        # `advance`, in place
        if end == len(data):
            self.data = b""
            end = 0
        self.position = self._scanned = end
        return head if type(head) is bytes else bytes(head)

    def check_partial_head(
        self, limits: Limits, check_line: Callable[[InputBuffer, int], bool]
    ) -> None:
        """Refuse a head that can no longer become valid, and remember how far that was seen.

        Args:
            check_line: checks the start line as far as it is here, from an index on; true
                when it is complete.

        Raises:
            RemoteProtocolError: what `check_line` raises, 400 or 431.
        """
        start = max(self._scanned, self.position)
        if not self._is_line_checked:
            self._is_line_checked = check_line(self, start)
        if self._is_line_checked:
            check_bytes(self.data, max(start - 1, self.position))
            self._lines += self.data.count(b"\n", start)
            if self._lines > limits.head_fields + 1:
                raise too_many_fields(limits.head_fields)
        if len(self) > limits.head_bytes:
            raise head_too_long(limits.head_bytes)
        self._scanned = len(self.data)


def head_too_long(limit: int) -> RemoteProtocolError:
    """Return the error of a head with more bytes than `limit`."""
    return RemoteProtocolError(
        f"the head or trailers are longer than the limit head_bytes of {limit}", 431
    )
