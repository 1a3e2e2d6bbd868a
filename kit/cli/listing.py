"""Routes as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import kit

HEADINGS = ("METHOD", "PATTERN", "HANDLER", "HEADERS", "PARAMS", "MAX BODY")
KIB = 1024


def format_table(routes: Sequence[kit.Route]) -> str:
    """Lay the routes out in columns; a websocket has no body to limit."""
    rows = [HEADINGS, *(_row(route) for route in routes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def format_json(routes: Sequence[kit.Route]) -> str:
    """Write the routes as a JSON array, an object each; sizes are in bytes."""
    objects = [
        {
            "method": route.http_method,
            "pattern": route.url_pattern,
            "handler": route.name,
            "doc": route.doc,
            "websocket": route.is_websocket,
            "headers": list(route.header_docs),
            "params": list(route.param_docs),
            "max_content_length": None if route.is_websocket else route.max_content_length,
        }
        for route in routes
    ]
    return json.dumps(objects, indent=2, ensure_ascii=False)


def format_size(size: int) -> str:
    """Write a number of bytes in the largest unit that it is a multiple of."""
    for unit in ("B", "KiB", "MiB"):
        if not size or size % KIB:
            return f"{size} {unit}"
        size //= KIB
    return f"{size} GiB"


def _row(route: kit.Route) -> tuple[str, ...]:
    return (
        "websocket" if route.is_websocket else route.http_method,
        route.url_pattern,
        route.name,
        ", ".join(route.header_docs) or "-",
        ", ".join(route.param_docs) or "-",
        "-" if route.is_websocket else format_size(route.max_content_length),
    )
