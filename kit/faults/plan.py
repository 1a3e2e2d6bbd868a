"""Which requests, or connections, have a fault: all, the n-th, every k-th, a random share."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Collection
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from kit.errors import ConfigurationError, RemoteProtocolError
from kit.faults.fault import Fault, Role, check_whole, count
from kit.faults.transport import Refuse
from kit.routing.patterns import Pattern
from kit.routing.resource import check_method

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from kit.faults.book import Seed

_OWN_MODULES: Final = ("kit.", "pytest_plugin.")
"""Where a fault is not ordered, but handed on."""


class FaultRule:
    """A fault, and which of the matching requests have it.

    Attributes:
        fault: the fault.
        method: the requests' method; None for any.
        pattern: the pattern of their path, as text; None for any.
        where: which of them have it, in words.
        ordered_at: where it was ordered, as `file.py:12`; empty if no line outside of the kit did.
        number: its number in the order of registration, from 1.
        owner: whose it is, in words: a server's, its connections', a client's or a stub's.
        seen: how many requests matched so far.
        applied: with how many of them the fault took place. It did not where a response is
            shorter than `after`, or a websocket has no such `message`.
    """

    def __init__(
        self,
        fault: Fault,
        method: str | None = None,
        pattern: str | None = None,
        *,
        nth: int | Collection[int] | None = None,
        every: int | None = None,
        share: float | None = None,
        times: int | None = None,
        seed: Seed | None = None,
    ) -> None:
        _check_choice(nth=nth, every=every, share=share)
        if times is not None:
            check_whole("times", times, least=1)
        if seed is not None and not isinstance(seed, int | str):
            raise ConfigurationError(f"seed is an int or a str, not {seed!r}")
        self.fault = fault
        self.method: str | None = _check_method(method)
        self._pattern = None if pattern is None else Pattern(pattern)
        self.pattern = pattern
        self._nth = _read_nth(nth)
        self._every = every
        self._share = share
        self._times = times
        self._seed = seed
        self._random: random.Random | None = None
        self._lock = threading.Lock()
        self._forget: Callable[[FaultRule], None] | None = None
        self.number = 0
        self.owner = ""
        self._given = 0
        self.seen: int = 0
        self.applied: int = 0
        self.where: str = self._describe_choice()
        self.ordered_at: str = _find_caller()

    def remove(self) -> None:
        """Order the fault no more; what has it already keeps it."""
        forget, self._forget = self._forget, None
        if forget is not None:
            forget(self)

    def fits(self, *, is_reuse: bool, is_handshake: bool) -> bool:
        """Tell whether a request is of the kind that can have the fault."""
        fault = self.fault
        is_too_early = fault.is_at_reuse and not is_reuse
        return not is_too_early and (is_handshake or not fault.is_for_websockets)

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request is asked for by method and pattern."""
        if self.method is not None and self.method != method:
            return False
        if self._pattern is None:
            return True
        try:
            return self._pattern.match(path) is not None
        except RemoteProtocolError:
            return False  # a path that cannot be decoded matches no pattern

    def draw(self, get_seed: Callable[[], Seed], *, is_free: bool = True) -> random.Random | None:
        """Count a request, and tell whether it has the fault.

        Args:
            get_seed: gives the seed of a rule that has none.
            is_free: whether it may have it; False when another fault has it already.

        Returns:
            The source of what the fault draws; None if the request has not the fault.
        """
        with self._lock:
            if self._random is None:
                # No two rules are to choose alike, not even a server's and its client's.
                own = f"{get_seed()} {self.owner} {self.number} {self.fault}"
                self._random = random.Random(own if self._seed is None else self._seed)  # noqa: S311 - to be repeated, not to be secret
            self.seen += 1
            is_used_up = self._times is not None and self._given >= self._times
            if not self._is_chosen(self._random) or is_used_up or not is_free:
                return None
            self._given += 1
            return self._random

    def note_applied(self) -> None:
        """Count a request with which the fault took place."""
        with self._lock:
            self.applied += 1

    def _is_chosen(self, source: random.Random) -> bool:
        if self._nth is not None:
            return self.seen in self._nth
        if self._every is not None:
            return self.seen % self._every == 0
        return self._share is None or source.random() < self._share

    def _describe_choice(self) -> str:
        if self._nth is not None:
            chosen = f"number {', '.join(map(str, sorted(self._nth)))}"
        elif self._every is not None:
            chosen = f"every {self._every}."
        else:
            chosen = "all" if self._share is None else f"a share of {self._share:g}"
        return chosen if self._times is None else f"{chosen}, {count(self._times, 'time')} at most"

    def __repr__(self) -> str:
        whose = f" {self.method or 'any method'} {self.pattern or 'any path'}"
        return f"<FaultRule {self.fault}:{whose}, {self.where}; {self.applied} of {self.seen}>"


def check_fault(
    fault: object, role: Role, *, is_for_connections: bool = False, is_for_stub: bool = False
) -> Fault:
    """Return a fault that can be ordered here.

    Raises:
        ConfigurationError: it is none, or not for this.
    """
    if not isinstance(fault, Fault):
        hint = ": make one, such as Reset()" if isinstance(fault, type) else ""
        raise ConfigurationError(f"a fault of kit.faults is expected, not {fault!r}{hint}")
    name = type(fault).__name__
    if role not in fault.roles:
        raise ConfigurationError(f"{name} is no fault of a {role}'s")
    if is_for_connections and not fault.is_at_accept:
        raise ConfigurationError(
            f"{fault!r} is a fault of requests: order it by fault(); a connection can have "
            "Refuse(), Reset(), EmptyReply() or NeverAnswer()"
        )
    if is_for_stub and fault.is_for_websockets and fault.status is None:
        raise ConfigurationError(
            f"{name} needs a websocket, which a stub never opens: order it by the server's "
            "fault(), for the path of a route that does"
        )
    if isinstance(fault, Refuse) and not is_for_connections:
        raise ConfigurationError("Refuse is for connections: order it by fault_connections()")
    return fault


def _check_choice(**given: Any) -> None:
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise ConfigurationError(f"give one of nth, every and share, not {' and '.join(chosen)}")
    if given["every"] is not None:
        check_whole("every", given["every"], least=1)
    share = given["share"]
    if share is not None and not (
        isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    ):
        raise ConfigurationError(f"share is a number of 0 to 1, not {share!r}")


def _check_method(method: object) -> str | None:
    if method is None:
        return None
    if isinstance(method, str) and method.startswith("/"):
        raise ConfigurationError(
            f"{method!r} is no method but a path, which comes behind it: "
            f"give None, for any method, and then {method!r}"
        )
    return check_method(method)


def _find_caller() -> str:
    """Name the line outside the kit that is being executed."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN_MODULES):
        frame = frame.f_back
    return "" if frame is None else f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _read_nth(nth: object) -> frozenset[int] | None:
    if nth is None:
        return None
    if isinstance(nth, int):
        numbers: list[Any] = [nth]
    elif isinstance(nth, Collection) and not isinstance(nth, str | bytes) and nth:
        numbers = list(nth)
    else:
        raise ConfigurationError(f"nth is a number from 1 on, or several, not {nth!r}")
    for number in numbers:
        check_whole("nth", number, least=1)
    return frozenset(numbers)
