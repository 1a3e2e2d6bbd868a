"""Stubs that did not take what was expected, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kit.expect.near_misses import find_nearest_requests
from kit.expect.wording import count, shorten
from kit.routing.patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.expect.stubs import Stub
    from kit.messages import Request

COMPARED_REQUESTS: Final = 100
"""Of the requests given, the last ones that are compared with each stub."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One stub that did not take what was expected.

    Attributes:
        kind: "unused", "used too little", or "hidden" by an earlier stub.
        text: what is wrong, with the nearest requests; several lines.
        stub: the stub.
    """

    kind: str
    text: str
    stub: Stub

    def __str__(self) -> str:
        return self.text


def find_problems(stubs: Sequence[Stub], requests: Sequence[Request]) -> list[Problem]:
    """List the problems, in the order of the stubs."""
    problems = []
    for index, stub in enumerate(stubs):
        hiding = None if stub.calls else _find_hiding(stubs[:index], stub)
        if hiding is not None:
            text = (
                f"{stub} can never be used: {hiding} takes all its requests; "
                "register the narrower one first, or bound the other with times()"
            )
            problems.append(Problem("hidden", text, stub))
        elif not stub.is_satisfied:
            kind = "used too little" if stub.calls else "unused"
            problems.append(Problem(kind, _describe(stub, requests), stub))
    return problems


def _describe(stub: Stub, requests: Sequence[Request]) -> str:
    took = f"took {count(stub.calls, 'request')}" if stub.calls else "was never used"
    bound = "exactly" if stub.max_calls == stub.min_calls else "at least"
    lines = [f"{stub} {took}, expected {bound} {count(stub.min_calls, 'request')}"]
    refusal = stub.explain_refusal()
    if refusal is not None:
        lines.append(f"  {refusal}")
    for request, checks in find_nearest_requests(stub, requests[-COMPARED_REQUESTS:]):
        lines.append(f"  nearest: {shorten(f'{request.method} {request.target}', 160)}")
        for check in checks:
            lines += check.format("    ")
    return "\n".join(lines)


def _find_hiding(earlier: Sequence[Stub], stub: Stub) -> Stub | None:
    for other in earlier:
        if other.is_always_on and hides(other, stub):
            return other
    return None


def hides(one: Stub, other: Stub) -> bool:
    """Tell whether one stub surely takes all requests of another."""
    methods = one.methods
    if methods and not (other.methods and set(other.methods) <= set(methods)):
        return False
    if not covers(Pattern(one.pattern), Pattern(other.pattern)):
        return False
    return all(
        any(condition.is_same(each) for each in other.conditions[2:])
        for condition in one.conditions[2:]
    )


def covers(one: Pattern, other: Pattern) -> bool:
    """Tell whether one pattern surely matches every path that another one matches.

    In rare cases it does though this says no: `/:a/:b*` and `/:a+`.
    """
    fixed = len(one.components)
    if len(other.components) < fixed:
        return False
    for want, got in zip(one.components, other.components[:fixed], strict=True):
        if want != got and (want is not None or not got):
            return False
    rest = other.components[fixed:]
    if not one.run:
        return not rest and not other.run
    if rest == ("",):
        return one.run != "+" and not other.run
    if "" in rest:
        return False
    if not rest:
        # A run that may take nothing is also there with a slash behind it.
        return _accepts_end(one.run, other.run)
    if one.run == "?":
        return len(rest) == 1 and not other.run
    return other.run in ("", "+")


def _accepts_end(run: str, other: str) -> bool:
    accepted = {"*": ("", "?", "*", "+"), "?": ("", "?"), "+": ("+",)}
    return other in accepted[run]
