"""JSON documents against what is expected of them, difference by difference."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from kit.errors import ConfigurationError, LocalProtocolError
from kit.expect.json_paths import Step, Trail, format_trail, parse_path
from kit.expect.matchers import (
    ANYTHING,
    Matcher,
    Partial,
    absent,
    compile_common,
)
from kit.expect.wording import Show, explain_unequal, show_json
from kit.messages.content import dump_json, parse_json

MAX_LINES: Final = 12
"""Differences that are listed; further ones are counted."""
MAX_COUNTED: Final = 1000
"""Beyond this many differences, those left are not even counted."""
MAX_DEPTH: Final = 100
"""An expected document nested deeper than this is refused."""

_NO_JSON = (bytes, bytearray, memoryview, set, frozenset)


@dataclass(frozen=True, slots=True, repr=False)
class AtPaths:
    """Values at places of a document; `at_paths` makes one."""

    values: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"at_paths({dict(self.values)!r})"


def at_paths(values: Any) -> Any:
    """Expect values at places of a JSON document, whatever stands elsewhere.

    Args:
        values: by path, `{"user.name": "bob", "items[0].id": ...}`; see
            `kit.expect.json_paths`. Each value is compared as the document's own.

    Raises:
        ConfigurationError: there is none, or a path is malformed.
    """
    if not isinstance(values, Mapping) or not values:
        raise ConfigurationError(f"at_paths takes a dict of values by path, not {values!r}")
    for path in values:
        parse_path(path)
    return AtPaths(dict(values))


@dataclass(frozen=True, slots=True)
class _Contained:
    """A part of the expected document where more may be there than is said."""

    tree: Tree

    def __str__(self) -> str:
        return show_json(self.tree)


@dataclass(frozen=True, slots=True)
class _Places:
    """Expected values by the steps that lead to them."""

    trees: tuple[tuple[tuple[Step, ...], Tree], ...]

    def __str__(self) -> str:
        return show_json({format_trail(_extend(None, steps)): each for steps, each in self.trees})


Tree: TypeAlias = Any
"""An expected document: dicts, lists and scalars of JSON, `Matcher`, and the two above."""


class _Kind(Matcher):
    """Takes the JSON values of one type."""

    __slots__ = ("_kind", "_text")

    def __init__(self, kind: type, text: str) -> None:
        self._kind = kind
        self._text = text

    def is_held(self, value: object) -> bool:
        """Tell whether the value is of this type; true and false are no numbers."""
        if isinstance(value, bool):
            return self._kind is bool
        return isinstance(value, int | float if self._kind is float else self._kind)

    def describe(self, _: Show) -> str:
        """Name the type as JSON does."""
        return self._text


_KINDS: Final = {
    str: _Kind(str, "a string"),
    int: _Kind(int, "an integer"),
    float: _Kind(float, "a number"),
    bool: _Kind(bool, "true or false"),
    list: _Kind(list, "an array"),
    dict: _Kind(dict, "an object"),
    type(None): _Kind(type(None), "null"),
}


class Difference(NamedTuple):
    """One place where a document is not as expected."""

    trail: Trail
    explain: Callable[[object, object], str]
    expected: Any
    actual: Any

    def __str__(self) -> str:
        return f"{format_trail(self.trail)}: {self.explain(self.expected, self.actual)}"


def json_diff(expected: Any, actual: Any, *, limit: int = MAX_LINES) -> list[str]:
    """List how a JSON value differs from what is expected, a line per place.

    A line is `$.path: ` and what is wrong there. No line: all is as expected. Numbers
    are compared by value (`1` is `1.0`), `true` and `false` are none.

    Args:
        expected: a JSON value; in it may stand whatever `kit.expect` compares with.
        actual: a JSON value.
        limit: lines before the last one, which counts what is left out.

    Raises:
        ConfigurationError: `expected` holds something that is not JSON.
    """
    return list_differences(compile_json(expected), actual, limit=limit)


def list_differences(tree: Tree, actual: object, *, limit: int = MAX_LINES) -> list[str]:
    """List the differences from a compiled document."""
    found = find_differences(tree, actual)
    lines = [str(each) for each in itertools.islice(found, limit)]
    more = sum(1 for _ in itertools.islice(found, MAX_COUNTED + 1))
    if more > MAX_COUNTED:
        lines.append(f"and more than {MAX_COUNTED} more differences")
    elif more:
        lines.append(f"and {more} more difference{'' if more == 1 else 's'}")
    return lines


def compile_json(expected: object, trail: Trail = None, depth: int = 0) -> Tree:
    """Make the tree that documents are compared with.

    Raises:
        ConfigurationError: a part of it is nothing that JSON can be compared with; the
            message tells its path.
    """
    if depth > MAX_DEPTH:
        raise ConfigurationError(
            f"the expected JSON is nested deeper than {MAX_DEPTH} levels, or in itself"
        )
    if expected is None or isinstance(expected, bool | str):
        return expected
    if isinstance(expected, int | float):
        if isinstance(expected, float) and not math.isfinite(expected):
            raise _refusal(trail, f"{expected} is no JSON number")
        return expected
    if isinstance(expected, Mapping):
        return _compile_members(expected, trail, depth)
    if isinstance(expected, list | tuple):
        return [
            compile_json(each, (trail, index), depth + 1) for index, each in enumerate(expected)
        ]
    if isinstance(expected, Partial):
        return _Contained(compile_json(expected.value, trail, depth + 1))
    if isinstance(expected, AtPaths):
        return _compile_places(expected, trail, depth)
    return _compile_leaf(expected, trail)


def find_differences(
    tree: Tree, actual: object, trail: Trail = None, *, is_partial: bool = False
) -> Iterator[Difference]:
    """Yield the differences, in the order of the expected document."""
    kind = type(tree)
    if kind is dict:
        yield from _compare_members(tree, actual, trail, is_partial=is_partial)
    elif kind is list:
        yield from _compare_items(tree, actual, trail, is_partial=is_partial)
    elif kind is _Contained:
        yield from find_differences(tree.tree, actual, trail, is_partial=True)
    elif kind is _Places:
        yield from _compare_places(tree, actual, trail)
    elif isinstance(tree, Matcher):
        if not tree.is_held(actual):
            yield Difference(trail, _explain_matcher, tree, actual)
    elif isinstance(tree, bool) is not isinstance(actual, bool) or tree != actual:
        yield Difference(trail, _explain_unequal, tree, actual)


def is_equal(tree: Tree, actual: object, *, is_partial: bool = False) -> bool:
    """Tell whether a document is as expected."""
    return next(find_differences(tree, actual, is_partial=is_partial), None) is None


# What is expected


def _compile_members(expected: Mapping[Any, object], trail: Trail, depth: int) -> Tree:
    members: dict[str, Tree] = {}
    for name, value in expected.items():
        if not isinstance(name, str):
            raise _refusal(trail, f'a member\'s name is a str: write "{name}", not {name!r}')
        is_absent = value is absent
        members[name] = absent if is_absent else compile_json(value, (trail, name), depth + 1)
    return members


def _compile_places(expected: AtPaths, trail: Trail, depth: int) -> _Places:
    trees = []
    for path, value in expected.values.items():
        steps = parse_path(path)
        if value is absent and not steps:
            raise _refusal(trail, "the whole document cannot be absent")
        tree = absent if value is absent else compile_json(value, _extend(trail, steps), depth + 1)
        trees.append((steps, tree))
    return _Places(tuple(trees))


def _compile_leaf(expected: object, trail: Trail) -> Tree:
    if isinstance(expected, Matcher):
        return expected
    if isinstance(expected, type) and expected in _KINDS:
        return _KINDS[expected]
    if isinstance(expected, re.Pattern) and isinstance(expected.pattern, bytes):
        raise _refusal(trail, f"JSON holds text: give a pattern of str, not {expected!r}")
    if expected is absent:
        raise _refusal(trail, "absent is for the members of objects and for at_paths")
    if isinstance(expected, _NO_JSON):
        name = type(expected).__name__
        raise _refusal(trail, f"a value of type {name} is not JSON: give text or a list")
    if callable(expected) or isinstance(expected, re.Pattern) or expected is ...:
        return compile_common(expected, f"json {format_trail(trail)}")
    try:
        # What a JsonResponse could send: dataclasses, messages, enums, dates.
        return parse_json(dump_json(expected))
    except LocalProtocolError as error:
        matcher = compile_common(expected, f"json {format_trail(trail)}")
        if matcher is None:
            raise _refusal(trail, str(error)) from None
        return matcher


def _refusal(trail: Trail, reason: str) -> ConfigurationError:
    place = format_trail(trail)
    return ConfigurationError(f"the expected JSON cannot be compared at {place}: {reason}")


# What came


def _compare_members(
    tree: dict[str, Tree], actual: object, trail: Trail, *, is_partial: bool
) -> Iterator[Difference]:
    if not isinstance(actual, dict):
        yield Difference(trail, _explain_unequal, tree, actual)
        return
    for name, expected in tree.items():
        value = actual.get(name, absent)
        place = (trail, name)
        if expected is absent:
            if value is not absent:
                yield Difference(place, _explain_present, expected, value)
        elif value is absent:
            yield Difference(place, _explain_missing, expected, value)
        else:
            yield from find_differences(expected, value, place, is_partial=is_partial)
    if not is_partial:
        for name, value in actual.items():
            if name not in tree:
                yield Difference((trail, name), _explain_unexpected, absent, value)


def _compare_items(
    tree: list[Tree], actual: object, trail: Trail, *, is_partial: bool
) -> Iterator[Difference]:
    if not isinstance(actual, list):
        yield Difference(trail, _explain_unequal, tree, actual)
        return
    if is_partial and len(tree) != len(actual):
        yield from _find_items(tree, actual, trail)
        return
    for index, (expected, value) in enumerate(zip(tree, actual, strict=False)):
        yield from find_differences(expected, value, (trail, index), is_partial=is_partial)
    for index in range(len(actual), len(tree)):
        yield Difference((trail, index), _explain_missing, tree[index], absent)
    for index in range(len(tree), len(actual)):
        yield Difference((trail, index), _explain_unexpected, absent, actual[index])


def _find_items(tree: list[Tree], actual: list[Any], trail: Trail) -> Iterator[Difference]:
    """Find the expected items among the others, in their order.

    Each takes the first item it can: whatever a later choice leaves behind it, the
    first one leaves too.
    """
    at = 0
    for expected in tree:
        start = at
        while at < len(actual) and not is_equal(expected, actual[at], is_partial=True):
            at += 1
        if at == len(actual):
            yield Difference(trail, _explain_not_found, (expected, start), actual)
            return
        at += 1


def _compare_places(tree: _Places, actual: object, trail: Trail) -> Iterator[Difference]:
    for steps, expected in tree.trees:
        value = actual
        for step in steps:
            value = _take_step(value, step)
        place = _extend(trail, steps)
        if expected is absent:
            if value is not absent:
                yield Difference(place, _explain_present, expected, value)
        elif value is absent:
            yield Difference(place, _explain_missing, expected, value)
        else:
            yield from find_differences(expected, value, place)


def _take_step(value: object, step: Step) -> object:
    if isinstance(step, str):
        return value.get(step, absent) if isinstance(value, dict) else absent
    if isinstance(value, list) and -len(value) <= step < len(value):
        return value[step]
    return absent


def _extend(trail: Trail, steps: tuple[Step, ...]) -> Trail:
    for step in steps:
        trail = (trail, step)
    return trail


# In words


def _explain_unequal(expected: object, actual: object) -> str:
    return explain_unequal(expected, actual, show_json)


def _explain_matcher(expected: Any, actual: object) -> str:
    return str(expected.explain(actual, show_json))


def _explain_missing(expected: object, _: object) -> str:
    return f"missing, expected {_show_tree(expected)}"


def _explain_unexpected(_: object, actual: object) -> str:
    return f"unexpected, got {show_json(actual)}"


def _explain_present(_: object, actual: object) -> str:
    return f"expected to be absent, got {show_json(actual)}"


def _explain_not_found(expected: Any, actual: object) -> str:
    tree, start = expected
    behind = f" at [{start}] or behind" if start else ""
    return f"expected an item {_show_tree(tree)}{behind}, got {show_json(actual)}"


def _show_tree(tree: Tree) -> str:
    return "any value" if tree is ANYTHING else show_json(tree)
