"""Why no stub took a request, for the response's body and for the test's report."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, NamedTuple

from kit.errors import describe_error
from kit.expect.checks import Check
from kit.expect.conditions import METHOD_WEIGHT, PATH_WEIGHT
from kit.expect.seen import Seen
from kit.expect.wording import shorten, show_text
from kit.routing import format_near_misses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.expect.checks import Condition
    from kit.expect.stubs import Stub
    from kit.messages import Request
    from kit.routing import NearMiss

NEAREST: Final = 3
"""Stubs, routes and requests that an explanation shows."""
REFINED: Final = 32
"""Of so many of the nearest stubs, the conditions are compared one by one."""
TEXT_CHARACTERS: Final = 16 * 1024
"""An explanation is cut here."""
FAR: Final = METHOD_WEIGHT + PATH_WEIGHT
"""What is off by this is not worth showing beside something nearer."""

_BODY_SHOWN = 200


class StubNearMiss(NamedTuple):
    """One stub and its conditions, as they came out for one request."""

    stub: Stub
    conditions: list[Check]

    @property
    def is_match(self) -> bool:
        """Whether every condition was held."""
        return all(check.ok for check in self.conditions)

    def format(self) -> str:
        """Write it as text, a line per condition."""
        lines = [str(self.stub)]
        for check in self.conditions:
            lines += check.format("  ")
        return "\n".join(lines)


class _Compared(NamedTuple):
    """How far a request is from a stub: compared in this order."""

    weight: int
    refusals: int
    faults: int
    unlikeness: float


def find_nearest_stubs(stubs: Sequence[Stub], request: Request, limit: int) -> list[StubNearMiss]:
    """Compare a request with each stub; give the nearest ones, nearest first.

    First come those off by the least: a path weighs more than a method, and that more
    than any other condition. Then those with the fewest faults in what is off, such as
    differences of a document, and those whose pattern is spelt the most like the path.
    """
    seen = Seen(request)
    ranked = sorted(((_weigh(stub, seen), stub) for stub in stubs), key=_weight_of)
    compared = []
    for weight, stub in ranked[:REFINED]:
        refusal = stub.explain_refusal()
        checks = explain_conditions(stub, seen)
        if refusal is not None:
            checks.append(Check(ok=False, text=refusal))
        rank = _Compared(
            weight, int(refusal is not None), _count_faults(checks), _unlikeness(stub, seen)
        )
        compared.append((rank, StubNearMiss(stub, checks)))
    compared.sort(key=_rank_of)
    is_near = bool(compared) and compared[0][0].weight < FAR
    return [each for rank, each in compared[:limit] if rank.weight < FAR or not is_near]


def find_nearest_requests(
    stub: Stub, requests: Sequence[Request]
) -> list[tuple[Request, list[Check]]]:
    """Compare requests with a stub; give the nearest of those that have anything in common."""
    weighed = []
    for request in requests:
        seen = Seen(request)
        weighed.append((_weigh(stub, seen), seen))
    weighed.sort(key=_weight_of)
    nearest = []
    for weight, seen in weighed[: NEAREST - 1]:
        if weight >= FAR:
            break
        checks = explain_conditions(stub, seen)
        if not weight:
            checks.append(Check(ok=False, text=_explain_passing(stub)))
        nearest.append((seen.request, checks))
    return nearest


def _explain_passing(stub: Stub) -> str:
    # No stub took the request, so that this one was not there yet, or had to wait.
    turn = ", or when it was not the stub's turn" if stub.has_turns else ""
    return f"every condition is held: the request came before the stub was registered{turn}"


def explain_conditions(stub: Stub, seen: Seen) -> list[Check]:
    """Hold a request against each condition of a stub."""
    return [check for condition in stub.conditions for check in _explain(condition, seen)]


def _explain(condition: Condition, seen: Seen) -> list[Check]:
    try:
        return condition.explain(seen)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a test's function, that calls pytest.fail()
        told = shorten(describe_error(error))
        return [Check(ok=False, text=f"{condition.kind}: it raised {told}")]


def _is_held(condition: Condition, seen: Seen) -> bool:
    try:
        return condition.is_held(seen)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - told by `_explain`
        return False


def format_unmatched(
    request: Request,
    routes_near: Sequence[NearMiss],
    stubs_near: Sequence[StubNearMiss],
    *,
    stub_count: int | None = None,
) -> str:
    """Write why nothing took a request, for a response's body and a test's report.

    Args:
        request: the request, with its body.
        routes_near: all near misses among the routes, nearest first.
        stubs_near: those among the stubs, nearest first.
        stub_count: how many stubs there are, if more than `stubs_near`.
    """
    total = max(len(stubs_near), stub_count or 0)
    target = shorten(request.target, 500)
    nothing = " and ".join(
        what for what, is_there in (("no stub", total), ("no route", routes_near)) if is_there
    )
    lines = [f"{nothing or 'no stub and no route'} takes {shorten(request.method, 80)} {target}"]
    if not total and not routes_near:
        lines[0] += ": none is registered"
    if request.body:
        lines += ["", _describe_body(request)]
    if stubs_near:
        shown = stubs_near[:NEAREST]
        lines += ["", "the stub is" if total == 1 else f"of {total} stubs the nearest are"]
        for near_miss in shown:
            lines += ["", near_miss.format()]
    if routes_near:
        is_one = len(routes_near) == 1
        heading = "the route is" if is_one else f"of {len(routes_near)} routes the nearest are"
        lines += ["", heading, "", format_near_misses(routes_near[:NEAREST], limit=NEAREST)]
    return _cut("\n".join(lines))


def _describe_body(request: Request) -> str:
    body = request.body
    kind = shorten(request.headers.text("content-type", "no Content-Type"), 120)
    start = show_text(body[:_BODY_SHOWN])
    try:
        start = shorten(body[:_BODY_SHOWN].decode(), 2 * _BODY_SHOWN)
    except UnicodeError:
        pass  # shown as bytes
    more = "…" if len(body) > _BODY_SHOWN else ""
    return f"its body, {len(body)} bytes, {kind}: {start}{more}"


def _cut(text: str) -> str:
    if len(text) <= TEXT_CHARACTERS:
        return f"{text}\n"
    return f"{text[:TEXT_CHARACTERS]}\n… cut here: {len(text) - TEXT_CHARACTERS} characters more\n"


def _weigh(stub: Stub, seen: Seen) -> int:
    return sum(each.weight for each in stub.conditions if not _is_held(each, seen))


def _count_faults(checks: list[Check]) -> int:
    return sum(max(1, len(check.diff)) for check in checks if not check.ok)


def _unlikeness(stub: Stub, seen: Seen) -> float:
    path = seen.request.path[:200]
    return -difflib.SequenceMatcher(None, stub.pattern, path, autojunk=False).ratio()


def _weight_of(weighed: tuple[int, object]) -> int:
    return weighed[0]


def _rank_of(compared: tuple[_Compared, StubNearMiss]) -> _Compared:
    return compared[0]
