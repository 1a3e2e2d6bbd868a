"""What is read of a HAR file, as types: what tools leave out has a default.

Fields that are not named here are skipped, whatever they hold.
"""

from __future__ import annotations

from typing import Any

import msgspec


class NamedValue(msgspec.Struct):
    """A header field, a query parameter or a form's field."""

    name: str
    value: str | None = None
    fileName: str | None = None  # noqa: N815 - HAR's name
    contentType: str | None = None  # noqa: N815 - HAR's name


class PostData(msgspec.Struct):
    """A request's body."""

    mime_type: str | None = msgspec.field(default=None, name="mimeType")
    text: str | None = None
    params: list[NamedValue] | None = None
    encoding: str | None = None
    own_encoding: str | None = msgspec.field(default=None, name="_encoding")
    file: str | None = msgspec.field(default=None, name="_file")


class Content(msgspec.Struct):
    """A response's body."""

    size: float | None = None
    mime_type: str | None = msgspec.field(default=None, name="mimeType")
    text: str | None = None
    encoding: str | None = None
    file: str | None = msgspec.field(default=None, name="_file")


class Request(msgspec.Struct):
    """A request."""

    method: str
    url: str
    http_version: str | None = msgspec.field(default=None, name="httpVersion")
    headers: list[NamedValue] | None = None
    post_data: PostData | None = msgspec.field(default=None, name="postData")
    headers_size: float | None = msgspec.field(default=None, name="headersSize")
    body_size: float | None = msgspec.field(default=None, name="bodySize")


class Response(msgspec.Struct):
    """A response."""

    status: int | None = None
    status_text: str | None = msgspec.field(default=None, name="statusText")
    http_version: str | None = msgspec.field(default=None, name="httpVersion")
    headers: list[NamedValue] | None = None
    content: Content | None = None
    headers_size: float | None = msgspec.field(default=None, name="headersSize")
    body_size: float | None = msgspec.field(default=None, name="bodySize")
    error: str | None = msgspec.field(default=None, name="_error")
    failure: str | None = msgspec.field(default=None, name="_failureText")


class Timings(msgspec.Struct):
    """The phases of an exchange, in milliseconds."""

    blocked: float | None = None
    dns: float | None = None
    connect: float | None = None
    ssl: float | None = None
    send: float | None = None
    wait: float | None = None
    receive: float | None = None


class SocketMessage(msgspec.Struct):
    """A websocket message."""

    type: str
    opcode: int
    data: str
    time: float = 0.0
    own_data: str | None = msgspec.field(default=None, name="_data")


class EventMessage(msgspec.Struct):
    """A server-sent event."""

    time: float = 0.0
    event_name: str | None = msgspec.field(default=None, name="eventName")
    event_id: str | None = msgspec.field(default=None, name="eventId")
    data: str = ""


class Entry(msgspec.Struct):
    """An exchange."""

    started: str = msgspec.field(name="startedDateTime")
    request: Request
    response: Response | None = None
    timings: Timings | None = None
    pageref: str | None = None
    server_ip: str | None = msgspec.field(default=None, name="serverIPAddress")
    connection: str | int | None = None
    resource_type: str | None = msgspec.field(default=None, name="_resourceType")
    socket_messages: list[SocketMessage] | None = msgspec.field(
        default=None, name="_webSocketMessages"
    )
    event_messages: list[EventMessage] | None = msgspec.field(
        default=None, name="_eventSourceMessages"
    )
    kit: dict[str, Any] | None = msgspec.field(default=None, name="_kit")


class Page(msgspec.Struct):
    """What entries are grouped by."""

    id: str
    started: str | None = msgspec.field(default=None, name="startedDateTime")
    title: str | None = None
    kit: dict[str, Any] | None = msgspec.field(default=None, name="_kit")


class Creator(msgspec.Struct):
    """What made the file."""

    name: str | None = None
    version: str | None = None


class Log(msgspec.Struct):
    """The file's content."""

    entries: list[Entry]
    version: str | int | float | None = None
    creator: Creator | None = None
    pages: list[Page] | None = None
    kit: dict[str, Any] | None = msgspec.field(default=None, name="_kit")


class Document(msgspec.Struct):
    """A HAR file."""

    log: Log


class Frame(msgspec.Struct):
    """What `_kit.frames` tells of a websocket frame."""

    direction: str
    opcode: int
    fin: bool
    time: float
    size: int
    kept: int | None = None


class BodyFacts(msgspec.Struct):
    """What `_kit` tells of a body."""

    truncated: bool = False
    sha256: str | None = None
    encoded: bool = False


class Extras(msgspec.Struct):
    """What `_kit` holds that is read again."""

    frames: list[Frame] | None = None
    chunks: list[tuple[float, int]] | None = None
    response_trailers: list[tuple[str, str]] | None = None
    request_body: BodyFacts = msgspec.field(default_factory=BodyFacts)
    response_body: BodyFacts = msgspec.field(default_factory=BodyFacts)
