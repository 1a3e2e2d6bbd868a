"""The conditions of a stub: each is held by a request or not, and says why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import EllipsisType
from typing import TYPE_CHECKING, Final

from kit.errors import BodyError, ConfigurationError, PatternError, RemoteProtocolError
from kit.expect.checks import Check, Condition
from kit.expect.diff import compile_json, is_equal, list_differences
from kit.expect.fields import (
    CookiesCondition,
    FormCondition,
    HeadersCondition,
    MultipartCondition,
    QueryCondition,
)
from kit.expect.matchers import UNSET, Partial, Predicate, check_predicate, compile_text
from kit.expect.multipart import compile_bytes
from kit.expect.wording import shorten, show_text
from kit.messages import Request
from kit.routing.near_misses import find_near_misses
from kit.routing.patterns import Pattern
from kit.routing.resource import Route, check_method

if TYPE_CHECKING:
    from kit.expect.seen import Seen

PATH_WEIGHT: Final = 8
METHOD_WEIGHT: Final = 4


class MethodCondition(Condition):
    """The method is one of some; HEAD is not GET here, as requests are counted."""

    __slots__ = ("methods",)

    kind = "method"
    weight = METHOD_WEIGHT

    def __init__(self, given: object) -> None:
        super().__init__(given)
        self.methods: tuple[str, ...] = _list_methods(given)

    def __str__(self) -> str:
        return "|".join(self.methods) or "any method"

    def is_held(self, seen: Seen) -> bool:
        """Compare the method; no methods stand for all."""
        return not self.methods or seen.request.method in self.methods

    def explain(self, seen: Seen) -> list[Check]:
        """Name both methods."""
        method = shorten(seen.request.method, 80)
        if self.is_held(seen):
            return [Check(ok=True, text=f"method {method}")]
        return [Check(ok=False, text=f"method {method}, the stub takes {self}")]


class PathCondition(Condition):
    """The path matches a pattern."""

    __slots__ = ("pattern",)

    kind = "path"
    weight = PATH_WEIGHT

    def __init__(self, given: object) -> None:
        super().__init__(given)
        self.pattern: Pattern = _compile_pattern(given)

    def match(self, path: str) -> dict[str, str] | None:
        """Match a path: the decoded wildcards, or None, also if it cannot be decoded."""
        try:
            return self.pattern.match(path)
        except RemoteProtocolError:
            return None

    def is_held(self, seen: Seen) -> bool:
        """Match the path."""
        return self.match(seen.request.path) is not None

    def explain(self, seen: Seen) -> list[Check]:
        """Name the components that do not match."""
        path = seen.request.path
        if self.is_held(seen):
            return [Check(ok=True, text=f"path {shorten(path, 120)}")]
        route = Route("GET", self.pattern.text, print)
        (near_miss,) = find_near_misses([(route, self.pattern)], "GET", path)
        faults = "; ".join(text for held, text in near_miss.conditions if not held)
        return [Check(ok=False, text=shorten(f"path {shorten(path, 120)}: {faults}"))]


class JsonCondition(Condition):
    """The body is JSON and as expected, whatever its Content-Type says."""

    __slots__ = ("_tree",)

    kind = "json"
    needs_body = True

    def __init__(self, given: object) -> None:
        super().__init__(given)
        self._tree = compile_json(given)

    def is_held(self, seen: Seen) -> bool:
        """Compare up to the first difference."""
        try:
            return is_equal(self._tree, seen.json())
        except BodyError:
            return False

    def explain(self, seen: Seen) -> list[Check]:
        """List the differences."""
        try:
            lines = list_differences(self._tree, seen.json())
        except BodyError as error:
            return [Check(ok=False, text=f"json: {shorten(str(error))}")]
        if len(lines) <= 1:
            return [Check(ok=not lines, text=f"json: {lines[0]}" if lines else "json")]
        return [Check(ok=False, text="json:", diff=tuple(lines))]


class BodyCondition(Condition):
    """The body as text (by its charset) or as bytes, by the kind of what is expected."""

    __slots__ = ("_is_text", "_matcher")

    kind = "body"
    needs_body = True

    def __init__(self, given: object) -> None:
        super().__init__(given)
        matcher = compile_bytes(given)
        self._is_text = matcher is None and (isinstance(given, str | re.Pattern | Partial))
        if matcher is None and callable(given):
            matcher = Predicate(check_predicate(given, "body"))
        elif matcher is None and given is ...:
            matcher = Predicate(_is_not_empty)
        elif matcher is None and not self._is_text:
            raise ConfigurationError(
                "body takes str, bytes, a compiled pattern, a function of the bytes, "
                f"partial(...) or ..., not {shorten(repr(given), 160)}: for a JSON document "
                "there is json="
            )
        self._matcher = matcher or compile_text(given, "body")

    def is_held(self, seen: Seen) -> bool:
        """Compare the body."""
        try:
            return self._matcher.is_held(seen.text() if self._is_text else seen.request.body)
        except BodyError:
            return False

    def explain(self, seen: Seen) -> list[Check]:
        """Show where the body differs."""
        try:
            body = seen.text() if self._is_text else seen.request.body
        except BodyError as error:
            return [Check(ok=False, text=f"body: {shorten(str(error))}")]
        if self._matcher.is_held(body):
            return [Check(ok=True, text=f"body: {show_text(body)}")]
        return [Check(ok=False, text=f"body: {shorten(self._explain(body), 400)}")]

    def _explain(self, body: str | bytes) -> str:
        if self.given is ...:
            return "expected any body, got none"
        return self._matcher.explain(body, show_text)


class MatchCondition(Condition):
    """A function says true to the whole request."""

    __slots__ = ("_predicate",)

    kind = "match"
    needs_body = True

    def __init__(self, given: object) -> None:
        super().__init__(given)
        self._predicate = Predicate(check_predicate(given, "match"))

    def is_held(self, seen: Seen) -> bool:
        """Ask the function."""
        return self._predicate.is_held(seen.request)

    def explain(self, seen: Seen) -> list[Check]:
        """Name the function."""
        ok = self.is_held(seen)
        if ok:
            return [Check(ok=True, text=f"match: {self._predicate.describe(show_text)}")]
        text = self._predicate.explain(seen.request, _show_request)
        return [Check(ok=False, text=f"match: {text}")]


_BODY_KINDS = ("json", "body", "form", "multipart")

_KINDS: Final[dict[str, type[Condition]]] = {
    each.kind: each
    for each in (
        QueryCondition,
        HeadersCondition,
        CookiesCondition,
        FormCondition,
        JsonCondition,
        MultipartCondition,
        BodyCondition,
        MatchCondition,
    )
}


def compile_conditions(given: Mapping[str, object]) -> tuple[Condition, ...]:
    """Make the conditions of what was given by keyword, those on the head first.

    Args:
        given: the arguments of `expect`; None, and UNSET for `json`, ask for nothing.

    Raises:
        ConfigurationError: one of them cannot be held by any request.
    """
    is_asked = {
        kind: value is not UNSET and (value is not None or kind == "json")
        for kind, value in given.items()
    }
    of_body = [kind for kind in _BODY_KINDS if is_asked.get(kind)]
    if len(of_body) > 1:
        raise ConfigurationError(
            f"a body is expected as one thing, not as {' and '.join(of_body)}: "
            "leave one out, or use match="
        )
    conditions = [kind(given[name]) for name, kind in _KINDS.items() if is_asked.get(name)]
    return tuple(sorted(conditions, key=_needs_body))


def _list_methods(given: object) -> tuple[str, ...]:
    if isinstance(given, EllipsisType):
        return ()
    if given == "*":
        raise ConfigurationError(
            'any method is ..., not "*": expect(..., "/a"), and in a file no method'
        )
    if isinstance(given, str):
        return (check_method(given),)
    if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping):
        methods = tuple(dict.fromkeys(check_method(each) for each in given))
        if methods:
            return methods
    raise ConfigurationError(
        f'a method is a str such as "GET", a list of them, or ... for any, not {given!r}'
    )


def _compile_pattern(given: object) -> Pattern:
    try:
        return Pattern(given)  # type: ignore[arg-type]  # it checks the type itself
    except PatternError as error:
        if isinstance(given, str) and given[error.position : error.position + 1] == "?":
            reason = '"?" is not part of a path: give the query as query={...}'
            raise PatternError(given, error.position, reason) from None
        raise


def _show_request(request: object) -> str:
    if not isinstance(request, Request):
        return show_text(request)
    text = f"{shorten(request.method, 80)} {shorten(request.path, 120)}"
    return f"{text} with params {show_text(request.params)}" if request.params else text


def _needs_body(condition: Condition) -> bool:
    return condition.needs_body


def _is_not_empty(body: bytes) -> bool:
    return bool(body)
