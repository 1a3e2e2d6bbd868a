"""Values are shown in one line that is not too long."""

from __future__ import annotations

import pytest

from kit.expect.wording import show_text


@pytest.mark.parametrize(
    ("value", "end"),
    [
        (["x"] * 1000, ", 'x', … 974 more]"),
        (["a" * 60, "b" * 60, "c" * 60], f"['{'a' * 60}', … 2 more]"),
        (["a" * 200, "b"], "a'… (200 characters), … 1 more]"),
    ],
    ids=["many", "long", "one that is long"],
)
def test_of_a_long_list_the_beginning_is_shown_and_how_many_are_not(
    value: list[str], end: str
) -> None:
    assert show_text(value).endswith(end)
    assert len(show_text(value)) < 150


def test_a_short_list_is_shown_as_a_whole() -> None:
    assert show_text(["one", b"two", 3]) == "['one', b'two', 3]"
