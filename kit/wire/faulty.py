# ruff: noqa: D102 - what a stream does is documented once, in `Stream`
"""A stream that does on purpose what a bad peer or a bad network does.

What is sent goes through a *tamper*, which turns it into actions: bytes, pauses,
and ends. So no protocol above knows of it, and a fault works with TLS, with
streamed bodies and with websockets alike.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from kit.clock import monotonic
from kit.errors import FaultError
from kit.wire.streams import READ, Stream, count_in_flight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PARKED = 0
"""The `blocked_on` of a pause: no readiness ends it."""
PIECE_BYTES = 65536
"""How much is given to a tamper at once."""
ARRIVAL_LOOK_S = 0.002
ARRIVAL_LOOKS = 500
"""How often it is looked whether what was sent has arrived, before a reset would lose it."""
SWALLOWED_BYTES = 65536
SWALLOWS = 64
"""Reads of what nobody wants in one turn, so that a flood of it starves nobody."""


class Pause(NamedTuple):
    """Send nothing for so many seconds."""

    seconds: float


class End(enum.Enum):
    """What a fault does with the rest of a connection."""

    RESET = "reset"
    """Break it with a TCP RST."""
    FINISH = "finish"
    """End this side of it in good order."""
    STALL = "stall"
    """Send nothing more."""
    FREEZE = "freeze"
    """Send nothing more, and read nothing either."""


Action: TypeAlias = bytes | Pause | End
"""What a tamper has the stream do."""


class Tamper(Protocol):
    """Turns what is sent into something else; it is used for one message or websocket."""

    @property
    def why_missed(self) -> str:
        """Why it has not taken place, as a clause; only to be asked where it has not."""
        ...

    def watch(self, call: Callable[[], None]) -> None:
        """Have a function called when it takes place, at once if it has."""
        ...

    def start(self) -> Iterable[Action] | None:
        """Return what to do in place of handling the request; None to handle it."""
        ...

    def send(self, data: bytes) -> Iterable[Action]:
        """Return what to do in place of sending a piece."""
        ...

    def end(self) -> Iterable[Action]:
        """Return what to do once the message has been sent."""
        ...


class FaultyStream:
    """Wraps a stream; passes everything on until it is given a tamper.

    A server's connection that a fault has ended is held: what the peer sends is
    swallowed, until it leaves. A client's goes on receiving, as what a server says to
    a client that behaves badly is what a test wants to know.

    Args:
        inner: the stream.
        is_server: whose side it is.

    Attributes:
        inner: the stream that is wrapped.
        error: the fault that has broken the connection, if one has.
        is_ended: whether nothing more is sent, as a fault has it.
    """

    __slots__ = (
        "_actions",
        "_end",
        "_is_server",
        "_is_timed",
        "_looks",
        "_name",
        "_next",
        "_rest",
        "_resume_at",
        "_taken",
        "_tamper",
        "blocked_on",
        "error",
        "inner",
    )

    def __init__(self, inner: Stream, *, is_server: bool) -> None:
        self.inner: Stream = inner
        self.blocked_on: int = READ
        self.error: FaultError | None = None
        self._is_server = is_server
        self._tamper: Tamper | None = None
        self._name = ""
        self._actions: Iterator[Action] = iter(())
        self._next: Action | None = None
        self._rest = memoryview(b"")
        self._taken: int | None = None
        self._end: End | None = None
        self._resume_at = 0.0
        self._is_timed = False
        self._looks = 0

    # Faults

    def apply(self, name: str, tamper: Tamper) -> bool:
        """Tamper with what is sent from now on.

        Args:
            name: the fault, as errors tell it.
            tamper: what the fault does.

        Returns:
            Whether the fault takes the request's handling over; then `flush` carries it out.
        """
        self._name, self._tamper = name, tamper
        instead = tamper.start()
        if instead is not None:
            self._act(instead)
        return instead is not None

    def finish(self) -> bool:
        """Take the tamper off, as the message has been sent.

        Returns:
            False when the fault ends the connection; then `flush` carries that out.

        Raises:
            FaultError: it is broken by now.
        """
        tamper, self._tamper = self._tamper, None
        if tamper is not None:
            self._act(tamper.end())
        return self.flush() and not self.is_ended

    def flush(self) -> bool:
        """Carry out what is under way; True when nothing is left of it.

        Raises:
            FaultError: the connection is broken on purpose.
            OSError: it is broken.
        """
        if self.error is not None:
            raise self.error
        if not self._carry_out():
            return False
        self._taken = None
        return True

    def make_error(self) -> FaultError:
        """Return the error that says which fault has broken the connection."""
        return FaultError(self._name)

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is sent."""
        return self._end is not None

    @property
    def is_frozen(self) -> bool:
        """Whether nothing more is read either."""
        return self._end is End.FREEZE

    @property
    def is_finished(self) -> bool:
        """Whether the peer was told that nothing more is sent."""
        return self._end is End.FINISH

    @property
    def is_held(self) -> bool:
        """Whether what is unsent waits for something else than room."""
        return (self._is_server and self.is_ended) or self.pause_left_s > 0

    def take_pause(self) -> float | None:
        """Return how long a pause still takes, once; None without one that is news."""
        # In this order: another thread may begin the next pause just now, and tells after.
        was_timed, self._is_timed = self._is_timed, True
        left_s = self.pause_left_s
        return None if was_timed or left_s <= 0 else left_s

    @property
    def pause_left_s(self) -> float:
        """How long the present pause still takes; 0 or less when there is none."""
        return self._resume_at - monotonic() if self._resume_at else 0.0

    def _act(self, actions: Iterable[Action]) -> None:
        self._actions, self._taken = iter(actions), 0

    def _carry_out(self) -> bool:
        """Do what is due; False when something is left that has to wait."""
        while self._end is None:
            if self.pause_left_s > 0:
                self.blocked_on = PARKED
                return False
            self._resume_at = 0.0
            if self._rest:
                sent = self.inner.send(self._rest)
                if not sent:
                    self.blocked_on = self.inner.blocked_on
                    return False
                self._rest = self._rest[sent:]
                continue
            if not self._do_next():
                return True
        return self._hold()

    def _do_next(self) -> bool:
        """Do the next action; False when there is none."""
        action, self._next = self._next or next(self._actions, None), None
        if isinstance(action, bytes):
            self._rest = memoryview(self._join(action))
        elif isinstance(action, Pause):
            self._pause(action.seconds)
        elif action is End.RESET and self._has_to_arrive():
            self._next = action
            self._pause(ARRIVAL_LOOK_S)
        elif action is not None:
            self._end_by(action)
        return action is not None

    def _pause(self, seconds: float) -> None:
        self._resume_at = monotonic() + seconds
        self._is_timed = False

    def _has_to_arrive(self) -> bool:
        """Tell whether a reset would throw away what was sent, as it is still on its way."""
        self._looks += 1
        return self._looks <= ARRIVAL_LOOKS and count_in_flight(self.inner) > 0

    def _join(self, piece: bytes) -> bytes:
        """Put bytes together that follow each other, so that they leave in one packet."""
        pieces, size = [piece], len(piece)
        while size < PIECE_BYTES:
            self._next = next(self._actions, None)
            if not isinstance(self._next, bytes):
                break
            size += len(self._next)
            pieces.append(self._next)
            self._next = None
        return b"".join(pieces)

    def _end_by(self, end: End) -> None:
        self._end = end
        if end is End.RESET:
            self.inner.reset()
            self.error = self.make_error()
            raise self.error
        if end is End.FINISH:
            self.inner.shutdown_write()

    def _hold(self) -> bool:
        """Swallow what comes, on a server; a client takes what it sends for sent."""
        if not self._is_server:
            return True
        if self._end is End.FREEZE:
            self.blocked_on = PARKED
            return False
        for _ in range(SWALLOWS):
            data = self.inner.recv(SWALLOWED_BYTES)
            if data is None:
                self.blocked_on = self.inner.blocked_on
                return False
            if not data:
                self.error = self.make_error()
                raise self.error
        self.blocked_on = READ
        return False

    # The stream

    @property
    def was_cut(self) -> bool:
        """Whether the peer ended the connection without TLS's own goodbye."""
        return bool(getattr(self.inner, "was_cut", False))

    def fileno(self) -> int:
        return self.inner.fileno()

    def handshake(self) -> bool:
        is_done = self.inner.handshake()
        self.blocked_on = self.inner.blocked_on
        return is_done

    def recv(self, max_bytes: int) -> bytes | None:
        if self.error is not None:
            raise self.error
        if self._is_server and self._end is not None:
            self._hold()
            return None
        data = self.inner.recv(max_bytes)
        if data is None:
            self.blocked_on = self.inner.blocked_on
        elif self._next is End.RESET and not count_in_flight(self.inner):
            self._end_by(End.RESET)  # it need not wait for the next look
        return data

    def send(self, data: bytes | memoryview) -> int:
        if self._taken is None and self._tamper is None and self._end is None:
            sent = self.inner.send(data)
            self.blocked_on = self.inner.blocked_on
            return sent
        if self._taken is None:
            # Until all of it is carried out the piece counts as unsent, and is given again.
            piece = bytes(data[:PIECE_BYTES])
            if self._tamper is not None and self._end is None:
                self._actions = iter(self._tamper.send(piece))
            self._taken = len(piece)
        taken = min(self._taken, len(data))
        return taken if self.flush() else 0

    def has_pending(self) -> bool:
        return self._end is None and self.inner.has_pending()

    def say_goodbye(self) -> None:
        if self._end is None:
            self.inner.say_goodbye()

    def shutdown_write(self) -> None:
        if self._end is None:
            self.inner.shutdown_write()

    def spoil(self) -> None:
        self.inner.spoil()

    def reset(self) -> None:
        self.inner.reset()

    def cut(self) -> None:
        self.inner.cut()

    def close(self) -> None:
        self.inner.close()

    def __repr__(self) -> str:
        fault = f" {self._name}" if self._tamper is not None or self._end is not None else ""
        return f"<FaultyStream{fault} over {self.inner!r}>"
