"""What HAR 1.2 asks of a document, as types: every required field, and its type.

Told apart from the types that `kit.record.har` reads by, which ask for far less.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
Milliseconds = Annotated[float, Meta(ge=-1)]
Bytes = Annotated[int, Meta(ge=-1)]


class Tool(Struct, forbid_unknown_fields=True):
    name: str
    version: str
    comment: str = ""


class Cookie(Struct, forbid_unknown_fields=True):
    name: str
    value: str
    path: str = ""
    domain: str = ""
    expires: Moment | None = None
    httpOnly: bool = False  # noqa: N815
    secure: bool = False
    sameSite: str = ""  # noqa: N815 - a later addition that every browser writes
    comment: str = ""


class Pair(Struct, forbid_unknown_fields=True):
    name: str
    value: str
    comment: str = ""


class Param(Struct, forbid_unknown_fields=True):
    name: str
    value: str = ""
    fileName: str = ""  # noqa: N815
    contentType: str = ""  # noqa: N815
    comment: str = ""


class PostData(Struct):
    mimeType: str  # noqa: N815
    text: str = ""
    params: list[Param] = []
    comment: str = ""


class Request(Struct):
    method: str
    url: Annotated[str, Meta(pattern=r"^[a-z]+://")]
    httpVersion: str  # noqa: N815
    cookies: list[Cookie]
    headers: list[Pair]
    queryString: list[Pair]  # noqa: N815
    headersSize: Bytes  # noqa: N815
    bodySize: Bytes  # noqa: N815
    postData: PostData | None = None  # noqa: N815
    comment: str = ""


class Content(Struct):
    size: Bytes
    mimeType: str  # noqa: N815
    compression: int = 0
    text: str = ""
    encoding: str = ""
    comment: str = ""


class Response(Struct):
    status: Annotated[int, Meta(ge=-1)]
    statusText: str  # noqa: N815
    httpVersion: str  # noqa: N815
    cookies: list[Cookie]
    headers: list[Pair]
    content: Content
    redirectURL: str  # noqa: N815
    headersSize: Bytes  # noqa: N815
    bodySize: Bytes  # noqa: N815
    comment: str = ""


class Timings(Struct):
    send: Milliseconds
    wait: Milliseconds
    receive: Milliseconds
    blocked: Milliseconds = -1
    dns: Milliseconds = -1
    connect: Milliseconds = -1
    ssl: Milliseconds = -1
    comment: str = ""

    def total(self) -> float:
        phases = (self.blocked, self.dns, self.connect, self.send, self.wait, self.receive)
        return sum(phase for phase in phases if phase != -1)


class Entry(Struct):
    startedDateTime: Moment  # noqa: N815
    time: Annotated[float, Meta(ge=0)]
    request: Request
    response: Response
    cache: dict[str, Any]
    timings: Timings
    pageref: str | None = None
    serverIPAddress: str | None = None  # noqa: N815
    connection: str | None = None
    comment: str = ""


class Page(Struct):
    startedDateTime: Moment  # noqa: N815
    id: str
    title: str
    pageTimings: dict[str, Any]  # noqa: N815
    comment: str = ""


class Log(Struct):
    version: Annotated[str, Meta(pattern=r"^1\.2$")]
    creator: Tool
    entries: list[Entry]
    browser: Tool | None = None
    pages: list[Page] = []
    comment: str = ""


class Har(Struct):
    log: Log


def validate(document: object) -> Har:
    """Return the document typed; msgspec.ValidationError says where it is none."""
    har = msgspec.convert(document, Har)
    _check_names(document, Har, "$")
    pages = {page.id for page in har.log.pages}
    assert len(pages) == len(har.log.pages), "page ids are not unique"
    for index, entry in enumerate(har.log.entries):
        assert entry.pageref is None or entry.pageref in pages, (index, entry.pageref)
    return har


def _check_names(value: Any, kind: Any, where: str) -> None:
    """Check that what HAR does not know begins with an underscore."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            _check_names(one, kind, f"{where}[{index}]")
    elif isinstance(value, dict) and hasattr(kind, "__struct_fields__"):
        fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
        for name, one in value.items():
            assert name in fields or name.startswith("_"), f"{where}.{name} is not in HAR 1.2"
            if name in fields:
                _check_names(one, _find_struct(fields[name]), f"{where}.{name}")


def _find_struct(kind: Any) -> Any:
    for inner in (kind, *getattr(kind, "__args__", ())):
        if hasattr(inner, "__struct_fields__"):
            return inner
    return None
