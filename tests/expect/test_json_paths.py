from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ConfigurationError
from kit.expect.json_paths import Step, Trail, format_trail, parse_path


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("", ()),
        ("$", ()),
        ("user", ("user",)),
        (".user", ("user",)),
        ("user.name", ("user", "name")),
        ("$.user.name", ("user", "name")),
        ("items[0].id", ("items", 0, "id")),
        ("[0]", (0,)),
        ("$[0][-1]", (0, -1)),
        ("007", ("007",)),
        ('["a.b"]', ("a.b",)),
        ("['a.b'].c", ("a.b", "c")),
        (r'user["say \"hi\""]', ("user", 'say "hi"')),
        (r'["é[]"]', ("é[]",)),
        ('["$x"]', ("$x",)),
        ("größe.a-b_c@d", ("größe", "a-b_c@d")),
    ],
)
def test_a_path_is_split_into_steps(path: str, steps: tuple[Step, ...]) -> None:
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "a..b",
            (
                "JSON path 'a..b' is wrong at index 2: expected a key; one with special "
                'characters is quoted: ["a.b"]'
            ),
        ),
        (
            "a.",
            (
                "JSON path 'a.' is wrong at index 2: expected a key; one with special "
                'characters is quoted: ["a.b"]'
            ),
        ),
        (
            "a[x]",
            "JSON path 'a[x]' is wrong at index 1: expected an index [0] or a quoted key [\"key\"]",
        ),
        ("a b", 'JSON path \'a b\' is wrong at index 1: expected "." or "[" between two steps'),
        (
            "$a",
            "JSON path '$a' is wrong at index 1: a key that begins with $ is written [\"$key\"]",
        ),
        (
            r'["\x"]',
            (
                r"""JSON path '["\\x"]' is wrong at index 0: the quoted key is not a JSON """
                "string: Invalid \\escape: line 1 column 2 (char 1)"
            ),
        ),
        (3, "a JSON path is a str such as 'user.name', not 3"),
    ],
)
def test_a_malformed_path_is_refused_with_the_place(path: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_path(path)
    assert str(caught.value) == message


def make_trail(steps: list[Step]) -> Trail:
    trail: Trail = None
    for step in steps:
        trail = (trail, step)
    return trail


PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=5)


@given(st.lists(PRINTABLE | st.integers(-99, 99), max_size=5))
def test_a_written_path_is_read_back(steps: list[Step]) -> None:
    assert parse_path(format_trail(make_trail(steps))) == tuple(steps)


def test_a_written_path_is_bounded_and_escaped() -> None:
    text = format_trail(make_trail(["a\x1b[31m", "x" * 1000]))
    assert text.startswith(r'$["a\u001b[31m"].xxx')
    assert len(text) == 200
