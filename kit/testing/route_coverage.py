"""Which routes of which servers were ever asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from kit.errors import ConfigurationError
from kit.routing.endpoint import Endpoint
from kit.testing.text import align, count, escape, show_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kit.expect import Stub
    from kit.record import Exchange
    from kit.server import HTTPServer

_PATTERN_SHOWN = 120
_HANDLER_SHOWN = 80
_HEADINGS = ("hits", "method", "pattern", "handler")


class RouteHits(NamedTuple):
    """A route and how many requests its handler was called for."""

    method: str
    pattern: str
    handler: str
    hits: int


class UnusedStub(NamedTuple):
    """A stub that took no request."""

    method: str
    pattern: str
    where: str


class RouteCoverage:
    """Counts for each route the requests that its handler was called for.

    Routes of any number of servers are told apart by method, pattern and the
    handler's name; a stub by the line that registers it. What a fallback answers, be it
    a recording or an upstream, is no route's. It is an `Observer` of the servers that it
    watches, and keeps none of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hits: dict[tuple[str, str, str], int] = {}
        self._stub_calls: dict[tuple[str, str, str], int] = {}
        self._open_stubs: list[Stub] = []

    def watch(self, server: HTTPServer) -> None:
        """Count the requests of a server from now on."""
        server.add_observer(self)

    def note_registered(self, server: HTTPServer) -> None:
        """Take down what a server has registered; to be called before it forgets that."""
        with self._lock:
            for route in server.routes():
                self._hits.setdefault((route.http_method, route.url_pattern, route.name), 0)
            self._open_stubs += server.stubs

    # The observer's side

    def started(self, exchange: Exchange) -> None:
        """Wait for the end: which stub takes a request may depend on its body."""

    def progress(self, exchange: Exchange) -> None:
        """Wait for the end."""

    def complete(self, exchange: Exchange) -> None:
        """Count an exchange."""
        self._count(exchange)

    def failed(self, exchange: Exchange, error: str) -> None:  # noqa: ARG002 - a hit all the same
        """Count an exchange; that it failed makes it no less a hit."""
        self._count(exchange)

    def _count(self, exchange: Exchange) -> None:
        endpoint: object = exchange.endpoint
        # Stubs, recordings and upstreams have endpoints of kinds of their own.
        if type(endpoint) is not Endpoint or exchange.handler_started_at is None:
            return
        key = (endpoint.method, endpoint.pattern, endpoint.name)
        with self._lock:
            self._hits[key] = self._hits.get(key, 0) + 1

    # Between processes

    def to_builtins(self) -> dict[str, list[list[Any]]]:
        """Return all of it as lists of text and numbers, which can be sent anywhere."""
        with self._lock:
            self._close_stubs()
            return {
                "routes": [[*key, hits] for key, hits in self._hits.items()],
                "stubs": [[*key, calls] for key, calls in self._stub_calls.items()],
            }

    def merge(self, data: Mapping[str, Any]) -> None:
        """Add what another process has counted.

        Raises:
            ConfigurationError: this is not what `to_builtins` gives.
        """
        try:
            routes = [((str(a), str(b), str(c)), int(n)) for a, b, c, n in data["routes"]]
            stubs = [((str(a), str(b), str(c)), int(n)) for a, b, c, n in data["stubs"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"merge() takes what to_builtins() gives: {type(error).__name__}: {error}"
            ) from None
        with self._lock:
            for key, hits in routes:
                self._hits[key] = self._hits.get(key, 0) + hits
            for key, calls in stubs:
                self._stub_calls[key] = self._stub_calls.get(key, 0) + calls

    def close_stubs(self) -> None:
        """Count the requests that the stubs noted so far took, and let go of the stubs."""
        with self._lock:
            self._close_stubs()

    def _close_stubs(self) -> None:
        for stub in self._open_stubs:
            key = (stub.method, stub.pattern, stub.where)
            self._stub_calls[key] = self._stub_calls.get(key, 0) + stub.calls
        self._open_stubs.clear()

    # What it comes to

    @property
    def routes(self) -> list[RouteHits]:
        """The routes, sorted by pattern, method and handler."""
        with self._lock:
            found = [RouteHits(*key, hits) for key, hits in self._hits.items()]
        return sorted(found, key=lambda each: (each.pattern, each.method, each.handler))

    @property
    def unused_stubs(self) -> list[UnusedStub]:
        """The stubs that took no request wherever they were registered, sorted."""
        with self._lock:
            self._close_stubs()
            found = [UnusedStub(*key) for key, calls in self._stub_calls.items() if not calls]
        return sorted(found, key=lambda each: (each.where, each.pattern, each.method))

    @property
    def percent(self) -> float:
        """How many of a hundred routes were hit; 100 if there are none."""
        routes = self.routes
        hit = sum(1 for each in routes if each.hits)
        return 100 * hit / len(routes) if routes else 100.0

    def format(self) -> str:
        """Write the routes as a table, the sum, and the stubs that were never used."""
        routes = self.routes
        lines = align([_HEADINGS, *map(_row, routes)]) if routes else []
        hit = sum(1 for each in routes if each.hits)
        if routes:
            verb = "was" if hit == 1 else "were"
            share = format_percent(self.percent)
            lines.append(f"{hit} of {count(len(routes), 'route')} {verb} hit: {share}")
        else:
            lines.append("no routes were registered")
        unused = self.unused_stubs
        if unused:
            lines.append("stubs never used:")
            lines += [f"  {_show(each)}" for each in unused]
        return "\n".join(lines)


def format_percent(percent: float) -> str:
    """Write a percentage with one digit, cut: short of 100 it never says 100."""
    return f"{int(percent * 10 + 1e-6) / 10:.1f}%"


def _row(route: RouteHits) -> tuple[str, str, str, str]:
    return (
        str(route.hits).rjust(len(_HEADINGS[0])),
        escape(route.method),
        show_line(route.pattern, _PATTERN_SHOWN),
        show_line(route.handler, _HANDLER_SHOWN),
    )


def _show(stub: UnusedStub) -> str:
    where = f" ({escape(stub.where)})" if stub.where else ""
    return f"{escape(stub.method)} {show_line(stub.pattern, _PATTERN_SHOWN)}{where}"
