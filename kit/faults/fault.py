"""What every fault is: a frozen value that makes a tamper when it is applied."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

from kit.errors import ConfigurationError
from kit.wire.faulty import Action, Pause, Tamper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
        is_for_websockets: whether only websockets have it, so that other requests do not count.
        is_harmless: whether it costs time and nothing else, so that it excuses no problem.
    """

    __slots__ = ()

    roles: ClassVar[frozenset[Role]] = BOTH_ROLES
    is_at_reuse: ClassVar[bool] = False
    is_for_websockets: ClassVar[bool] = False
    is_harmless: ClassVar[bool] = False

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


class MissedFault:
    """A fault that was ordered for an exchange and has not taken place there, as its text says.

    It stands in the exchange for as long as that is so, and for good where the response
    is shorter, or the websocket has fewer messages, than the fault asks for.

    Attributes:
        fault: the fault.
    """

    __slots__ = ("_tamper", "fault")

    is_harmless: ClassVar[bool] = True

    def __init__(self, fault: Fault, tamper: Tamper) -> None:
        self.fault: Fault = fault
        self._tamper = tamper

    def describe(self) -> str:
        """Tell what was ordered, and why it has not taken place."""
        return f"{self.fault}: has not taken place, as {self._tamper.why_missed}"

    def __str__(self) -> str:
        return self.describe()

    def __repr__(self) -> str:
        return f"<MissedFault {self.fault!r}>"


def is_harmful(fault: object | None) -> bool:
    """Tell whether an exchange's fault may have caused what else went wrong with it."""
    return fault is not None and not getattr(fault, "is_harmless", False)


class Tampering:
    """A tamper to derive others from: it passes on what is sent.

    Attributes:
        has_acted: whether it has taken place, or does so whatever the message is.
    """

    has_acted: bool = True
    _watchers: tuple[Callable[[], None], ...] = ()
    _has_begun = False

    @property
    def why_missed(self) -> str:
        """Why it has not taken place, as a clause; only to be asked where it has not."""
        return "nothing was sent"

    def watch(self, call: Callable[[], None]) -> None:
        """Have a function called when it takes place, at once if it has."""
        if self.has_acted:
            call()
        else:
            self._watchers += (call,)

    def note_act(self) -> None:
        """Take note that it takes place: before it does, as the peer sees it then."""
        if not self.has_acted:
            self.has_acted = True
            for call in self._watchers:
                call()

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
        self.has_acted: bool = not after
        self._after = self._left = after
        self._instead = instead

    @property
    def why_missed(self) -> str:
        """How short the message was."""
        return f"only {count(self._after - self._left, 'byte')} came before the end"

    def alter(self, data: bytes) -> Iterable[Action]:
        """Pass on what may still be sent."""
        piece = data[: self._left]
        self._left -= len(piece)
        if not self._left:
            self.note_act()
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
