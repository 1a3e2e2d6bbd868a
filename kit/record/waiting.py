"""What a wait on the journal is made of: the match, the inbox, the report."""

from __future__ import annotations

import difflib
import math
import threading
from collections import deque
from pathlib import PurePath
from typing import TYPE_CHECKING

from kit.errors import ConfigurationError, WaitTimeoutError
from kit.loops import LoopSignal
from kit.record.exchange import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kit.record.exchange import Exchange

_LISTED = 10
_COMPARED = 100
_NEAREST = 3


class TextMatch:
    """Matches exchanges by text: "[METHOD ]/pattern-or-path" or a URL.

    The text is compared as a whole with the pattern of the route, the path, the
    target and, if it is one, the URL; nothing is interpreted.

    Raises:
        ConfigurationError: the text is none of these.
    """

    __slots__ = ("_is_url", "_method", "_where")

    def __init__(self, text: str) -> None:
        method, blank, where = text.rpartition(" ")
        self._is_url = "://" in where.partition("?")[0]
        is_plausible = where.startswith("/") or where == "*" or self._is_url
        if not is_plausible or " " in method or (blank and not method):
            msg = (
                f"match {text!r} is not understood: expected a route's pattern, a path or a "
                'URL, with or without a method before it, for example "GET /user/:name"'
            )
            raise ConfigurationError(msg)
        self._method = method
        self._where = where

    def __call__(self, exchange: Exchange) -> bool:
        """Tell whether the exchange matches."""
        if self._method and exchange.method != self._method:
            return False
        return self._is_where(exchange)

    def is_route_of(self, exchange: Exchange) -> bool:
        """Tell whether the route that took the exchange has this pattern."""
        is_method = not self._method or exchange.method == self._method
        return is_method and exchange.route == self._where

    def conditions(self, exchange: Exchange) -> list[tuple[bool, str]]:
        """Tell of each condition whether it holds, with what was got."""
        checks = []
        if self._method:
            is_held = exchange.method == self._method
            got = "" if is_held else f", expected {self._method}"
            checks.append((is_held, f"method {exchange.method}{got}"))
        is_held = self._is_where(exchange)
        route = exchange.route
        came_by = f"route {route}, " if route is not None else "no route, "
        got = "" if is_held else f", expected {self._where}"
        checks.append((is_held, f"{came_by}path {exchange.path}{got}"))
        return checks

    def likeness(self, exchange: Exchange) -> float:
        """Rank how near the exchange is: the conditions held, then how the texts agree."""
        held = sum(is_held for is_held, _ in self.conditions(exchange))
        texts = (exchange.path, exchange.route or "")
        return held + max(
            difflib.SequenceMatcher(None, self._where, text).ratio() for text in texts
        )

    def _is_where(self, exchange: Exchange) -> bool:
        where = self._where
        if where in (exchange.route, exchange.path, exchange.target):
            return True
        return self._is_url and exchange.url == where

    def __str__(self) -> str:
        return f"{self._method} {self._where}".lstrip()


class Search:
    """What a wait is looking for, and what it has found so far."""

    __slots__ = ("_count", "_found", "_match", "_state", "_timeout_s")

    def __init__(
        self,
        match: str | Callable[[Exchange], object] | None,
        *,
        count: int,
        timeout_s: float,
        state: str,
    ) -> None:
        self._match = _compile_match(match)
        self._count = _check_count(count)
        self._timeout_s = _check_timeout(timeout_s)
        self._state = state
        self._found: dict[int, Exchange] = {}

    def look_at(self, exchanges: Iterable[Exchange]) -> list[Exchange] | None:
        """Look at exchanges that have moved; return the result once there is one."""
        found = self._found
        for exchange in exchanges:
            if exchange.id not in found and self._is_hit(exchange):
                found[exchange.id] = exchange
        if len(found) < self._count:
            return None
        return [found[key] for key in sorted(found)][: self._count]

    def _is_hit(self, exchange: Exchange) -> bool:
        if not exchange.has_reached(self._state):
            return False
        if self._match is None:
            return True
        try:
            return bool(self._match(exchange))
        except Exception as error:
            error.add_note(
                f"raised by the match given to wait_for when asked about {exchange!r}; "
                "state='complete' asks only about complete exchanges"
            )
            raise

    def timeout_error(self, exchanges: Iterable[Exchange], lost: int) -> WaitTimeoutError:
        """Compose the error that tells what came instead."""
        arrived = list(exchanges)
        lines = [f"waited {self._timeout_s:g} s for {self._wanted()}, {len(self._found)} did"]
        if lost:
            lines.append(f"the match was too slow to see {lost} of those that moved")
        lines += self._list_arrivals(arrived)
        lines += self._list_nearest(arrived)
        return WaitTimeoutError("\n".join(lines))

    def _wanted(self) -> str:
        exchanges = "1 exchange" if self._count == 1 else f"{self._count} exchanges"
        match = "" if self._match is None else f" that match {describe_match(self._match)}"
        if self._count == 1:
            match = match.replace(" that match ", " that matches ", 1)
        return f"{exchanges}{match} to be {self._state}"

    def _list_arrivals(self, arrived: Sequence[Exchange]) -> list[str]:
        if not arrived:
            return ["nothing has arrived: does the client use this server's address?"]
        shown = arrived[-_LISTED:]
        which = f"the last {len(shown)} of " if len(shown) < len(arrived) else ""
        lines = [f"arrived ({which}{len(arrived)}):"]
        for exchange in shown:
            mark = " (counted)" if exchange.id in self._found else ""
            lines.append(f"  {exchange!r}{mark}")
        return lines

    def _list_nearest(self, arrived: Sequence[Exchange]) -> list[str]:
        match = self._match
        if not isinstance(match, TextMatch):
            return []
        others = [one for one in arrived[-_COMPARED:] if one.id not in self._found]
        others.sort(key=match.likeness, reverse=True)
        lines = ["nearest:"] if others else []
        for exchange in others[:_NEAREST]:
            checks = match.conditions(exchange)
            if all(is_held for is_held, _ in checks):
                checks.append((False, f"state {exchange.state}, expected {self._state}"))
            lines.append(f"  exchange {exchange.id}")
            lines += [f"    {'✓' if is_held else '✗'} {text}" for is_held, text in checks]
        return lines


class Inbox:
    """Where a waiting thread is told of exchanges that have moved."""

    __slots__ = ("_event", "_moved", "lost")

    def __init__(self, capacity: int) -> None:
        self._moved: deque[Exchange] = deque(maxlen=capacity)
        self._event = threading.Event()
        self.lost: int = 0

    def put(self, exchange: Exchange) -> None:
        """Tell of an exchange; from any thread."""
        moved = self._moved
        if len(moved) == moved.maxlen:
            self.lost += 1
        moved.append(exchange)
        self._event.set()

    def wait(self, timeout_s: float) -> None:
        """Block until something was put, at most this long."""
        self._event.wait(min(timeout_s, threading.TIMEOUT_MAX))
        # Cleared before the inbox is drained: what is put in between sets it again.
        self._event.clear()

    def drain(self) -> list[Exchange]:
        """Take out what was put."""
        moved = self._moved
        drained = []
        while moved:
            drained.append(moved.popleft())
        return drained


class AsyncInbox(Inbox):
    """Where a waiting coroutine is told; made and read in its event loop."""

    __slots__ = ("_signal",)

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self._signal = LoopSignal()

    def put(self, exchange: Exchange) -> None:
        """Tell of an exchange; from any thread."""
        super().put(exchange)
        self._signal.set()

    async def wait_async(self, timeout_s: float) -> None:
        """Wait until something was put, about this long."""
        self._signal.start_timer(timeout_s)
        await self._signal.wait()

    def close(self) -> None:
        """End the timer."""
        self._signal.close()


def describe_match(match: object) -> str:
    """Name a match for a message; a function with where it is written."""
    if isinstance(match, TextMatch):
        return str(match)
    name = getattr(match, "__qualname__", None)
    code = getattr(match, "__code__", None)
    if name is None or code is None:
        return repr(match)
    return f"{name} ({PurePath(code.co_filename).name}:{code.co_firstlineno})"


def check_state(state: str) -> str:
    """Return the state's name if there is such a state."""
    if state not in STATES:
        msg = f"state {state!r} is not one of {', '.join(STATES)}"
        raise ConfigurationError(msg)
    return state


def _compile_match(match: object) -> Callable[[Exchange], object] | None:
    if isinstance(match, str):
        return TextMatch(match)
    if match is None or callable(match):
        return match
    msg = f"match must be text, a function or None, not {type(match).__name__}"
    raise ConfigurationError(msg)


def _check_count(count: object) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        msg = f"count must be a whole number of at least 1, not {count!r}"
        raise ConfigurationError(msg)
    return count


def _check_timeout(timeout_s: object) -> float:
    if not isinstance(timeout_s, int | float) or not 0 <= timeout_s < math.inf:
        msg = f"timeout must be a finite number of seconds of at least 0, not {timeout_s!r}"
        raise ConfigurationError(msg)
    return timeout_s
