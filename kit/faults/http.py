# ruff: noqa: ARG002 - every fault is given what some of them ask for
"""Faults of HTTP messages: malformed, misframed, out of turn."""

from __future__ import annotations

import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Literal

from kit.errors import ConfigurationError
from kit.faults.fault import (
    SERVER_ONLY,
    Fault,
    Role,
    Tampering,
    check_bytes,
    check_status,
    check_whole,
    count,
)
from kit.wire.faulty import Action, End, Tamper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

HEAD_END = b"\r\n\r\n"
BAD_CHUNK = b"not-a-size\r\nand no chunk\r\n"
MIB = 1024 * 1024

_ENDLESS_LINES = 64


class HeadTampering(Tampering):
    """Has the message's head altered as a whole, and what follows piece by piece."""

    def __init__(self) -> None:
        self._head: bytes | None = b""

    def alter(self, data: bytes) -> Iterable[Action]:
        """Wait for the whole head, then alter it."""
        if self._head is None:
            return self.alter_rest(data)
        head, mark, rest = (self._head + data).partition(HEAD_END)
        if not mark:
            self._head = head
            return ()
        self._head = None
        actions = list(self.alter_head(Head(head)))
        return [*actions, *self.alter_rest(rest)] if rest else actions

    def alter_head(self, head: Head) -> Iterable[Action]:
        """Return what to send in place of the head."""
        return (bytes(head),)

    def alter_rest(self, data: bytes) -> Iterable[Action]:
        """Return what to send in place of a piece behind the head."""
        return (data,)


class Head:
    """The head of a message: its start line, and the lines of its fields."""

    def __init__(self, data: bytes) -> None:
        start, *lines = data.split(b"\r\n")
        self.start: bytes = start
        self.lines: list[bytes] = lines

    def find(self, name: bytes) -> bytes | None:
        """Return the value of a field, the first one."""
        return next((line[len(name) + 1 :].strip() for line in self.lines if _is(line, name)), None)

    def put(self, name: bytes, value: bytes | None) -> None:
        """Set a field where it stands, or at the end; None takes it out."""
        field = [] if value is None else [name + b": " + value]
        places = [index for index, line in enumerate(self.lines) if _is(line, name)]
        at = places[0] if places else len(self.lines)
        self.lines = [line for line in self.lines if not _is(line, name)]
        self.lines[at:at] = field

    def __bytes__(self) -> bytes:
        return b"\r\n".join([self.start, *self.lines]) + HEAD_END


def _is(line: bytes, name: bytes) -> bool:
    return line.partition(b":")[0].lower() == name.lower()


def make_answer(status: int, body: bytes) -> bytes:
    """Serialize a response that is the last one on its connection."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    head = Head(f"HTTP/1.1 {status} {reason}".encode())
    head.put(b"Content-Length", b"%d" % len(body))
    head.put(b"Connection", b"close")
    return bytes(head) + body


@dataclasses.dataclass(frozen=True, repr=False)
class MalformedChunk(Fault):
    """Send the message with a chunk whose size is none (RFC 9112 section 7.1), and close."""

    def describe(self) -> str:
        """Tell it."""
        return "malformed chunk"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _ChunkSpoiling()


class _ChunkSpoiling(HeadTampering):
    def alter_head(self, head: Head) -> Iterable[Action]:
        """Have the body chunked, and begin it with what is no chunk."""
        head.put(b"Content-Length", None)
        head.put(b"Transfer-Encoding", b"chunked")
        return (bytes(head), BAD_CHUNK, End.FINISH)


@dataclasses.dataclass(frozen=True, repr=False)
class WrongLength(Fault):
    """Send a length that is off by so many bytes, and close after the body.

    It is the Content-Length, or the size of the first chunk where the message is
    chunked, whose head goes out with that chunk. It does not fall below 0: a message of
    that length is left alone by a negative number.
    """

    by: int

    def __post_init__(self) -> None:
        by: object = self.by
        if isinstance(by, bool) or not isinstance(by, int) or by == 0:
            raise ConfigurationError(
                f"WrongLength.by is a number of bytes above or below 0, not {by!r}"
            )

    def describe(self) -> str:
        """Tell by how much."""
        return f"length off by {self.by:+d}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Misframing(self.by)


class _Misframing(HeadTampering):
    has_acted = False

    def __init__(self, by: int) -> None:
        super().__init__()
        self._by = by
        # Head and first chunk go out together, as some clients tell those that come apart
        # from those that do not.
        self._chunked_head = b""
        self._size_line = b""

    def alter_head(self, head: Head) -> Iterable[Action]:
        """Change the length, unless the body is chunked."""
        if head.find(b"Transfer-Encoding") is not None:
            self._chunked_head = bytes(head)
            return ()
        length = int(head.find(b"Content-Length") or 0)
        wrong = self._make_wrong(length)
        if wrong != length:
            head.put(b"Content-Length", b"%d" % wrong)
        return (bytes(head),)

    @property
    def why_missed(self) -> str:
        """What could not be shortened."""
        return "the message had no length to change"

    def _make_wrong(self, length: int) -> int:
        wrong = max(0, length + self._by)
        if wrong != length:
            self.note_act()
        return wrong

    def alter_rest(self, data: bytes) -> Iterable[Action]:
        """Change the size of the first chunk."""
        if not self._chunked_head:
            return (data,)
        size, mark, rest = (self._size_line + data).partition(b"\r\n")
        if not mark:
            self._size_line = size
            return ()
        head, self._chunked_head = self._chunked_head, b""
        return (b"%b%x\r\n%b" % (head, self._make_wrong(int(size, 16)), rest),)

    def end(self) -> Iterable[Action]:
        """Close, as the connection is out of step now."""
        # The response to HEAD has no chunk to wait for.
        return (self._chunked_head, End.FINISH) if self.has_acted else (self._chunked_head,)


@dataclasses.dataclass(frozen=True, repr=False)
class Garbage(Fault):
    """Send what is no HTTP before the message's head, or right behind it, then close.

    Args:
        at: "before" the head, or "after" it.
        data: what is sent.
    """

    at: Literal["before", "after"] = "before"
    data: bytes = b"\x00\xff garbage \x7f\r\n"

    def __post_init__(self) -> None:
        if self.at not in ("before", "after"):
            raise ConfigurationError(f'Garbage.at is "before" or "after", not {self.at!r}')
        check_bytes("Garbage.data", self.data)

    def describe(self) -> str:
        """Tell where."""
        return f"garbage {self.at} the head"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Littering(self.data, is_before=self.at == "before")


class _Littering(HeadTampering):
    def __init__(self, data: bytes, *, is_before: bool) -> None:
        super().__init__()
        self._data = data
        self._is_before = is_before

    def alter_head(self, head: Head) -> Iterable[Action]:
        """Put the garbage beside it."""
        both = (self._data, bytes(head)) if self._is_before else (bytes(head), self._data)
        return (b"".join(both),)

    def end(self) -> Iterable[Action]:
        """Close, as the connection is out of step now."""
        return (End.FINISH,)


@dataclasses.dataclass(frozen=True, repr=False)
class RawBytes(Fault):
    """Send literal bytes in place of the message, and close.

    Args:
        data: what is sent.
        close: whether the connection ends with it.
    """

    data: bytes
    close: bool = True

    def __post_init__(self) -> None:
        check_bytes("RawBytes.data", self.data)

    def describe(self) -> str:
        """Tell how many."""
        return f"{count(len(self.data), 'raw byte')} sent instead"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Replacing(self.data, *((End.FINISH,) if self.close else ()))


class _Replacing(Tampering):
    def __init__(self, *actions: Action) -> None:
        self._actions = actions

    def alter(self, data: bytes) -> Iterable[Action]:
        """Send something else, once."""
        actions, self._actions = self._actions, ()
        return actions


@dataclasses.dataclass(frozen=True, repr=False)
class EarlyResponse(Fault):
    """Answer once the request's head is there, before its body is read, and close.

    The handler is not called.
    """

    code: int = 413
    body: bytes = b""

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY

    def __post_init__(self) -> None:
        check_status("EarlyResponse.code", self.code)
        check_bytes("EarlyResponse.body", self.body)

    @property
    def status(self) -> int | None:
        """The status of the answer."""
        return self.code

    def describe(self) -> str:
        """Tell the answer."""
        return f"early response {self.code}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return AnswerTampering(self.code, self.body)


class AnswerTampering(Tampering):
    """Answers in place of the handler, and closes."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        self._answer = make_answer(status, body)

    def start(self) -> Iterable[Action] | None:
        """Answer."""
        return (self._answer, End.FINISH)


@dataclasses.dataclass(frozen=True, repr=False)
class InterimBurst(Fault):
    """Send so many interim responses before the final one (RFC 9110 section 15.2).

    Args:
        count: how many.
        code: 100 to 199, but for 101; 103 is Early Hints.
    """

    count: int = 10
    code: int = 103

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY

    def __post_init__(self) -> None:
        check_whole("InterimBurst.count", self.count, least=1)
        check_whole("InterimBurst.code", self.code, least=100)
        if not 100 <= self.code <= 199 or self.code == 101:
            raise ConfigurationError(
                f"InterimBurst.code is 100 to 199 and not 101, which switches, not {self.code!r}"
            )

    def describe(self) -> str:
        """Tell how many."""
        return f"{count(self.count, 'interim response')} ({self.code}) first"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Bursting(self.count, self.code)


class _Bursting(HeadTampering):
    def __init__(self, number: int, code: int) -> None:
        super().__init__()
        self._number = number
        self._head_first = make_interim(code)

    def alter_head(self, head: Head) -> Iterable[Action]:
        """Put the interim heads before it."""
        for _ in range(self._number):
            yield self._head_first
        yield bytes(head)


def make_interim(code: int) -> bytes:
    """Serialize an interim response."""
    try:
        reason = HTTPStatus(code).phrase
    except ValueError:
        reason = "Interim"
    return f"HTTP/1.1 {code} {reason}\r\n\r\n".encode()


@dataclasses.dataclass(frozen=True, repr=False)
class EndlessHeaders(Fault):
    """Send header fields without end in place of the message.

    Args:
        max_bytes: where it ends all the same, and the connection is closed.
    """

    max_bytes: int = 64 * MIB

    def __post_init__(self) -> None:
        check_whole("EndlessHeaders.max_bytes", self.max_bytes, least=1)

    def describe(self) -> str:
        """Tell it."""
        return "endless headers"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Endless(self.max_bytes)


class _Endless(Tampering):
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def alter(self, data: bytes) -> Iterable[Action]:
        """Send the start line, then fields for as long as the peer takes them."""
        yield data.partition(b"\r\n")[0] + b"\r\n"
        number = sent = 0
        while sent < self._max_bytes:
            names = range(number, number + _ENDLESS_LINES)
            piece = b"".join(b"X-Endless-%d: %s\r\n" % (name, b"x" * 200) for name in names)
            number, sent = number + _ENDLESS_LINES, sent + len(piece)
            yield piece
        yield End.FINISH
