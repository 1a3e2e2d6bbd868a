"""Gates: requests held back until a test lets them go.

A held request keeps no thread: its connection is parked and resumed later. So a test
can see that a request is under way, look at what the program under test does
meanwhile, and choose which of several is answered first.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from kit.clock import monotonic
from kit.errors import ConfigurationError, StateError, WaitTimeoutError
from kit.expect.conditions import MethodCondition, PathCondition
from kit.expect.seen import Seen
from kit.expect.wording import count, shorten
from kit.loops import LoopSignal
from kit.messages import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

REMEMBERED: Final = 10
"""Requests that passed by, as far as a time-out tells of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    request: Request
    resume: Callable[[], None]


class Gate:
    """Holds requests back; `HTTPServer.hold` makes one. Any thread may call it.

    As a context manager it opens for good when the block ends.
    """

    __slots__ = ("_arrived", "_held", "_is_open", "_lock", "_method", "_others", "_path", "_wakers")

    def __init__(self, method: object, pattern: object, others: deque[str]) -> None:
        self._method = MethodCondition(method)
        self._path = PathCondition(pattern)
        self._lock = threading.Lock()
        self._held: list[_Held] = []
        self._wakers: list[Callable[[], None]] = []
        self._others = others
        self._arrived = 0
        self._is_open = False

    def __str__(self) -> str:
        return f"{self._method} {self._path.pattern.text}"

    def __repr__(self) -> str:
        state = "open" if self._is_open else f"holds {count(len(self._held), 'request')}"
        return f"<{type(self).__name__} {self}, {state}>"

    @property
    def held(self) -> list[Request]:
        """The requests that are held now, in order of arrival."""
        with self._lock:
            return [each.request for each in self._held]

    @property
    def is_open(self) -> bool:
        """Whether it lets every request through."""
        return self._is_open

    # Waiting

    def wait_for(self, count: int = 1, timeout: float = 5.0) -> list[Request]:
        """Wait until so many requests are held at once; returns them.

        Args:
            count: how many.
            timeout: in real seconds, even where time is frozen.

        Raises:
            WaitTimeoutError: it took too long; the text tells what did arrive.
            StateError: the gate is open, so nothing will be held.
        """
        event = threading.Event()
        deadline = self._begin_wait(count, timeout, event.set)
        try:
            while (found := self._look(count)) is None:
                left_s = deadline - monotonic()
                if left_s <= 0:
                    raise WaitTimeoutError(self._describe_timeout(count, timeout))
                event.wait(min(left_s, threading.TIMEOUT_MAX))
                event.clear()
            return found
        finally:
            self._end_wait(event.set)

    async def wait_for_async(self, count: int = 1, timeout: float = 5.0) -> list[Request]:
        """Wait like `wait_for`, in an event loop."""
        signal = LoopSignal()
        deadline = self._begin_wait(count, timeout, signal.set)
        signal.start_timer(timeout)
        try:
            while (found := self._look(count)) is None:
                if monotonic() >= deadline:
                    raise WaitTimeoutError(self._describe_timeout(count, timeout))
                await signal.wait()
            return found
        finally:
            self._end_wait(signal.set)
            signal.close()

    def _begin_wait(self, number: int, timeout_s: float, wake: Callable[[], None]) -> float:
        _check_number("count", number)
        _check_timeout(timeout_s)
        with self._lock:
            self._wakers.append(wake)
        return monotonic() + timeout_s

    def _look(self, number: int) -> list[Request] | None:
        with self._lock:
            if len(self._held) >= number:
                return [each.request for each in self._held]
            if self._is_open:
                raise StateError(f"the gate {self} is open and holds nothing: make a new one")
        return None

    def _end_wait(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers.remove(wake)

    def _describe_timeout(self, number: int, timeout_s: float) -> str:
        with self._lock:
            held = [_describe(each.request) for each in self._held]
            gone = self._arrived - len(held)
        lines = [
            f"waited {timeout_s:g} s for {count(number, 'request')} at the gate {self}",
            f"  {len(held)} held, {gone} gone before",
        ]
        lines += [f"  held: {text}" for text in held[:REMEMBERED]]
        others = list(self._others)
        lines += [f"  went elsewhere: {text}" for text in others]
        if not held and not gone and not others:
            lines.append("  no request came at all")
        return "\n".join(lines)

    # Letting go

    def release(self, count: int | Request | None = None) -> None:
        """Let held requests go.

        Args:
            count: how many, in order of arrival; a particular request; or None: all,
                and those to come.

        Raises:
            StateError: fewer are held, or not this one.
            Exception: what the first `resume` raised that did.
        """
        problems = []
        for each in self._take_out(count):
            try:
                each.resume()
            except Exception as error:  # noqa: BLE001 - the others must go on nevertheless
                problems.append(error)
        if problems:
            raise problems[0]

    def _take_out(self, which: int | Request | None) -> list[_Held]:
        with self._lock:
            held = self._held
            if which is None:
                self._is_open = True
                self._held = []
                self._wake_all()
                return held
            if isinstance(which, Request):
                found = [each for each in held if each.request is which]
                if not found:
                    raise StateError(f"{_describe(which)} is not held at the gate {self}")
            else:
                found = held[: _check_number("count", which)]
                if len(found) < which:
                    raise StateError(
                        f"cannot release {count(which, 'request')} at the gate {self}: "
                        f"{len(found)} held; call wait_for({which}) first"
                    )
            self._held = [each for each in held if each not in found]
            return found

    def _wake_all(self) -> None:
        for wake in self._wakers:
            wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    # The engine's side

    def takes(self, request: Request) -> bool:
        """Tell whether it would hold the request."""
        seen = Seen(request)
        return not self._is_open and self._method.is_held(seen) and self._path.is_held(seen)

    def admit(self, request: Request, resume: Callable[[], None]) -> bool:
        """Let a request go on, or hold it.

        Args:
            request: the request, with its body.
            resume: called once when the request is released, in the thread that does.

        Returns:
            True: go on now; `resume` will not be called.
        """
        with self._lock:
            self._arrived += 1
            if self._is_open:
                return True
            self._held.append(_Held(request, resume))
            self._wake_all()
        return False

    def discard(self, request: Request) -> bool:
        """Forget a held request whose connection is gone; True if it was held.

        After that its `resume` is not called.
        """
        with self._lock:
            before = len(self._held)
            self._held = [each for each in self._held if each.request is not request]
            return len(self._held) < before


class Gates:
    """The gates of a server.

    Attributes:
        has_gates: whether there is any; all that a request without one costs.
    """

    __slots__ = ("_gates", "_lock", "_others", "has_gates")

    def __init__(self) -> None:
        self.has_gates: bool = False
        self._lock = threading.Lock()
        self._gates: tuple[Gate, ...] = ()
        self._others: deque[str] = deque(maxlen=REMEMBERED)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._gates)} gates>"

    def hold(self, method: object, pattern: object) -> Gate:
        """Hold the requests of a method (a list of them, or `...` for any) and a pattern.

        Raises:
            PatternError: the pattern is malformed.
            ConfigurationError: the method is none.
        """
        gate = Gate(method, pattern, self._others)
        with self._lock:
            # Those that are open for good hold nothing any more.
            self._gates = (*(each for each in self._gates if not each.is_open), gate)
            self.has_gates = True
        return gate

    def find(self, request: Request) -> Gate | None:
        """Find the first gate that holds a request."""
        for gate in self._gates:
            if gate.takes(request):
                return gate
        self._others.append(_describe(request))
        return None

    def release_all(self) -> None:
        """Open every gate for good, as a server does that stops."""
        for gate in self._gates:
            gate.release()


def _describe(request: Request) -> str:
    return shorten(f"{request.method} {request.target}", 160)


def _check_timeout(timeout_s: object) -> None:
    if not isinstance(timeout_s, int | float) or not 0 <= timeout_s < math.inf:
        raise ConfigurationError(
            f"timeout must be a finite number of seconds of at least 0, not {timeout_s!r}"
        )


def _check_number(name: str, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigurationError(f"{name} must be a whole number of at least 1, not {number!r}")
    return number
