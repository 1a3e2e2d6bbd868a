"""Finding a secret again, in whatever form it was written down."""

from __future__ import annotations

import base64
import functools
import html
import itertools
import json
import re
import zlib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus, unquote_to_bytes

from kit.errors import ConfigurationError
from kit.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_BYTES: Final = 8
"""A shorter secret would be found where it is not."""

UNPACKED_BYTES: Final = 64 * MIB
"""So much of what is packed in some data is unpacked and searched."""
UNPACKED_PLACES: Final = 10_000
"""At so many places that look like the start of something packed."""

_GZIP_OR_ZLIB: Final = 47
_PIECE: Final = 64 * 1024  # four characters of base64 stay together
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-]+")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_PACKED = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)|(?P<zlib>\x78[\x01\x5e\x9c\xda])"
    rb"|(?<![A-Za-z0-9+/_\-])(?:(?P<gzip64>H4sI)|(?P<zlib64>e(?:AE|F[4-7]|J[w-z]|N[o-r])))"
    rb"(?=[A-Za-z0-9+/_\-]{12})"
)

_JSON_NAMED: Final = {
    "\b": b"b",
    "\f": b"f",
    "\n": b"n",
    "\r": b"r",
    "\t": b"t",
    '"': b'"',
    "/": b"/",
    "\\": b"\\",
}
# JSON is often kept as text in JSON, where a quotation mark has three of them.
_BACKSLASHES: Final = rb"\\{1,3}"
_BLANKS: Final = rb"(?:\s|\\[rn])*"


def find_canary(secret: str | bytes, data: str | bytes) -> str | None:
    """Tell in which form a secret stands in some data; None if it does not.

    The forms are "plain", "percent-encoded" (also in part), "JSON-escaped",
    "HTML-escaped", "hex", and "base64" and "base64url", also as part of what was encoded
    and over several lines. What gzip or zlib has packed is unpacked and searched as well,
    be it in base64: 64 MiB together at most; the form is "plain, gzip".

    Raises:
        ConfigurationError: the secret is shorter than 8 bytes.
    """
    wanted = _to_bytes(secret)
    if len(wanted) < LEAST_BYTES:
        raise ConfigurationError(
            f"a canary must have at least {LEAST_BYTES} bytes that are found nowhere else, "
            f"this one has {len(wanted)}"
        )
    text = _to_bytes(data)
    found = _find_form(wanted, text)
    if found is not None:
        return found
    packed = ((kind, _find_form(wanted, unpacked)) for kind, unpacked in _unpack(text))
    return next((f"{form}, {kind}" for kind, form in packed if form is not None), None)


def _find_form(wanted: bytes, data: bytes) -> str | None:
    return next((form for form, is_found in _try_forms(wanted, data) if is_found), None)


def _unpack(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give what gzip and zlib (HTTP's deflate) have packed in some data."""
    left = UNPACKED_BYTES
    for found in itertools.islice(_PACKED.finditer(data), UNPACKED_PLACES):
        if left <= 0:
            return
        unpacked = _unpack_at(data, found, left)
        left -= len(unpacked)
        if unpacked:
            yield "gzip" if found["gzip"] or found["gzip64"] else "deflate", unpacked


def _unpack_at(data: bytes, found: re.Match[bytes], limit: int) -> bytes:
    """Unpack what begins at a place, as far as it goes; nothing if nothing does."""
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    is_coded = bool(found["gzip64"] or found["zlib64"])
    unpacked = bytearray()
    for at in range(found.start(), len(data), _PIECE):
        piece = data[at : at + _PIECE]
        packed = _decode_start(piece) if is_coded else piece
        try:
            unpacked += unpacker.decompress(packed, limit - len(unpacked))
        except zlib.error:
            break
        if unpacker.eof or not packed or len(unpacked) >= limit:
            break
    return bytes(unpacked)


def _decode_start(piece: bytes) -> bytes:
    """Decode the base64 that a piece begins with."""
    coded = _BASE64.match(piece)
    characters = coded[0].translate(_FROM_URL) if coded else b""
    return base64.b64decode(characters[: len(characters) // 4 * 4])


def _to_bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")


def _try_forms(wanted: bytes, data: bytes) -> Iterator[tuple[str, bool]]:
    yield "plain", wanted in data
    yield "hex", wanted.hex().encode() in data.lower()
    if b"%" in data or b"+" in data:
        decoded = unquote_to_bytes(data)
        yield (
            "percent-encoded",
            wanted in decoded or wanted in unquote_to_bytes(data.replace(b"+", b" ")),
        )
    if b"\\" in data:
        yield "JSON-escaped", _compile_json(wanted).search(data) is not None
    if b"&" in data:
        unescaped = html.unescape(data.decode("latin-1")).encode("latin-1", "xmlcharrefreplace")
        yield (
            "HTML-escaped",
            wanted in unescaped
            or wanted
            in html.unescape(data.decode("utf-8", "replace")).encode("utf-8", "surrogatepass"),
        )
    for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        for lead in range(3):
            # What stands before and behind the secret shares characters with it.
            coded = encode(bytes(lead) + wanted)
            whole = len(wanted) + lead
            core = coded[-(-lead * 4 // 3) : whole * 4 // 3]
            yield name, _compile_broken(core).search(data) is not None


# Patterns, as data may be large: one search takes a fraction of what undoing escapes does.


@functools.lru_cache(maxsize=64)
def _compile_json(wanted: bytes) -> re.Pattern[bytes]:
    """Find a secret of which some characters are escaped as in JSON, or in JSON in JSON."""
    try:
        text = wanted.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return re.compile(re.escape(wanted))  # it is no text, and JSON has nothing else
    return re.compile(b"".join(map(_write_json_character, text)))


def _write_json_character(character: str) -> bytes:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    # Code units of UTF-16, of which two may stand for one character.
    escaped = b"".join(
        _BACKSLASHES + b"u" + b"".join(map(_write_hex_digit, units[at : at + 4]))
        for at in range(0, len(units), 4)
    )
    forms = [re.escape(character.encode("utf-8", "surrogatepass")), escaped]
    if character in _JSON_NAMED:
        forms.append(_BACKSLASHES + re.escape(_JSON_NAMED[character]))
    return b"(?:" + b"|".join(forms) + b")"


def _write_hex_digit(digit: str) -> bytes:
    return f"[{digit}{digit.upper()}]".encode() if digit.isalpha() else digit.encode()


@functools.lru_cache(maxsize=64)
def _compile_broken(core: bytes) -> re.Pattern[bytes]:
    """Find a text that may be broken into lines anywhere."""
    return re.compile(_BLANKS.join(re.escape(core[at : at + 1]) for at in range(len(core))))


@functools.lru_cache(maxsize=1024)
def forms_of(secret: str) -> frozenset[bytes]:
    """Give the forms in which a secret is usually written."""
    raw = secret.encode("utf-8", "surrogatepass")
    coded = base64.b64encode(raw).rstrip(b"=")
    forms = {
        raw,
        quote(raw, safe="").encode(),
        quote(raw).encode(),
        quote_plus(raw).encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass"),
        coded,
        coded.replace(b"+", b"-").replace(b"/", b"_"),
        raw.hex().encode(),
    }
    return frozenset(forms)
