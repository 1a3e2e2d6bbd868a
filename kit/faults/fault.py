"""What every fault is: a frozen value that makes a tamper when it is applied."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

from kit.errors import ConfigurationError
from kit.wire.faulty import Action, Pause, Tamper

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

Role: TypeAlias = Literal["server", "client"]
"""Which side misbehaves."""

BOTH_ROLES: frozenset[Role] = frozenset(("server", "client"))
SERVER_ONLY: frozenset[Role] = frozenset(("server",))

MAX_PAUSE_S = 3600.0

_INTERIM = b"HTTP/1.1 100 "


class Fault:
    """Something that goes wrong on purpose; the text of one tells what it does.

    Attributes:
        roles: the sides that can misbehave like this.
        is_at_reuse: whether only a kept-alive connection's later requests have it.
    """

    __slots__ = ()

    roles: ClassVar[frozenset[Role]] = BOTH_ROLES
    is_at_reuse: ClassVar[bool] = False

    @property
    def is_at_accept(self) -> bool:
        """Whether a connection can have it, before anything was read."""
        return False

    @property
    def status(self) -> int | None:
        """The status that the fault answers with, in place of the handler."""
        return None

    def describe(self) -> str:
        """Tell in words what it does, as reports and errors have it."""
        raise NotImplementedError

    def make_tamper(self, role: Role, random: Random) -> Tamper:
        """Return what does it to one message or websocket.

        Args:
            role: the side that misbehaves.
            random: the source of what is random.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        """Show what it was made with, but for defaults."""
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(cast("Any", self))
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(given)})"


class Tampering:
    """A tamper to derive others from: it passes on what is sent."""

    _has_begun = False

    def start(self) -> Iterable[Action] | None:
        """Let the request be handled."""
        return None

    def send(self, data: bytes) -> Iterable[Action]:
        """Have all but a 100 that comes first altered."""
        if not self._has_begun and data.startswith(_INTERIM):
            return (data,)
        self._has_begun = True
        return self.alter(data)

    def alter(self, data: bytes) -> Iterable[Action]:
        """Return what to send in place of a piece."""
        return (data,)

    def end(self) -> Iterable[Action]:
        """Add nothing."""
        return ()


class CutTampering(Tampering):
    """Does something once so many bytes have been sent, and sends no more."""

    def __init__(self, after: int, *instead: Action) -> None:
        self._left = after
        self._instead = instead

    def alter(self, data: bytes) -> Iterable[Action]:
        """Pass on what may still be sent."""
        piece = data[: self._left]
        self._left -= len(piece)
        if piece:
            yield piece
        if not self._left:
            yield from self._instead


class PauseTampering(Tampering):
    """Waits before the first byte."""

    def __init__(self, seconds: float) -> None:
        self._pauses = [Pause(seconds)]

    def alter(self, data: bytes) -> Iterable[Action]:
        """Wait once."""
        if self._pauses:
            yield self._pauses.pop()
        yield data


def check_whole(name: str, value: object, *, least: int) -> None:
    """Check that an argument is a whole number.

    Raises:
        ConfigurationError: it is not, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} is a whole number of at least {least}, not {value!r}")


def check_seconds(name: str, value: object) -> None:
    """Check that an argument is a time that can be waited.

    Raises:
        ConfigurationError: it is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and 0 <= value <= MAX_PAUSE_S):  # type: ignore[arg-type, operator]
        raise ConfigurationError(f"{name} is seconds, 0 to {MAX_PAUSE_S:g}, not {value!r}")


def check_bytes(name: str, value: object) -> None:
    """Check that an argument is bytes.

    Raises:
        ConfigurationError: it is something else.
    """
    if not isinstance(value, bytes):
        raise ConfigurationError(f"{name} is bytes, such as b'...', not {value!r}")


def check_status(name: str, value: object) -> None:
    """Check that an argument is a final status code.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise ConfigurationError(f"{name} is a status from 200 to 599, not {value!r}")


def count(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
