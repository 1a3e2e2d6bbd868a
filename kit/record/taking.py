"""Between what a server is asked, what upstream has answered, and a recording's entries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from kit.errors import BodyError, LimitError
from kit.limits import MIB
from kit.messages.content import decode_content
from kit.record.boundaries import settle_boundary
from kit.record.codings import narrow_codings
from kit.record.entry import RecordedMessage, RecordedRequest, RecordedResponse
from kit.record.heads import to_origin_form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.messages import Request
    from kit.record.entry import Entry
    from kit.record.exchange import Exchange

M = TypeVar("M", bound=RecordedMessage)

DECODED_BYTES: Final = 64 * MIB
"""A compressed body that unpacks to more is compared in its coding."""

_OF_ONE_HANDSHAKE: Final = frozenset((b"sec-websocket-key", b"sec-websocket-accept"))
"""Fields that each handshake makes anew, at random."""
STREAMS: Final = frozenset(
    (
        *("text/event-stream", "multipart/x-mixed-replace", "application/x-ndjson"),
        *("application/jsonl", "application/json-seq", "application/stream+json"),
    )
)
"""Media types of which each piece means something. Where other bodies are cut is chance."""

_OF_ONE_RUN: Final = ("local", "peer", "ordinal")


def read_request(request: Request, base: str) -> RecordedRequest:
    """See a request as its recording would have it.

    Args:
        request: with its body.
        base: the upstream's URL with its path, if it is known.
    """
    target = to_origin_form(request.target).partition("#")[0]
    body, is_encoded = request.body, False
    try:
        body = decode_content(request.raw_headers, body, DECODED_BYTES)
    except (BodyError, LimitError):
        is_encoded = True
    return settle_boundary(
        RecordedRequest(
            method=request.method,
            url=f"{base}{target}" if base and target.startswith("/") else request.url,
            headers=narrow_codings(request.raw_headers),
            body=body,
            is_encoded=is_encoded,
        )
    )


def tidy_entry(entry: Entry) -> Entry:
    """Leave out what differs from run to run although the same happened, but for times."""
    response = _decode(_tidy(entry.response))
    if response.marks and response.media_type not in STREAMS:
        response = replace(response, marks=())
    return replace(
        entry,
        request=tidy_request(_tidy(entry.request)),
        response=response,
        server_ip="",
        connection="",
        kit={name: value for name, value in entry.kit.items() if name not in _OF_ONE_RUN},
    )


def tidy_request(request: RecordedRequest) -> RecordedRequest:
    """Write a request as `read_request` does, whoever has recorded it."""
    headers = narrow_codings(request.headers)
    if headers != request.headers:
        request = replace(request, headers=headers, headers_size=-1)
    return settle_boundary(_decode(request))


def _decode(message: M) -> M:
    """Undo codings that were left because much comes of it, as what is compared has none."""
    has_marks = isinstance(message, RecordedResponse) and message.marks != ()
    if not message.is_encoded or message.is_truncated or has_marks:
        return message
    try:
        body = decode_content(list(message.headers), message.body, DECODED_BYTES)
    except (BodyError, LimitError):
        return message
    return replace(message, body=body, is_encoded=False)


def _tidy(message: M) -> M:
    kept = tuple(field for field in message.headers if field[0].lower() not in _OF_ONE_HANDSHAKE)
    if len(kept) == len(message.headers):
        return message
    # The head's size would tell of the fields that are gone.
    return replace(message, headers=kept, headers_size=-1)


def count_joined(exchanges: Iterable[Exchange], entries: Iterable[Entry]) -> int:
    """Count the pieces of streams of which it was not kept where they end.

    Args:
        exchanges: what was seen.
        entries: what was made of each.
    """
    return sum(
        getattr(exchange.response_content, "joined", 0)
        for exchange, entry in zip(exchanges, entries, strict=True)
        if entry.response.marks
    )


def is_whole(exchange: Exchange) -> bool:
    """Tell whether nothing of an exchange was too large to be kept."""
    log = exchange.frame_log
    if log is not None and (log.dropped_frames or log.dropped_bytes):
        return False
    contents = (exchange.request_content, exchange.response_content)
    return all(isinstance(each, bytes) or each.is_complete for each in contents)
