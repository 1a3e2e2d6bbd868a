# ruff: noqa: ARG002 - every fault is given what some of them ask for
"""Faults of a connection: broken, silent, slow."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

from kit.errors import ConfigurationError
from kit.faults.fault import (
    SERVER_ONLY,
    CutTampering,
    Fault,
    Role,
    Tampering,
    check_seconds,
    check_whole,
    count,
)
from kit.wire.faulty import Action, End, Pause, Tamper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random


class _AtOnce(Tampering):
    """Does something in place of handling the request."""

    def __init__(self, *actions: Action) -> None:
        self._actions = actions

    def start(self) -> Iterable[Action] | None:
        """Do it."""
        return self._actions


class _AtEnd(Tampering):
    """Does something once the message has been sent."""

    has_acted = False
    _is_first = True

    def __init__(self, *actions: Action) -> None:
        self._actions = actions

    @property
    def why_missed(self) -> str:
        """What has no last byte."""
        return "no message was sent that has a last byte"

    def alter(self, data: bytes) -> Iterable[Action]:
        """Take note already now that it will end: once it has, it is too late to tell."""
        is_first, self._is_first = self._is_first, False
        if is_first and not _is_switching(data):
            self.note_act()
        return (data,)

    def end(self) -> Iterable[Action]:
        """Do it."""
        return self._actions


@dataclasses.dataclass(frozen=True, repr=False)
class Reset(Fault):
    """Break the connection with a TCP reset.

    Args:
        after: the bytes of the message that are still sent, or "end" for all.
    """

    after: int | Literal["end"] = 0

    def __post_init__(self) -> None:
        after: object = self.after
        if isinstance(after, str) and after != "end":
            raise ConfigurationError(f'Reset.after is a number of bytes or "end", not {after!r}')
        if after != "end":
            check_whole("Reset.after", after, least=0)

    @property
    def is_at_accept(self) -> bool:
        """Whether a connection can have it, before anything was read."""
        return self.after == 0

    def describe(self) -> str:
        """Tell where it breaks."""
        if self.after == "end":
            return "reset after the last byte"
        return f"reset {_name_place(self.after)}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        if self.after == "end":
            return _AtEnd(End.RESET)
        return CutTampering(self.after, End.RESET)


@dataclasses.dataclass(frozen=True, repr=False)
class EmptyReply(Fault):
    """Close the connection in good order in place of a response."""

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY

    @property
    def is_at_accept(self) -> bool:
        """Whether a connection can have it, before anything was read."""
        return True

    def describe(self) -> str:
        """Tell it."""
        return "empty reply"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return CutTampering(0, End.FINISH)


@dataclasses.dataclass(frozen=True, repr=False)
class Truncate(Fault):
    """Close the connection in good order after so many bytes of the message."""

    after: int

    def __post_init__(self) -> None:
        check_whole("Truncate.after", self.after, least=0)

    def describe(self) -> str:
        """Tell where it ends."""
        return f"truncated {_name_place(self.after)}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return CutTampering(self.after, End.FINISH)


@dataclasses.dataclass(frozen=True, repr=False)
class Stall(Fault):
    """Send so many bytes of the message, then nothing more; the connection stays open."""

    after: int

    def __post_init__(self) -> None:
        check_whole("Stall.after", self.after, least=0)

    def describe(self) -> str:
        """Tell where it stops."""
        return f"stalled {_name_place(self.after)}"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return CutTampering(self.after, End.STALL)


@dataclasses.dataclass(frozen=True, repr=False)
class NeverAnswer(Fault):
    """Take the request, or the connection, and never send a byte."""

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY

    @property
    def is_at_accept(self) -> bool:
        """Whether a connection can have it, before anything was read."""
        return True

    def describe(self) -> str:
        """Tell it."""
        return "never answered"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return CutTampering(0, End.STALL)


@dataclasses.dataclass(frozen=True, repr=False)
class Dribble(Fault):
    """Send the message in pieces of so many bytes, with a pause between each two."""

    size: int = 1
    interval_s: float = 0.01

    is_harmless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole("Dribble.size", self.size, least=1)
        check_seconds("Dribble.interval_s", self.interval_s)

    def describe(self) -> str:
        """Tell how slow it is."""
        return f"dribbled, {count(self.size, 'byte')} each {self.interval_s:g} s"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _Dribbling(self.size, Pause(self.interval_s))


class _Dribbling(Tampering):
    has_acted = False

    def __init__(self, size: int, pause: Pause) -> None:
        self._size = size
        self._pause = pause
        self._is_first = True

    @property
    def why_missed(self) -> str:
        """How short the message was."""
        return f"no more than {count(self._size, 'byte')} came"

    def alter(self, data: bytes) -> Iterable[Action]:
        """Send it piece by piece."""
        for index in range(0, len(data), self._size):
            if not self._is_first:
                self.note_act()
                yield self._pause
            self._is_first = False
            yield data[index : index + self._size]


@dataclasses.dataclass(frozen=True, repr=False)
class StopReading(Fault):
    """Read no more: a server once a request's head is there, which it never answers.

    The client's upload comes to a halt when the system's buffers are full. A client sends
    its request and reads nothing of the response, until its own time is up.
    """

    def describe(self) -> str:
        """Tell it."""
        return "stopped reading"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _AtOnce(End.FREEZE) if role == "server" else _AtEnd(End.FREEZE)


@dataclasses.dataclass(frozen=True, repr=False)
class CloseOnReuse(Fault):
    """Close a kept-alive connection just as it is used again, the request unhandled.

    Only requests that are not the first on their connection are counted.
    """

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY
    is_at_reuse: ClassVar[bool] = True

    def describe(self) -> str:
        """Tell it."""
        return "closed on reuse"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Make the tamper."""
        return _AtOnce(End.FINISH)


@dataclasses.dataclass(frozen=True, repr=False)
class Refuse(Fault):
    """Refuse connections, as if nobody listened, until the rule is removed."""

    roles: ClassVar[frozenset[Role]] = SERVER_ONLY

    @property
    def is_at_accept(self) -> bool:
        """Whether a connection can have it, before anything was read."""
        return True

    def describe(self) -> str:
        """Tell it."""
        return "connections refused"

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Raise, as there is no connection to tamper with.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError("Refuse is for connections: order it by fault_connections()")


def _is_switching(data: bytes) -> bool:
    """Tell whether a head opens a websocket, or asks for one."""
    head = data.partition(b"\r\n\r\n")[0]
    return head.startswith(b"HTTP/1.1 101 ") or b"\r\nupgrade: websocket" in head.lower()


def _name_place(after: int) -> str:
    return f"after {count(after, 'byte')}" if after else "before the first byte"
