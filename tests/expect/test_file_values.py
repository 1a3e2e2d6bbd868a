from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.expect import absent, at_paths, partial
from kit.expect.file_values import (
    read_body,
    read_fields,
    read_json,
    read_text,
    write_body,
    write_fields,
    write_json,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (1, 1),
        (None, None),
        ({"$any": True}, ...),
        ({"$absent": True}, absent),
        ({"$regex": "a+"}, re.compile("a+")),
        ({"$partial": "a"}, partial("a")),
        (["a", {"$any": True}], ["a", ...]),
    ],
)
def test_text_is_read(value: Any, expected: Any) -> None:
    assert read_text(value, "$") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None]}, {"a": [1, None]}),
        ({"$schema": "x", "type": "y"}, {"$schema": "x", "type": "y"}),
        ({"$partial": {"a": {"$type": "number"}}}, partial({"a": float})),
        ({"$paths": {"a.b": {"$any": True}}}, at_paths({"a.b": ...})),
        ({"$literal": {"$ref": {"$literal": {"$any": 1}}}}, {"$ref": {"$any": 1}}),
    ],
)
def test_json_is_read_and_written(value: Any, expected: Any) -> None:
    assert read_json(value, "$") == expected
    assert write_json(expected, "json") == value


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("string", str),
        ("integer", int),
        ("number", float),
        ("boolean", bool),
        ("array", list),
        ("object", dict),
        ("null", type(None)),
    ],
)
def test_a_type_has_the_name_of_json_schema(name: str, kind: type) -> None:
    assert read_json({"$type": name}, "$") is kind
    assert write_json(kind, "json") == {"$type": name}


def test_fields_are_read_and_written() -> None:
    value = {"$partial": {"a": {"$regex": "x"}, "b": ["1", "2"], "c": None}}
    fields = read_fields(value, "$.query")
    assert fields == partial({"a": re.compile("x"), "b": ["1", "2"], "c": None})
    assert write_fields(fields, "query") == value


def test_a_body_of_bytes_is_read_and_written() -> None:
    assert read_body({"$base64": "/wA="}, "$") == b"\xff\x00"
    assert write_body(b"\xff\x00", "body") == {"$base64": "/wA="}


@pytest.mark.parametrize(
    ("read", "value", "text"),
    [
        (read_text, {"a": 1}, "$.x: expected text, got {'a': 1}"),
        (read_text, {"$any": False}, "$.x.$any: expected true, got False"),
        (
            read_text,
            {"$type": "string"},
            "$.x: expected one of $regex, $partial, $any, $absent, got $type",
        ),
        (read_text, {"$regex": 3}, "$.x.$regex: expected a regular expression, got 3"),
        (
            read_text,
            {"$regex": "("},
            (
                "$.x.$regex: '(' is no regular expression: missing ), unterminated subpattern at "
                "position 0"
            ),
        ),
        (read_fields, [1], "$.x: expected an object of values by name, got [1]"),
        (
            read_fields,
            {"$partial": 1},
            "$.x.$partial: expected an object of values by name, got 1",
        ),
        (
            read_json,
            {"a": [{"$kind": "string"}]},
            (
                "$.x.a[0]: expected one of $regex, $partial, $any, $absent, $type, $paths, "
                "$literal, got $kind; an object that is meant as it stands goes into "
                '{"$literal": ...}'
            ),
        ),
        (
            read_json,
            {"$type": "int"},
            (
                "$.x.$type: expected one of string, integer, number, boolean, array, object, null, "
                "got 'int'"
            ),
        ),
        (read_json, {"$paths": {}}, "$.x.$paths: expected an object of values by path, got {}"),
        (read_json, {"$literal": 3}, "$.x.$literal: expected an object, got 3"),
        (read_body, {"$base64": 3}, "$.x.$base64: expected base64, got 3: "),
        (read_body, [1], "$.x: expected text, got [1]"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(read: Any, value: Any, text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(value, "$.x")
    told = str(raised.value)
    assert told == text or (text.endswith(": ") and told.startswith(text))


NAMES = st.sampled_from(["a", "$any", "$ref", "$literal", "$partial"]) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_any_document_stands_for_itself_when_it_is_written(value: Any) -> None:
    assert read_json(write_json(value, "json"), "$") == value


@given(JSON)
def test_any_document_is_read_or_refused(value: Any) -> None:
    for read in (read_json, read_fields, read_text, read_body):
        told = "$"
        try:
            read(value, "$")
        except ConfigurationError as error:
            told = str(error)
        assert told.startswith("$")
