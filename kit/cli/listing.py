"""Routes and stubs as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kit.testing.text import escape, show_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import kit
    from kit.expect import Stub

HEADINGS = ("METHOD", "PATTERN", "HANDLER", "HEADERS", "PARAMS", "MAX BODY")
STUB_HEADINGS = ("STUB", "METHOD", "PATTERN", "ASKS FOR", "EXPECTED", "FROM")
RECORDING_HEADINGS = ("ENTRY", "METHOD", "TARGET", "STATUS", "TYPE")
SHOWN = 50
"""Recordings that the table has."""
KIB = 1024


def format_table(routes: Iterable[kit.Route]) -> str:
    """Lay the routes out in columns; a websocket has no body to limit."""
    return _align([HEADINGS, *(_row(route) for route in routes)])


def format_stubs(stubs: Iterable[Stub]) -> str:
    """Lay stubs out in columns."""
    return _align([STUB_HEADINGS, *(_stub_row(stub) for stub in stubs)])


def format_recordings(entries: Sequence[kit.har.Entry]) -> str:
    """Lay recordings out in columns; of many the first ones."""
    rows = [RECORDING_HEADINGS, *(_recording_row(entry) for entry in entries[:SHOWN])]
    more = len(entries) - SHOWN
    return _align(rows) + (f"\nand {more} more" if more > 0 else "")


def format_json(routes: Iterable[kit.Route]) -> str:
    """Write the routes as a JSON array, an object each; sizes are in bytes."""
    return json.dumps(describe_routes(routes), indent=2, ensure_ascii=False)


def describe_routes(routes: Iterable[kit.Route]) -> list[dict[str, Any]]:
    """Tell routes as JSON has it."""
    return [
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


def describe_stubs(stubs: Iterable[Stub]) -> list[dict[str, Any]]:
    """Tell stubs as JSON has it."""
    return [
        {
            "number": stub.number,
            "methods": list(stub.methods),
            "pattern": stub.pattern,
            "conditions": _list_conditions(stub),
            "min_calls": stub.min_calls,
            "max_calls": stub.max_calls,
            "where": stub.where,
        }
        for stub in stubs
    ]


def describe_recordings(entries: Iterable[kit.har.Entry]) -> list[dict[str, Any]]:
    """Tell recordings as JSON has it."""
    return [
        {
            "entry": entry.index,
            "method": entry.request.method,
            "url": entry.request.url,
            "status": entry.response.status,
            "websocket": entry.is_websocket,
        }
        for entry in entries
    ]


def format_size(size: int) -> str:
    """Write a number of bytes in the largest unit that it is a multiple of."""
    for unit in ("B", "KiB", "MiB"):
        if not size or size % KIB:
            return f"{size} {unit}"
        size //= KIB
    return f"{size} GiB"


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def _row(route: kit.Route) -> tuple[str, ...]:
    return (
        "websocket" if route.is_websocket else route.http_method,
        route.url_pattern,
        route.name,
        ", ".join(route.header_docs) or "-",
        ", ".join(route.param_docs) or "-",
        "-" if route.is_websocket else format_size(route.max_content_length),
    )


def _stub_row(stub: Stub) -> tuple[str, ...]:
    return (
        str(stub.number),
        stub.method,
        stub.pattern,
        ", ".join(_list_conditions(stub)) or "-",
        _describe_calls(stub),
        stub.where,
    )


def _recording_row(entry: kit.har.Entry) -> tuple[str, ...]:
    request, response = entry.request, entry.response
    kind = response.media_type or "-"
    return (
        str(entry.index),
        "websocket" if entry.is_websocket else escape(request.method),
        show_target(request.target),
        str(response.status) if response.status else "-",
        escape(kind),
    )


def _list_conditions(stub: Stub) -> list[str]:
    return [condition.kind for condition in stub.conditions if condition.kind not in _ALWAYS_ASKED]


_ALWAYS_ASKED = ("method", "path")


def _describe_calls(stub: Stub) -> str:
    least, most = stub.min_calls, stub.max_calls
    if most is None:
        return f"{least} or more" if least else "any number"
    if least == most:
        return "once" if most == 1 else f"{most} times"
    return f"up to {most} times" if most > 1 else "at most once"
