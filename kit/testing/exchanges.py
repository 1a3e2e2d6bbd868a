"""Assertions on which requests came, and what became of them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

from kit.errors import ConfigurationError, describe_error
from kit.record.waiting import TextMatch, describe_match
from kit.routing import format_near_misses
from kit.testing.curl import format_curl
from kit.testing.sources import (
    Filter,
    Source,
    check_number,
    check_status,
    list_exchanges,
    read_source,
    show_checks,
    show_exchange,
)
from kit.testing.text import count, escape, show_line
from kit.testing.verify import remake_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import EllipsisType

    from kit.record import Exchange

What: TypeAlias = "str | Callable[[Exchange], object] | EllipsisType"
ExpectedExchange: TypeAlias = "What | tuple[What, int]"

_SHOWN_BEFORE = 20
_SHOWN_REST = 10
_NEAREST = 3
_COMPARED = 200
_CURL_SHOWN = 1000


class _Wanted:
    """One exchange that is expected."""

    def __init__(self, item: object) -> None:
        what, status = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        is_status = status is None or (isinstance(status, int) and 100 <= status <= 599)
        if not is_status or not (isinstance(what, str) or what is ... or callable(what)):
            msg = (
                f"{item!r} does not say which exchange is expected: give text such as "
                '"GET /user/:name", a function, or ..., or a pair of one of these and the status'
            )
            raise ConfigurationError(msg)
        self._match = TextMatch(what) if isinstance(what, str) else what
        self._status = status

    def check(self, exchange: Exchange) -> list[tuple[bool, str]]:
        """Tell of each condition whether it holds."""
        checks = []
        if isinstance(self._match, TextMatch):
            checks += [(held, escape(text)) for held, text in self._match.conditions(exchange)]
        elif self._match is not ...:
            checks.append(self._ask(exchange))
        if self._status is not None:
            checks.append(check_status(exchange, self._status))
        return checks

    def _ask(self, exchange: Exchange) -> tuple[bool, str]:
        name = describe_match(self._match)
        try:
            is_held = bool(self._match(exchange))  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - told, as one that does not hold
            return False, show_line(f"{name} raised {describe_error(error)}", 300)
        return is_held, f"{name} {'accepts' if is_held else 'refuses'} it"

    def takes(self, exchange: Exchange) -> bool:
        """Tell whether an exchange is the one."""
        return all(is_held for is_held, _ in self.check(exchange))

    def __str__(self) -> str:
        what = "any exchange" if self._match is ... else describe_match(self._match)
        return what if self._status is None else f"{what} -> {self._status}"


def assert_exchanges(
    source: Source,
    expected: Iterable[ExpectedExchange],
    *,
    any_order: bool = False,
    allow_others: bool = False,
) -> list[Exchange]:
    """Assert that these exchanges took place, in this order and no others.

    Args:
        source: a server, a journal, or exchanges.
        expected: for each exchange a route's pattern as registered, a path or a URL,
            with or without a method before it ("GET /user/:name"); or a function
            that judges it; or `...` for any. In a pair with it, the status.
        any_order: whether they may come in any order.
        allow_others: whether there may be others before, between and after them.

    Returns:
        The exchanges, in the order of `expected`.

    Raises:
        AssertionError: they differ; the text walks through to where they part.
        ConfigurationError: an argument cannot work.
    """
    __tracebackhide__ = True
    wanted = [_Wanted(item) for item in _check_list(expected)]
    record = read_source(source)
    if not allow_others:
        record.check_is_whole()
    got = record.exchanges
    if any_order:
        chosen = _assign(wanted, got)
        is_right = None not in chosen and (allow_others or len(got) == len(wanted))
        text = "" if is_right else _describe_unordered(wanted, got, chosen, allow_others)
    else:
        chosen = _follow(wanted, got) if allow_others else _zip(wanted, got)
        is_right = None not in chosen and (allow_others or len(got) == len(wanted))
        text = "" if is_right else _describe_ordered(wanted, got, chosen, allow_others)
    if not is_right:
        raise AssertionError(text)
    return [got[index] for index in chosen if index is not None]


def _check_list(expected: Iterable[ExpectedExchange]) -> list[ExpectedExchange]:
    if isinstance(expected, str):
        msg = f"expected a list of exchanges, not {expected!r}: put it into a list"
        raise ConfigurationError(msg)
    return list(expected)


def _zip(wanted: Sequence[_Wanted], got: Sequence[Exchange]) -> list[int | None]:
    """Pair one by one up to where they part; None from there on."""
    chosen: list[int | None] = [None] * len(wanted)
    for index, (one, exchange) in enumerate(zip(wanted, got, strict=False)):
        if not one.takes(exchange):
            break
        chosen[index] = index
    return chosen


def _follow(wanted: Sequence[_Wanted], got: Sequence[Exchange]) -> list[int | None]:
    """Take each at the first chance; if there is any way to take all this finds one."""
    chosen: list[int | None] = [None] * len(wanted)
    at = 0
    for index, one in enumerate(wanted):
        found = next((here for here in range(at, len(got)) if one.takes(got[here])), None)
        if found is None:
            break
        chosen[index], at = found, found + 1
    return chosen


def _assign(wanted: Sequence[_Wanted], got: Sequence[Exchange]) -> list[int | None]:
    """Give as many of the wanted as possible an exchange each (a maximum matching)."""
    fits = [[at for at, each in enumerate(got) if one.takes(each)] for one in wanted]
    chosen: list[int | None] = [None] * len(wanted)
    taken: dict[int, int] = {}
    for start in range(len(wanted)):
        came_from: dict[int, int] = {}
        pending = deque([start])
        end = None
        while pending and end is None:
            one = pending.popleft()
            for at in fits[one]:
                if at not in came_from:
                    came_from[at] = one
                    if at not in taken:
                        end = at
                        break
                    pending.append(taken[at])
        while end is not None:
            one = came_from[end]
            taken[end], chosen[one], end = one, end, chosen[one]
    return chosen


def _describe_ordered(
    wanted: Sequence[_Wanted],
    got: Sequence[Exchange],
    chosen: Sequence[int | None],
    allow_others: bool,  # noqa: FBT001 - private
) -> str:
    held = chosen.index(None) if None in chosen else len(wanted)
    lines = [f"  ✓ {at + 1} {show_exchange(got[at])}" for at in chosen[:held] if at is not None]
    if len(lines) > _SHOWN_BEFORE:
        skipped = len(lines) - _SHOWN_BEFORE
        lines = [f"  ✓ the first {count(skipped, 'exchange')} as expected", *lines[skipped:]]
    next_at = 0
    if held:
        next_at = (chosen[held - 1] or 0) + 1
    head = f"the exchanges part from what was expected at exchange {next_at + 1}:"
    if held == len(wanted):
        lines += [f"  ✗ {next_at + 1} {show_exchange(got[next_at])}", "    expected the end"]
        next_at += 1
    elif next_at >= len(got) or allow_others:
        head = "the exchanges are not all that was expected:"
        lines.append(f"  ✗ expected {wanted[held]}, but no such one came after that")
    else:
        lines.append(f"  ✗ {next_at + 1} {show_exchange(got[next_at])}")
        lines.append(f"    expected {wanted[held]}")
        lines += show_checks(wanted[held].check(got[next_at]), "      ")
        next_at += 1
    if held < len(wanted):
        lines += _find_elsewhere(wanted[held], got, chosen[:held], next_at)
    rest = list(enumerate(got, 1))[next_at:]
    lines += [f"    {line} (not compared)" for line in list_exchanges(rest[:_SHOWN_REST], "")]
    lines += [f"    and {len(rest) - _SHOWN_REST} more"] if len(rest) > _SHOWN_REST else []
    if wanted[held + 1 :]:
        lines.append(f"    still expected after that: {_join(wanted[held + 1 :])}")
    return "\n".join([head, *lines, *_hint(wanted, got)])


def _find_elsewhere(
    one: _Wanted, got: Sequence[Exchange], used: Sequence[int | None], after: int
) -> list[str]:
    places = [at for at, each in enumerate(got) if at not in used and one.takes(each)]
    if not places:
        return []
    when = "earlier" if places[0] < after else "later"
    return [f"      it came {when}, as exchange {places[0] + 1}"]


def _describe_unordered(
    wanted: Sequence[_Wanted],
    got: Sequence[Exchange],
    chosen: Sequence[int | None],
    allow_others: bool,  # noqa: FBT001 - private
) -> str:
    left = [(at + 1, each) for at, each in enumerate(got) if at not in chosen]
    lines = []
    for one, at in zip(wanted, chosen, strict=True):
        if at is not None:
            lines.append(f"  ✓ {one}: {at + 1} {show_exchange(got[at])}")
        else:
            lines += [f"  ✗ {one}: no exchange is left for it", *_list_nearest(one, left, "    ")]
    if left and not allow_others:
        lines += [f"  ✗ {line}, not expected" for line in list_exchanges(left, "")]
    head = "the exchanges are not those that were expected, in any order:"
    return "\n".join([head, *lines, *_hint(wanted, got)])


def _list_nearest(one: Any, left: Sequence[tuple[int, Exchange]], indent: str) -> list[str]:
    """Show the exchanges that fail the fewest conditions."""
    judged = [(number, each, one.check(each)) for number, each in left[-_COMPARED:]]
    judged.sort(key=lambda entry: sum(not is_held for is_held, _ in entry[2]))
    lines = [f"{indent}nearest:"] if judged else []
    for number, each, checks in judged[:_NEAREST]:
        lines.append(f"{indent}  {number} {show_exchange(each)}")
        lines += show_checks(checks, f"{indent}    ")
    return lines


def _hint(wanted: Sequence[_Wanted], got: Sequence[Exchange]) -> list[str]:
    if len(got) >= len(wanted):
        return []
    return [f"journal.wait_for(count={len(wanted)}) waits for requests that are still on their way"]


def _join(wanted: Sequence[_Wanted]) -> str:
    left_out = len(wanted) - _SHOWN_REST
    more = [f"{left_out} more"] if left_out > 0 else []
    return ", ".join([*map(str, wanted[:_SHOWN_REST]), *more])


def assert_count(
    source: Source,
    expected: int,
    *,
    method: str | None = None,
    path: str | None = None,
    route: str | None = None,
    status: int | None = None,
) -> list[Exchange]:
    """Assert how many exchanges there were that meet every condition given.

    Args:
        source: a server, a journal, or exchanges.
        expected: how many.
        method: the request's method.
        path: the request's path, undecoded, without its query.
        route: a pattern as registered, with or without a method before it.
        status: the response's status code.

    Returns:
        These exchanges, in order of arrival.

    Raises:
        AssertionError: there were more or fewer, which are listed.
        ConfigurationError: an argument cannot work.
    """
    __tracebackhide__ = True
    check_number("expected", expected)
    conditions = Filter(method, path, route, status)
    record = read_source(source)
    record.check_is_whole()
    numbered = list(enumerate(record.exchanges, 1))
    met = [(number, each) for number, each in numbered if conditions.is_met(each)]
    if len(met) != expected:
        text = f"expected {count(expected, 'exchange')}{conditions}, got {len(met)}"
        lines = [f"{text}{':' if met else ''}", *list_exchanges(met)]
        if len(met) < expected:
            lines += _list_nearest(conditions, [one for one in numbered if one not in met], "")
        raise AssertionError("\n".join(lines))
    return [each for _, each in met]


def assert_no_unexpected(source: Source) -> None:
    """Assert that every request was taken by a route.

    An OPTIONS request that the server answers from the routes it has counts as
    taken.

    Args:
        source: a server, a journal, or exchanges.

    Raises:
        AssertionError: some were not; the text tells what was near, and how to send
            them again.
    """
    __tracebackhide__ = True
    record = read_source(source)
    record.check_is_whole()
    found = [(at, each) for at, each in enumerate(record.exchanges, 1) if _is_unexpected(each)]
    if not found:
        return
    lines = [f"no route took {count(len(found), 'request')}:"]
    for number, exchange in found[:_SHOWN_REST]:
        lines.append(f"  {number} {show_exchange(exchange)}")
        lines += [f"    {line}" for line in _explain_unexpected(exchange, source)]
    lines += list_exchanges(found[_SHOWN_REST:])
    raise AssertionError("\n".join(lines))


def _is_unexpected(exchange: Exchange) -> bool:
    if exchange.route is not None:
        return False
    return getattr(exchange.endpoint, "status_code", None) != 204


def _explain_unexpected(exchange: Exchange, source: Source) -> list[str]:
    router: Any = getattr(source, "router", None)
    stubs: Any = getattr(source, "stubs", None)
    lines: list[str] = []
    if exchange.method and stubs:
        for stub_near in stubs.explain(remake_request(exchange), limit=_NEAREST):
            lines += [escape(line) for line in stub_near.format().splitlines()]
    if exchange.method and router is not None:
        near = router.explain(exchange.method, exchange.path)
        lines += format_near_misses(near, limit=_NEAREST).splitlines()
    command = format_curl(exchange)
    return [*lines, *(command.splitlines() if len(command) <= _CURL_SHOWN else [])]
