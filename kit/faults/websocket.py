# ruff: noqa: ARG002 - every fault is given what some of them ask for
"""Faults of websockets: in the handshake, in frames, at the close (RFC 6455)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from kit.errors import ConfigurationError
from kit.faults.fault import (
    SERVER_ONLY,
    Fault,
    Role,
    check_bytes,
    check_status,
    check_whole,
    count,
)
from kit.faults.frames import FINAL, Frame, FrameSplitter, build_frame
from kit.faults.http import AnswerTampering, Head, HeadTampering
from kit.opcodes import WebSocketOpCode
from kit.wire.faulty import Action, End, Tamper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

NOT_UTF8 = b"not UTF-8: \xc3\x28"
MAX_LENGTH = (1 << 63) - 1
"""The most significant bit of a length is 0 (RFC 6455 section 5.2)."""


class FrameTampering(HeadTampering):
    """Has the frames altered one by one; what is no websocket goes out as it is.

    Args:
        role: the side that sends.
        message: the number of the message that `alter_message` is given, from 1; 0 for none.
    """

    has_acted = False

    def __init__(self, role: Role, message: int = 1) -> None:
        super().__init__()
        self._role = role
        self._message = message
        self._seen = 0
        self._splitter: FrameSplitter | None = None

    @property
    def why_missed(self) -> str:
        """What the websocket lacked."""
        if self._splitter is None:
            return "no websocket was opened"
        return f"only {count(self._seen, 'message')} came before the end"

    def alter_head(self, head: Head) -> Iterable[Action]:
        """Look whether frames will follow."""
        if self._role == "client":
            is_websocket = (head.find(b"Upgrade") or b"").lower() == b"websocket"
        else:
            is_websocket = head.start.split(b" ")[1:2] == [b"101"]
        self._splitter = FrameSplitter() if is_websocket else None
        return (bytes(head),)

    def alter_rest(self, data: bytes) -> Iterable[Action]:
        """Cut it into frames."""
        if self._splitter is None:
            yield data
            return
        for frame in self._splitter.feed(data):
            yield from self._alter_next(frame)

    def _alter_next(self, frame: Frame) -> Iterable[Action]:
        self._seen += frame.begins_message
        is_due = frame.begins_message and self._seen == self._message
        if is_due and self.can_alter(frame):
            self.note_act()
            return self.alter_message(frame)
        return self.alter_frame(frame)

    def can_alter(self, frame: Frame) -> bool:
        """Tell whether a message's first frame can go wrong."""
        return True

    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """Return what to send in place of the message's first frame."""
        return self.alter_frame(frame)

    def alter_frame(self, frame: Frame) -> Iterable[Action]:
        """Return what to send in place of any other frame."""
        return (frame.raw,)


@dataclasses.dataclass(frozen=True, repr=False)
class _MessageFault(Fault):
    """A fault of one message."""

    message: int = 1

    is_for_websockets: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole(f"{type(self).__name__}.message", self.message, least=1)


@dataclasses.dataclass(frozen=True, repr=False)
class RefuseHandshake(Fault):
    """Answer a websocket's handshake with a status; the handler is not called."""

    code: int = 403

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY
    is_for_websockets: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_status("RefuseHandshake.code", self.code)

    @property
    def status(self) -> int | None:
        """The status of the answer."""
        return self.code

    def describe(self) -> str:
        """Tell the status."""
        return f"handshake refused with {self.code}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return AnswerTampering(self.code)


@dataclasses.dataclass(frozen=True, repr=False)
class WrongAccept(Fault):
    """Accept a websocket with a `Sec-WebSocket-Accept` that is not its key's."""

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY
    is_for_websockets: ClassVar[bool] = True

    def describe(self) -> str:
        """Tell it."""
        return "wrong Sec-WebSocket-Accept"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _WrongAccepting()


class _WrongAccepting(HeadTampering):
    has_acted = False

    @property
    def why_missed(self) -> str:
        """What did not become of the handshake."""
        return "the handshake was not accepted"

    def alter_head(self, head: Head) -> Iterable[Action]:
        """Put another value in its place."""
        if head.find(b"Sec-WebSocket-Accept") is not None:
            self.note_act()
            head.put(b"Sec-WebSocket-Accept", b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        return (bytes(head),)


@dataclasses.dataclass(frozen=True, repr=False)
class ResetMidMessage(_MessageFault):
    """Reset the connection when half of a message's frame is sent; of an empty one, of its head."""

    def describe(self) -> str:
        """Tell where."""
        return f"reset in message {self.message}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Resetting(role, self.message)


class _Resetting(FrameTampering):
    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """Send half of it."""
        head_size = len(frame.raw) - len(frame.payload)
        size = head_size + len(frame.payload) // 2 if frame.payload else head_size // 2
        return (frame.raw[:size], End.RESET)


@dataclasses.dataclass(frozen=True, repr=False)
class CloseWithoutFrame(_MessageFault):
    """End the connection without a Close frame: behind a message, or where a Close would be."""

    def describe(self) -> str:
        """Tell where."""
        return f"closed without a Close frame after message {self.message}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Leaving(role, self.message)


class _Leaving(FrameTampering):
    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """End behind it."""
        return (frame.raw, End.FINISH)

    def alter_frame(self, frame: Frame) -> Iterable[Action]:
        """End in place of a Close."""
        if frame.opcode != WebSocketOpCode.Close:
            return (frame.raw,)
        self.note_act()
        return (End.FINISH,)


@dataclasses.dataclass(frozen=True, repr=False)
class NeverAnswerClose(Fault):
    """Send no Close frame, and leave the connection open."""

    is_for_websockets: ClassVar[bool] = True

    def describe(self) -> str:
        """Tell it."""
        return "Close never answered"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _KeepingOpen(role, 0)


class _KeepingOpen(FrameTampering):
    @property
    def why_missed(self) -> str:
        """What was not there to be left out."""
        return "no Close was to be sent"

    def alter_frame(self, frame: Frame) -> Iterable[Action]:
        """Fall silent in place of a Close."""
        if frame.opcode != WebSocketOpCode.Close:
            return (frame.raw,)
        self.note_act()
        return (End.STALL,)


@dataclasses.dataclass(frozen=True, repr=False)
class InvalidUtf8(_MessageFault):
    """Send a text message that is not UTF-8 in place of a message (RFC 6455 section 8.1)."""

    def describe(self) -> str:
        """Tell where."""
        return f"invalid UTF-8 in message {self.message}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Garbling(role, self.message)


class _Garbling(FrameTampering):
    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """Send something else as text, in as many frames as the message has."""
        first = (frame.first & FINAL) | WebSocketOpCode.Text
        return (build_frame(first, NOT_UTF8, is_masked=frame.is_masked),)


@dataclasses.dataclass(frozen=True, repr=False)
class StalledFragment(_MessageFault):
    """Send half of a message as a fragment, then nothing more."""

    def describe(self) -> str:
        """Tell where."""
        return f"stalled after a fragment of message {self.message}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Fragmenting(role, self.message)


class _Fragmenting(FrameTampering):
    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """Send half of it, as a frame that is not the last one."""
        half = frame.payload[: len(frame.payload) // 2]
        return (build_frame(frame.first & ~FINAL, half, is_masked=frame.is_masked), End.STALL)


@dataclasses.dataclass(frozen=True, repr=False)
class WrongMask(_MessageFault):
    """Mask a server's frame, or leave a client's unmasked (RFC 6455 section 5.1)."""

    def describe(self) -> str:
        """Tell where."""
        return f"wrong mask on message {self.message}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Mismasking(role, self.message)


class _Mismasking(FrameTampering):
    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """Send it the other way."""
        return (build_frame(frame.first, frame.payload, is_masked=not frame.is_masked),)


@dataclasses.dataclass(frozen=True, repr=False)
class OversizedFrame(_MessageFault):
    """Announce so many bytes in a message's frame, of which what is sent later is a part.

    A message that is no shorter than `length` is left alone.
    """

    length: int = 1 << 40

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("OversizedFrame.length", self.length, least=1)
        if self.length > MAX_LENGTH:
            raise ConfigurationError(
                f"OversizedFrame.length is at most 2**63 - 1, as a frame's is, not {self.length!r}"
            )

    def describe(self) -> str:
        """Tell how large."""
        return f"message {self.message} announced as {self.length} bytes"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Overstating(role, self.message, self.length)


class _Overstating(FrameTampering):
    def __init__(self, role: Role, message: int, length: int) -> None:
        super().__init__(role, message)
        self._length = length

    def can_alter(self, frame: Frame) -> bool:
        """Tell whether the length would be too large."""
        return self._length > len(frame.payload)

    @property
    def why_missed(self) -> str:
        """How long the message was, if there was one."""
        if self._seen < self._message:
            return super().why_missed
        return f"the message's frame was no shorter than {count(self._length, 'byte')}"

    def alter_message(self, frame: Frame) -> Iterable[Action]:
        """Send it with another length."""
        return (
            build_frame(
                frame.first, frame.payload, is_masked=frame.is_masked, announced=self._length
            ),
        )


@dataclasses.dataclass(frozen=True, repr=False)
class UnaskedPong(_MessageFault):
    """Send a Pong that answers no Ping before a message (RFC 6455 section 5.5.3)."""

    payload: bytes = b"unasked"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bytes("UnaskedPong.payload", self.payload)
        if len(self.payload) > 125:
            raise ConfigurationError(
                f"UnaskedPong.payload has at most 125 bytes, not {len(self.payload)}"
            )

    def describe(self) -> str:
        """Tell where."""
        return f"unasked Pong before message {self.message}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Ponging(role, self.message, self.payload)


class _Ponging(FrameTampering):
    def __init__(self, role: Role, message: int, payload: bytes) -> None:
        super().__init__(role, message)
        self._payload = payload

    def alter_message(self, frame: Frame) -> Iterator[Action]:
        """Put the Pong before it."""
        first = FINAL | WebSocketOpCode.Pong
        yield build_frame(first, self._payload, is_masked=frame.is_masked)
        yield frame.raw
