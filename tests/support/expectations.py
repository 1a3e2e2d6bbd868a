"""Requests by hand, as a server would build them of what it read."""

from __future__ import annotations

import json as json_module
from typing import Any

from kit.expect import StubEndpoint, StubNearMiss
from kit.expect.book import StubBook
from kit.messages import Request
from kit.routing import Endpoint, Router

ADDR = ("127.0.0.1", 5000)
FORM = "application/x-www-form-urlencoded"


def make_request(
    method: str = "GET",
    target: str = "/",
    *,
    body: bytes = b"",
    json: Any = None,
    headers: list[tuple[str, str]] | dict[str, str] | None = None,
) -> Request:
    """Make a request with its body, and the length of it in the head."""
    data = json_module.dumps(json).encode() if json is not None else body
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    if data:
        pairs.append(("Content-Length", str(len(data))))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    return Request.from_wire(ADDR, method, target, raw, data)


def find(book: StubBook, request: Request) -> Endpoint:
    """Find what answers a request, as a server without routes does."""
    router = Router()
    endpoint = book.resolve(request, lambda: router.resolve(request))
    return endpoint.decide(request) if hasattr(endpoint, "decide") else endpoint


def take(book: StubBook, request: Request) -> StubEndpoint | None:
    """Find the stub's endpoint that answers a request; None if no stub does."""
    endpoint = find(book, request)
    return endpoint if isinstance(endpoint, StubEndpoint) else None


def fetch(book: StubBook, request: Request) -> tuple[int, bytes]:
    """Answer a request: the status and the body."""
    response = find(book, request).call(request)
    return response.status_code, response.body


def explain(book: StubBook, request: Request) -> list[str]:
    """Say why the nearest stub does not take a request, the failed conditions alone."""
    (near_miss, *_) = book.explain(request)
    return failures(near_miss)


def failures(near_miss: StubNearMiss) -> list[str]:
    """List the lines of the conditions that were not held."""
    return [line for check in near_miss.conditions if not check.ok for line in check.format()]
