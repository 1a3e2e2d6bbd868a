"""What a condition is, whatever it asks."""

from __future__ import annotations

import pytest

from kit.expect.checks import Check, Condition


class Moody:
    """Cannot be compared, as arrays cannot."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of this is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class Other(Condition):
    pass


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Condition({"a": [1]}), Condition({"a": [1]}), True),
        (Condition(1), Condition(2), False),
        (Condition(1), Condition(True), False),
        (Condition(1), Other(1), False),
        (Condition(Moody()), Condition(Moody()), False),
    ],
)
def test_only_what_surely_takes_the_same_requests_is_the_same(
    one: Condition, other: Condition, is_same: bool
) -> None:
    assert one.is_same(other) is is_same


def test_a_check_is_written_with_its_mark_and_its_differences() -> None:
    assert Check(ok=True, text="method GET").format("  ") == ["  \u2713 method GET"]
    assert Check(ok=False, text="json", diff=("$.a: 1", "$.b: 2")).format() == [
        "\u2717 json",
        "    $.a: 1",
        "    $.b: 2",
    ]
