"""Each exchange as a line, written by a thread of its own."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

import kit
from kit.testing.text import escape, show_duration, show_line, show_target, show_value

if TYPE_CHECKING:
    from collections.abc import Callable


QUEUE_SIZE: Final = 10_000
"""Exchanges that wait to be written; further ones are counted and left out."""

CLOSE_S: Final = 5.0
"""How long `close` waits for a line to be taken."""

_PAYLOAD_SHOWN = 200
_TEXT_SHOWN = 200
_COLOURS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}
_END = ("end", None)


class ExchangeLog:
    """An observer that writes a line for each exchange; start it, and close it at the end.

    Nobody waits for the terminal, or for whoever reads the output: what is to be written
    is queued, and when the queue is full it is counted instead.

    Args:
        is_json: whether a line is a JSON object.
        is_verbose: whether websocket frames get a line too.
        redaction: what is taken out of targets and frames; None for nothing.

    Attributes:
        broken: set when the output is gone.
    """

    def __init__(
        self,
        *,
        is_json: bool = False,
        is_verbose: bool = False,
        redaction: kit.Redaction | None = None,
    ) -> None:
        self.broken: threading.Event = threading.Event()
        self._write: Callable[[str, kit.Exchange], None] = (
            self._write_json if is_json else self._write_text
        )
        self._is_json = is_json
        self._is_verbose = is_verbose
        self._redaction = redaction
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(QUEUE_SIZE)
        self._dropped = 0
        self._dropping = threading.Lock()
        self._written = 0
        self._is_ending = False
        self._opened: set[int] = set()
        self._waiting: set[int] = set()
        self._shown: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, name="kit-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, and end; give up if the output is not taken any more."""
        self._is_ending = True
        with contextlib.suppress(queue.Full):
            # To wake the thread; while there is more to write it is awake.
            self._queue.put_nowait(_END)
        before = -1
        # It is not alive if an error, or Ctrl-C, came before it was started.
        while self._thread.is_alive() and self._written != before:
            before = self._written
            self._thread.join(CLOSE_S)

    # The observer: called by whichever thread an exchange runs on

    def started(self, exchange: kit.Exchange) -> None:
        """Wait for the exchange's end."""

    def progress(self, exchange: kit.Exchange) -> None:
        """Note that a websocket was opened, and frames if they are asked for."""
        if not exchange.is_websocket:
            return
        if exchange.id not in self._opened:
            self._opened.add(exchange.id)
            self._put("opened", exchange)
        if self._is_verbose and exchange.id not in self._waiting:
            # One entry stands for all frames until it is written.
            self._waiting.add(exchange.id)
            self._put("frames", exchange)

    def complete(self, exchange: kit.Exchange) -> None:
        """Note the end of an exchange."""
        self._opened.discard(exchange.id)
        if self._is_verbose and exchange.is_websocket:
            self._put("frames", exchange)
        self._put("done", exchange)

    def failed(self, exchange: kit.Exchange, error: str) -> None:  # noqa: ARG002 - it has it
        """Note the end of an exchange."""
        self.complete(exchange)

    def _put(self, what: str, exchange: kit.Exchange) -> None:
        if self.broken.is_set():
            return
        try:
            self._queue.put_nowait((what, exchange))
        except queue.Full:
            with self._dropping:
                self._dropped += 1
            self._waiting.discard(exchange.id)

    # The thread

    def _run(self) -> None:
        try:
            while not (self._is_ending and self._queue.empty()):
                what, exchange = self._queue.get()
                if exchange is not None:
                    self._write_all(what, exchange)
                self._written += 1
            self._tell_dropped()
        except OSError:
            self.broken.set()

    def _write_all(self, what: str, exchange: kit.Exchange) -> None:
        if self._queue.empty():
            self._tell_dropped()
        if what != "frames":
            self._write(what, exchange)
        else:
            self._write_frames(exchange)
        if what == "done":
            self._shown.pop(exchange.id, None)

    def _tell_dropped(self) -> None:
        with self._dropping:
            dropped, self._dropped = self._dropped, 0
        if dropped and self._is_json:
            _echo_json({"event": "dropped", "lines": dropped})
        elif dropped:
            click.echo(f"({dropped} lines left out, as they came too fast)")

    def _write_frames(self, exchange: kit.Exchange) -> None:
        # Before reading: a frame that comes now has itself noted again.
        self._waiting.discard(exchange.id)
        shown = self._shown.get(exchange.id, 0)
        frames = exchange.frames
        self._shown[exchange.id] = max(shown, len(frames))
        target = show_target(self._read_target(exchange))
        for frame in frames[shown:]:
            payload = self._read_payload(frame)
            if self._is_json:
                told = {"event": "frame", "exchange": exchange.id}
                _echo_json(told | _describe_frame(frame, payload))
            else:
                click.echo(f"{' ' * 14}{_format_frame(frame, payload)}  {target}")

    def _write_text(self, what: str, exchange: kit.Exchange) -> None:
        target = self._read_target(exchange)
        click.echo(format_exchange(exchange, target, is_open=what == "opened"))

    def _write_json(self, what: str, exchange: kit.Exchange) -> None:
        event = "websocket" if what == "opened" else "exchange"
        _echo_json({"event": event} | describe_exchange(exchange, self._read_target(exchange)))

    def _read_target(self, exchange: kit.Exchange) -> str:
        if self._redaction is None:
            return exchange.target
        request = kit.har.RecordedRequest(method=exchange.method, url=exchange.url)
        return self._redaction.redact_request(request).target

    def _read_payload(self, frame: kit.FrameRecord) -> str | bytes:
        if frame.name != "Text":
            return frame.payload
        text = frame.payload.decode("utf-8", "replace")
        return text if self._redaction is None else self._redaction.redact_text(text)


def format_exchange(
    exchange: kit.Exchange, target: str | None = None, *, is_open: bool = False
) -> str:
    """Write an exchange as a line: time, method, target, status, duration and route.

    Args:
        exchange: the exchange.
        target: what is to be told as its target.
        is_open: whether it is a websocket that was opened just now.
    """
    at = datetime.fromtimestamp(exchange.started_at)  # noqa: DTZ006 - local, as people read it
    parts = [
        f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
        f"{show_line(exchange.method or '?', 20)} {show_target(target or exchange.target)}",
        _format_status(exchange),
    ]
    if is_open:
        parts.append("websocket opened")
    else:
        parts.append(show_duration(exchange.duration_s))
        parts += _list_outcomes(exchange)
    parts.append(show_line(name_route(exchange) or "no route", _TEXT_SHOWN))
    return "  ".join(parts)


def name_route(exchange: kit.Exchange) -> str | None:
    """Name what took the request: a route by its pattern, a stub or recording by its name."""
    handler = exchange.handler
    # No function has a blank in its name: "stub 2: GET /", "calls.har entry 3".
    return handler if handler is not None and " " in handler else exchange.route


def describe_exchange(exchange: kit.Exchange, target: str | None = None) -> dict[str, Any]:
    """Tell an exchange as JSON has it, as far as it has come."""
    at = datetime.fromtimestamp(exchange.started_at, UTC)
    return {
        "id": exchange.id,
        "time": at.isoformat(timespec="milliseconds"),
        "method": exchange.method,
        "target": target or exchange.target,
        "status": exchange.status,
        "duration_ms": round(exchange.duration_s * 1000, 3),
        "route": exchange.route,
        "handler": exchange.handler,
        "error": exchange.error,
        "exception": None if exchange.exception is None else repr(exchange.exception),
        "websocket": exchange.is_websocket,
        "close_code": exchange.close_code,
    }


def _format_status(exchange: kit.Exchange) -> str:
    status = exchange.status
    if status is None:
        return click.style("---", fg="red")
    return click.style(str(status), fg=_COLOURS.get(status // 100))


def _list_outcomes(exchange: kit.Exchange) -> list[str]:
    outcomes = []
    if exchange.is_websocket:
        code = "" if exchange.close_code is None else f" {exchange.close_code}"
        count = len(exchange.frames) + exchange.dropped_frames
        outcomes.append(f"websocket closed{code}, {count} frame{'' if count == 1 else 's'}")
    if exchange.error is not None:
        outcomes.append(f"failed: {show_line(exchange.error, _TEXT_SHOWN)}")
    if exchange.exception is not None:
        outcomes.append(f"raised {show_line(repr(exchange.exception), _TEXT_SHOWN)}")
    return outcomes


def _format_frame(frame: kit.FrameRecord, payload: str | bytes) -> str:
    arrow = "->" if frame.direction == "received" else "<-"
    if frame.close_code is not None:
        return f"{arrow} {frame.name} {frame.close_code}"
    return escape(f"{arrow} {frame.name} {show_value(payload, _PAYLOAD_SHOWN)}")


def _describe_frame(frame: kit.FrameRecord, payload: str | bytes) -> dict[str, Any]:
    shown = payload[:_PAYLOAD_SHOWN]
    return {
        "direction": frame.direction,
        "opcode": frame.name,
        "fin": frame.is_final,
        "length": frame.length,
        "payload": shown if isinstance(shown, str) else shown.decode("utf-8", "backslashreplace"),
        "close_code": frame.close_code,
    }


def _echo_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=True))
