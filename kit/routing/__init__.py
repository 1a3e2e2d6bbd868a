"""Routing: which handler answers a request.

- `patterns`: what `/user/:name` and its relatives match.
- `resource`: `Resource`, `Route` and the decorators; `marks` is what those write.
- `endpoint`: a route with its options, ready to be called.
- `tree`: the lookup.
- `router`: `Router`, which ties these together; `near_misses` explains it.
"""

from __future__ import annotations

from kit.routing.endpoint import Endpoint
from kit.routing.near_misses import NearMiss, format_near_misses
from kit.routing.patterns import Pattern
from kit.routing.resource import (
    Resource,
    Route,
    delete,
    get,
    header,
    param,
    patch,
    post,
    put,
    route,
    websocket,
)
from kit.routing.router import Router

__all__ = [
    "Endpoint",
    "NearMiss",
    "Pattern",
    "Resource",
    "Route",
    "Router",
    "delete",
    "format_near_misses",
    "get",
    "header",
    "param",
    "patch",
    "post",
    "put",
    "route",
    "websocket",
]
