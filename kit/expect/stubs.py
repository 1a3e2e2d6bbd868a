"""Stubs: an expected request, its answer, how often and when it may come."""

from __future__ import annotations

import math
import sys
from collections import deque
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Self

from kit.errors import ConfigurationError, StateError
from kit.expect.answers import (
    Answer,
    Handler,
    Then,
    always,
    check_handler,
    check_response,
    check_sequence,
    make_json_response,
    make_response,
)
from kit.expect.conditions import MethodCondition, PathCondition, compile_conditions
from kit.expect.wording import count

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterable, Mapping
    from types import FrameType

    from kit.expect.answers import StubEndpoint
    from kit.expect.checks import Condition
    from kit.expect.seen import Seen
    from kit.faults.fault import Fault
    from kit.faults.plan import FaultRule
    from kit.headers import HeadersLike
    from kit.messages import Request, Response

KEPT_REQUESTS: Final = 100
"""Requests that a stub keeps; the oldest go first."""
KEPT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of bodies that a stub keeps, but for one request that is longer."""

_OWN_MODULES = ("kit.", "pytest_plugin.", "contextlib")


class Order:
    """Stubs that are to be used one after the other."""

    __slots__ = ("_at", "_stubs")

    def __init__(self) -> None:
        self._stubs: list[Stub] = []
        self._at = 0

    def __len__(self) -> int:
        return len(self._stubs)

    def add(self, stub: Stub) -> int:
        """Put a stub at the end; returns its place."""
        self._stubs.append(stub)
        return len(self._stubs) - 1

    def explain_wait(self, place: int) -> str | None:
        """Say why it is not the turn of a place; None if it is."""
        if place < self._at:
            return f"not its turn: it ended when {self._stubs[self._at].name} was used"
        for stub in self._stubs[self._at : place]:
            if stub._calls < stub.min_calls:
                return f"not its turn: waits for {stub.name}"
        return None

    def advance(self, place: int) -> None:
        """Note that a place was used: those before it are over."""
        self._at = place


class Stub:
    """An expected request and what answers it; `HTTPServer.expect` makes one.

    Every method that sets something returns the stub, so that calls can be chained.
    What is set while the server runs holds from the next request on.

    Attributes:
        number: its number in the order of registration, from 1.
        name: `stub 2: POST /orders`.
        method: the methods it takes, as text.
        pattern: its pattern, as text.
        where: file and line that registered it.
        conditions: what it asks of a request, method and path first.
        max_content_length: bytes of body it takes.
        min_calls: requests it is to take at least.
        max_calls: requests it takes at most; None for any number.
        delay_s: seconds to wait before the answer.
        fault_rules: what goes wrong with some of its requests, or with all.
    """

    __slots__ = (
        "_after",
        "_answer",
        "_calls",
        "_kept",
        "_kept_bytes",
        "_lock",
        "_method",
        "_order",
        "_path",
        "_place",
        "_said",
        "_until",
        "conditions",
        "delay_s",
        "dropped_requests",
        "fault_rules",
        "max_calls",
        "max_content_length",
        "method",
        "min_calls",
        "name",
        "number",
        "pattern",
        "where",
    )

    def __init__(
        self,
        lock: threading.Lock,
        number: int,
        method: object,
        pattern: object,
        given: Mapping[str, object],
        *,
        max_content_length: int,
        order: Order | None,
    ) -> None:
        self._method = MethodCondition(method)
        self._path = PathCondition(pattern)
        self.conditions: tuple[Condition, ...] = (
            self._method,
            self._path,
            *compile_conditions(given),
        )
        self._lock = lock
        self.number: int = number
        self.method: str = str(self._method)
        self.pattern: str = self._path.pattern.text
        self.name: str = f"stub {number}: {self.method} {self.pattern}"
        self.where: str = _find_caller()
        self.max_content_length: int = max_content_length
        self.min_calls: int = 1
        # A step of an order is one request, unless more is said.
        self.max_calls: int | None = None if order is None else 1
        self.delay_s: float = 0.0
        self.fault_rules: tuple[FaultRule, ...] = ()
        self.dropped_requests: int = 0
        self._calls = 0
        self._kept: deque[tuple[Request, int]] = deque()
        self._kept_bytes = 0
        self._said: dict[str, int] = {}
        self._after: list[tuple[Stub, int]] = []
        self._until: list[Stub] = []
        self._order = order
        self._place = 0 if order is None else order.add(self)
        self._answer = Answer(self, [self._refuse])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {count(self._calls, 'request')}>"

    def __str__(self) -> str:
        return f"{self.name} ({self.where})" if self.where else self.name

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods it takes; none stand for all."""
        return self._method.methods

    # The answer

    def respond(
        self,
        payload: Any = None,
        status_code: int = 200,
        headers: HeadersLike | None = None,
    ) -> Self:
        """Answer with bytes or text.

        Raises:
            ConfigurationError: this cannot be sent, or only once, as a file can.
        """
        return self._set_answer([always(make_response(payload, status_code, headers))])

    def respond_json(
        self, obj: Any, status_code: int = 200, headers: HeadersLike | None = None
    ) -> Self:
        """Answer with JSON, serialized now.

        Raises:
            ConfigurationError: the object has no JSON form.
        """
        return self._set_answer([always(make_json_response(obj, status_code, headers))])

    def respond_with(self, response: Response) -> Self:
        """Answer with a response, the same for every request.

        Raises:
            ConfigurationError: this is none, or one that can be sent only once.
        """
        return self._set_answer([always(check_response(response, "respond_with()"))])

    def respond_sequence(
        self, responses: Iterable[Response | Handler], *, then: Then | None = None
    ) -> Self:
        """Answer with one response after the other.

        Args:
            responses: in their order; a function of the request may stand for one.
            then: what follows the last, to be said always: "repeat last", "cycle" from
                the first one on, or "error": the stub is used up, so that further
                requests fall through to the next stub or route.

        Raises:
            ConfigurationError: a response is none, or `then` is missing or something else.
        """
        handlers, follows = check_sequence(responses, then)
        return self._set_answer(handlers, follows)

    def handle(self, function: Handler) -> Self:
        """Answer with what a function of the request returns; it may be an `async def`."""
        return self._set_answer([check_handler(function, "handle()")])

    def delay(self, seconds: float) -> Self:
        """Wait before each answer, without keeping a thread."""
        _check_delay(seconds)
        with self._lock:
            self.delay_s = seconds
            self._answer.set_delay(seconds)
        return self

    def fault(
        self,
        fault: Fault,
        *,
        nth: int | Collection[int] | None = None,
        every: int | None = None,
        share: float | None = None,
        times: int | None = None,
        seed: int | str | None = None,
    ) -> Self:
        """Have a fault with some of the requests it takes, or with all; see `HTTPServer.fault`.

        Raises:
            ConfigurationError: an argument cannot work.
        """
        from kit.faults.plan import FaultRule, check_fault

        check_fault(fault, "server", is_for_stub=True)
        rule = FaultRule(fault, nth=nth, every=every, share=share, times=times, seed=seed)
        with self._lock:
            rule.owner = f"stub {self.number}"
            rule.number = 1 + max((each.number for each in self.fault_rules), default=0)
            self.fault_rules += (rule,)
            rule._forget = self._forget_fault
        return self

    def _forget_fault(self, rule: FaultRule) -> None:
        with self._lock:
            self.fault_rules = tuple(each for each in self.fault_rules if each is not rule)

    def _set_answer(self, handlers: list[Handler], then: Then = "repeat last") -> Self:
        with self._lock:
            self._answer = Answer(self, handlers, then)
        return self

    def _refuse(self, _: Request) -> Any:
        raise StateError(
            f"{self} has no response: call respond(), respond_json(), respond_with(), "
            "respond_sequence() or handle() on it"
        )

    # How often

    def times(self, n: int) -> Self:
        """Expect exactly `n` requests; further ones fall through to the next stub or route.

        With `optional`, `n` or fewer.

        Raises:
            ConfigurationError: `n` is no number of requests, or `at_least` was said.
        """
        return self._set_calls(times=_check_count("times", n))

    def at_least(self, n: int) -> Self:
        """Expect `n` requests or more; by default it is one or more.

        Raises:
            ConfigurationError: `n` is no number of requests, or `times` or `optional` was said.
        """
        return self._set_calls(at_least=_check_count("at_least", n))

    def optional(self) -> Self:
        """Do not expect a request; `times`, before or after it, bounds how many are taken.

        Raises:
            ConfigurationError: `at_least` was said.
        """
        return self._set_calls(optional=0)

    def _set_calls(self, **said: int) -> Self:
        with self._lock:
            merged = {**self._said, **said}
            if "at_least" in merged and len(merged) > 1:
                raise ConfigurationError(_describe_contradiction(self.name, merged))
            self._said = merged
            self.min_calls = min(merged.values())
            if "at_least" in merged:
                self.max_calls = None
            else:
                self.max_calls = merged.get("times", self.max_calls)
        return self

    @property
    def calls(self) -> int:
        """How many requests it took."""
        return self._calls

    @property
    def is_satisfied(self) -> bool:
        """Whether it took as many requests as expected."""
        return self._calls >= self.min_calls

    @property
    def requests(self) -> list[Request]:
        """The requests it answered, as far as they are kept; `dropped_requests` counts others."""
        with self._lock:
            return [request for request, _ in self._kept]

    # When

    def after(self, other: Stub, times: int = 1) -> Self:
        """Take no request before another stub has taken some.

        Raises:
            ConfigurationError: the other one waits for this one, is of another server, or
                this one ends with it.
        """
        _check_count("after(times=...)", times)
        self._check_other("after", other)
        if other is self or other._waits_for(self):
            raise ConfigurationError(f"{self.name} and {other.name} would wait for each other")
        for end in self._until:
            if other is end or other._waits_for(end):
                raise ConfigurationError(self._describe_never(other, end))
        with self._lock:
            self._after.append((other, times))
        return self

    def until(self, other: Stub) -> Self:
        """Take no request once another stub has taken one.

        Raises:
            ConfigurationError: this one waits for the other one, which is itself, or of
                another server.
        """
        self._check_other("until", other)
        if other is self:
            raise ConfigurationError(f"{self.name} cannot last until itself: use times(1)")
        for start, _ in self._after:
            if start is other or start._waits_for(other):
                raise ConfigurationError(self._describe_never(start, other))
        with self._lock:
            self._until.append(other)
        return self

    def _check_other(self, call: str, other: object) -> None:
        if not isinstance(other, Stub):
            raise ConfigurationError(f"{call}() takes another stub, not {other!r}")
        if other._lock is not self._lock:
            raise ConfigurationError(f"{call}() takes a stub of the same server: {other.name}")

    def _describe_never(self, start: Stub, end: Stub) -> str:
        why = "" if start is end else f", which comes after {end.name}"
        return (
            f"{self.name} could never be used: it waits for {start.name}{why}, and ends when "
            f"{end.name} is used: leave after() or until() out"
        )

    def _waits_for(self, other: Stub) -> bool:
        return any(each is other or each._waits_for(other) for each, _ in self._after)

    # Taking requests; the book's side

    @property
    def is_always_on(self) -> bool:
        """Whether it takes requests at any time and without end."""
        return self.max_calls is None and not self.has_turns and self._answer.is_endless

    @property
    def has_turns(self) -> bool:
        """Whether it takes requests only before or after other stubs."""
        return self._order is not None or bool(self._after) or bool(self._until)

    def match_head(self, seen: Seen) -> dict[str, str] | None:
        """Hold a request's head against it: the decoded wildcards, or None."""
        if not self._method.is_held(seen):
            return None
        matches = self._path.match(seen.request.path)
        if matches is None:
            return None
        for condition in self.conditions[2:]:
            if condition.needs_body:
                break
            if not condition.is_held(seen):
                return None
        return matches

    def match_body(self, seen: Seen) -> bool:
        """Hold a request's body against it."""
        return all(each.is_held(seen) for each in self.conditions if each.needs_body)

    @property
    def is_used_up(self) -> bool:
        """Whether it took as many requests as it may."""
        return self.max_calls is not None and self._calls >= self.max_calls

    def explain_refusal(self) -> str | None:
        """Say why it takes no request now, whatever it is; None if it does."""
        if self.is_used_up:
            return f"used up: it answered its {count(self._calls, 'request')}"
        end = self._answer.explain_end()
        if end is not None:
            return end
        for other, times in self._after:
            if other._calls < times:
                missing = "" if times == 1 else f" ({other._calls} of {times} requests)"
                return f"not its turn: waits for {other.name}{missing}"
        for other in self._until:
            if other._calls:
                return f"not its turn: it ended when {other.name} was used"
        return None if self._order is None else self._order.explain_wait(self._place)

    def try_take(self) -> StubEndpoint | None:
        """Count a request and give what answers it; None if it takes none now."""
        with self._lock:
            if self.explain_refusal() is not None:
                return None
            self._calls += 1
            if self._order is not None:
                self._order.advance(self._place)
            return self._answer.take()

    def _keep(self, request: Request) -> None:
        # Read now: a large body is in a file that goes with the exchange.
        size = len(request.body)
        with self._lock:
            self._kept.append((request, size))
            self._kept_bytes += size
            while len(self._kept) > KEPT_REQUESTS or (
                self._kept_bytes > KEPT_BYTES and len(self._kept) > 1
            ):
                self._kept_bytes -= self._kept.popleft()[1]
                self.dropped_requests += 1


def _check_delay(seconds: Any) -> None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (is_number and 0 <= seconds < math.inf):
        raise ConfigurationError(f"delay() takes seconds, 0 or more, not {seconds!r}")


def _check_count(call: str, n: object) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        hint = "; leave a stub out to expect no request" if n == 0 else ""
        raise ConfigurationError(f"{call} takes a whole number of at least 1, not {n!r}{hint}")
    return n


def _describe_contradiction(name: str, said: Mapping[str, int]) -> str:
    calls = [f"{call}({number or ''})" for call, number in said.items()]
    return f"{name}: {' and '.join(calls)} contradict each other: say one of them"


def _find_caller() -> str:
    """Name the line outside the kit that is being executed."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN_MODULES):
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}"
