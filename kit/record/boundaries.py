"""The boundary of a recorded multipart form, which clients choose at random."""

from __future__ import annotations

import re
from dataclasses import replace
from email.message import Message
from typing import TYPE_CHECKING, Final

from kit.errors import BodyError
from kit.expect.multipart import parse_multipart

if TYPE_CHECKING:
    from kit.record.entry import RecordedRequest

BOUNDARY: Final = "wirekit-boundary"

_SETTLED = re.compile(rf"{BOUNDARY}(-[0-9]+)?")
_TRIED = 100


def settle_boundary(request: RecordedRequest) -> RecordedRequest:
    """Give a multipart form the boundary that all recorded ones have.

    What is no whole form of that kind stays as it is.
    """
    if request.media_type != "multipart/form-data" or request.is_encoded or request.is_truncated:
        return request
    try:
        parse_multipart(request.content_type, request.body)
    except BodyError:
        return request
    head = Message()
    head["Content-Type"] = request.content_type
    old, new = str(head.get_boundary()), _choose(request.body)
    if _SETTLED.fullmatch(old) or new is None:
        return request
    head.set_boundary(new)
    body = _exchange(request.body, old.encode("latin-1", "replace"), new.encode())
    told = {
        b"content-type": str(head["Content-Type"]).encode("latin-1", "replace"),
        b"content-length": b"%d" % len(body),
    }
    headers = tuple((name, told.get(name.lower(), value)) for name, value in request.headers)
    return replace(
        request,
        headers=headers,
        headers_size=-1,  # it would tell how long the boundary was
        body=body,
        body_size=len(body) if request.body_size >= 0 else -1,
    )


def _choose(body: bytes) -> str | None:
    """Choose a boundary that stands nowhere in a body; None if it has them all."""
    lines = b"\r\n" + body
    names = (BOUNDARY if number == 1 else f"{BOUNDARY}-{number}" for number in range(1, _TRIED))
    return next((name for name in names if f"\r\n--{name}".encode() not in lines), None)


def _exchange(body: bytes, old: bytes, new: bytes) -> bytes:
    # As `parse_multipart` finds them: RFC 2046 section 5.1.1.
    delimiter = re.compile(rb"\r\n--" + re.escape(old) + rb"(?=(?:--)?[ \t]*(?:\r\n|\Z))")
    return delimiter.sub(lambda _: b"\r\n--" + new, b"\r\n" + body)[2:]
