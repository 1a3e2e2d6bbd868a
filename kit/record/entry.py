"""Recorded exchanges as plain values, wherever they come from: a journal, or a file.

An `Exchange` is filled in while it happens and knows the process it happened in; an
`Entry` is what remains of it, or of what another tool recorded. Entries are immutable;
`dataclasses.replace` makes changed ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from kit.headers import Headers
from kit.messages.content import media_type
from kit.record.heads import to_origin_form

if TYPE_CHECKING:
    from collections.abc import Iterator

SEND: Final = "send"
RECEIVE: Final = "receive"

# RFC 9110 section 7.6.1, and the fields that describe how a body was framed or coded.
_OF_THE_TRANSFER = frozenset(
    [
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ]
)


@dataclass(frozen=True, kw_only=True)
class RecordedMessage:
    """What a recorded request and a recorded response have in common.

    Attributes:
        http_version: as HAR has it, for example "HTTP/1.1"; "" where it is not known.
        headers: the fields as (name, value) pairs, in order, repeated ones repeated.
        body: the body's bytes with content codings undone, unless `is_encoded`.
        body_size: how many bytes crossed the wire; -1 where it is not known.
        headers_size: bytes of the head, start line to blank line; -1 where not known.
        is_encoded: whether `body` is still in the coding that Content-Encoding tells.
        is_truncated: whether only the body's beginning was kept.
        sha256: hex digest of the whole body as it crossed the wire, of a truncated one.
    """

    http_version: str = "HTTP/1.1"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    body_size: int = -1
    headers_size: int = -1
    is_encoded: bool = False
    is_truncated: bool = False
    sha256: str | None = None

    @cached_property
    def fields(self) -> Headers:
        """The header fields, found by name in any case."""
        return Headers.from_raw(list(self.headers))

    @property
    def content_type(self) -> str:
        """The Content-Type as it came, "" without one."""
        return self.fields.text(b"content-type", "")

    @property
    def media_type(self) -> str:
        """The lower-case type/subtype of the Content-Type, "" without one."""
        return media_type(self.content_type)

    @property
    def sendable_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields that go with `body` when it is sent again.

        Without those of the connection and the framing (RFC 9110 section 7.6.1), and
        without Content-Encoding where the body's codings are undone.
        """
        left_out = _OF_THE_TRANSFER | self._named_by_connection()
        if self.body and not self.is_encoded:
            left_out |= {b"content-encoding"}
        return tuple(pair for pair in self.headers if pair[0].lower() not in left_out)

    def _named_by_connection(self) -> set[bytes]:
        return {token.encode("latin-1") for token in self.fields.tokens(b"connection")}


@dataclass(frozen=True, kw_only=True)
class RecordedRequest(RecordedMessage):
    """A recorded request.

    Attributes:
        method: the method; "" for a request that did not parse.
        url: the absolute URL, undecoded.
    """

    method: str
    url: str

    @property
    def scheme(self) -> str:
        """The URL's scheme in lower case."""
        scheme, separator, _ = self.url.partition("://")
        return scheme.lower() if separator else ""

    @property
    def host(self) -> str:
        """The URL's host and port as they stand there, without user and password."""
        rest = self.url.partition("://")[2]
        for index, character in enumerate(rest):
            if character in "/?#":
                rest = rest[:index]
                break
        return rest.rpartition("@")[2]

    @property
    def target(self) -> str:
        """The path and query, undecoded: what a request line has."""
        return to_origin_form(self.url).partition("#")[0]

    @property
    def path(self) -> str:
        """The path, undecoded, without query and fragment."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query, undecoded, without its question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class RecordedChunk:
    """One piece of a streamed response.

    Attributes:
        offset_s: seconds since the entry's start.
        data: the piece, content codings undone.
    """

    offset_s: float
    data: bytes


@dataclass(frozen=True, kw_only=True)
class RecordedResponse(RecordedMessage):
    """A recorded response.

    Attributes:
        status: the status code; 0 where there was no response.
        reason: the reason phrase; HTTP/2 has none.
        marks: for a streamed body (seconds since the entry's start, bytes of `body`)
            of each piece; empty where it is not known.
        error: why there is no response, or not a whole one.
    """

    status: int = 0
    reason: str = ""
    marks: tuple[tuple[float, int], ...] = ()
    error: str | None = None

    @property
    def chunks(self) -> tuple[RecordedChunk, ...]:
        """The pieces of a streamed body with their times; empty where not known."""
        return tuple(self._cut())

    def _cut(self) -> Iterator[RecordedChunk]:
        start = 0
        for offset_s, size in self.marks:
            yield RecordedChunk(offset_s, self.body[start : start + size])
            start += size


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFrame:
    """One websocket frame.

    Attributes:
        direction: "send" or "receive", as HAR says it: seen from the client, whichever
            side recorded.
        opcode: the number of RFC 6455 section 5.2; 0 continues a message.
        data: the payload, or as much of it as was kept.
        offset_s: seconds since the entry's start.
        is_final: the FIN bit.
        size: the payload's bytes on the wire.
    """

    direction: str
    opcode: int
    data: bytes
    offset_s: float = 0.0
    is_final: bool = True
    size: int = -1

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", len(self.data))

    @property
    def is_from_client(self) -> bool:
        """Tell whether the client sent it."""
        return self.direction == SEND

    @property
    def is_truncated(self) -> bool:
        """Tell whether only the payload's beginning was kept."""
        return len(self.data) < self.size

    @property
    def close_code(self) -> int | None:
        """The code in a Close frame; 1005 when it has none, None for other frames."""
        if self.opcode != 8:
            return None
        return int.from_bytes(self.data[:2], "big") if len(self.data) >= 2 else 1005

    @property
    def close_reason(self) -> str | None:
        """The text in a Close frame, None for other frames."""
        return self.data[2:].decode("utf-8", "replace") if self.opcode == 8 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How long the phases of an exchange took, in milliseconds; -1 where it does not apply.

    `ssl` is contained in `connect`.
    """

    blocked: float = -1
    dns: float = -1
    connect: float = -1
    ssl: float = -1
    send: float = 0
    wait: float = 0
    receive: float = 0

    @property
    def total_ms(self) -> float:
        """The sum of what applies, `ssl` not counted twice."""
        phases = (self.blocked, self.dns, self.connect, self.send, self.wait, self.receive)
        return round(sum(phase for phase in phases if phase > 0), 3)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recorded exchange.

    Attributes:
        index: its number in its file, from 0; it is named so in messages.
        started_at: POSIX seconds.
        timings: what took how long.
        frames: the frames of a websocket in wire order; None for anything else.
        server_ip: the server's IP address, "" where it is not known.
        connection: names the connection, "" where it is not known.
        pageref: the id of the page (the test) it belongs to, "" for none.
        resource_type: what a browser took it for, "" where nobody says.
        kit: what HAR has no place for, see `kit.record.har`; JSON values.
    """

    index: int = 0
    started_at: float
    request: RecordedRequest
    response: RecordedResponse = field(default_factory=RecordedResponse)
    timings: Timings = field(default_factory=Timings)
    frames: tuple[RecordedFrame, ...] | None = None
    server_ip: str = ""
    connection: str = ""
    pageref: str = ""
    resource_type: str = ""
    kit: dict[str, Any] = field(default_factory=dict)

    @property
    def is_websocket(self) -> bool:
        """Tell whether the exchange became a websocket."""
        return self.frames is not None

    @property
    def response_trailers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields that followed the response's body, as (name, value) pairs."""
        given = self.kit.get("response_trailers") or ()
        return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in given)

    @property
    def duration_s(self) -> float:
        """Seconds from its start to the response's end."""
        return self.timings.total_ms / 1000

    def __repr__(self) -> str:
        return f"<Entry {self.index} {self.request.method} {self.request.url[:80]} -> {self._told}>"

    @property
    def _told(self) -> str:
        frames = "" if self.frames is None else f", {len(self.frames)} frames"
        return f"{self.response.status or 'no response'}{frames}"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What entries are grouped by: a browser's page, or a test.

    Attributes:
        id: what an entry's `pageref` names; a test's node id.
        title: for people.
        started_at: POSIX seconds.
        kit: for a test: outcome, duration_s, worker, problems.
    """

    id: str
    title: str = ""
    started_at: float = 0.0
    kit: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The content of a recording.

    Attributes:
        entries: in the order of the file.
        pages: what they are grouped by.
        creator: name and version of what made the file.
        path: where it was loaded from, "" if it was not.
        kit: what the file says of itself beside HAR, for example `dropped`.
    """

    entries: tuple[Entry, ...] = ()
    pages: tuple[Page, ...] = ()
    creator: tuple[str, str] = ("", "")
    path: str = ""
    kit: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __repr__(self) -> str:
        where = f" of {self.path}" if self.path else ""
        return f"<Recording {len(self.entries)} entries{where}>"
