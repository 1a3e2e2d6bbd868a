"""What a body holds: media types, charsets, JSON and content codings."""

from __future__ import annotations

import functools
import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NoReturn

from kit.errors import BodyError, LimitError, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.headers import Headers, RawHeaders

GZIP_WBITS: Final = 31
CONTENT_CODINGS: Final = 4
"""A body with more content codings than this is refused."""
GZIP_MEMBERS: Final = 1024
"""A gzip body of more members than this is refused."""

_FEED_BYTES: Final = 16 * 1024
_MSGPACK_TYPES: Final = frozenset(
    {"application/vnd.msgpack", "application/msgpack", "application/x-msgpack"}
)
# The character sets of the WHATWG Encoding Standard that Python has, and
# UTF-32. Names from outside never reach Python's codec search, which knows
# codecs that are no character sets, and remembers every name it was asked for.
_CHARSETS: Final = frozenset(
    [
        *("utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be"),
        *("us-ascii", "ascii", "latin-1", "latin1", "koi8-r", "koi8-u"),
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
        *(f"windows-125{page}" for page in range(9)),
        *("big5", "euc-jp", "euc-kr", "gb2312", "gbk", "gb18030", "iso-2022-jp", "shift_jis"),
    ]
)


def media_type(content_type: str) -> str:
    """Give the lower-case `type/subtype` of a Content-Type value (RFC 9110 section 8.3.1)."""
    return content_type.partition(";")[0].strip(" \t").lower()


def is_json(content_type: str) -> bool:
    """Whether a Content-Type value says JSON (`application/json` or `+json`, RFC 6839)."""
    kind = media_type(content_type)
    return kind in ("application/json", "text/json") or kind.endswith("+json")


def is_msgpack(content_type: str) -> bool:
    """Whether a Content-Type value says MessagePack."""
    return media_type(content_type) in _MSGPACK_TYPES


def find_charset(content_type: str) -> str | None:
    """Give the lower-case `charset` parameter of a Content-Type value, if it has one."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip(" \t").lower() == "charset":
            return value.strip(" \t").strip('"').lower()
    return None


def decode_text(body: bytes, content_type: str) -> str:
    """Decode a body by the charset of its Content-Type, UTF-8 where it has none.

    Raises:
        BodyError: the charset is not known, or the body is not in it.
    """
    charset = find_charset(content_type) or "utf-8"
    if charset not in _CHARSETS:
        msg = f"the body's charset {charset[:40]!r} is not known; expected one such as utf-8"
        raise BodyError(msg)
    try:
        return body.decode(charset)
    except UnicodeError as exc:
        msg = f"the body is not {charset} text: {exc}"
        raise BodyError(msg) from None


def parse_json(body: bytes) -> Any:
    """Parse a body as JSON (RFC 8259), in UTF-8, UTF-16 or UTF-32.

    `NaN` and `Infinity` are not JSON and are refused.

    Raises:
        BodyError: it is not JSON, or too deep or its numbers too long to read.
    """
    try:
        return _fast_json()[1](body)
    except (ValueError, RecursionError, OverflowError):
        # The fast parser is strict; this one also takes a byte order mark,
        # UTF-16 and lone surrogates, and says where the body goes wrong.
        return _parse_json_slowly(body)


def _parse_json_slowly(body: bytes) -> Any:
    if not body:
        msg = "the body is empty, expected JSON"
        raise BodyError(msg)
    try:
        text = body.decode(json.detect_encoding(body))
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        msg = "the body is JSON nested too deeply to read"
        raise BodyError(msg) from None
    except ValueError as exc:
        msg = f"the body is not JSON: {exc}"
        raise BodyError(msg) from None


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)


def dump_json(value: object) -> bytes:
    """Serialize a value as compact JSON in UTF-8.

    Takes what `json.dumps` takes, and dataclasses, `Serializable` messages,
    sets, enums, dates, UUIDs (as text) and bytes (as base64). A float that is
    not finite becomes `null`, as in JavaScript.

    Raises:
        LocalProtocolError: it holds a type that JSON cannot carry; it is named.
    """
    try:
        return _fast_json()[0](value)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        # Keys of None or bool and lone surrogates are json's alone to write.
        return _dump_json_slowly(value, exc)


def _dump_json_slowly(value: object, cause: Exception) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), default=_to_builtin).encode()
    except RecursionError:
        msg = f"cannot send {type(value).__name__} as JSON: it is nested too deeply, or in itself"
        raise LocalProtocolError(msg) from None
    except (TypeError, ValueError) as exc:
        msg = f"cannot send {type(value).__name__} as JSON: {exc}"
        raise LocalProtocolError(msg) from cause


def _to_builtin(value: object) -> object:
    import msgspec

    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError):
        msg = f"{type(value).__name__} has no JSON form; convert it first"
        raise TypeError(msg) from None


@functools.cache
def _fast_json() -> tuple[Callable[[object], bytes], Callable[[bytes], Any]]:
    import msgspec

    return msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


def is_gzip_acceptable(headers: Headers) -> bool:
    """Whether Accept-Encoding asks for gzip (RFC 9110 section 12.5.3).

    Without the field, a peer may be sent anything; here that means as is.
    """
    accepted: dict[str, bool] = {}
    for element in headers.tokens(b"accept-encoding"):
        coding, *parameters = element.split(";")
        accepted[coding.strip(" \t")] = _is_positive_weight(parameters)
    for coding in ("gzip", "x-gzip", "*"):
        if coding in accepted:
            return accepted[coding]
    return False


def _is_positive_weight(parameters: list[str]) -> bool:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip(" \t") == "q":
            try:
                return 0 < float(value) <= 1
            except ValueError:
                return False
    return True


def decode_content(raw_headers: RawHeaders, body: bytes, max_bytes: int) -> bytes:
    """Undo the content codings of a body: gzip and deflate (RFC 9110 section 8.4).

    A body in another coding, which nobody asked for, is given as it is.

    Raises:
        BodyError: the body is not what Content-Encoding says, or is cut off.
        LimitError: it unpacks to more than `max_bytes`; no more than that is
            ever held.
    """
    codings = [
        coding
        for name, value in raw_headers
        if name.lower() == b"content-encoding"
        for part in value.split(b",")
        if (coding := part.strip(b" \t").lower()) not in (b"", b"identity")
    ]
    if not codings or not body:
        return body
    if len(codings) > CONTENT_CODINGS:
        msg = f"the body has {len(codings)} content codings, at most {CONTENT_CODINGS} are undone"
        raise BodyError(msg)
    # The codings are listed in the order in which they were applied.
    for coding in reversed(codings):
        if coding in (b"gzip", b"x-gzip"):
            body = _gunzip(body, max_bytes)
        elif coding == b"deflate":
            body = _inflate(body, max_bytes)
        else:
            break
    return body


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    # RFC 1952 section 2.2: a file is a series of members, one after another.
    # Padding with zeros after the last is common, and harmless.
    pieces: list[bytes] = []
    used = at = 0
    for _ in range(GZIP_MEMBERS):
        piece, at = _unpack(body, at, ("gzip", GZIP_WBITS), used, max_bytes)
        used += len(piece)
        pieces.append(piece)
        if not body[at : at + 1].strip(b"\0") and not body[at:].strip(b"\0"):
            return b"".join(pieces)
    msg = f"the body is gzip of more than {GZIP_MEMBERS} members"
    raise BodyError(msg)


def _inflate(body: bytes, max_bytes: int) -> bytes:
    # RFC 9110 section 8.4.1.2: deflate is the zlib format, but some send it
    # bare. A zlib stream says method 8, and its first two bytes are a
    # multiple of 31.
    is_zlib = body[0] & 0x0F == 8 and len(body) > 1 and (body[0] << 8 | body[1]) % 31 == 0
    wbits = zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
    data, end = _unpack(body, 0, ("deflate", wbits), 0, max_bytes)
    if end < len(body):
        msg = f"the body has {len(body) - end} bytes behind its deflate data"
        raise BodyError(msg)
    return data


def _unpack(
    body: bytes, at: int, coding: tuple[str, int], used: int, max_bytes: int
) -> tuple[bytes, int]:
    """Unpack one compressed stream that starts at `at`; also tell where it ends.

    Fed in blocks, because what zlib has not used it copies.
    """
    name, wbits = coding
    unpacker = zlib.decompressobj(wbits)
    pieces: list[bytes] = []
    view = memoryview(body)
    while not unpacker.eof:
        fed = view[at : at + _FEED_BYTES]
        if not fed:
            msg = f"the body's {name} data is cut off after {len(body)} bytes"
            raise BodyError(msg)
        try:
            # One byte more than fits tells "exactly full" from "too much".
            piece = unpacker.decompress(fed, max_bytes - used + 1)
        except zlib.error as exc:
            msg = f"the body is not {name}, as its Content-Encoding says: {exc}"
            raise BodyError(msg) from None
        used += len(piece)
        if used > max_bytes:
            raise LimitError("response_bytes", max_bytes, f"the {name} body unpacks to more")
        pieces.append(piece)
        at += len(fed) - len(unpacker.unused_data)
    return b"".join(pieces), at
