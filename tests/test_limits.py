"""Each limit is a positive number, or an error says which one is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import kit


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(kit.Limits)])
def test_a_limit_may_be_any_positive_number(name: str) -> None:
    assert getattr(kit.Limits(**{name: 7}), name) == 7


@pytest.mark.parametrize("value", [0, -1, True, "5", None, float("nan")])
def test_what_is_no_positive_number_is_refused(value: Any) -> None:
    with pytest.raises(kit.ConfigurationError) as caught:
        kit.Limits(head_s=value)
    assert str(caught.value) == f"limit head_s must be a positive number, not {value!r}"


def test_a_server_refuses_what_are_no_limits() -> None:
    limits: Any = {"head_s": 1}
    with pytest.raises(kit.ConfigurationError) as caught:
        kit.HTTPServer(("127.0.0.1", 0), limits=limits)
    assert str(caught.value).startswith("limits must be ")
