"""What happened, in order of time, as text for the report of a failed test."""

from __future__ import annotations

import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kit.errors import describe_error
from kit.record.connection import ORDINARY_ENDS, format_address
from kit.testing.curl import format_curl
from kit.testing.sources import check_exchange, check_number, show_exchange
from kit.testing.steps import read_steps
from kit.testing.text import align, count, escape, show_duration, show_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kit.record import ConnectionInfo, Exchange
    from kit.testing.steps import Step

DEFAULT_LIMIT = 20

_FIRST_STEPS = 4
_LAST_STEPS = 8
_CURL_SHOWN = 1000
_TEXT_SHOWN = 300
_MAX_CHARACTERS = 60_000
_INDENT = "    "


class _Event(NamedTuple):
    """Something that happened, with the lines below it."""

    at: float
    connection: str
    text: str
    details: list[str]


def format_timeline(exchanges: Iterable[Exchange], *, limit: int = DEFAULT_LIMIT) -> str:
    """Write exchanges and what is known of their connections, in order of time.

    Times are relative to the first of what is shown. Nothing in it can upset a
    terminal; everything is shortened, and what is left out is counted.

    Args:
        exchanges: a journal, or exchanges in any order; also those still open.
        limit: how many are shown, the last ones.

    Returns:
        The text, without a newline at its end; "no exchanges" if there are none.

    Raises:
        ConfigurationError: an argument cannot work.
    """
    check_number("limit", limit, least=1)
    ordered = sorted(map(check_exchange, exchanges), key=lambda each: (each.received_at, each.id))
    if not ordered:
        return "no exchanges"
    left_out, shown = ordered[:-limit], ordered[-limit:]
    lines = [_describe_left_out(left_out, "earlier")] if left_out else []
    events = sorted(_list_events(shown), key=lambda event: event.at)
    start = events[0].at
    heads = align(
        [(f"+{show_duration(each.at - start)}", each.connection, each.text) for each in events]
    )
    blocks = [
        "\n".join([head, *(f"{_INDENT}{line}" for line in event.details)])
        for head, event in zip(heads, events, strict=True)
    ]
    kept = _fit(blocks)
    if kept < len(blocks):
        lines.append(f"({count(len(blocks) - kept, 'earlier event')} left out, as they are long)")
    return "\n".join([*lines, *blocks[len(blocks) - kept :]])


def _fit(blocks: Sequence[str]) -> int:
    """Count the last blocks that fit into the text, at least one."""
    size = 0
    for kept, block in enumerate(reversed(blocks)):
        size += len(block) + 1
        if kept and size > _MAX_CHARACTERS:
            return kept
    return len(blocks)


def _describe_left_out(exchanges: Sequence[Exchange], which: str) -> str:
    kinds = Counter(_kind(each) for each in exchanges)
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    return f"({count(len(exchanges), f'{which} exchange')} left out: {told})"


def _kind(exchange: Exchange) -> str:
    if exchange.exception is not None:
        return "with an exception"
    if exchange.is_failed:
        return "failed"
    if exchange.route is None and exchange.connection.role == "server":
        return "without a route"
    return "complete" if exchange.is_complete else "open"


def _list_events(exchanges: Sequence[Exchange]) -> Iterator[_Event]:
    last = {exchange.connection.id: exchange for exchange in exchanges}
    for exchange in exchanges:
        connection = exchange.connection
        name = f"connection {connection.id}"
        if exchange.ordinal == 1:
            yield _Event(connection.opened_at, name, _describe_opening(connection), [])
        details = list(_list_details(exchange))
        yield _Event(exchange.received_at, name, _describe_exchange(exchange), details)
        if exchange is last[connection.id] and connection.closed_at is not None:
            told = _describe_closing(connection, exchange)
            if told:
                yield _Event(connection.closed_at, name, told, [])


def _describe_opening(connection: ConnectionInfo) -> str:
    is_server = connection.role == "server"
    peer = escape(format_address(connection.peer))
    parts = [f"opened {'by' if is_server else 'to'} {peer}"]
    if connection.connect_s is not None:
        parts.append(f"connected in {show_duration(connection.connect_s)}")
    if connection.tls_version is not None:
        sni = f" for {show_line(connection.sni, _TEXT_SHOWN)}" if connection.sni else ""
        took = ""
        if connection.handshake_s is not None:
            took = f" in {show_duration(connection.handshake_s)}"
        parts.append(f"{connection.tls_version}{sni}{took}")
    return ", ".join(parts)


def _describe_closing(connection: ConnectionInfo, last: Exchange) -> str:
    """Tell how a connection has ended; empty if it is what everybody expects."""
    end = connection.end or ""
    if not end or (last.error is not None and end.endswith(last.error)):
        return "closed"  # its last exchange tells why
    if end in ORDINARY_ENDS and last.is_complete:
        return ""
    return f"closed {show_line(end, _TEXT_SHOWN)}"


def _describe_exchange(exchange: Exchange) -> str:
    parts = [show_exchange(exchange)]
    if exchange.connection.role == "server":
        route = exchange.route
        parts.append("no route" if route is None else f"route {show_line(route, _TEXT_SHOWN)}")
    if exchange.is_websocket:
        closed = "open" if exchange.close_code is None else f"closed {exchange.close_code}"
        parts.append(f"websocket {closed}")
    so_far = "" if exchange.is_done else " so far"
    return ", ".join([*parts, f"{show_duration(exchange.duration_s)}{so_far}"])


def _list_details(exchange: Exchange) -> Iterator[str]:
    if exchange.fault is not None:
        yield f"fault: {show_line(str(exchange.fault), _TEXT_SHOWN)}"
    if exchange.exception is not None:
        yield _describe_exception(exchange.handler, exchange.exception)
    if exchange.is_websocket:
        yield from _list_steps(exchange)
    command = format_curl(exchange)
    if len(command) <= _CURL_SHOWN:
        yield from map(escape, command.splitlines())
    else:
        yield f"(a curl command of {len(command)} characters: kit.testing.format_curl gives it)"


def _describe_exception(handler: str | None, error: BaseException) -> str:
    who = show_line(handler or "the handler", _TEXT_SHOWN)
    told = show_line(describe_error(error), _TEXT_SHOWN)
    return f"{who} raised {told}{_find_origin(error)}"


def _find_origin(error: BaseException) -> str:
    """Tell where the exception was raised, and where a handler called that."""
    own = str(Path(__file__).resolve().parents[1])
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(own)]
    if not outside:
        return ""
    first, last = outside[0], outside[-1]
    where = f", at {_show_frame(first)}"
    return where if first is last else f"{where}, from {_show_frame(last)}"


def _show_frame(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return show_line(f"{path}:{frame.lineno} in {frame.name}", _TEXT_SHOWN)


def _list_steps(exchange: Exchange) -> Iterator[str]:
    """Write the first and the last steps of a websocket, with the times since its request."""
    steps = [step for step in read_steps(exchange, None) if step.number != "0"]
    left_out = len(steps) - _FIRST_STEPS - _LAST_STEPS
    rows = align([_make_row(step, exchange.received_at) for step in steps])
    if left_out <= 0:
        yield from rows
    else:
        yield from rows[:_FIRST_STEPS]
        yield f"({count(left_out, 'frame')} left out)"
        yield from rows[-_LAST_STEPS:]
    if exchange.dropped_frames:
        yield f"({count(exchange.dropped_frames, 'further frame')} not recorded)"


def _make_row(step: Step, start: float) -> tuple[str, str, str]:
    at = "" if step.at is None else f"+{show_duration(step.at - start)}"
    notes = f" ({step.notes})" if step.notes else ""
    return at, step.direction, f"{step}{notes}"
