"""Assertions on connections, TLS, and when requests came."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kit.errors import ConfigurationError
from kit.expect import UNSET
from kit.record.connection import format_address
from kit.testing.sources import (
    Filter,
    Source,
    check_exchange,
    check_number,
    list_exchanges,
    read_source,
    show_exchange,
    show_request,
)
from kit.testing.text import count, show_duration, show_value

if TYPE_CHECKING:
    from kit.record import ConnectionInfo, Exchange

Delay: TypeAlias = "float | tuple[float, float]"

DEFAULT_SLACK_S = 0.05
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CLOCK_S = 1e-6
_LISTED = 20
_SHOWN = 80


def assert_connections(
    source: Source, *, opened: int | None = None, reused: int | None = None
) -> None:
    """Assert how many connections were opened, and how many requests reused one.

    Only connections that carried a request count. One whose first request is not
    in the record, as the journal was cleared meanwhile, was not opened now: all
    its requests count as reusing it.

    Args:
        source: a server, a journal, or exchanges.
        opened: how many connections carried their first request.
        reused: how many requests came on a connection that had carried one before.

    Raises:
        AssertionError: a number differs; the text lists the connections.
        ConfigurationError: neither number is given, or one cannot be.
    """
    __tracebackhide__ = True
    expected = {"opened": opened, "reused": reused}
    if opened is None and reused is None:
        msg = "assert_connections needs opened= or reused=, or both"
        raise ConfigurationError(msg)
    for name, number in expected.items():
        if number is not None:
            check_number(name, number)
    record = read_source(source)
    record.check_is_whole()
    first = sum(each.ordinal == 1 for each in record.exchanges)
    got = {"opened": first, "reused": len(record.exchanges) - first}
    lines = []
    for name, number in expected.items():
        what = "connections opened" if name == "opened" else "requests on a reused connection"
        if number is not None:
            is_held = got[name] == number
            told = "" if is_held else f", expected {number}"
            lines.append(f"  {'✓' if is_held else '✗'} {got[name]} {what}{told}")
    if any("✗" in line for line in lines):
        head = "the connections are not what was expected:"
        raise AssertionError("\n".join([head, *lines, *_list_connections(record.exchanges)]))


def _list_connections(exchanges: Sequence[Exchange]) -> list[str]:
    carried: dict[int, list[Exchange]] = {}
    for exchange in exchanges:
        carried.setdefault(exchange.connection.id, []).append(exchange)
    lines = [_describe_connection(each) for each in list(carried.values())[:_LISTED]]
    left_out = len(carried) - _LISTED
    if left_out > 0:
        lines.append(f"and {count(left_out, 'connection')} more")
    return lines or ["there was no request at all"]


def _describe_connection(exchanges: Sequence[Exchange]) -> str:
    connection: ConnectionInfo = exchanges[0].connection
    shown = ", ".join(show_request(each) for each in exchanges[:3])
    more = f" and {len(exchanges) - 3} more" if len(exchanges) > 3 else ""
    opened = "" if exchanges[0].ordinal == 1 else ", opened before"
    peer = format_address(connection.peer)
    requests = count(len(exchanges), "request")
    return f"connection {connection.id} from {peer}{opened}: {requests}: {shown}{more}"


def assert_tls(exchange: Exchange, *, version: str | None = None, sni: Any = UNSET) -> None:
    """Assert that an exchange went over TLS, and how.

    Args:
        exchange: as recorded.
        version: "TLSv1.2" or "TLSv1.3"; any if None.
        sni: the server name that the client asked for; None for no name at all.

    Raises:
        AssertionError: it did not.
        ConfigurationError: an argument cannot work.
    """
    __tracebackhide__ = True
    connection = check_exchange(exchange).connection
    if version is not None and version not in _TLS_VERSIONS:
        msg = f"version must be one of {', '.join(_TLS_VERSIONS)}, not {version!r}"
        raise ConfigurationError(msg)
    if sni is not UNSET and not isinstance(sni, str | None):
        msg = f"sni must be a name, or None for no name, not {sni!r}"
        raise ConfigurationError(msg)
    request = show_request(exchange)
    if not connection.is_tls:
        msg = f"{request} did not go over TLS: connection {connection.id} is plain"
        raise AssertionError(msg)
    checks = []
    if version is not None:
        checks.append((connection.tls_version == version, "version", connection.tls_version))
    if sni is not UNSET:
        checks.append((_fold(connection.sni) == _fold(sni), "server name", connection.sni))
    if all(is_held for is_held, _, _ in checks):
        return
    wanted = {"version": version, "server name": sni}
    lines = [
        f"  ✓ {what} {_show_name(got)}"
        if is_held
        else f"  ✗ {what} {_show_name(got)}, expected {_show_name(wanted[what])}"
        for is_held, what, got in checks
    ]
    raise AssertionError("\n".join([f"{request} went over another TLS than expected:", *lines]))


def _fold(name: str | None) -> str | None:
    # DNS names have no case (RFC 4343).
    return None if name is None else name.lower()


def _show_name(name: object) -> str:
    return show_value(name, _SHOWN)[1:-1] if isinstance(name, str) else "none"


def assert_retries(
    source: Source,
    delays: Sequence[Delay],
    tolerance: float = 0.5,
    *,
    slack_s: float = DEFAULT_SLACK_S,
    method: str | None = None,
    path: str | None = None,
    route: str | None = None,
) -> list[float]:
    """Assert that a request was repeated, and how long the peer waited each time.

    The delays are those between the arrivals: what the exchanges took themselves
    is part of them. Time is real time, also where a test has frozen the clock.

    Args:
        source: a server, a journal, or exchanges.
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
        ConfigurationError: an argument cannot work.
    """
    __tracebackhide__ = True
    bounds = [_find_bounds(delay, tolerance, slack_s) for delay in _check_delays(delays)]
    conditions = Filter(method, path, route, None)
    record = read_source(source)
    record.check_is_whole()
    exchanges = [each for each in record.exchanges if conditions.is_met(each)]
    exchanges.sort(key=lambda each: each.received_at)
    got = [
        after.received_at - before.received_at for before, after in itertools.pairwise(exchanges)
    ]
    is_right = len(got) == len(bounds) and bool(exchanges)
    if is_right and not any(map(_judge, got, bounds)):
        return got
    expected = count(len(bounds) + 1, "request")
    head = (
        "the retries did not come when they were expected:"
        if is_right
        else f"expected {expected}, {len(bounds)} of them retries{conditions}, "
        f"got {len(exchanges)}{':' if exchanges else ''}"
    )
    raise AssertionError("\n".join([head, *_describe_retries(exchanges, got, bounds)]))


def _check_delays(delays: object) -> Sequence[Delay]:
    if isinstance(delays, Sequence) and not isinstance(delays, str):
        return delays
    msg = f"delays must be a list of seconds, not {delays!r}"
    raise ConfigurationError(msg)


def _find_bounds(delay: Any, tolerance: float, slack_s: float) -> tuple[float, float]:
    if not (tolerance >= 0 and slack_s >= 0):
        msg = f"tolerance and slack_s cannot be negative: {tolerance!r}, {slack_s!r}"
        raise ConfigurationError(msg)
    least, greatest = delay if isinstance(delay, tuple) and len(delay) == 2 else (delay, delay)
    for one in (least, greatest):
        if isinstance(one, bool) or not isinstance(one, int | float) or not one >= 0:
            msg = f"a delay is a number of seconds, or a pair of least and greatest, not {delay!r}"
            raise ConfigurationError(msg)
    return max(0.0, least * (1 - tolerance)), greatest * (1 + tolerance) + slack_s


def _judge(delay: float, bounds: tuple[float, float]) -> str:
    if delay < bounds[0] - _CLOCK_S:
        return "too early"
    return "too late" if delay > bounds[1] + _CLOCK_S else ""


def _describe_retries(
    exchanges: Sequence[Exchange], got: Sequence[float], bounds: Sequence[tuple[float, float]]
) -> list[str]:
    lines = list_exchanges(list(enumerate(exchanges, 1))[:1])
    for index, (delay, exchange) in enumerate(zip(got, exchanges[1:], strict=True)):
        shown = f"{index + 2} {show_exchange(exchange)} after {show_duration(delay)}"
        if index >= len(bounds):
            lines.append(f"  ✗ {shown}, not expected")
            continue
        low, high = bounds[index]
        verdict = _judge(delay, bounds[index])
        expected = f"expected {show_duration(low)} to {show_duration(high)}"
        if verdict:
            lines.append(f"  ✗ {shown}, {verdict}: {expected}")
        else:
            lines.append(f"  ✓ {shown}, {expected}")
    for index in range(len(got), len(bounds)):
        low, high = bounds[index]
        expected = f"{show_duration(low)} to {show_duration(high)}"
        lines.append(f"  ✗ {index + 2} expected after {expected}, but it did not come")
    left_out = len(lines) - _LISTED
    return [*lines[:_LISTED], f"  and {left_out} more"] if left_out > 0 else lines
