"""Why routes did not match: each condition of each route, held or failed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from kit.errors import RemoteProtocolError
from kit.routing.patterns import Pattern, split_path, suggest_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kit.routing.resource import Route

REFINED = 32
"""How many of the nearest routes are also compared letter by letter."""


class NearMiss(NamedTuple):
    """One route and its conditions, each with whether it held."""

    route: Route
    conditions: list[tuple[bool, str]]

    @property
    def is_match(self) -> bool:
        """Whether every condition held."""
        return all(held for held, _ in self.conditions)


class _Candidate(NamedTuple):
    miss: NearMiss
    pattern: Pattern
    failures: int


def find_near_misses(
    routes: Iterable[tuple[Route, Pattern]],
    method: str,
    path: str,
    *,
    is_upgrade: bool | None = None,
) -> list[NearMiss]:
    """Compare a request with each route, and sort them by nearness.

    Routes that match come first, then those with the fewest failed conditions, of
    these the most alike in spelling, and otherwise the first registered. The sort by
    spelling is left out behind the first few.

    Args:
        routes: pairs of a route and its compiled pattern, in order of registration.
        method: the request's method.
        path: its undecoded path.
        is_upgrade: whether it asks for a websocket; None leaves that condition out.
    """
    try:
        parts = split_path(path)
    except RemoteProtocolError as error:
        return [NearMiss(route, [(False, error.reason)]) for route, _ in routes]
    found = [
        _compare(route, pattern, method, parts, is_upgrade=is_upgrade) for route, pattern in routes
    ]
    found.sort(key=lambda each: each.failures)
    nearest = sorted(found[:REFINED], key=lambda each: (each.failures, -_likeness(each, path)))
    return [each.miss for each in (*nearest, *found[REFINED:])]


def format_near_misses(near_misses: Sequence[NearMiss], *, limit: int = 3) -> str:
    """Write the first few near misses as text, a line per condition."""
    lines = []
    for route, conditions in near_misses[:limit]:
        kind = "websocket" if route.is_websocket else route.http_method
        lines.append(f"{kind} {route.url_pattern} -> {route.name}")
        lines += [f"  {'✓' if held else '✗'} {text}" for held, text in conditions]
    left_out = len(near_misses) - limit
    if left_out > 0:
        lines.append(f"and {left_out} more route{'s' if left_out > 1 else ''}")
    return "\n".join(lines)


def show_text(text: str) -> str:
    """Escape what a peer may have sent to upset a terminal or an encoder."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _likeness(candidate: _Candidate, path: str) -> float:
    if not candidate.failures:
        return 0.0  # of those that match, the first registered one answers
    text = candidate.pattern.text
    return difflib.SequenceMatcher(None, text, path, autojunk=False).ratio()


def _compare(
    route: Route, pattern: Pattern, method: str, parts: list[str], *, is_upgrade: bool | None
) -> _Candidate:
    conditions = [_compare_method(route.http_method, method)]
    if is_upgrade is not None and route.is_websocket != is_upgrade:
        wants, is_one = ("a", "is not") if route.is_websocket else ("no", "is")
        text = f"takes {wants} websocket handshake, the request {is_one} one"
        # A plain route takes an upgrade request too, but only if no websocket does.
        conditions.append((not route.is_websocket, text))
    conditions += _compare_components(pattern, parts)
    failures = sum(not held for held, _ in conditions)
    return _Candidate(NearMiss(route, conditions), pattern, failures)


def _compare_method(wanted: str, given: str) -> tuple[bool, str]:
    if wanted == given:
        return True, f"method {given}"
    if (wanted, given) == ("GET", "HEAD"):
        return True, "method HEAD, answered from GET"
    return False, f"method {given}, the route takes {wanted}"


def _compare_components(pattern: Pattern, parts: list[str]) -> list[tuple[bool, str]]:
    if parts[0]:
        return [(False, "the path does not begin with a slash")]
    conditions = []
    fixed = len(pattern.components)
    names = iter(pattern.names)
    for index in range(1, fixed):
        text = pattern.components[index]
        want = f":{next(names)}" if text is None else f'"{text}"'
        if index >= len(parts):
            hint = _hint_at_wildcard(text)
            conditions.append((False, f"component {index}, {want}, is missing{hint}"))
        elif text is None:
            conditions.append(_compare_wildcard(index, want, parts[index]))
        elif text == parts[index]:
            conditions.append((True, f"component {index} is {want}"))
        else:
            given = f'component {index} is "{show_text(parts[index])}", not {want}'
            conditions.append((False, f"{given}{_hint_at_wildcard(text)}"))
    return conditions + _compare_rest(pattern, parts)


def _hint_at_wildcard(text: str | None) -> str:
    meant = None if text is None else suggest_wildcard(text)
    return "" if meant is None else f': a wildcard is written "{meant}"'


def _compare_wildcard(index: int, want: str, part: str) -> tuple[bool, str]:
    if part:
        return True, f'component {index} is {want} = "{show_text(part)}"'
    return False, f"component {index} is empty, {want} takes one that is not"


def _compare_rest(pattern: Pattern, parts: list[str]) -> list[tuple[bool, str]]:
    fixed = len(pattern.components)
    if len(parts) < fixed:
        return []
    rest = show_text("/".join(parts[fixed:]))
    held = pattern.accepts_run(parts[fixed:])
    if pattern.run:
        want = f":{pattern.names[-1]}{pattern.run}"
        return [(held, f'{want} {"=" if held else "does not take"} "{rest}"')]
    if held:
        return []
    what = f'"/{rest}"' if rest else 'a trailing "/"'
    return [(False, f"the path goes on with {what}")]
