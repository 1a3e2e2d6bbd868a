"""Exchanges as entries: what happened in this process, made a value that can be kept."""

from __future__ import annotations

import ipaddress
import traceback
import zlib
from typing import TYPE_CHECKING, Any, Final

from kit.errors import BodyError, LimitError
from kit.limits import MIB
from kit.messages.content import GZIP_WBITS, decode_content
from kit.record.capture import BodyRecord, StreamedBody
from kit.record.connection import format_address
from kit.record.entry import (
    RECEIVE,
    SEND,
    Entry,
    RecordedFrame,
    RecordedRequest,
    RecordedResponse,
    Timings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kit.record.exchange import Exchange

DECODED_BYTES: Final = 64 * MIB
"""A compressed body that unpacks to more is kept in its coding."""
DECODED_TOTAL_BYTES: Final = 256 * MIB
"""Where the bodies of a recording unpack to more, those behind may take `SPARE_BYTES` each."""
SPARE_BYTES: Final = 4 * MIB

_KNOWN_CODINGS = frozenset((b"", b"identity", b"gzip", b"x-gzip", b"deflate"))


def entries_of(
    exchanges: Iterable[Exchange],
    *,
    pageref: str = "",
    explain: Callable[[Exchange], str] | None = None,
    is_volatile: bool = True,
) -> list[Entry]:
    """Make entries of exchanges, ordered by when they arrived.

    Args:
        exchanges: a journal, or exchanges in any order; also those still open.
        pageref: the id of the page they belong to.
        explain: gives the near misses of an exchange as text, "" for none; without it
            none are told.
        is_volatile: whether to tell what differs from run to run although the same
            happened: addresses, and the text of tracebacks. (Times are always told.)
    """
    ordered = sorted(exchanges, key=lambda each: (each.received_at, each.id))
    names: dict[int, str] = {}
    room = _Room()
    return [
        Entry(
            index=index,
            started_at=round(exchange.started_at - _before_s(exchange), 3),
            request=_take_request(exchange, room),
            response=_take_response(exchange, room),
            timings=_take_timings(exchange),
            frames=_take_frames(exchange) if exchange.is_websocket else None,
            server_ip=_find_server_ip(exchange) if is_volatile else "",
            connection=names.setdefault(exchange.connection.id, str(len(names) + 1)),
            pageref=pageref,
            resource_type="websocket" if exchange.is_websocket else "",
            kit=_take_extras(exchange, explain, is_volatile=is_volatile),
        )
        for index, exchange in enumerate(ordered)
    ]


def _before_s(exchange: Exchange) -> float:
    """Tell how long the connection took that was opened for the exchange."""
    connection = exchange.connection
    if connection.role == "server" or exchange.ordinal != 1:
        return 0.0
    return (connection.connect_s or 0.0) + (connection.handshake_s or 0.0)


def _take_request(exchange: Exchange, room: _Room) -> RecordedRequest:
    raw = exchange.request_head.raw
    headers = exchange.request_headers.raw
    version = exchange.http_version
    return RecordedRequest(
        method=exchange.method,
        url=_find_url(exchange),
        http_version=f"HTTP/{version}" if version else "",
        headers=tuple(headers),
        headers_size=len(raw) if exchange.method else -1,
        **_take_body(exchange.request_content, headers, room),
    )


def _find_url(exchange: Exchange) -> str:
    """Give the URL; that of a websocket as a browser has it."""
    url = exchange.url
    if exchange.is_websocket and url.startswith("http"):
        return f"ws{url.removeprefix('http')}"
    return url


def _take_response(exchange: Exchange, room: _Room) -> RecordedResponse:
    headers = exchange.response_headers.raw
    content = exchange.response_content
    head = exchange.response_head
    body = _take_body(content, headers, room)
    return RecordedResponse(
        status=exchange.status or 0,
        reason=exchange.reason,
        http_version=head[:8].decode("latin-1") if head else "",
        headers=tuple(headers),
        headers_size=len(head) if head else -1,
        marks=_take_marks(exchange, content, is_decoded=_is_decoded(content, body)),
        error=exchange.error,
        **body,
    )


def _is_decoded(content: bytes | BodyRecord, body: dict[str, Any]) -> bool:
    return not isinstance(content, BodyRecord) and body["body"] != content


class _Room:
    """What the bodies of a recording may still unpack to."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = DECODED_TOTAL_BYTES

    def decode(self, headers: list[tuple[bytes, bytes]], content: bytes) -> bytes:
        """Undo the content codings of a body."""
        limit = min(DECODED_BYTES, max(self._left, SPARE_BYTES))
        decoded = decode_content(headers, content, limit)
        self._left -= len(decoded)
        return decoded


def _take_body(
    content: bytes | BodyRecord, headers: list[tuple[bytes, bytes]], room: _Room
) -> dict[str, Any]:
    """Undo the content codings if that is possible."""
    codings = [
        coding.strip(b" \t").lower()
        for name, value in headers
        if name.lower() == b"content-encoding"
        for coding in value.split(b",")
    ]
    is_coded = any(coding not in (b"", b"identity") for coding in codings)
    if isinstance(content, BodyRecord):
        return {
            "body": bytes(content.kept),
            "body_size": content.length,
            "is_truncated": not content.is_complete,
            "sha256": content.sha256,
            "is_encoded": is_coded,
        }
    facts: dict[str, Any] = {"body": bytes(content), "body_size": len(content)}
    if not is_coded or not content:
        return facts
    try:
        if not _KNOWN_CODINGS.issuperset(codings):
            return {**facts, "is_encoded": True}
        return {**facts, "body": room.decode(headers, bytes(content))}
    except (BodyError, LimitError):
        return {**facts, "is_encoded": True}


def _take_marks(
    exchange: Exchange, content: bytes | BodyRecord, *, is_decoded: bool
) -> tuple[tuple[float, int], ...]:
    kept = content.kept if isinstance(content, BodyRecord) else content
    if not isinstance(kept, StreamedBody):
        return ()
    sizes = [size for _, size in kept.marks]
    if is_decoded:
        sizes = _decode_sizes(kept, sizes)
    start = exchange.received_at - _before_s(exchange)
    return tuple(
        (round(at - start, 6), size)
        for (at, _), size in zip(kept.marks, sizes, strict=False)
        if size
    )


def _decode_sizes(body: bytes, sizes: list[int]) -> list[int]:
    """Tell how many bytes each piece of a gzip body unpacks to; nothing for other codings."""
    unpacker = zlib.decompressobj(GZIP_WBITS)
    decoded, start = [], 0
    try:
        for size in sizes:
            piece = body[start : start + size]
            decoded.append(len(unpacker.decompress(piece, DECODED_BYTES)))
            start += size
    except zlib.error:
        return []
    return decoded


def _take_timings(exchange: Exchange) -> Timings:
    """Split the time; what has not happened yet is counted as the phase that lasts."""
    start, connection = exchange.received_at, exchange.connection
    end = start + exchange.duration_s
    sent = start
    if connection.role == "client":
        sent = exchange.handled_at or end
    elif exchange.request_body_length:
        sent = exchange.handler_started_at or start
    first = max(exchange.first_byte_at or end, sent)
    before_s, tls_s = _before_s(exchange), connection.handshake_s
    return Timings(
        connect=_ms(before_s) if before_s else -1,
        ssl=_ms(tls_s) if before_s and tls_s is not None else -1,
        send=_ms(sent - start),
        wait=_ms(first - sent),
        receive=_ms(end - first),
    )


def _ms(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 3)


def _take_frames(exchange: Exchange) -> tuple[RecordedFrame, ...]:
    is_client = exchange.connection.role == "client"
    start = exchange.received_at - _before_s(exchange)
    return tuple(
        RecordedFrame(
            direction=SEND if (frame.direction == "sent") == is_client else RECEIVE,
            opcode=frame.opcode,
            data=frame.payload,
            offset_s=round(frame.at - start, 6),
            is_final=frame.is_final,
            size=frame.length,
        )
        for frame in exchange.frames
    )


def _find_server_ip(exchange: Exchange) -> str:
    connection = exchange.connection
    address = connection.local if connection.role == "server" else connection.peer
    host = str(next(iter(address), ""))
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return ""


def _take_extras(
    exchange: Exchange, explain: Callable[[Exchange], str] | None, *, is_volatile: bool
) -> dict[str, Any]:
    """Tell what HAR has no place for; what is not known is left out."""
    connection, endpoint = exchange.connection, exchange.endpoint
    fault = exchange.fault
    extras: dict[str, Any] = {
        "role": connection.role,
        "state": exchange.state,
        "error": exchange.error,
        "route": None,
        "matches": dict(exchange.matches) if exchange.matches else None,
        "near_misses": (explain(exchange) or None) if explain else None,
        "fault": None if fault is None else _describe(fault),
        "exception": _format_exception(exchange.exception, is_volatile=is_volatile),
        "ordinal": exchange.ordinal,
        "tls": _take_tls(exchange),
        "close_code": exchange.close_code,
        "dropped_frames": exchange.dropped_frames or None,
        "request_trailers": _list_fields(exchange.request_trailers) or None,
        "response_trailers": _list_fields(exchange.response_trailers) or None,
    }
    if endpoint is not None and endpoint.is_match:
        method = getattr(endpoint, "method", exchange.method)
        extras["route"] = {
            "method": method,
            "pattern": endpoint.pattern,
            "handler": endpoint.name,
        }
    if is_volatile:
        extras["local"] = format_address(connection.local)
        extras["peer"] = format_address(connection.peer)
    if not exchange.method:
        extras["unparsed"] = exchange.request_head.raw.decode("latin-1")
    return {name: value for name, value in extras.items() if value is not None}


def _take_tls(exchange: Exchange) -> dict[str, Any] | None:
    connection = exchange.connection
    if not connection.is_tls:
        return None
    tls = {
        "version": connection.tls_version,
        "cipher": connection.cipher,
        "sni": connection.sni,
        "alpn": connection.alpn,
    }
    return {name: value for name, value in tls.items() if value is not None}


def _list_fields(fields: Iterable[tuple[bytes, bytes]]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields]


def _describe(fault: object) -> str:
    describe = getattr(fault, "describe", None)
    return str(describe()) if callable(describe) else str(fault)


def _format_exception(error: BaseException | None, *, is_volatile: bool) -> str | None:
    if error is None:
        return None
    if is_volatile:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    return "".join(traceback.format_exception_only(error)).rstrip("\n")
