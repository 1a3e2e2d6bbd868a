"""Writing messages: field checks, framing of bodies, status lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from kit.errors import LocalProtocolError
from kit.wire.http1.fields import FORBIDDEN_TRAILERS, Pairs, is_token, show, split_list

Headers = Sequence[tuple[bytes, bytes]]
Trailers = Iterable[tuple[bytes, bytes]]

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}

_is_safe = re.compile(rb"[\t -~\x80-\xff]*").fullmatch

# Field names that were checked, and their lower case. Handlers use few names; the
# bound keeps one that makes them up from filling the memory.
_known_names: dict[bytes, bytes] = {}
_MAX_KNOWN_NAMES = 1024

# Blocks that were checked: most handlers send the same few fields each time.
_known_fields: dict[tuple[tuple[bytes, bytes], ...], OutgoingFields] = {}
_MAX_KNOWN_FIELDS = 256
_MAX_KNOWN_BYTES = 512

_SPECIAL = frozenset((b"connection", b"content-length", b"date", b"host", b"transfer-encoding"))


def status_line(status: int) -> bytes:
    """Return the status line, with an empty reason phrase for an unknown status."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


class OutgoingFields:
    """Checked fields of a message to be sent; framing fields are taken out.

    Instances are shared between messages, so nothing may change them.

    Attributes:
        lines: the fields that are sent as they were given, each with its CRLF.
        is_plain: there are no framing fields, no Connection and no Date.
        connection: the options of Connection fields, as given.
        content_length: the declared length, None if there is none.
        is_chunked: transfer-encoding is given.
        host: the Host value, None if there is none.
    """

    __slots__ = (
        "connection",
        "content_length",
        "has_date",
        "host",
        "is_chunked",
        "is_plain",
        "lines",
    )

    def __init__(self, headers: Headers) -> None:
        self.content_length: int | None = None
        self.is_chunked: bool = False
        self.connection: list[bytes] = []
        self.has_date: bool = False
        self.is_plain: bool = True
        self.host: bytes | None = None
        lines: list[bytes] = []
        try:
            for name, value in headers:
                key = _known_names.get(name) or _learn_name(name)
                if key in _SPECIAL and not self._note(key, value):
                    continue
                lines += (name, b": ", value, b"\r\n")
            block = b"".join(lines)
        except TypeError as error:
            raise _explain_type(headers) from error
        # One look over all of them; nearly never is there a culprit to be found.
        if block.count(b"\r\n") * 4 != len(lines) or not _is_safe(block.replace(b"\r\n", b"")):
            raise _explain_value(headers)
        self.lines: bytes = block

    def _note(self, key: bytes, value: bytes) -> bool:
        """Take note of a special field; false if it must not be sent as it is."""
        self.is_plain = False
        if key == b"date":
            self.has_date = True
            return True
        if key == b"host":
            if self.host is not None:
                raise LocalProtocolError("host is given more than once")
            self.host = value
            return True
        if not _is_safe(value):
            raise _bad_value(key, value)
        if key == b"connection":
            self.connection += [option.strip() for option in value.split(b",") if option.strip()]
        elif key == b"content-length":
            self._note_length(value)
        elif self.is_chunked or value.strip().lower() != b"chunked":
            msg = f"transfer-encoding is {show(value)}, only a single chunked can be sent"
            raise LocalProtocolError(msg)
        else:
            self.is_chunked = True
        if self.is_chunked and self.content_length is not None:
            raise LocalProtocolError("content-length and transfer-encoding exclude each other")
        return False

    def _note_length(self, value: bytes) -> None:
        if self.content_length is not None:
            raise LocalProtocolError("content-length is given more than once")
        if not value.strip().isdigit():
            msg = f"content-length must be a decimal number, not {show(value)}"
            raise LocalProtocolError(msg)
        self.content_length = int(value)

    def has_close(self) -> bool:
        """Tell whether a Connection field asks for the connection to be closed."""
        return bool(self.connection) and b"close" in split_list(self.connection)

    def connection_line(self, option: bytes) -> bytes:
        """Return the Connection field with `option` ("close", "keep-alive" or "") as decided."""
        if not self.connection:
            return b"Connection: " + option + b"\r\n" if option else b""
        decided = (b"close", b"keep-alive")  # RFC 9112 section 9.3, and its 1.0 ancestor
        options = [given for given in self.connection if given.lower() not in decided]
        if option:
            options.append(option)
        return b"Connection: " + b", ".join(options) + b"\r\n" if options else b""


def check_fields(headers: Headers) -> OutgoingFields:
    """Check the fields of a message to be sent.

    Raises:
        LocalProtocolError: a field is malformed, repeated or contradicts another.
    """
    try:
        key = tuple(headers)
        known = _known_fields.get(key)
    except TypeError as error:
        raise _explain_type(headers) from error
    if known is not None:
        return known
    fields = OutgoingFields(key)
    if len(fields.lines) <= _MAX_KNOWN_BYTES:
        if len(_known_fields) >= _MAX_KNOWN_FIELDS:
            _known_fields.clear()
        _known_fields[key] = fields
    return fields


def _learn_name(name: bytes) -> bytes:
    """Check a field name and return it in lower case."""
    if not is_token(name):
        msg = f"header name {show(name)} is not a token: letters, digits and !#$%&'*+-.^_`|~ are"
        raise LocalProtocolError(msg)
    key = name.lower()
    if len(_known_names) < _MAX_KNOWN_NAMES:
        _known_names[name] = key
    return key


def _explain_type(headers: object) -> LocalProtocolError:
    for pair in headers if isinstance(headers, list | tuple) else ():
        if not (isinstance(pair, tuple) and [*map(type, pair)] == [bytes, bytes]):
            return LocalProtocolError(f"a header must be a pair of bytes, not {pair!r}")
    return LocalProtocolError(f"headers must be pairs of bytes, not {headers!r}")


def _explain_value(headers: Headers) -> LocalProtocolError:
    return next(_bad_value(name, value) for name, value in headers if not _is_safe(value))


def _bad_value(name: bytes, value: bytes) -> LocalProtocolError:
    return LocalProtocolError(
        f"the value of header {show(name)} has a line end, NUL or control character: {show(value)}"
    )


def serialize_trailers(trailers: Trailers) -> bytes:
    """Check a trailer section and return its lines (RFC 9110 section 6.5.1)."""
    pairs: Pairs = list(trailers)
    if not pairs:
        return b""
    lines: list[bytes] = []
    for name, value in pairs:
        if name.lower() in FORBIDDEN_TRAILERS:
            raise LocalProtocolError(f"field {show(name)} is forbidden in trailers")
        lines += (name, b": ", value, b"\r\n")
    check_fields(pairs)
    return b"".join(lines)


class BodyWriter:
    """Frames one body that is sent in pieces.

    Args:
        length: the declared length, None if it is not known.
        is_chunked: frame the pieces as chunks.
        is_silent: nothing is sent, as in answers to HEAD; `length` may be left unfulfilled.
    """

    __slots__ = ("_is_chunked", "_is_silent", "_left", "_length")

    def __init__(self, *, length: int | None, is_chunked: bool, is_silent: bool) -> None:
        self._length = length
        self._left = length
        self._is_chunked = is_chunked
        self._is_silent = is_silent

    def write(self, data: bytes) -> bytes:
        """Frame a piece.

        Raises:
            LocalProtocolError: it is longer than what is left of the declared length.
        """
        if self._left is not None:
            if len(data) > self._left:
                msg = (
                    f"the body is longer than its content-length of {self._length}: "
                    f"{len(data)} bytes were given and {self._left} are left"
                )
                raise LocalProtocolError(msg)
            self._left -= len(data)
        if self._is_silent or not data:
            return b""
        if self._is_chunked:
            return b"%x\r\n%b\r\n" % (len(data), data)
        return data

    def end(self, trailers: Trailers) -> bytes:
        """Return what ends the body; trailers are dropped unless it is chunked.

        Raises:
            LocalProtocolError: the body is shorter than declared, or a trailer is malformed.
        """
        if self._left and not self._is_silent:
            msg = (
                f"the body is shorter than its content-length of {self._length}: "
                f"{self._left} bytes are missing"
            )
            raise LocalProtocolError(msg)
        lines = serialize_trailers(trailers)
        if self._is_chunked and not self._is_silent:
            return b"0\r\n" + lines + b"\r\n"
        return b""
