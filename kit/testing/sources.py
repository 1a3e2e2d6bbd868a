"""Where assertions take exchanges from, and how they name them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from kit.errors import ConfigurationError
from kit.record import Exchange, Journal
from kit.record.waiting import TextMatch
from kit.testing.text import show_line, show_target

if TYPE_CHECKING:
    from collections.abc import Sequence

_ERROR_SHOWN = 200
_LISTED = 20


class HasJournal(Protocol):
    """A server, or whatever else records its exchanges."""

    @property
    def journal(self) -> Journal:
        """Where the exchanges are recorded."""


Source: TypeAlias = HasJournal | Journal | Iterable[Exchange]


class Record(NamedTuple):
    """The exchanges of a source, in order of arrival, and how many it has dropped."""

    exchanges: list[Exchange]
    dropped: int = 0

    def check_is_whole(self) -> None:
        """Refuse to judge by a record that has gaps."""
        __tracebackhide__ = True
        if self.dropped:
            have = "exchange has" if self.dropped == 1 else "exchanges have"
            msg = (
                f"{self.dropped} {have} been dropped from the journal, so that nothing can be "
                "told of all of them: give the server a Journal with larger bounds"
            )
            raise AssertionError(msg)


def read_source(source: Source) -> Record:
    """Read the exchanges of a server, a journal or a list.

    Raises:
        ConfigurationError: it is none of these.
    """
    journal = source if isinstance(source, Journal) else getattr(source, "journal", None)
    if isinstance(journal, Journal):
        return Record(list(journal), journal.dropped)
    if isinstance(source, Iterable):
        exchanges = list(source)
        if all(isinstance(each, Exchange) for each in exchanges):
            return Record(exchanges)
    msg = f"expected a server, a Journal or a list of exchanges, not {type(source).__name__}"
    raise ConfigurationError(msg)


def check_exchange(exchange: object) -> Exchange:
    """Return the exchange.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(exchange, Exchange):
        return exchange
    msg = f"expected an Exchange, for example server.journal[-1], not {type(exchange).__name__}"
    raise ConfigurationError(msg)


def check_number(name: str, value: object, *, least: int = 0) -> None:
    """Refuse what is no whole number, or too small.

    Raises:
        ConfigurationError: it is.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        msg = f"{name} must be a whole number of at least {least}, not {value!r}"
        raise ConfigurationError(msg)


class Filter:
    """The conditions that exchanges are chosen by; None leaves one out.

    Args:
        method: the request's method.
        path: the request's path, undecoded, without its query.
        route: a pattern as registered, with or without a method before it.
        status: the response's status code.
    """

    def __init__(
        self, method: str | None, path: str | None, route: str | None, status: int | None
    ) -> None:
        self._method = method
        self._path = path
        self._route = None if route is None else TextMatch(route)
        self._status = status

    def check(self, exchange: Exchange) -> list[tuple[bool, str]]:
        """Tell of each condition whether it holds, with what was got."""
        checks = []
        if self._method is not None:
            checks.append(_compare("method", self._method, exchange.method or "unknown"))
        if self._path is not None:
            checks.append(_compare("path", self._path, exchange.path))
        if self._route is not None:
            route = exchange.route
            got = "no route" if route is None else f"route {exchange.method} {route}"
            is_held = self._route.is_route_of(exchange)
            checks.append((is_held, got if is_held else f"{got}, expected {self._route}"))
        if self._status is not None:
            checks.append(check_status(exchange, self._status))
        return checks

    def is_met(self, exchange: Exchange) -> bool:
        """Tell whether every condition holds."""
        return all(is_held for is_held, _ in self.check(exchange))

    def __str__(self) -> str:
        named = {
            "method": self._method,
            "path": self._path,
            "route": self._route,
            "status": self._status,
        }
        given = [f"{name} {value}" for name, value in named.items() if value is not None]
        if not given:
            return ""
        return f" with {', '.join(given[:-1])}{' and ' if given[1:] else ''}{given[-1]}"


def _compare(what: str, wanted: str, got: str) -> tuple[bool, str]:
    shown = show_target(got)
    is_held = got == wanted
    return is_held, f"{what} {shown}" if is_held else f"{what} {shown}, expected {wanted}"


def check_status(exchange: Exchange, wanted: int) -> tuple[bool, str]:
    """Compare the status, and tell of it."""
    got = exchange.response_status
    if got == wanted:
        return True, f"status {got}"
    shown = f"no status yet ({exchange.state})" if got is None else f"status {got}"
    return False, f"{shown}, expected {wanted}"


def show_checks(checks: Iterable[tuple[bool, str]], indent: str) -> list[str]:
    """Write the conditions, a line each."""
    return [f"{indent}{'✓' if is_held else '✗'} {text}" for is_held, text in checks]


def show_request(exchange: Exchange) -> str:
    """Name an exchange's request."""
    if not exchange.method:
        return "a request that does not parse"
    return f"{exchange.method} {show_target(exchange.target)}"


def show_outcome(exchange: Exchange) -> str:
    """Tell how an exchange ended, or how far it has come."""
    status = exchange.response_status
    if exchange.error is None:
        return exchange.state if status is None else str(status)
    failed = f"failed: {show_line(exchange.error, _ERROR_SHOWN)}"
    return failed if status is None else f"{status}, {failed}"


def show_exchange(exchange: Exchange) -> str:
    """Name an exchange with its outcome, in one line."""
    return f"{show_request(exchange)} -> {show_outcome(exchange)}"


def list_exchanges(numbered: Sequence[tuple[int, Exchange]], indent: str = "  ") -> list[str]:
    """Write exchanges with their numbers, a line each; many are cut."""
    lines = [f"{indent}{number} {show_exchange(each)}" for number, each in numbered[:_LISTED]]
    left_out = len(numbered) - _LISTED
    return [*lines, f"{indent}and {left_out} more"] if left_out > 0 else lines
