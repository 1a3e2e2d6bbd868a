"""Answers out of recordings: responses, streams and websockets."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from kit.errors import ConfigurationError, ConnectionClosedError
from kit.expect.wording import shorten
from kit.limits import DEFAULT_MAX_CONTENT_LENGTH
from kit.messages import ErrorResponse, Response
from kit.opcodes import WebSocketOpCode
from kit.record.entry import RECEIVE, RecordedMessage, RecordedResponse
from kit.record.har.websockets import join_frames
from kit.record.matching import compare_contents
from kit.routing.endpoint import Endpoint

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    from kit.messages import Request
    from kit.record.entry import Entry, RecordedChunk
    from kit.record.har.websockets import Message
    from kit.record.ignoring import Ignoring

Pace = Literal["causal", "timed", "fast"]
"""When what was recorded in pieces is sent.

- causal: what came after a frame of the client comes after that frame, and else at once;
- timed: likewise, and never sooner after what was before than it was recorded;
- fast: everything at once, whatever the client sends.
"""

PAUSE_S: Final = 60.0
"""A recorded pause is kept up to this long."""
VIOLATION: Final = 1008

_TEXT, _CLOSE, _PING = 1, 8, 9
_NO_BODY: Final = frozenset((204, 205, 304))


class Waiting:
    """The pace of an endpoint that may wait: so never where others would wait with it."""

    __slots__ = ("is_slow", "quick_runs")

    def __init__(self) -> None:
        self.is_slow: bool = True
        self.quick_runs: int = 0


class ReplayEndpoint(Endpoint):
    """Answers one request with a recorded response.

    Attributes:
        entry: what was recorded.
    """

    __slots__ = ("_pace", "delay_s", "entry")

    def __init__(self, entry: Entry, name: str, pace: Pace) -> None:
        self.entry: Entry = entry
        self._pace = pace
        self.method: str = entry.request.method
        self.pattern: str = entry.request.path
        self.name = name
        self.callback: Any = self._answer
        self.call: Any = self.callback
        self.max_content_length = DEFAULT_MAX_CONTENT_LENGTH
        self.is_websocket = self.is_async = False
        self.subprotocols: tuple[str, ...] = ()
        self.compress = False
        self.max_message_bytes: int | None = None
        self.is_match = True
        is_timed = pace == "timed" and entry.response.marks != ()
        self.delay_s: float = min(entry.response.marks[0][0], PAUSE_S) if is_timed else 0.0
        self.pace: Any = Waiting() if is_timed else None

    def _answer(self, request: Request) -> Response:
        response = self.entry.response
        if not 200 <= response.status <= 599:
            return ErrorResponse(_describe_no_response(response), 502)
        if reason := _find_left_out(self.entry):
            text = f"the body of {self.name} was left out when it was written: {reason}\n"
            return ErrorResponse(text, 502)
        fields = list(response.sendable_headers)
        payload: Any = response.body
        if response.status in _NO_BODY:
            payload = None
        elif request.method == "HEAD":
            payload = ()
            lengths = response.fields.get(b"content-length", [])
            fields += [(b"Content-Length", each) for each in lengths[:1]]
        elif response.marks:
            payload = play_chunks(response.chunks, is_timed=self._pace == "timed")
        # Not where no body is sent for them to follow.
        trailers = self.entry.response_trailers if payload not in (None, ()) else ()
        made = Response(payload, response.status, fields, trailers=trailers or None)
        made._content_type = None  # what was not told of the payload is not told now
        return made


class SocketEndpoint(Endpoint):
    """Plays one recorded websocket.

    Attributes:
        entry: what was recorded.
    """

    __slots__ = ("entry",)

    def __init__(self, entry: Entry, name: str, call: Any, *, is_async: bool) -> None:
        self.entry: Entry = entry
        self.method = "GET"
        self.pattern: str = entry.request.path
        self.name = name
        self.callback: Any = call
        self.call = call
        self.max_content_length = DEFAULT_MAX_CONTENT_LENGTH
        self.is_websocket = True
        self.is_async = is_async
        chosen = entry.response.fields.text("sec-websocket-protocol", "")
        self.subprotocols: tuple[str, ...] = (chosen,) if chosen else ()
        self.compress = True
        self.max_message_bytes: int | None = None
        self.is_match = True
        self.pace: Any = None


class SocketPlayer:
    """Says what upstream has said on a websocket, and checks what the client says.

    Args:
        entry: what was recorded.
        pace: when what was recorded is sent.
        ignoring: what of the client's messages is not compared.
        ignored: the rules that left something out are added here.
        redact: redacts what the client sends, and what is recorded of it, before they are
            compared.
        note: told what the client sent that was not recorded.
    """

    def __init__(
        self,
        entry: Entry,
        pace: Pace,
        *,
        ignoring: Ignoring,
        ignored: set[str],
        redact: Callable[[bytes], bytes] | None,
        note: Callable[[str], object],
    ) -> None:
        messages = join_frames(entry.frames or ())
        # Pongs are given as pings are, by each side on its own.
        self._script = [each for each in messages if each.opcode <= _CLOSE or _is_ping(each)]
        self._at = 0
        self._ignoring = ignoring
        self._ignored = ignored
        self._redact = redact
        self._note = note
        self._pace = pace
        self._sent_by_client = 0
        self._last_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False

    def make_endpoint(self, entry: Entry, name: str) -> SocketEndpoint:
        """Make the endpoint that plays it."""
        if self._pace == "timed":
            return SocketEndpoint(entry, name, self._take_timed, is_async=True)
        return SocketEndpoint(entry, name, self._take, is_async=False)

    # At once

    def _take(self, request: Request, opcode: WebSocketOpCode, payload: str | bytes) -> None:
        if opcode == WebSocketOpCode.Close:
            self._is_over = True
            return
        if opcode != WebSocketOpCode.Open and not self._check(request, payload):
            return
        for message in self._due():
            play_message(request, message)

    def _due(self) -> list[Message]:
        """Return what is to be sent now: up to the next message of the client."""
        due = []
        while self._at < len(self._script):
            message = self._script[self._at]
            if message.direction == RECEIVE:
                due.append(message)
            elif self._pace != "fast" or message.opcode == _CLOSE:
                break  # also at its Close, which the server's answered
            self._at += 1
        return due

    # With the recorded pauses

    async def _take_timed(
        self, request: Request, opcode: WebSocketOpCode, payload: str | bytes
    ) -> None:
        if opcode == WebSocketOpCode.Close:
            self._is_over = True
            for task in self._tasks:
                task.cancel()
            return
        if opcode != WebSocketOpCode.Open and not self._check(request, payload):
            return
        due = self._due()
        if due:
            import asyncio

            before = self._tasks[-1] if self._tasks else None
            # A task of its own: a handler that waited would keep the handshake waiting.
            self._tasks = [*self._tasks[-1:], asyncio.create_task(self._play(request, due, before))]

    async def _play(
        self, request: Request, due: Sequence[Message], before: asyncio.Task[None] | None
    ) -> None:
        import asyncio

        if before is not None:
            await asyncio.wait([before])
        with contextlib.suppress(ConnectionClosedError):
            for message in due:
                pause_s, self._last_s = message.offset_s - self._last_s, message.offset_s
                await asyncio.sleep(min(max(0.0, pause_s), PAUSE_S))
                play_message(request, message)

    # What the client says

    def _check(self, request: Request, payload: str | bytes) -> bool:
        """Compare a message of the client with the one that was recorded."""
        self._sent_by_client += 1
        if self._pace == "fast":
            return True
        expected = self._script[self._at] if self._at < len(self._script) else None
        problem = self._find_problem(expected, payload)
        if expected is not None and problem is None:
            self._at += 1
            self._last_s = max(self._last_s, expected.offset_s)
            return True
        text = f"message {self._sent_by_client} of the client is not as recorded: {problem}"
        self._note(text)
        self._at = len(self._script)
        with contextlib.suppress(ConnectionClosedError):
            request.close(VIOLATION, _cut_reason(text))
        return False

    def _find_problem(self, expected: Message | None, payload: str | bytes) -> str | None:
        if expected is None:
            return "the recording has ended"
        if expected.opcode == _CLOSE:
            return "expected its Close"
        if self._ignoring.has("frame"):
            self._ignored.add("frame")
            return None
        return compare_messages(
            expected, payload, self._ignoring, self._redact, ignored=self._ignored
        )


def compare_messages(
    expected: Message,
    payload: str | bytes,
    ignoring: Ignoring,
    redact: Callable[[bytes], bytes] | None,
    *,
    ignored: set[str],
) -> str | None:
    """Say how a websocket message differs from a recorded one; None if it does not.

    The rules that left something out are added to `ignored`.
    """
    is_text = isinstance(payload, str)
    if is_text != (expected.opcode == _TEXT):
        kinds = ("Text", "Binary") if is_text else ("Binary", "Text")
        return f"expected {kinds[1]}, got {kinds[0]}"
    said = [expected.data, payload.encode() if isinstance(payload, str) else payload]
    if redact is not None:
        said = list(map(redact, said))
    recorded, actual = map(as_message, said)
    check = compare_contents(recorded, actual, ignoring, ignored)
    return None if check.ok else "; ".join((check.text, *check.diff))


def play_message(request: Request, message: Message) -> None:
    """Send a message, a Ping or a Close as it was recorded."""
    if message.opcode == _CLOSE:
        has_code = len(message.data) >= 2
        code = int.from_bytes(message.data[:2], "big") if has_code else 1000
        request.close(code, message.data[2:].decode("utf-8", "replace"))
    elif message.opcode == _PING:
        request.ping(message.data)
    elif message.opcode == _TEXT:
        request.send(message.data.decode("utf-8", "replace"))
    else:
        request.send(message.data)


def play_chunks(chunks: Sequence[RecordedChunk], *, is_timed: bool) -> Iterator[bytes]:
    """Yield the pieces of a stream, with the pauses between them if they are wanted."""
    last_s = chunks[0].offset_s
    pause = threading.Event()  # which nobody sets: it waits in real time, also if time is frozen
    for chunk in chunks:
        if is_timed and chunk.offset_s > last_s:
            pause.wait(min(chunk.offset_s - last_s, PAUSE_S))
            last_s = chunk.offset_s
        yield chunk.data


def check_pace(pace: object) -> Pace:
    """Return the pace, if there is such a one.

    Raises:
        ConfigurationError: there is not.
    """
    if pace not in get_args(Pace):
        known = ", ".join(f'"{each}"' for each in get_args(Pace))
        raise ConfigurationError(f"pace is one of {known}, not {pace!r}")
    checked: Pace = pace  # type: ignore[assignment]  # just compared
    return checked


def as_message(data: bytes) -> RecordedMessage:
    """Make a websocket message comparable as a body is: JSON where it looks like that."""
    is_document = data[:1] in (b"{", b"[")
    headers = ((b"Content-Type", b"application/json"),) if is_document else ()
    return RecordedMessage(headers=headers, body=data)


def _is_ping(message: Message) -> bool:
    return message.opcode == _PING and message.direction == RECEIVE


def _find_left_out(entry: Entry) -> str:
    """Tell why there is no body to be sent, "" where there is one, or was none."""
    left_out = entry.kit.get("left_out")
    told = left_out.get("response_body") if isinstance(left_out, dict) else None
    return shorten(str(told)) if told and not entry.response.body else ""


def _describe_no_response(response: RecordedResponse) -> str:
    reason = f": {shorten(response.error)}" if response.error else ""
    return f"the recording has no response to this request{reason}\n"


def _cut_reason(text: str) -> str:
    """Cut a text to what a Close can carry (RFC 6455 section 5.5)."""
    return text.encode()[:123].decode("utf-8", "ignore")
