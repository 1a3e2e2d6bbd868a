"""What needs no telling of what went wrong on servers, as it was told, or a marker allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kit.testing
from kit.testing.verify import LINT
from pytest_plugin.options import ALLOWANCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Ledger:
    """Knows the problems that were told, and what the markers of tests allow.

    A server of the session is used by many tests: the marker of each counts for what
    arises in that test, also if it comes to light later.
    """

    def __init__(self) -> None:
        self._told: set[tuple[int, str]] = set()
        self._stubs: set[tuple[int, str]] = set()
        self._markers: dict[str, _Marker] = {}

    def note_told(
        self, server: kit.testing.CheckedServer, problems: Iterable[kit.testing.Problem]
    ) -> None:
        """Take problems of a server as told."""
        for problem in problems:
            if problem.exchange is None:
                # Another server may have a stub of the same text.
                self._stubs.add((id(server), problem.text))
            else:
                seen = (problem.exchange, *problem.others)
                self._told.update((exchange.id, problem.kind) for exchange in seen)

    def leave_out_stubs(
        self,
        server: kit.testing.CheckedServer,
        problems: list[kit.testing.Problem],
        *,
        is_every: bool,
    ) -> list[kit.testing.Problem]:
        """Return a server's problems without those of stubs: all, or those told just so."""
        return [
            problem
            for problem in problems
            if problem.exchange is not None
            or not (is_every or (id(server), problem.text) in self._stubs)
        ]

    def note_marker(self, test: str, arguments: Mapping[str, Any]) -> None:
        """Keep what a test's marker allows."""
        if arguments:
            self._markers[test] = _Marker(arguments)

    def make_filter(
        self, server: kit.testing.CheckedServer, until: float | None = None
    ) -> Callable[[kit.Exchange, str], bool]:
        """Return what `CheckedServer.problems` asks.

        Args:
            server: the exchanges'.
            until: leaves out what arrived at this time (real-monotonic seconds) or later.
        """

        def is_known(exchange: kit.Exchange, kind: str) -> bool:
            if (exchange.id, kind) in self._told:
                return True
            if until is not None and exchange.received_at >= until:
                return True
            marker = self._markers.get(server.find_phase(exchange) or "")
            return marker is not None and marker.permits(kind)

        return is_known


class _Marker:
    """What a marker allows."""

    __slots__ = ("_allowances", "_is_lax", "_lint", "_verify")

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._allowances = kit.testing.Allowances(
            **{name.removeprefix("allow_"): arguments.get(name, False) for name in ALLOWANCES}
        )
        self._lint = frozenset(arguments.get("allow_lint", ()))
        self._is_lax = arguments.get("strict") is False
        self._verify = arguments.get("verify", True)

    def permits(self, kind: str) -> bool:
        if not self._verify:
            return True
        if kind.startswith(LINT):
            return self._is_lax or kind.removeprefix(LINT) in self._lint
        return self._allowances.permits(kind)
