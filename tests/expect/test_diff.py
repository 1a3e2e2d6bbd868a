from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import re
import time
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.expect import absent, at_paths, json_diff, partial
from kit.serializable import Serializable
from support.deadlines import scaled


@dataclasses.dataclass
class Order:
    sku: str
    at: dt.date


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Note(Serializable, name="expect.Note"):
    text: str


def is_even(value: Any) -> bool:
    return bool(value % 2 == 0)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (1, 1.0),
        (0.5, 0.5),
        ("a", "a"),
        ([], []),
        ({}, {}),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ((1, 2), [1, 2]),
        ({"a": ...}, {"a": None}),
        ({"a": absent, "b": 1}, {"b": 1}),
        (re.compile("a+"), "aaa"),
        ([re.compile("[0-9]{4}-.*")], ["2024-01-01"]),
        (is_even, 4),
        (str, ""),
        (int, 0),
        (float, 0),
        (float, 0.5),
        (bool, False),
        (list, []),
        (dict, {}),
        (type(None), None),
        (mock.ANY, 5),
        (pytest.approx(0.3), 0.1 + 0.2),
        (dt.date.fromisoformat, "2024-05-01"),
        (Order("a", dt.date(2024, 5, 1)), {"sku": "a", "at": "2024-05-01"}),
        (Color.RED, "red"),
        (Level.LOW, 1),
        ({"note": Note("hi")}, {"note": json.loads(Note("hi").dumps())}),
        (partial({"a": 1}), {"a": 1, "b": 2}),
        (partial({"a": {"b": 1}}), {"a": {"b": 1, "c": 2}, "d": 3}),
        (partial({"a": [{"b": 1}]}), {"a": [{"b": 1, "c": 2}]}),
        (partial([1, 3]), [1, 2, 3]),
        (partial([{"id": 2}]), [{"id": 1}, {"id": 2, "x": 0}]),
        (partial([]), [1]),
        (partial({}), {"a": 1}),
        (partial({"a": absent}), {"b": 1}),
        ({"a": partial({"b": 1}), "c": 2}, {"a": {"b": 1, "x": 0}, "c": 2}),
        (at_paths({"user.name": "bob"}), {"user": {"name": "bob", "age": 3}, "x": 1}),
        (at_paths({"items[0].id": ..., "items[-1].id": 2}), {"items": [{"id": 1}, {"id": 2}]}),
        (at_paths({"user.email": absent}), {"user": {}}),
        (at_paths({"[0]": partial({"a": 1})}), [{"a": 1, "b": 2}]),
        (at_paths({"$": {"a": 1}}), {"a": 1}),
    ],
)
def test_what_is_as_expected_has_no_difference(expected: Any, actual: Any) -> None:
    assert json_diff(expected, actual) == []


@pytest.mark.parametrize(
    ("expected", "actual", "lines"),
    [
        (1, 2, ["$: expected 1, got 2"]),
        (1, True, ["$: expected 1, got true"]),
        (False, 0, ["$: expected false, got 0"]),
        (None, "", ['$: expected null, got ""']),
        ({"qty": 2}, {"qty": "2"}, ['$.qty: expected 2, got "2"']),
        ({"qty": 2}, {}, ["$.qty: missing, expected 2"]),
        ({}, {"a b": [1]}, ['$["a b"]: unexpected, got [1]']),
        ({"a": 1}, [1], ['$: expected {"a": 1}, got [1]']),
        ([1], {"a": 1}, ['$: expected [1], got {"a": 1}']),
        ([1, 2], [1], ["$[1]: missing, expected 2"]),
        ([1], [1, {"a": 2}], ['$[1]: unexpected, got {"a": 2}']),
        ({"a": ...}, {}, ["$.a: missing, expected any value"]),
        ({"a": absent}, {"a": None}, ["$.a: expected to be absent, got null"]),
        (re.compile("a+"), "ab", ['$: expected a full match of /a+/, got "ab"']),
        (re.compile("1"), 1, ["$: expected a full match of /1/, got 1"]),
        (int, True, ["$: expected an integer, got true"]),
        (int, 1.5, ["$: expected an integer, got 1.5"]),
        (float, "1", ['$: expected a number, got "1"']),
        (dict, [], ["$: expected an object, got []"]),
        (
            partial({"a": {"b": 1}}),
            {"a": {"b": 2, "c": 3}},
            ["$.a.b: expected 1, got 2"],
        ),
        (partial([1, 4]), [1, 2, 3], ["$: expected an item 4 at [1] or behind, got [1, 2, 3]"]),
        (partial([9]), [1, 2], ["$: expected an item 9, got [1, 2]"]),
        (partial([2, 1]), [1, 2, 3], ["$: expected an item 1 at [2] or behind, got [1, 2, 3]"]),
        (partial([{"a": 1}]), [{"a": 2}], ["$[0].a: expected 1, got 2"]),
        (
            {"a": partial({"b": partial({"c": int})})},
            {},
            ['$.a: missing, expected {"b": {"c": an integer}}'],
        ),
        (
            at_paths({"user.name": "bob", "items[2].id": 1}),
            {"user": {"name": "eve"}, "items": []},
            ['$.user.name: expected "bob", got "eve"', "$.items[2].id: missing, expected 1"],
        ),
        (at_paths({"a.b": absent}), {"a": {"b": 1}}, ["$.a.b: expected to be absent, got 1"]),
        ({"x": at_paths({"a.b": 1})}, {}, ['$.x: missing, expected {"$.a.b": 1}']),
    ],
)
def test_a_difference_is_told_with_its_path(expected: Any, actual: Any, lines: list[str]) -> None:
    assert json_diff(expected, actual) == lines


def test_a_predicate_is_named_with_where_it_is_written() -> None:
    line = is_even.__code__.co_firstlineno
    place = f"is_even (test_diff.py:{line})"
    assert json_diff(is_even, 3) == [f"$: expected {place} to take it, got 3"]
    assert json_diff({"a": is_even}, {"a": "x"}) == [
        (
            f"$.a: {place} raised TypeError: not all arguments converted during string "
            'formatting; got "x"'
        )
    ]


def test_long_texts_are_told_by_the_place_where_they_part() -> None:
    expected = "a" * 5000 + "b" + "a" * 5000
    actual = "a" * 5000 + "c" + "a" * 4000
    assert json_diff(expected, actual) == [
        (
            f'$: expected …"{"a" * 10}b{"a" * 29}", got …"{"a" * 10}c{"a" * 29}", which part at '
            "index 5000 (lengths 10001 and 9001)"
        )
    ]


def test_further_differences_are_counted() -> None:
    lines = json_diff({}, {f"k{n}": n for n in range(15)})
    assert lines[0] == "$.k0: unexpected, got 0"
    assert len(lines) == 13
    assert lines[-1] == "and 3 more differences"
    assert json_diff({}, {"a": 1, "b": 2}, limit=1) == [
        "$.a: unexpected, got 1",
        "and 1 more difference",
    ]
    assert json_diff([], list(range(5000)), limit=0) == ["and more than 1000 more differences"]


def test_a_shown_value_is_bounded_and_on_one_line() -> None:
    nested: Any = "deep"
    for _ in range(50):
        nested = {"a": nested}
    (line,) = json_diff(1, nested)
    assert line == '$: expected 1, got {"a": {"a": {"a": {"a": {…}}}}}'
    (line,) = json_diff(1, {"text": "x\n\x1b" + "y" * 100_000})
    assert line.startswith(r'$: expected 1, got {"text": "x\n\u001byyy')
    assert len(line) < 110


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({1: 2}, 'at $: a member\'s name is a str: write "1", not 1'),
        ({"a": [b"x"]}, "at $.a[0]: a value of type bytes is not JSON: give text or a list"),
        ({1, 2}, "at $: a value of type set is not JSON: give text or a list"),
        ([absent], "at $[0]: absent is for the members of objects and for at_paths"),
        (float("nan"), "at $: nan is no JSON number"),
        (
            {"a": re.compile(b"x")},
            "at $.a: JSON holds text: give a pattern of str, not re.compile(b'x')",
        ),
        (at_paths({"$": absent}), "at $: the whole document cannot be absent"),
        (
            {"a": object()},
            "at $.a: cannot send object as JSON: object has no JSON form; convert it first",
        ),
    ],
)
def test_what_json_cannot_be_compared_with_is_refused(expected: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        json_diff(expected, None)
    assert str(caught.value) == f"the expected JSON cannot be compared {message}"


def test_a_document_in_itself_is_refused() -> None:
    expected: list[Any] = []
    expected.append(expected)
    with pytest.raises(ConfigurationError) as caught:
        json_diff(expected, [])
    assert str(caught.value) == "the expected JSON is nested deeper than 100 levels, or in itself"


def test_a_coroutine_function_is_no_predicate() -> None:
    async def check(value: Any) -> bool:
        return bool(value)

    with pytest.raises(ConfigurationError) as caught:
        json_diff({"a": check}, {})
    line = check.__code__.co_firstlineno
    assert str(caught.value) == (
        f"json $.a: check (test_diff.py:{line}) is an async def; a predicate is a plain function"
    )


@pytest.mark.parametrize("values", [{}, [], "a", None])
def test_at_paths_takes_a_dict_that_is_not_empty(values: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        at_paths(values)
    assert str(caught.value) == f"at_paths takes a dict of values by path, not {values!r}"


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


@given(DOCUMENTS, DOCUMENTS)
def test_documents_differ_if_and_only_if_their_text_does(one: Any, other: Any) -> None:
    assert (json_diff(one, other) == []) == (canonical(one) == canonical(other))
    assert json_diff(one, one) == []


@given(DOCUMENTS)
def test_every_document_holds_itself(document: Any) -> None:
    assert json_diff(partial(document), document) == []


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=4))
def test_a_partial_list_is_a_subsequence(actual: list[int], expected: list[int]) -> None:
    rest = iter(actual)
    is_subsequence = all(any(item == each for each in rest) for item in expected)
    assert (json_diff(partial(expected), actual) == []) == is_subsequence


@given(DOCUMENTS, DOCUMENTS)
@settings(max_examples=50)
def test_every_line_is_printable_and_short(one: Any, other: Any) -> None:
    for line in json_diff(one, other):
        assert line.startswith(("$", "and "))
        assert line.isprintable()
        assert len(line) < 400


def test_megabytes_are_compared_in_little_time() -> None:
    document = {"items": [{"id": n, "text": "x" * 50} for n in range(20_000)]}
    changed = json.loads(json.dumps(document))
    changed["items"][-1]["id"] = -1
    began = time.perf_counter()
    assert json_diff(document, changed) == ["$.items[19999].id: expected 19999, got -1"]
    assert time.perf_counter() - began < scaled(5)
