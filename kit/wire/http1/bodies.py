"""Reading a body: counted, chunked, or until the peer closes (RFC 9112 section 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from kit.errors import RemoteProtocolError
from kit.wire.http1.buffers import InputBuffer, head_too_long
from kit.wire.http1.events import EndOfMessage

if TYPE_CHECKING:
    from kit.limits import Limits
    from kit.wire.http1.fields import FieldParser


class BodyReader(Protocol):
    """Takes one body off a buffer."""

    def read(self, buffer: InputBuffer, limit: int | None) -> bytes | EndOfMessage | None:
        """Return what has arrived of the body, then its end; None to wait for more.

        Raises:
            RemoteProtocolError: 413 for a body over `limit`, 400 for a malformed one.
        """

    def read_eof(self) -> EndOfMessage:
        """Return the body's end, because the stream has ended.

        Raises:
            RemoteProtocolError: something is missing.
        """


class LengthReader:
    """Reads a body of declared length (RFC 9112 section 6.2)."""

    __slots__ = ("_left", "_length")

    def __init__(self, length: int) -> None:
        self._length = length
        self._left = length

    def read(self, buffer: InputBuffer, limit: int | None) -> bytes | EndOfMessage | None:
        """Take body bytes off the buffer, as `BodyReader` tells."""
        if limit is not None and self._length > limit:
            raise body_too_long(limit)
        if not self._left:
            return EndOfMessage()
        piece = buffer.take(self._left)
        self._left -= len(piece)
        return piece or None

    def read_eof(self) -> EndOfMessage:
        """Say how much is missing."""
        msg = (
            "the peer closed the connection in the middle of a body: "
            f"{self._left} of {self._length} bytes are missing"
        )
        raise RemoteProtocolError(msg)


class CloseReader:
    """Reads a body that ends with the connection; only responses have those."""

    __slots__ = ("_total",)

    def __init__(self) -> None:
        self._total = 0

    def read(self, buffer: InputBuffer, limit: int | None) -> bytes | EndOfMessage | None:
        """Take body bytes off the buffer, as `BodyReader` tells."""
        piece = buffer.take_all()
        self._total += len(piece)
        if limit is not None and self._total > limit:
            raise body_too_long(limit)
        return piece or None

    def read_eof(self) -> EndOfMessage:
        """Return the end, which this is."""
        """Return the end, which is this one."""
        return EndOfMessage()


_MAX_CHUNK_LINE_BYTES = 1024
_MAX_SIZE_DIGITS = 16
_MAX_CHUNK_BYTES = 2**63 - 1

# RFC 9112 section 7.1.1: bad whitespace before an extension must be parsed. Without an
# extension there is none, and parsers that differ about it have been used for smuggling.
_EXTENSION = rb"([ \t]*;[\t -~\x80-\xff]*)?"
_match_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,16})" + _EXTENSION + rb"\r\n").match
_is_partial_chunk_line = re.compile(
    rb"[0-9A-Fa-f]{0,16}(?:[ \t]*|[ \t]*;[\t -~\x80-\xff]*\r?|\r?)"
).fullmatch
_match_line_with_bare_lf = re.compile(rb"[0-9A-Fa-f]{1,16}" + _EXTENSION + rb"\n").match
_match_size = re.compile(rb"[0-9A-Fa-f]*").match


class ChunkedReader:
    """Reads a chunked body and its trailer section (RFC 9112 section 7.1).

    Args:
        limits: `head_bytes` bounds the trailer section, and all chunk extensions together.
    """

    __slots__ = ("_extension_bytes", "_fields", "_left", "_limits", "_step", "_total", "_trailers")

    _SIZE, _DATA, _DATA_END, _TRAILERS, _END = range(5)

    def __init__(self, fields: FieldParser, limits: Limits) -> None:
        self._fields = fields
        self._limits = limits
        self._step = self._SIZE
        self._left = 0
        self._total = 0
        self._extension_bytes = 0
        self._trailers: list[tuple[bytes, bytes]] = []

    def read(self, buffer: InputBuffer, limit: int | None) -> bytes | EndOfMessage | None:
        """Take body bytes off the buffer, as `BodyReader` tells."""
        if self._step == self._END:
            return EndOfMessage(self._trailers)
        pieces: list[bytes] = []
        while self._advance(buffer, pieces, limit):
            pass
        if pieces:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._step == self._END:
            return EndOfMessage(self._trailers)
        return None

    def _advance(self, buffer: InputBuffer, pieces: list[bytes], limit: int | None) -> bool:
        """Take one step; false if it needs more bytes, or there is none left."""
        step = self._step
        if step == self._DATA:
            piece = buffer.take(self._left)
            if not piece:
                return False
            pieces.append(piece)
            self._left -= len(piece)
            if not self._left:
                self._step = self._DATA_END
            return True
        if step == self._SIZE:
            return self._read_size(buffer, limit)
        if step == self._DATA_END:
            return self._read_data_end(buffer)
        if step == self._TRAILERS:
            return self._read_trailers(buffer)
        return False

    def _read_size(self, buffer: InputBuffer, limit: int | None) -> bool:
        found = _match_chunk_line(buffer.data, buffer.position)
        if found is None or found.end() - found.start() > _MAX_CHUNK_LINE_BYTES:
            _check_partial_chunk_line(buffer)
            return False
        digits, extension = found.groups()
        size = int(digits, 16)
        if size > _MAX_CHUNK_BYTES:
            raise _size_too_large()
        if extension:
            self._extension_bytes += len(extension)
            if self._extension_bytes > self._limits.head_bytes:
                raise RemoteProtocolError("the chunk extensions of one body are too long")
        self._total += size
        if limit is not None and self._total > limit:
            raise body_too_long(limit)
        self._left = size
        if size:
            buffer.advance(found.end())
            self._step = self._DATA
        else:
            # The line's own CRLF stays, so that an empty trailer section ends like any other.
            buffer.advance(found.end() - 2)
            self._step = self._TRAILERS
        return True

    def _read_data_end(self, buffer: InputBuffer) -> bool:
        data, start = buffer.data, buffer.position
        if data.startswith(b"\r\n", start):
            buffer.advance(start + 2)
            self._step = self._SIZE
            return True
        if data[start : start + 1] == b"\n":
            raise RemoteProtocolError("a bare LF behind chunk data, CRLF expected")
        if len(buffer) >= 2 or (len(buffer) == 1 and data[start] != 0x0D):
            raise RemoteProtocolError("chunk data is longer than its size: CRLF expected behind it")
        return False

    def _read_trailers(self, buffer: InputBuffer) -> bool:
        section = buffer.take_head()
        if section is None:
            buffer.check_partial_head(self._limits, _is_line)
            return False
        if len(section) > self._limits.head_bytes:
            raise head_too_long(self._limits.head_bytes)
        if len(section) > len(b"\r\n\r\n"):
            self._trailers = self._fields.parse_trailers(section[2:])
        self._step = self._END
        return False

    def read_eof(self) -> EndOfMessage:
        """Say what is missing."""
        what = {
            self._SIZE: "a chunk size is",
            self._DATA: f"{self._left} bytes of a chunk are",
            self._DATA_END: "the CRLF behind a chunk is",
        }.get(self._step, "the end of the trailers is")
        msg = f"the peer closed the connection in the middle of a chunked body: {what} missing"
        raise RemoteProtocolError(msg)


def _is_line(buffer: InputBuffer, start: int) -> bool:
    """Tell that a trailer section has no start line of its own to be checked."""
    del buffer, start
    return True


def _check_partial_chunk_line(buffer: InputBuffer) -> None:
    """Refuse a chunk line that can no longer become valid.

    Raises:
        RemoteProtocolError: 400.
    """
    start = buffer.position
    line = bytes(buffer.data[start : start + _MAX_CHUNK_LINE_BYTES + 1])
    found = _match_size(line)
    digits = found.end() if found else 0
    if digits > _MAX_SIZE_DIGITS:
        raise _size_too_large()
    if _match_line_with_bare_lf(line):
        raise RemoteProtocolError("a bare LF ends a chunk line")
    rest = line[digits:]
    behind = rest.lstrip(b" \t")
    expected = b";\r" if len(behind) == len(rest) else b";"
    if (not digits and line) or behind[:1] not in expected:
        raise RemoteProtocolError("a chunk size is not a hexadecimal number")
    if not _is_partial_chunk_line(line) and not _match_chunk_line(line):
        raise RemoteProtocolError("a control character or a bare line end in a chunk line")
    if len(line) > _MAX_CHUNK_LINE_BYTES:
        msg = f"a chunk extension is longer than {_MAX_CHUNK_LINE_BYTES} bytes"
        raise RemoteProtocolError(msg)


def _size_too_large() -> RemoteProtocolError:
    return RemoteProtocolError("a chunk size is too large")


def body_too_long(limit: int) -> RemoteProtocolError:
    """Return the error of a body with more bytes than `limit`."""
    return RemoteProtocolError(f"the body is longer than its limit of {limit} bytes", 413)
