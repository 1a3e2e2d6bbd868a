"""Field blocks as they arrive: tokenised twice over, then read for framing.

A block is first matched against RFC 9112 section 5 by an expression of our own,
then taken apart by llhttp behind a constant request line. Both must agree on the
number of fields. Only when one of them objects does a slow walk over the lines
find out what to tell the peer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httptools

from kit.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

Pairs = list[tuple[bytes, bytes]]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
is_token: Callable[[bytes], re.Match[bytes] | None] = re.compile(TOKEN).fullmatch

# Field values are visible characters, blanks and obs-text (RFC 9110 section 5.5).
_VALUE = rb"[\t -~\x80-\xff]*"
_strip_blanks = re.compile(rb"[\t ]+(?=\r\n)").sub
_is_block = re.compile(rb"(?:" + TOKEN + rb":" + _VALUE + rb"\r\n)*\r\n").fullmatch

# Fields that decide where a message ends or what becomes of the connection.
_FRAMING_FIELDS = frozenset(
    (b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade")
)

# RFC 9110 section 6.5.1: fields for framing, routing, authentication or content
# must not be generated in a trailer section.
FORBIDDEN_TRAILERS = frozenset(
    (
        *(b"authorization", b"cache-control", b"connection", b"content-encoding"),
        *(b"content-length", b"content-range", b"content-type", b"expect", b"host"),
        *(b"keep-alive", b"max-forwards", b"proxy-authenticate", b"proxy-authorization"),
        *(b"set-cookie", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        b"www-authenticate",
    )
)

_CONSTANT_REQUEST_LINE = b"GET / HTTP/1.1\r\n"
_MAX_LENGTH_DIGITS = 18


class FieldBlock:
    """A field block and what it says about framing.

    Instances are shared between messages, so nothing may change them but `host`.

    Attributes:
        pairs: the fields; to be copied before they are given away.
        content_length: the declared length, None if there is none.
        is_chunked: the body is chunked.
        connection: the options of the Connection field, lower case.
        expect: the values of the Expect field, lower case.
        hosts: every Host value.
        host: the Host value after it was checked; None before.
        upgrade: the Upgrade values, lower case, joined.
    """

    __slots__ = (
        "connection",
        "content_length",
        "expect",
        "host",
        "hosts",
        "is_chunked",
        "pairs",
        "upgrade",
    )

    def __init__(self, pairs: Pairs, named: dict[bytes, list[bytes]]) -> None:
        self.pairs: Pairs = pairs
        self.content_length: int | None = None
        self.is_chunked: bool = False
        self.connection: tuple[bytes, ...] = ()
        self.expect: list[bytes] = []
        self.hosts: list[bytes] = named.get(b"host", [])
        self.host: str | None = None
        self.upgrade: str = ""
        if len(named) > 1 or not self.hosts:
            self._read_framing(named)

    def _read_framing(self, named: dict[bytes, list[bytes]]) -> None:
        lengths = named.get(b"content-length")
        codings = named.get(b"transfer-encoding")
        if codings:
            if lengths:
                # RFC 9112 section 6.1: to be handled as an error, the likely sign of smuggling.
                msg = "content-length and transfer-encoding in one message"
                raise RemoteProtocolError(msg)
            _check_codings(codings)
            self.is_chunked = True
        elif lengths:
            self.content_length = parse_content_length(lengths)
        if b"connection" in named:
            self.connection = tuple(split_list(named[b"connection"]))
        self.expect = [value.lower() for value in named.get(b"expect", ())]
        if b"upgrade" in named:
            self.upgrade = b", ".join(named[b"upgrade"]).lower().decode("latin-1")


class _Collector:
    """Receives llhttp's fields; apart from `FieldParser` to keep it out of a cycle."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: Pairs = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # llhttp has removed the blanks before the value only.
        self.pairs.append((name, value.rstrip(b" \t")))


# Blocks that were parsed, for all connections: a client repeats itself, and a test suite
# opens many connections with the same few clients.
_known_blocks: dict[bytes, FieldBlock] = {}
_MAX_KNOWN_BLOCKS = 64
_MAX_KNOWN_BYTES = 1024


class FieldParser:
    """Parses field blocks, and remembers them beyond its own lifetime.

    Args:
        max_fields: more fields than this get 431.
    """

    __slots__ = ("_collector", "_max_fields", "_parser")

    def __init__(self, max_fields: int) -> None:
        self._max_fields = max_fields
        self._collector = _Collector()
        self._parser: httptools.HttpRequestParser | None = None

    def parse(self, block: bytes) -> FieldBlock:
        """Parse a block, from behind the start line through the blank line.

        Raises:
            RemoteProtocolError: 400, 431 or 501.
        """
        known = _known_blocks.get(block)
        if known is not None and len(known.pairs) <= self._max_fields:
            return known
        pairs, objection = self._tokenize(block)
        named: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            key = name.lower()
            if key in _FRAMING_FIELDS:
                named.setdefault(key, []).append(value)
        fields = FieldBlock(pairs, named)
        if objection is not None:
            raise objection
        if len(block) <= _MAX_KNOWN_BYTES:
            if len(_known_blocks) >= _MAX_KNOWN_BLOCKS:
                _known_blocks.clear()
            _known_blocks[block] = fields
        return fields

    def parse_trailers(self, block: bytes) -> Pairs:
        """Parse a trailer section through its blank line (RFC 9112 section 7.1.2)."""
        pairs, objection = self._tokenize(block)
        for name, _ in pairs:
            if name.lower() in FORBIDDEN_TRAILERS:
                # Who sends one hopes that somebody merges it into the header section.
                msg = f"field {show(name)} is forbidden in a trailer section"
                raise RemoteProtocolError(msg)
        if objection is not None:
            raise objection
        return pairs

    def forget(self) -> None:
        """Release what is kept for the next block."""
        self._parser = None

    def _tokenize(self, block: bytes) -> tuple[Pairs, RemoteProtocolError | None]:
        """Split a block into fields; return llhttp's objection beside them.

        What llhttp objects to is nearly always framing, which the caller can explain
        better, so it gets the fields first.
        """
        count = block.count(b"\n") - 1
        if count > self._max_fields:
            raise too_many_fields(self._max_fields)
        if not _is_block(block):
            raise _explain_block(block)
        pairs, objection = self._feed(block)
        if objection is not None or len(pairs) != count:
            # The parser may stand in the state that the last block put it in.
            self._parser = None
            # RFC 9112 section 5.1 excludes blanks behind a value; llhttp takes a tab for a part.
            pairs, objection = self._feed(_strip_blanks(b"", block))
        if objection is None and len(pairs) != count:
            objection = RemoteProtocolError(f"{count} header lines parse as {len(pairs)} fields")
        if objection is not None:
            pairs = _split_block(block)
        return pairs, objection

    def _feed(self, block: bytes) -> tuple[Pairs, RemoteProtocolError | None]:
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self._collector)
        pairs = self._collector.pairs = []
        try:
            parser.feed_data(_CONSTANT_REQUEST_LINE + block)
        except httptools.HttpParserUpgrade:
            self._parser = None
        except httptools.HttpParserError as error:
            self._parser = None
            return pairs, RemoteProtocolError(f"the header block is malformed: {error}")
        return pairs, None


def split_list(values: list[bytes]) -> list[bytes]:
    """Split the values of a list field into its elements, lower case (RFC 9110 section 5.6.1)."""
    elements = (element.strip(b" \t") for value in values for element in value.split(b","))
    return [element.lower() for element in elements if element]


def parse_content_length(values: list[bytes]) -> int:
    """Return the length that a message declares (RFC 9112 section 6.3).

    Repeated values are refused even where they agree: no honest client sends them.

    Raises:
        RemoteProtocolError: 400.
    """
    if len(values) > 1:
        raise RemoteProtocolError("content-length is given more than once")
    value = values[0]
    if b"," in value:
        msg = f"content-length is a list: {show(value)}"
    elif not value:
        msg = "content-length is empty"
    elif not value.isdigit():
        msg = f"content-length is not a decimal number: {show(value)}"
    elif len(value) > _MAX_LENGTH_DIGITS:
        msg = f"content-length is too large: {show(value)}"
    else:
        return int(value)
    raise RemoteProtocolError(msg)


def _check_codings(values: list[bytes]) -> None:
    """Accept `chunked` alone (RFC 9112 section 6.1)."""
    codings = [coding.strip(b" \t").lower() for value in values for coding in value.split(b",")]
    if codings == [b"chunked"]:
        return
    if not all(codings):
        raise RemoteProtocolError("transfer-encoding has an empty element")
    if codings[-1] != b"chunked":
        msg = f"transfer-encoding does not end in chunked: {show(b', '.join(codings))}"
        raise RemoteProtocolError(msg)
    if codings.count(b"chunked") > 1:
        raise RemoteProtocolError("transfer-encoding names chunked more than once")
    msg = f"transfer-encoding {show(codings[0])} is not implemented, only chunked is"
    raise RemoteProtocolError(msg, 501)


def too_many_fields(limit: int) -> RemoteProtocolError:
    """Return the error of a block with more fields than `limit`."""
    return RemoteProtocolError(f"more header fields than the limit head_fields of {limit}", 431)


def show(data: bytes, limit: int = 60) -> str:
    """Return bytes of the peer's as text that is safe to print, cut at `limit`."""
    text = data[:limit].decode("latin-1")
    return repr(text) + ("..." if len(data) > limit else "")


def _split_block(block: bytes) -> Pairs:
    """Split a block that has been matched against the grammar."""
    lines = (line.partition(b":") for line in block[:-4].split(b"\r\n") if line)
    return [(name, value.strip(b" \t")) for name, _, value in lines]


# A byte that no field block has: a control character, or half a line end.
_find_bad_byte = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|\Z)|(?<!\r)\n").search


def check_bytes(data: bytes | bytearray, start: int) -> None:
    """Refuse bytes that cannot stand in a field block; a CR may be the last byte so far.

    Raises:
        RemoteProtocolError: 400.
    """
    found = _find_bad_byte(data, start)
    if found is not None:
        byte = found[0]
        name = {b"\r": "a bare CR", b"\n": "a bare LF"}.get(
            byte, f"the control character 0x{byte[0]:02x}"
        )
        raise RemoteProtocolError(f"{name} in the header block")


def _explain_block(block: bytes) -> RemoteProtocolError:
    """Return the error of a block that does not match the grammar."""
    try:
        check_bytes(block, 0)
    except RemoteProtocolError as error:
        return error
    for number, line in enumerate(block[:-4].split(b"\r\n"), 1):
        reason = _explain_line(line, number)
        if reason:
            return RemoteProtocolError(reason)
    return RemoteProtocolError("the header block is malformed")


def _explain_line(line: bytes, number: int) -> str:
    """Return what is wrong with a field line, "" if nothing is."""
    name, colon, _ = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        # RFC 9112 sections 2.2 and 5.2: reject both, as others may read on or fold.
        where = "before the first header field" if number == 1 else "(a folded header line)"
        return f"whitespace at the start of header line {number} {where}"
    if not colon:
        return f"header line {number} has no colon: {show(line)}"
    if not name:
        return f"header line {number} has an empty name"
    if name[-1:] in (b" ", b"\t"):
        # RFC 9112 section 5.1: a server must reject it with 400.
        return f"whitespace between header name {show(name.rstrip())} and the colon"
    if not is_token(name):
        return f"header name {show(name)} is not a token"
    return ""
