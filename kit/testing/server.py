"""A server that says what went wrong on it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from bisect import bisect_right
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from kit.clock import monotonic
from kit.engine.connection import SHAKING
from kit.errors import WaitTimeoutError
from kit.testing.asserting import SETTLE_S, AssertingServer
from kit.testing.handshakes import FailedHandshakes
from kit.testing.text import count
from kit.testing.verify import (
    LINT,
    Allowances,
    Problem,
    VerificationError,
    format_problems,
    is_suspect,
    judge_exchange,
    judge_faults,
    judge_stubs,
)

if TYPE_CHECKING:
    import os
    import socket
    import ssl
    from collections.abc import Callable, Collection, Iterable, Sequence

    from kit.engine.handling import Handling
    from kit.engine.listener import Listener
    from kit.faults.plan import FaultRule
    from kit.limits import Limits
    from kit.record import Exchange, Journal, Observer
    from kit.server import HTTPServer
    from kit.testing.lint import LintNote

    Inherit = Callable[[Listener], None]
    IsKnown = Callable[[Exchange, str], bool]

_LOOK_S = 0.005
MAX_SUSPECTS = 1000
"""Of the exchanges that may be problems, the last ones that are kept."""


class CheckedServer(AssertingServer):
    """An `HTTPServer` for tests: what a handler raised, what nothing took, is not passed over.

    It has the assertions as methods; see `AssertingServer`. What it finds does not
    depend on the journal, which a test may clear.

    Args:
        addr: as of `HTTPServer`, like all but the last.
        privkey: path of the private key, PEM.
        cert: path of the certificate chain, PEM.
        ssl_context: instead of the two.
        limits: the bounds.
        journal: where exchanges are recorded.
        allowances: what is no problem; nothing is allowed if None.
        strict: whether what clients do sloppily is a problem; see `lint`.
        allow_lint: names of rules that clients may break; see `LINT_RULES`.

    Attributes:
        allowances: as given, and as `allow` changes them.
        strict: as given; may be changed.
        find_neighbours: gives other servers that the same clients talk to, if there are any.
        standing_faults: those that may go unused, as a marker orders them for many tests.
        told: what `verify` has raised with last, so that a test which caught that knows of it.

    Raises:
        ConfigurationError: a rule of lint is none; and as of `HTTPServer`.
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
        strict: bool = False,
        allow_lint: Collection[str] = (),
    ) -> None:
        super().__init__(
            addr, privkey, cert, ssl_context=ssl_context, limits=limits, journal=journal
        )
        self.allowances: Allowances = allowances or Allowances()
        self.strict = strict
        self.find_neighbours: Callable[[], Iterable[HTTPServer]] | None = None
        self._allowed_lint: frozenset[str] = frozenset()
        if allow_lint:
            self.allow(lint=allow_lint)
        self._watch = _Watch(self.observer, self._is_meant)
        self.observer: Observer = self._watch
        self._handshakes = FailedHandshakes()
        self.told: list[Problem] = []
        self.standing_faults: tuple[FaultRule, ...] = ()
        self._phases: list[tuple[float, str]] = []
        self._inherit: Inherit | None = None

    # Verification

    def allow(
        self,
        *,
        unmatched: bool | None = None,
        handler_errors: bool | None = None,
        malformed: bool | None = None,
        unused_stubs: bool | None = None,
        unclean_websockets: bool | None = None,
        lint: Collection[str] = (),
    ) -> None:
        """Say what is no problem, from the server's start on; None leaves one as it is.

        `lint` names rules of `LINT_RULES` that clients may break from now on.

        Raises:
            ConfigurationError: one is neither True nor False, or there is no such rule.
        """
        if lint:
            from kit.testing.lint import check_rules

            self._allowed_lint |= check_rules(lint)
        given = {
            "unmatched": unmatched,
            "handler_errors": handler_errors,
            "malformed": malformed,
            "unused_stubs": unused_stubs,
            "unclean_websockets": unclean_websockets,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        self.allowances = dataclasses.replace(self.allowances, **changes)

    def problems(
        self, *, since: float | None = None, is_known: IsKnown | None = None
    ) -> list[Problem]:
        """List what went wrong so far and is not allowed: of exchanges in order, then of stubs.

        Waits at most a second for a response that is being sent right now.

        Args:
            since: leaves out exchanges that arrived before this time (real-monotonic
                seconds), all stubs, and the phases' names.
            is_known: is asked for exchanges with the kind of their problem; where it says
                True, that is left out.
        """
        exchanges = self._watch.list_suspects(self.list_since(since), since or 0.0)
        self._await_ends([each for each in exchanges if not self._is_meant(each)])
        judged = [self._judge(exchange) for exchange in exchanges]
        found = [problem for problem in judged if problem is not None]
        if since is None and not self.allowances.unused_stubs:
            unmatched = [each.exchange for each in found if each.kind == "unmatched"]
            found += judge_stubs(self, [one for one in unmatched if one is not None])
            found += judge_faults(self, self.standing_faults)
        found = [problem for problem in found if not self.allowances.permits(problem.kind)]
        if is_known is not None:
            found = [
                problem
                for problem in found
                if problem.exchange is None or not is_known(problem.exchange, problem.kind)
            ]
        if self.strict:
            found += self._judge_lint(since, is_known)
        return found if since is not None else [self._name_phase(problem) for problem in found]

    def lint(self, *, since: float | None = None, deadline: float | None = None) -> list[LintNote]:
        """Note what clients did sloppily so far and may not, by the journal as it is now.

        Waits at most a second for responses that are being sent right now.

        Args:
            since: as of `problems`; see `LINT_RULES` for what is looked at.
            deadline: when to wait no longer instead (real-monotonic seconds), for several
                servers that are asked one after another.
        """
        from kit.testing.lint import find_lint

        journal = self.list_since(since)
        known = {
            exchange.id: exchange for exchange in self._watch.list_suspects(journal, since or 0.0)
        }
        known |= {exchange.id: exchange for exchange in journal}
        own = [exchange for exchange in known.values() if not self.is_probe(exchange)]
        self._await_ends(own, deadline)
        neighbours = [] if self.find_neighbours is None else self.find_neighbours()
        others = [
            each
            for server in neighbours
            if server is not self
            for each in list_since(server.journal, since)
        ]
        # Each test has clients of its own: what they do is compared within it alone.
        elsewhere = self._split(others)
        notes = [
            note
            for phase, exchanges in sorted(self._split(own).items())
            for note in find_lint(exchanges, elsewhere.get(phase, ()))
        ]
        return [note for note in notes if note.name not in self._allowed_lint]

    def _split(self, exchanges: Iterable[Exchange]) -> dict[int, list[Exchange]]:
        """Put exchanges under the number of the phase they arrived in."""
        found: dict[int, list[Exchange]] = {}
        for exchange in exchanges:
            at = bisect_right(self._phases, exchange.received_at, key=_start_of)
            found.setdefault(at, []).append(exchange)
        return found

    def _judge_lint(self, since: float | None, is_known: IsKnown | None) -> list[Problem]:
        problems = []
        for note in self.lint(since=since):
            kind = f"{LINT}{note.name}"
            seen = [each for each in note.exchanges if is_known is None or not is_known(each, kind)]
            if seen:
                text = dataclasses.replace(note, exchanges=tuple(seen)).text
                problems.append(Problem(kind, text, seen[0], others=tuple(seen[1:])))
        return problems

    def verify(self) -> None:
        """Fail if there are problems; a test that catches that does not fail for them at its end.

        Raises:
            VerificationError: there are; its cause is the first exception of a handler.
        """
        __tracebackhide__ = True
        found = self.problems()
        if found:
            self.told = found
            text = format_problems(self.url_or_addr(), found, self.list_gaps())
            raise VerificationError(text, found)

    def list_gaps(self) -> list[str]:
        """Tell what could not be kept, and so not be judged, a line each."""
        lines = []
        dropped, lost = self.journal.dropped, self._watch.lost
        if dropped:
            were = "exchange was" if dropped == 1 else "exchanges were"
            lines.append(
                f"{dropped} {were} dropped, as the journal was full: what was still open then "
                "cannot be judged"
            )
        if lost:
            were = "exchange" if lost == 1 else "exchanges"
            lines.append(
                f"{lost} more {were} may have been a problem, before the last {MAX_SUSPECTS}"
            )
        return lines

    def note_closed(self, connection: Handling) -> None:
        """Take a connection off the list; note if its TLS handshake has failed."""
        if self.is_tls:
            self._handshakes.look_at(connection)
        super().note_closed(connection)

    def list_failed_handshakes(
        self, *, since: float | None = None, deadline: float | None = None
    ) -> list[str]:
        """Tell of the TLS handshakes that have failed, the last ones, a line each.

        Waits at most a second for those that are under way right now, as a client that
        breaks one off knows it before the server does.

        Args:
            since: leaves out those whose connection was opened before this time
                (real-monotonic seconds).
            deadline: as of `lint`.
        """
        deadline = find_deadline() if deadline is None else deadline
        while self._is_shaking() and monotonic() < deadline:
            time.sleep(_LOOK_S)
        lines = [str(each) for each in self._handshakes.list_since(since)]
        if self._handshakes.dropped and lines:
            earlier = count(self._handshakes.dropped, "earlier TLS handshake")
            lines.insert(0, f"({earlier} failed)")
        return lines

    def _is_shaking(self) -> bool:
        return self.is_tls and any(
            each.describe_phase() == SHAKING for each in list(self._connections)
        )

    def url_or_addr(self) -> str:
        """Name the server, also before its start."""
        return self.url if self.port else f"the server at {self.host}"

    def _judge(self, exchange: Exchange) -> Problem | None:
        if self._is_meant(exchange):
            return None
        return judge_exchange(exchange, self)

    def _await_ends(self, exchanges: Iterable[Exchange], deadline: float | None = None) -> None:
        """Wait a little for responses that their clients may have got before they are on record.

        One wait is enough for all: what is sent meanwhile is none of those.
        """
        deadline = find_deadline() if deadline is None else deadline
        for exchange in exchanges:
            if exchange.first_byte_at is None or exchange.is_websocket or exchange.is_done:
                continue
            left_s = deadline - monotonic()
            if left_s <= 0:
                return
            with contextlib.suppress(WaitTimeoutError):
                self.journal.wait_for(partial(_is_ended, exchange), timeout=left_s)

    def _name_phase(self, problem: Problem) -> Problem:
        phase = None if problem.exchange is None else self.find_phase(problem.exchange)
        if phase is None:
            return problem
        return dataclasses.replace(problem, text=f"in {phase}: {problem.text}")

    def _is_meant(self, exchange: Exchange) -> bool:
        # What an assertion asks for is meant to match nothing, or to be malformed.
        return exchange.exception is None and self.is_probe(exchange)

    # The end

    def retire(self, inherit: Inherit, *, grace_s: float | None = None) -> list[str]:
        """Stop, but leave the listening socket open to somebody else.

        Where no handler is at work it does not wait for the connections' end.

        Args:
            inherit: takes over the listener; called by the relay's leader. See
                `kit.testing.late`.
            grace_s: as of `stop`, as is what comes back.
        """
        self._inherit = inherit
        return self.stop(grace_s=grace_s)

    def _await_emptied(self, timeout_s: float) -> bool:
        if self._inherit is not None and not any(each.exchange for each in self._left()):
            return True
        return super()._await_emptied(timeout_s)

    def _welcome(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        listener = self._listener
        if self._inherit is None or listener is None:
            super()._welcome(sock, peer)
        else:
            # The leader has not come to hand the listener on: do so before it answers.
            self._end_listening()
            listener.welcome(sock, peer)

    def _end_listening(self) -> None:
        if self._inherit is None or self._listener is None:
            super()._end_listening()
        else:
            listener, self._listener = self._listener, None
            self._inherit(listener)

    # Whose request it was

    def begin_phase(self, name: str) -> None:
        """Note that what arrives from now on belongs to a test, or another part of a run."""
        self._phases.append((monotonic(), name))

    def find_phase(self, exchange: Exchange) -> str | None:
        """Return the name of the phase an exchange arrived in; None if it was before all."""
        at = bisect_right(self._phases, exchange.received_at, key=_start_of)
        return self._phases[at - 1][1] if at else None

    def find_phase_start(self, name: str) -> float | None:
        """Return when the present phase began, if it is this one; real-monotonic seconds."""
        if not self._phases or self._phases[-1][1] != name:
            return None
        return self._phases[-1][0]

    def list_since(self, since: float | None) -> list[Exchange]:
        """List the exchanges in the journal that arrived at this time or later; all if None."""
        return list_since(self.journal, since)


class _Watch:
    """An observer before another one, that keeps what may be a problem."""

    __slots__ = ("_complete", "_failed", "_is_meant", "_suspects", "lost", "progress", "started")

    def __init__(self, observer: Observer, is_meant: Callable[[Exchange], bool]) -> None:
        # Handed on as they are, so that a request costs nothing more.
        self.started = observer.started
        self.progress = observer.progress
        self._complete = observer.complete
        self._failed = observer.failed
        self._is_meant = is_meant
        self._suspects: deque[Exchange] = deque(maxlen=MAX_SUSPECTS)
        self.lost = 0

    def complete(self, exchange: Exchange) -> None:
        """Look at an exchange that is complete, before a client can know that it is."""
        if is_suspect(exchange):
            self._keep(exchange)
        self._complete(exchange)

    def failed(self, exchange: Exchange, error: str) -> None:
        """Keep an exchange that has failed."""
        self._keep(exchange)
        self._failed(exchange, error)

    def _keep(self, exchange: Exchange) -> None:
        if not self._is_meant(exchange):
            self.lost += len(self._suspects) == MAX_SUSPECTS
            self._suspects.append(exchange)

    def list_suspects(self, journal: Sequence[Exchange], since: float = 0.0) -> list[Exchange]:
        """Return them in order of arrival, with those that are still open."""
        # A deque's copy is made in one step; the journal is asked for what is not done.
        done = self._suspects.copy()
        found = {exchange.id: exchange for exchange in done if exchange.received_at >= since}
        for exchange in journal:
            if is_suspect(exchange):
                found[exchange.id] = exchange
        return [found[number] for number in sorted(found)]


def find_deadline() -> float:
    """Return until when to wait for what is about to end; real-monotonic seconds."""
    return monotonic() + SETTLE_S


def list_since(journal: Journal, since: float | None) -> list[Exchange]:
    """List the exchanges in a journal that arrived at this time or later; all if None."""
    return list(journal) if since is None else journal.list_since(since)


def _is_ended(exchange: Exchange, other: Exchange) -> bool:
    return other is exchange and other.is_done


def _start_of(phase: tuple[float, str]) -> float:
    return phase[0]
