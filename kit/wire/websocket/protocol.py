"""A websocket connection after its handshake: bytes to events and back (RFC 6455)."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Literal, NoReturn

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import EXTERNAL_CLOSE_CODES, Close, Frame, Opcode

from kit.errors import ConnectionClosedError, LocalProtocolError
from kit.opcodes import WebSocketOpCode
from kit.wire.websocket.events import Closed, Event, Message, Ping, Pong

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from websockets.extensions import Extension

    Role = Literal["server", "client"]
    Buffer = bytes | bytearray | memoryview
    Tap = Callable[[str, int, bool, bytes], None]

# RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or
# less"; a close frame spends two of them on its code.
MAX_PING_BYTES = 125
MAX_REASON_BYTES = 123

_CONT, _TEXT, _BINARY = Opcode.CONT, Opcode.TEXT, Opcode.BINARY
_CLOSE, _PING, _PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
_TEXT_MESSAGE, _BINARY_MESSAGE = WebSocketOpCode.Text, WebSocketOpCode.Binary

_OPEN, _CLOSING, _CLOSED = range(3)


class WebSocketProtocol:
    """One side of an open websocket, without any I/O.

    Feed it with `receive` and `receive_eof`, which return events; write what
    `data_to_send` returns. Pongs and close replies are queued by themselves.

    Args:
        role: which side this is; clients mask what they send.
        max_message_bytes: a larger message, counted over its fragments and after
            decompression, fails the connection with 1009.
        extensions: negotiated extensions, in the order of the handshake.
        subprotocol: the negotiated subprotocol.

    Attributes:
        tap: called as `tap(direction, opcode, fin, payload)` for every frame, in wire
            order; direction is `"sent"` or `"received"`, the payload unmasked and
            not compressed.
        defers_close: the close frame that ends the connection in answer to the peer is
            queued by `conclude`, not as soon as `Closed` is reported: what is done about
            the messages before it may still be sent (RFC 6455 section 5.5.1).
        close_code: see `Closed.code`; None until the connection is closed.
        close_reason: see `Closed.reason`; None until the connection is closed.
        wants_close: whether the TCP connection should now be closed by this side, once
            `data_to_send` is written. A server closes first; a client waits for
            that (RFC 6455 section 7.1.1), so here it turns true at the end of the
            stream, and the caller bounds the wait.
    """

    __slots__ = (
        "_buffer",
        "_extensions",
        "_farewell",
        "_fragments",
        "_is_server",
        "_max_message_bytes",
        "_output",
        "_parser",
        "_position",
        "_slack",
        "_state",
        "close_code",
        "close_reason",
        "defers_close",
        "role",
        "subprotocol",
        "tap",
        "wants_close",
    )

    def __init__(
        self,
        role: Role,
        *,
        max_message_bytes: int,
        extensions: Sequence[Extension] = (),
        subprotocol: str | None = None,
    ) -> None:
        self.role = role
        self.subprotocol: str | None = subprotocol
        self.tap: Tap | None = None
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.wants_close: bool = False
        self.defers_close: bool = False
        self._farewell: tuple[bytes, Closed] | None = None
        self._is_server = role == "server"
        self._max_message_bytes = max_message_bytes
        self._extensions = extensions
        self._slack: int = sum(getattr(extension, "slack", 0) for extension in extensions)
        self._state = _OPEN
        self._output: list[bytes] = []
        self._buffer: bytes | bytearray = b""
        self._position = 0
        self._parser: Generator[None, None, Frame] | None = None
        self._fragments: _Fragments | None = None

    def __repr__(self) -> str:
        state = ("open", "closing", f"closed, {self.close_code}")[self._state]
        return f"<{type(self).__name__} {self.role}, {state}>"

    @property
    def is_closing(self) -> bool:
        """Whether this side has sent a close frame that the peer has not answered yet."""
        return self._state == _CLOSING

    @property
    def is_closed(self) -> bool:
        """Whether `Closed` has been reported."""
        return self._state == _CLOSED

    @property
    def is_compressed(self) -> bool:
        """Whether permessage-deflate was negotiated."""
        return bool(self._extensions)

    def receive(self, data: Buffer) -> list[Event]:
        """Take bytes from the peer, in any split; return what they complete.

        Whatever the bytes are, nothing is raised: a peer that breaks the protocol
        gets a close frame and the last event is a `Closed` that says why. Bytes
        after that are thrown away.
        """
        events: list[Event] = []
        if self._state == _CLOSED or self._farewell is not None:
            return events
        self._take(data)
        try:
            while self._position < len(self._buffer):
                frame = self._next_frame()
                if frame is None:
                    return events
                self._on_frame(frame, events)
            self._drop_buffer()
        except ProtocolError as error:
            self._fail(1002, self._explain(str(error)), events)
        except UnicodeDecodeError as error:
            self._fail(1007, f"invalid UTF-8: {error.reason}", events)
        except PayloadTooBig:
            self._fail(1009, f"message exceeds {self._max_message_bytes} bytes", events)
        return events

    def receive_eof(self) -> list[Event]:
        """Note that the peer will send no more; return `Closed` unless it was reported."""
        self.wants_close = True
        if self._state == _CLOSED or self._farewell is not None:
            return []
        if self._state == _CLOSING:
            reason = "the stream ended without an answer to the close frame"
        elif self._parser is not None:
            reason = "the stream ended within a frame"
        else:
            reason = "the stream ended without a close frame"
        return [self._finish(1006, reason, is_clean=False)]

    def send_text(self, text: str) -> None:
        """Queue a text message.

        Raises:
            LocalProtocolError: not a `str`, or it holds a lone surrogate.
            ConnectionClosedError: a close frame was already sent or received.
        """
        if self._state != _OPEN:
            self._refuse()
        self._send(_TEXT, _encode(text, "a text message"))

    def send_binary(self, payload: Buffer) -> None:
        """Queue a binary message.

        Raises:
            LocalProtocolError: not bytes.
            ConnectionClosedError: a close frame was already sent or received.
        """
        if self._state != _OPEN:
            self._refuse()
        self._send(_BINARY, _copy(payload, "a binary message"))

    def send_fragments(self, fragments: Iterable[str] | Iterable[Buffer]) -> None:
        """Queue one message in several frames, one for each fragment (RFC 6455 section 5.4).

        Raises:
            LocalProtocolError: no fragment, or not all of them `str` or all of them bytes.
            ConnectionClosedError: a close frame was already sent or received.
        """
        # All is checked before the first frame leaves: half a message cannot be taken back.
        pieces: list[str | Buffer] = list(fragments)
        if not pieces:
            raise LocalProtocolError("a fragmented message needs at least one fragment, got none")
        if isinstance(pieces[0], str):
            opcode = _TEXT
            payloads = [_encode(piece, "a fragment after a str") for piece in pieces]
        else:
            opcode = _BINARY
            payloads = [_copy(piece, "a binary fragment") for piece in pieces]
        if self._state != _OPEN:
            self._refuse()
        last = len(payloads) - 1
        for index, payload in enumerate(payloads):
            self._send(opcode if index == 0 else _CONT, payload, fin=index == last)

    def send_ping(self, payload: Buffer = b"") -> None:
        """Queue a ping of at most 125 bytes.

        Raises:
            LocalProtocolError: not bytes, or too long.
            ConnectionClosedError: a close frame was already sent or received.
        """
        copy = _copy(payload, "a ping")
        if len(copy) > MAX_PING_BYTES:
            raise LocalProtocolError(
                f"ping payload is {len(copy)} bytes, allowed are {MAX_PING_BYTES}"
            )
        if self._state != _OPEN:
            self._refuse()
        self._send(_PING, copy)

    def send_close(self, code: int | None = 1000, reason: str = "") -> None:
        """Queue a close frame; messages that arrive before its answer are still reported.

        Args:
            code: None sends a close frame without code and reason, which the peer
                reports as 1005.
            reason: at most 123 bytes in UTF-8.

        Raises:
            LocalProtocolError: the code is not allowed on the wire, the reason is too
                long, not a `str`, or comes without a code.
            ConnectionClosedError: a close frame was already sent or received.
        """
        payload = _serialize_close(code, reason)
        if self._state != _OPEN:
            self._refuse()
        self._send(_CLOSE, payload)
        self._state = _CLOSING

    def data_to_send(self) -> bytes:
        """Return all queued bytes, joined, and forget them; empty if there are none."""
        output = self._output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return data

    def _take(self, data: Buffer) -> None:
        if self._position < len(self._buffer) or self._parser is not None:
            # A bytearray grows in place, so a frame that comes in thousands of pieces
            # is not copied once for each.
            if not isinstance(self._buffer, bytearray):
                self._buffer = bytearray(self._buffer[self._position :])
                self._position = 0
            self._buffer += data
        else:
            self._buffer = data if type(data) is bytes else bytes(data)
            self._position = 0

    def _read_exact(self, size: int) -> Generator[None, None, bytes | bytearray]:
        while True:
            start = self._position
            end = start + size
            if end <= len(self._buffer):
                self._position = end
                return self._buffer[start:end]
            yield

    def _next_frame(self) -> Frame | None:
        parser = self._parser
        if parser is None:
            room = self._max_message_bytes
            if self._fragments is not None:
                room -= self._fragments.size
            parser = Frame.parse(
                self._read_exact,
                mask=self._is_server,
                max_size=room + self._slack,
                extensions=self._extensions,
            )
        try:
            next(parser)
        except StopIteration as done:
            self._parser = None
            frame: Frame = done.value
            return frame
        self._parser = parser
        if self._position:
            self._buffer = bytearray(self._buffer[self._position :])
            self._position = 0
        return None

    def _drop_buffer(self) -> None:
        self._buffer = b""
        self._position = 0

    def _on_frame(self, frame: Frame, events: list[Event]) -> None:
        if self.tap is not None:
            self.tap("received", int(frame.opcode), frame.fin, bytes(frame.data))
        opcode = frame.opcode
        if opcode is _TEXT or opcode is _BINARY or opcode is _CONT:
            self._on_data(frame, events)
        elif opcode is _PING:
            # RFC 6455 section 5.5.2: "Upon receipt of a Ping frame, an endpoint MUST
            # send a Pong frame in response, unless it already received a Close frame."
            payload = bytes(frame.data)
            self._send(_PONG, payload)
            events.append(Ping(payload))
        elif opcode is _PONG:
            events.append(Pong(bytes(frame.data)))
        else:
            self._on_close(bytes(frame.data), events)

    def _on_data(self, frame: Frame, events: list[Event]) -> None:
        opcode, data, fragments = frame.opcode, frame.data, self._fragments
        size = len(data)
        if fragments is not None:
            if opcode is not _CONT:
                raise ProtocolError("a new message began before the fragmented one ended")
            size += fragments.size
        elif opcode is _CONT:
            raise ProtocolError("a continuation frame without a message to continue")
        if size > self._max_message_bytes:
            raise PayloadTooBig(size, self._max_message_bytes)
        if fragments is None and frame.fin:
            if opcode is _TEXT:
                events.append(Message(_TEXT_MESSAGE, str(data, "utf-8")))
            else:
                events.append(Message(_BINARY_MESSAGE, bytes(data)))
            return
        if fragments is None:
            fragments = self._fragments = _Fragments(is_text=opcode is _TEXT)
        fragments.add(data, fin=frame.fin)
        if frame.fin:
            self._fragments = None
            events.append(fragments.to_message())

    def _on_close(self, payload: bytes, events: list[Event]) -> None:
        if len(payload) >= 2 and not _is_sendable(code := int.from_bytes(payload[:2], "big")):
            raise ProtocolError(f"close code {code} is not allowed on the wire")
        close = Close.parse(payload)
        # RFC 6455 section 5.5.1: "When sending a Close frame in response, the
        # endpoint typically echos the status code it received."
        self._end(payload, Closed(int(close.code), close.reason, is_clean=True), events)

    def _fail(self, code: int, reason: str, events: list[Event]) -> None:
        # RFC 6455 section 7.1.7, _Fail the WebSocket Connection_.
        payload = Close(code, _shorten(reason)).serialize()
        self._end(payload, Closed(code, reason, is_clean=False), events)

    def _end(self, payload: bytes, closed: Closed, events: list[Event]) -> None:
        self._farewell = payload, closed
        events.append(closed)
        self._drop_input()
        if not self.defers_close:
            self.conclude()

    def conclude(self) -> None:
        """Answer the peer's close frame, or its mistake, where `defers_close` put that off."""
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            payload, closed = farewell
            if self._state == _OPEN:
                self._send(_CLOSE, payload)
            self._finish(closed.code, closed.reason, is_clean=closed.is_clean)

    def _finish(self, code: int, reason: str, *, is_clean: bool) -> Closed:
        self._state = _CLOSED
        self.close_code = code
        self.close_reason = reason
        if self._is_server:
            self.wants_close = True
        self._drop_input()
        return Closed(code, reason, is_clean)

    def _drop_input(self) -> None:
        # Nothing is read any more. The parser's frame refers back to this object: without
        # the cycle, both go as soon as the connection does.
        self._parser = None
        self._fragments = None
        self._drop_buffer()

    def _send(self, opcode: Opcode, payload: bytes, *, fin: bool = True) -> None:
        if self.tap is not None:
            self.tap("sent", int(opcode), fin, payload)
        frame = Frame(opcode, payload, fin)
        self._output.append(frame.serialize(mask=not self._is_server, extensions=self._extensions))

    def _explain(self, problem: str) -> str:
        if problem != "incorrect masking":
            return problem
        # RFC 6455 section 5.1.
        if self._is_server:
            return "a frame came unmasked: a client must mask its frames"
        return "a frame came masked: a server must not mask its frames"

    def _refuse(self) -> NoReturn:
        if self._state == _CLOSING:
            raise ConnectionClosedError(
                "this side has sent a close frame: nothing can be sent after it"
            )
        raise ConnectionClosedError(
            f"the websocket is closed ({self.close_code}): nothing can be sent on it"
        )


class _Fragments:
    """A message on its way in: text is decoded, and so checked, as it comes."""

    __slots__ = ("_binary", "_decoder", "_pieces", "size")

    def __init__(self, *, is_text: bool) -> None:
        self.size = 0
        self._pieces: list[str] = []
        self._binary = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")() if is_text else None

    def add(self, data: bytes | bytearray | memoryview, *, fin: bool) -> None:
        self.size += len(data)
        if self._decoder is None:
            self._binary += data
        elif piece := self._decoder.decode(data, fin):
            # Empty pieces are not kept: endless empty fragments must not fill memory.
            self._pieces.append(piece)

    def to_message(self) -> Message:
        if self._decoder is None:
            return Message(_BINARY_MESSAGE, bytes(self._binary))
        return Message(_TEXT_MESSAGE, "".join(self._pieces))


def _encode(text: object, what: str) -> bytes:
    if not isinstance(text, str):
        raise LocalProtocolError(f"{what} must be a str, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        msg = (
            f"{what} holds the lone surrogate {text[error.start]!r} at index {error.start}, "
            "which UTF-8 cannot say: encode it otherwise or send it as binary"
        )
        raise LocalProtocolError(msg) from None


def _copy(payload: object, what: str) -> bytes:
    if type(payload) is bytes:
        return payload
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    raise LocalProtocolError(f"{what} must be bytes, not {type(payload).__name__}")


def _serialize_close(code: object, reason: object) -> bytes:
    encoded = _encode(reason, "a close reason")
    if code is None:
        if encoded:
            raise LocalProtocolError(
                f"close reason {reason!r} without a code: give a code, such as 1000"
            )
        return b""
    # RFC 6455 section 7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a
    # Close control frame by an endpoint"; section 7.4.2 has the ranges.
    if not isinstance(code, int) or isinstance(code, bool) or not _is_sendable(code):
        msg = (
            f"close code {code!r} cannot be sent: allowed are 1000 to 1003, 1007 to 1014 "
            "and 3000 to 4999"
        )
        raise LocalProtocolError(msg)
    if len(encoded) > MAX_REASON_BYTES:
        raise LocalProtocolError(
            f"close reason is {len(encoded)} bytes in UTF-8, allowed are {MAX_REASON_BYTES}"
        )
    return code.to_bytes(2, "big") + encoded


def _is_sendable(code: int) -> bool:
    return code in EXTERNAL_CLOSE_CODES or 3000 <= code < 5000


def _shorten(reason: str) -> str:
    return reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
