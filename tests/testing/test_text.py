from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.testing.text import (
    align,
    count,
    escape,
    show_difference,
    show_duration,
    show_line,
    show_value,
)


@given(st.text(), st.integers(1, 50))
def test_whatever_is_shown_is_printable_and_of_one_line(text: str, limit: int) -> None:
    for shown in (escape(text), show_line(text, limit), show_value(text, limit)):
        assert shown.isprintable()


@given(st.text(max_size=300) | st.binary(max_size=300), st.integers(10, 50))
def test_a_value_is_never_longer_than_asked_for(value: str | bytes, limit: int) -> None:
    assert len(show_value(value, limit)) <= limit + len("… (300 characters)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x7f\x85", r"\x1b[2J\x7f\x85"),
        ("\u202e\ud800", r"\u202e\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_an_escape_is_not_cut_in_the_middle() -> None:
    assert show_value(b"ab" + b"\x00" * 20, 6) == "b'ab… (22 bytes)"
    assert show_value("ab" + "\x00" * 20, 7) == r"'ab\x00… (22 characters)"


@pytest.mark.parametrize(
    ("expected", "got", "told"),
    [
        ("ab", "ac", "they part at index 1: expected 'ab', got 'ac'"),
        ("ab", "a", "they part at index 1: expected 'ab', got the end (1 character)"),
        (b"", b"a", "they part at index 0: expected the end (0 bytes), got b'a'"),
        (
            "x" * 30 + "a" + "y" * 30,
            "x" * 30 + "b",
            f"they part at index 30: expected …'{'x' * 20}a{'y' * 19}'…, got …'{'x' * 20}b'",
        ),
    ],
)
def test_two_texts_are_shown_where_they_part(
    expected: str | bytes, got: str | bytes, told: str
) -> None:
    assert show_difference(expected, got) == told


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0.0 ms"), (0.0123, "12.3 ms"), (9.99, "9990.0 ms"), (75, "75.00 s")]
)
def test_durations_are_shown_in_fitting_units(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


def test_numbers_take_the_plural() -> None:
    assert [count(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


def test_cells_are_set_in_columns() -> None:
    assert align([("1", "", "a"), ("22", "", "bb")]) == ["1   a", "22  bb"]
    assert align([]) == []
