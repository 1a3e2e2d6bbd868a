"""Entries of recordings made by hand, as values and as a file has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kit.record.entry import Entry, RecordedFrame, RecordedRequest, RecordedResponse, Timings

FIXTURES = Path(__file__).parents[2] / "fixtures" / "har"
STARTED_AT = 1_767_225_600.25
JSON = ((b"Content-Type", b"application/json"),)


def make_request(method: str = "GET", path: str = "/", **given: Any) -> RecordedRequest:
    body = given.pop("body", b"")
    given.setdefault("body_size", len(body))
    return RecordedRequest(method=method, url=f"http://shop.test{path}", body=body, **given)


def make_response(status: int = 200, body: bytes = b"", **given: Any) -> RecordedResponse:
    given.setdefault("body_size", len(body))
    return RecordedResponse(status=status, reason="Fine", body=body, **given)


def make_entry(
    method: str = "GET",
    path: str = "/",
    *,
    request: RecordedRequest | None = None,
    response: RecordedResponse | None = None,
    **given: Any,
) -> Entry:
    given.setdefault("timings", Timings(send=1, wait=2, receive=3))
    return Entry(
        started_at=STARTED_AT,
        request=request or make_request(method, path),
        response=response or make_response(),
        **given,
    )


def make_frame(direction: str, opcode: int, data: bytes, **given: Any) -> RecordedFrame:
    return RecordedFrame(direction=direction, opcode=opcode, data=data, **given)


def har_of(*entries: object, **log: Any) -> bytes:
    """Write a HAR file by hand."""
    return json.dumps({"log": {"version": "1.2", "entries": entries, **log}}).encode()


def raw_entry(**given: Any) -> dict[str, Any]:
    """Give the least that an entry of a file must have."""
    request = {"method": "GET", "url": "http://shop.test/", **given.pop("request", {})}
    entry = {"startedDateTime": "2026-01-01T00:00:00.250Z", "request": request}
    return {**entry, **given}
