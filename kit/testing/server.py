"""A server that says what went wrong on it, with the assertions as methods."""

from __future__ import annotations

import contextlib
import dataclasses
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Any

from kit.clock import monotonic
from kit.errors import WaitTimeoutError
from kit.server import HTTPServer
from kit.testing.connections import assert_connections
from kit.testing.exchanges import assert_count, assert_exchanges, assert_no_unexpected
from kit.testing.routes import assert_no_route, assert_route
from kit.testing.verify import (
    Allowances,
    Problem,
    VerificationError,
    format_problems,
    is_suspect,
    judge_exchange,
    judge_stubs,
)

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from kit.limits import Limits
    from kit.record import Exchange, Journal, Observer

MAX_SUSPECTS = 1000
"""Of the exchanges that may be problems, the last ones that are kept."""
SETTLE_S = 1.0
"""How long a response that is being sent is waited for before it is judged."""


class CheckedServer(HTTPServer):
    """An `HTTPServer` for tests: what a handler raised, what nothing took, is not passed over.

    What it finds does not depend on the journal, which a test may clear.

    Args:
        addr: as of `HTTPServer`, like all but the last.
        privkey: path of the private key, PEM.
        cert: path of the certificate chain, PEM.
        ssl_context: instead of the two.
        limits: the bounds.
        journal: where exchanges are recorded.
        allowances: what is no problem; nothing is allowed if None.
    """

    def __init__(
        self,
        addr: tuple[str, int],
        privkey: str | os.PathLike[str] | None = None,
        cert: str | os.PathLike[str] | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        journal: Journal | None = None,
        allowances: Allowances | None = None,
    ) -> None:
        super().__init__(
            addr, privkey, cert, ssl_context=ssl_context, limits=limits, journal=journal
        )
        self.allowances = allowances or Allowances()
        self._watch = _Watch(self.observer)
        self.observer = self._watch
        self._phases: list[tuple[float, str]] = []

    # Verification

    def allow(
        self,
        *,
        unmatched: bool | None = None,
        handler_errors: bool | None = None,
        malformed: bool | None = None,
        unused_stubs: bool | None = None,
        unclean_websockets: bool | None = None,
    ) -> None:
        """Say what is no problem, from the server's start on; None leaves one as it is.

        Raises:
            ConfigurationError: one is neither True nor False.
        """
        given = {
            "unmatched": unmatched,
            "handler_errors": handler_errors,
            "malformed": malformed,
            "unused_stubs": unused_stubs,
            "unclean_websockets": unclean_websockets,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        self.allowances = dataclasses.replace(self.allowances, **changes)

    def problems(self) -> list[Problem]:
        """List what went wrong so far and is not allowed: of exchanges in order, then of stubs.

        Waits at most a second for a response that is being sent right now.
        """
        exchanges = self._watch.list_suspects(self.journal)
        judged = [self._judge(exchange) for exchange in exchanges]
        found = [problem for problem in judged if problem is not None]
        if not self.allowances.unused_stubs:
            unmatched = [each.exchange for each in found if each.kind == "unmatched"]
            found += judge_stubs(self, [one for one in unmatched if one is not None])
        return [problem for problem in found if not self.allowances.permits(problem.kind)]

    def verify(self) -> None:
        """Fail if there are problems.

        Raises:
            VerificationError: there are; its cause is the first exception of a handler.
        """
        __tracebackhide__ = True
        found = self.problems()
        if found:
            raise VerificationError(format_problems(self.url_or_addr(), found), found)

    def url_or_addr(self) -> str:
        """Name the server, also before its start."""
        return self.url if self.port else f"the server at {self.host}"

    def _judge(self, exchange: Exchange) -> Problem | None:
        if not exchange.is_done and not exchange.is_websocket:
            self._await_response(exchange)
        problem = judge_exchange(exchange, self)
        phase = None if problem is None else self.find_phase(exchange)
        if problem is None or phase is None:
            return problem
        return dataclasses.replace(problem, text=f"in {phase}: {problem.text}")

    def _await_response(self, exchange: Exchange) -> None:
        # The client may have got the response before it is on record here.
        if exchange.first_byte_at is None:
            return
        with contextlib.suppress(WaitTimeoutError):
            self.journal.wait_for(
                lambda one: one is exchange and one.is_done, timeout=SETTLE_S, state="received"
            )

    # Whose request it was

    def begin_phase(self, name: str) -> None:
        """Note that what arrives from now on belongs to a test, or another part of a run."""
        self._phases.append((monotonic(), name))

    def find_phase(self, exchange: Exchange) -> str | None:
        """Return the name of the phase an exchange arrived in; None if it was before all."""
        at = bisect_right(self._phases, exchange.received_at, key=_start_of)
        return self._phases[at - 1][1] if at else None

    # Assertions

    def assert_route(
        self,
        method: str,
        target: str,
        *,
        to: Callable[..., Any] | str | None = None,
        matches: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Assert that a route takes a request; see `kit.testing.assert_route`."""
        __tracebackhide__ = True
        return assert_route(self, method, target, to=to, matches=matches)

    def assert_no_route(self, method: str, target: str) -> None:
        """Assert that no route takes a request; see `kit.testing.assert_no_route`."""
        __tracebackhide__ = True
        assert_no_route(self, method, target)

    def assert_exchanges(
        self, expected: Iterable[Any], *, any_order: bool = False, allow_others: bool = False
    ) -> list[Exchange]:
        """Assert which exchanges took place; see `kit.testing.assert_exchanges`."""
        __tracebackhide__ = True
        return assert_exchanges(self, expected, any_order=any_order, allow_others=allow_others)

    def assert_count(
        self,
        expected: int,
        *,
        method: str | None = None,
        path: str | None = None,
        route: str | None = None,
        status: int | None = None,
    ) -> list[Exchange]:
        """Assert how many exchanges took place; see `kit.testing.assert_count`."""
        __tracebackhide__ = True
        return assert_count(self, expected, method=method, path=path, route=route, status=status)

    def assert_no_unexpected(self) -> None:
        """Assert that a route took each request; see `kit.testing.assert_no_unexpected`."""
        __tracebackhide__ = True
        assert_no_unexpected(self)

    def assert_connections(self, *, opened: int | None = None, reused: int | None = None) -> None:
        """Assert how many connections there were; see `kit.testing.assert_connections`."""
        __tracebackhide__ = True
        assert_connections(self, opened=opened, reused=reused)


class _Watch:
    """An observer before another one, that keeps what may be a problem."""

    __slots__ = ("_complete", "_failed", "_suspects", "progress", "started")

    def __init__(self, observer: Observer) -> None:
        # Handed on as they are, so that a request costs nothing more.
        self.started = observer.started
        self.progress = observer.progress
        self._complete = observer.complete
        self._failed = observer.failed
        self._suspects: deque[Exchange] = deque(maxlen=MAX_SUSPECTS)

    def complete(self, exchange: Exchange) -> None:
        """Look at an exchange that is complete, before a client can know that it is."""
        if is_suspect(exchange):
            self._suspects.append(exchange)
        self._complete(exchange)

    def failed(self, exchange: Exchange, error: str) -> None:
        """Keep an exchange that has failed."""
        self._suspects.append(exchange)
        self._failed(exchange, error)

    def list_suspects(self, journal: Journal) -> list[Exchange]:
        """Return them in order of arrival, with those that are still open."""
        # A deque's copy is made in one step; the journal is asked for what is not done.
        done = list(self._suspects.copy())
        found = {exchange.id: exchange for exchange in done}
        for exchange in journal:
            if is_suspect(exchange):
                found[exchange.id] = exchange
        return [found[number] for number in sorted(found)]


def _start_of(phase: tuple[float, str]) -> float:
    return phase[0]
