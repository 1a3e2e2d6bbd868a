"""What the protocols hand to their callers."""

from __future__ import annotations

import dataclasses
from typing import Final, final


@dataclasses.dataclass(slots=True)
class RequestHead:
    """A request up to its body (RFC 9112 section 3).

    Attributes:
        target: the request target exactly as it came.
        http_version: "1.0" or "1.1".
        raw_headers: the fields, order and case as they came.
        raw: the bytes from the request line through the blank line.
        content_length: the declared length, None if there is none.
        has_body: the message is chunked, or its length is greater than 0.
        keep_alive: the peer is ready to send another request after this one.
        expects_continue: the peer waits for a 100 before it sends the body.
        upgrade: the Upgrade field in lower case, "" unless the request asks for it.
        host: the authority that the request is for, "" if it names none.
    """

    method: str
    target: str
    http_version: str
    raw_headers: list[tuple[bytes, bytes]]
    raw: bytes
    content_length: int | None
    is_chunked: bool
    has_body: bool
    keep_alive: bool
    expects_continue: bool
    upgrade: str
    host: str


@dataclasses.dataclass(slots=True)
class ResponseHead:
    """A response up to its body (RFC 9112 section 4).

    Attributes:
        reason: the reason phrase, decoded as Latin-1.
        http_version: "1.0" or "1.1".
        raw_headers: the fields, order and case as they came.
        raw: the bytes from the status line through the blank line.
        content_length: the declared length, None if there is none.
        has_body: body bytes may follow.
        keep_alive: the peer is ready to receive another request after this response.
        is_informational: an interim response; the final one follows.
    """

    status: int
    reason: str
    http_version: str
    raw_headers: list[tuple[bytes, bytes]]
    raw: bytes
    content_length: int | None
    is_chunked: bool
    has_body: bool
    keep_alive: bool
    is_informational: bool


@dataclasses.dataclass(slots=True)
class EndOfMessage:
    """The body is complete; `trailers` are the fields behind a chunked one."""

    trailers: list[tuple[bytes, bytes]] = dataclasses.field(default_factory=list)


@final
class PeerClosed:
    """The peer ended its side of the connection between two messages."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PEER_CLOSED"


PEER_CLOSED: Final = PeerClosed()
