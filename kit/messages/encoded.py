"""Responses as they go to the wire: a status, fields, and bytes or a stream of them."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from kit.errors import LocalProtocolError
from kit.headers import Headers, check_fields
from kit.messages.content import GZIP_WBITS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from kit.headers import HeadersLike, RawHeaders

BLOCK_BYTES: Final = 64 * 1024
"""A file is read in blocks of this size."""


class Encoded:
    """A response ready for framing.

    Attributes:
        status: the status code.
        raw_headers: the fields, without those of the framing.
        body: all of it, or a stream to be closed whatever happens.
        length: in bytes; None where only the stream's end tells.
    """

    __slots__ = ("body", "length", "raw_headers", "status")

    def __init__(
        self,
        status: int,
        raw_headers: RawHeaders,
        body: bytes | BodyStream,
        length: int | None,
    ) -> None:
        self.status: int = status
        self.raw_headers: RawHeaders = raw_headers
        self.body: bytes | BodyStream = body
        self.length: int | None = length

    def __repr__(self) -> str:
        length = "unknown length" if self.length is None else f"{self.length} bytes"
        return f"<Encoded {self.status} {length}>"


class BodyStream(Iterator[bytes]):
    """Pieces of a body, never empty ones; closing it closes where they come from.

    Attributes:
        make_trailers: gives the trailer fields, once the body is at its end; None
            where there are none.
    """

    __slots__ = ("_pieces", "_source", "make_trailers")

    def __init__(self, source: object, pieces: Iterator[bytes]) -> None:
        self._source = source
        self._pieces = pieces
        self.make_trailers: Callable[[], RawHeaders] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the source, also when nothing was read; again does nothing."""
        source, self._source = self._source, None
        self._pieces = iter(())
        close = getattr(source, "close", None)
        if close is not None:
            close()


def stream_file(file: Any, *, gzip: bool) -> tuple[BodyStream, int | None]:
    """Stream a file from where it stands to its end; tell its length if it is known."""
    length = None if hasattr(file, "encoding") else _measure(file)
    pieces = _read_blocks(file, length)
    if gzip:
        return BodyStream(file, _compress(pieces, flush=False)), None
    return BodyStream(file, pieces), length


def stream_iterable(source: Iterable[str | bytes], *, gzip: bool) -> BodyStream:
    """Stream the pieces of an iterable; when compressed, each can be read at once."""
    pieces = _encode_pieces(source)
    return BodyStream(source, _compress(pieces, flush=True) if gzip else pieces)


def add_trailers(encoded: Encoded, trailers: Headers | Callable[[], HeadersLike]) -> Encoded:
    """Have fields follow the body, which is streamed then (RFC 9112 section 7.1.2).

    Raises:
        LocalProtocolError: the body has a Content-Length, or a field cannot be sent.
    """
    fields = encoded.raw_headers
    names = {name.lower() for name, _ in fields}
    if b"content-length" in names:
        msg = "trailers follow a chunked body, which has no Content-Length: leave that header out"
        raise LocalProtocolError(msg)
    if isinstance(trailers, Headers):
        check_fields(trailers)
        if trailers and b"trailer" not in names:
            # RFC 9110 section 6.6.2: a sender should tell which are to come.
            announced = dict.fromkeys(name for name, _ in trailers.raw)
            fields = [*fields, (b"Trailer", b", ".join(announced))]
    body = encoded.body
    if isinstance(body, bytes):
        body = BodyStream(None, iter((body,) if body else ()))
    body.make_trailers = functools.partial(_list_trailers, trailers)
    return Encoded(encoded.status, fields, body, None)


def _list_trailers(trailers: Headers | Callable[[], HeadersLike]) -> RawHeaders:
    given = trailers if isinstance(trailers, Headers) else Headers(trailers())
    return list(given.raw)


def _measure(file: Any) -> int | None:
    try:
        start: int = file.tell()
        end: int = file.seek(0, 2)
        file.seek(start)
    except (AttributeError, OSError, ValueError, TypeError):
        return None  # a pipe, or an object that can only be read
    return max(0, end - start)


def _read_blocks(file: Any, length: int | None) -> Iterator[bytes]:
    while length is None or length > 0:
        block = file.read(BLOCK_BYTES if length is None else min(length, BLOCK_BYTES))
        if not block:
            return
        data = _encode_piece(block, "read() of the payload")
        if length is not None:
            length -= len(data)
        yield data


def _encode_pieces(source: Iterable[str | bytes]) -> Iterator[bytes]:
    for piece in source:
        # An empty chunk would end a chunked body (RFC 9112 section 7.1).
        if piece:
            yield _encode_piece(piece, "the payload's iterator")


def _encode_piece(piece: object, where: str) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytearray | memoryview):
        return bytes(piece)
    msg = f"{where} gave {type(piece).__name__}, expected bytes or str"
    raise LocalProtocolError(msg)


def _compress(pieces: Iterator[bytes], *, flush: bool) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=GZIP_WBITS)
    for piece in pieces:
        data = packer.compress(piece)
        if flush:
            data += packer.flush(zlib.Z_SYNC_FLUSH)
        if data:
            yield data
    yield packer.flush()
