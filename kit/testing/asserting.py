"""A server with the assertions as methods."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from kit.errors import ConfigurationError, WaitTimeoutError
from kit.expect import UNSET
from kit.record import Exchange
from kit.record.waiting import TextMatch
from kit.server import HTTPServer
from kit.testing.connections import (
    DEFAULT_SLACK_S,
    Delay,
    assert_connections,
    assert_retries,
    assert_tls,
)
from kit.testing.exchanges import assert_count, assert_exchanges, assert_no_unexpected
from kit.testing.opcodes import assert_opcodes
from kit.testing.requests import HeaderField, assert_body, assert_request_headers
from kit.testing.routes import assert_no_route, assert_route
from kit.testing.sources import list_exchanges, read_source
from kit.testing.text import count
from kit.testing.traversal import DEFAULT_TIMEOUT_S, assert_guarded

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterable, Mapping, Sequence

    from kit.testing.canaries import CanaryFiles
    from kit.testing.corpus import HostileName
    from kit.testing.items import Item

Which: TypeAlias = Exchange | str | Callable[[Exchange], object] | None
"""An exchange; or a route or path as `wait_for` takes it; or a function that is asked; or any."""

SETTLE_S = 1.0
"""How long an exchange that is about to end is waited for before it is judged."""
PROBE_FIELD = "Kit-Probe"
"""Tells requests that an assertion has sent from all others."""


class AssertingServer(HTTPServer):
    """An `HTTPServer` with the assertions as methods.

    Those about one exchange take it as `which`: the exchange itself, or a route or
    path like "GET /user/:name", a URL, or a function. There must be exactly one.
    """

    _probe: bytes = b""

    # Routes

    def assert_route(
        self,
        method: str,
        target: str,
        *,
        to: Callable[..., Any] | str | None = None,
        matches: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Assert that a route of the server takes a request, without sending it.

        Args:
            method: the request's method; "WEBSOCKET" for a websocket handshake.
            target: path and query, as in a request line.
            to: the route that must take it: its handler, the handler's name, or its pattern.
            matches: what the pattern's names must stand for, all of them.

        Returns:
            What the pattern's names stand for.

        Raises:
            AssertionError: another route takes the request, or none.
        """
        __tracebackhide__ = True
        return assert_route(self, method, target, to=to, matches=matches)

    def assert_no_route(self, method: str, target: str) -> None:
        """Assert that no route of the server takes a request, without sending it.

        Args:
            method: the request's method; "WEBSOCKET" for a websocket handshake.
            target: path and query, as in a request line.

        Raises:
            AssertionError: a route does.
        """
        __tracebackhide__ = True
        assert_no_route(self, method, target)

    # Exchanges

    def assert_exchanges(
        self, expected: Iterable[Any], *, any_order: bool = False, allow_others: bool = False
    ) -> list[Exchange]:
        """Assert that these exchanges took place, in this order and no others.

        Args:
            expected: for each exchange a route's pattern, a path or a URL, with or without
                a method before it; or a function that judges it; or `...` for any. In a
                pair with it, the status.
            any_order: whether they may come in any order.
            allow_others: whether there may be others before, between and after them.

        Returns:
            The exchanges, in the order of `expected`.

        Raises:
            AssertionError: they differ; the text walks through to where they part.
        """
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
        """Assert how many exchanges there were that meet every condition given.

        Args:
            expected: how many.
            method: the request's method.
            path: the request's path, undecoded, without its query.
            route: a pattern as registered, with or without a method before it.
            status: the response's status code.

        Returns:
            These exchanges, in order of arrival.

        Raises:
            AssertionError: there were more or fewer, which are listed.
        """
        __tracebackhide__ = True
        return assert_count(self, expected, method=method, path=path, route=route, status=status)

    def assert_no_unexpected(self) -> None:
        """Assert that a route or stub took each request that came.

        Raises:
            AssertionError: one was taken by none; the text tells what was near.
        """
        __tracebackhide__ = True
        assert_no_unexpected(self)

    # One exchange

    def assert_request_headers(
        self,
        which: Which,
        expected: Iterable[HeaderField] | Mapping[str, Any],
        *,
        partial: bool = False,
    ) -> Exchange:
        """Assert which header fields a request had, in order and case, or some by name.

        Args:
            which: the exchange; see the class.
            expected: pairs (name, value) of all fields in their order; or a dict of some,
                their names in any case. A value is text, a compiled pattern, a function, or
                `...` for any; in a dict None is for a field that must be absent.
            partial: whether there may be others among the pairs.

        Returns:
            The exchange.

        Raises:
            AssertionError: they differ, or not exactly one exchange is meant.
        """
        __tracebackhide__ = True
        exchange = self._find_one(which)
        assert_request_headers(exchange, expected, partial=partial)
        return exchange

    def assert_body(
        self,
        which: Which = None,
        *,
        json: Any = UNSET,
        form: Any = UNSET,
        text: Any = UNSET,
        bytes: Any = UNSET,  # noqa: A002 - as the function has it
        of: str = "request",
    ) -> Exchange:
        """Assert what a body was, in one of four forms; waits a little for its end.

        Args:
            which: the exchange; see the class.
            json: the value as JSON; in it may stand what `expect(json=...)` takes.
            form: the fields of a URL-encoded form, a mapping or pairs.
            text: the text, a compiled pattern for all of it, or a function that judges it.
            bytes: the bytes as they came.
            of: "response" to look at the response's body.

        Returns:
            The exchange.

        Raises:
            AssertionError: it was another; the text tells where they part.
        """
        __tracebackhide__ = True
        exchange = self._find_one(which)
        self._await_end(exchange)
        assert_body(exchange, json=json, form=form, text=text, bytes=bytes, of=of)
        return exchange

    def assert_opcodes(
        self,
        which: Which,
        expected: Iterable[Item],
        *,
        direction: str | None = None,
        include_control: bool = False,
    ) -> Exchange:
        """Assert that a websocket's opcodes, and payloads where given, are these in order.

        One that is still open is judged as it is, or at its end if that comes within a
        second.

        Args:
            which: the exchange; see the class.
            expected: opcodes, pairs (opcode, payload), and groups of them: `repeat`,
                `optional`, `any_order`, `sent`, `received`.
            direction: "sent" or "received", as seen from the server; None for both.
            include_control: whether Ping and Pong count.

        Returns:
            The exchange.

        Raises:
            AssertionError: they differ; the text walks through to where they part.
        """
        __tracebackhide__ = True
        exchange = self._find_one(which)
        items = list(expected)
        options: dict[str, Any] = {"direction": direction, "include_control": include_control}
        was_done = exchange.is_done
        try:
            assert_opcodes(exchange, items, **options)
        except AssertionError:
            if was_done or not self._await_end(exchange):
                raise
        else:
            return exchange
        assert_opcodes(exchange, items, **options)
        return exchange

    # Connections

    def assert_connections(self, *, opened: int | None = None, reused: int | None = None) -> None:
        """Assert how many connections were opened, and how many requests reused one.

        Args:
            opened: how many connections carried their first request.
            reused: how many requests came on a connection that had carried one before.

        Raises:
            AssertionError: a number differs; the text lists the connections.
        """
        __tracebackhide__ = True
        assert_connections(self, opened=opened, reused=reused)

    def assert_tls(
        self, which: Which = None, *, version: str | None = None, sni: Any = UNSET
    ) -> list[Exchange]:
        """Assert that exchanges went over TLS, all that `which` fits, one at least.

        Args:
            which: an exchange, a route or path, a function, or None for all.
            version: "TLSv1.2" or "TLSv1.3"; any if None.
            sni: the server name that the client asked for; None for no name at all.

        Returns:
            The exchanges.

        Raises:
            AssertionError: one did not, or there is none.
        """
        __tracebackhide__ = True
        found = self._find(which)
        if not found:
            raise AssertionError(self._describe_found(which, found, "at least one"))
        for exchange in found:
            assert_tls(exchange, version=version, sni=sni)
        return found

    def assert_retries(
        self,
        delays: Sequence[Delay],
        tolerance: float = 0.5,
        *,
        slack_s: float = DEFAULT_SLACK_S,
        method: str | None = None,
        path: str | None = None,
        route: str | None = None,
    ) -> list[float]:
        """Assert that a request was repeated, and how long the client waited each time.

        Args:
            delays: seconds before each repetition, or pairs (least, greatest).
            tolerance: by which part of it each delay may be shorter or longer.
            slack_s: how much later still it may be, as machines are busy.
            method: look at requests with this method only.
            path: look at requests for this path only, undecoded and without query.
            route: look at requests this route took only.

        Returns:
            The delays that were measured, in seconds.

        Raises:
            AssertionError: there were more or fewer, or sooner or later.
        """
        __tracebackhide__ = True
        return assert_retries(
            self, delays, tolerance, slack_s=slack_s, method=method, path=path, route=route
        )

    # Traversal

    def assert_guarded(
        self,
        path: str,
        *,
        root: str | os.PathLike[str] | None = None,
        corpus: Iterable[str | HostileName] | None = None,
        canary: CanaryFiles | str | os.PathLike[str] | bytes | None = None,
        ordinary: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Assert that no hostile name below a path gets at other files.

        What it asks for is no problem of the server, whether a route takes it or not.
        See `kit.testing.assert_guarded`.

        Args:
            path: where files are served, such as "/files", or with `{name}` in it.
            root: the directory that is served.
            corpus: the names to try.
            canary: a file beside the directory, or what is in it.
            ordinary: a name that is served.
            headers: header fields to send.
            timeout: seconds to wait for an answer.
        """
        __tracebackhide__ = True
        if not str(path).startswith("/"):
            msg = f'path must be one of this server, such as "/files", not {path!r}'
            raise ConfigurationError(msg)
        self._probe = self._probe or secrets.token_hex(16).encode()
        assert_guarded(
            self.url + path,
            root=root,
            corpus=corpus,
            canary=canary,
            ordinary=ordinary,
            headers={**(headers or {}), PROBE_FIELD: self._probe.decode()},
            ssl_context=_trust_all() if self.is_tls else None,
            timeout=timeout,
        )

    def is_probe(self, exchange: Exchange) -> bool:
        """Tell whether an assertion of this server has sent the request."""
        return bool(self._probe) and self._probe in exchange.request_head.raw

    # Which exchange

    def _find(self, which: Which) -> list[Exchange]:
        if isinstance(which, Exchange):
            return [which]
        record = read_source(self)
        record.check_is_whole()
        if which is None:
            return record.exchanges
        is_meant = TextMatch(which) if isinstance(which, str) else _check_function(which)
        return [exchange for exchange in record.exchanges if is_meant(exchange)]

    def _find_one(self, which: Which) -> Exchange:
        __tracebackhide__ = True
        found = self._find(which)
        if len(found) != 1:
            raise AssertionError(self._describe_found(which, found, "one"))
        return found[0]

    def _describe_found(self, which: Which, found: Sequence[Exchange], wanted: str) -> str:
        match = f" that matches {which}" if isinstance(which, str) else ""
        match = " that the function takes" if callable(which) else match
        lines = [f"expected {wanted} exchange{match}, got {len(found) or 'none'}"]
        if found:
            lines[0] += ": give the one that is meant, for example server.journal[-1]"
            return "\n".join([*lines, *list_exchanges(list(enumerate(found, 1)))])
        others = read_source(self).exchanges
        if not others:
            return f"{lines[0]}; there was no exchange at all"
        there_were = "there was" if len(others) == 1 else "there were"
        lines[0] += f"; {there_were} {count(len(others), 'other exchange')}:"
        return "\n".join([*lines, *list_exchanges(list(enumerate(others, 1)))])

    def _await_end(self, exchange: Exchange) -> bool:
        """Wait a little for the end of an exchange, that its peer may have seen before us."""
        if exchange.is_done:
            return True
        with contextlib.suppress(WaitTimeoutError):
            self.journal.wait_for(
                lambda one: one is exchange and one.is_done, timeout=SETTLE_S, state="received"
            )
        return bool(exchange.done_at)


def _check_function(which: object) -> Callable[[Exchange], object]:
    if callable(which):
        return which
    msg = f"expected an exchange, or a route, path or URL as text, or a function, not {which!r}"
    raise ConfigurationError(msg)


def _trust_all() -> ssl.SSLContext:
    # It is this very server that is asked, whoever has signed its certificate.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
