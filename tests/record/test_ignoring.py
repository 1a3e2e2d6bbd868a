"""What a rule leaves out of a comparison; `test_matching.py` compares with rules."""

from __future__ import annotations

from typing import Any

import pytest

from kit.errors import ConfigurationError
from kit.record.ignoring import MAX_DEPTH, Ignoring


def nest(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = {"in": value}
    return value


def test_it_is_shown_with_its_rules() -> None:
    assert repr(Ignoring(["query:at", "json:$.id"])) == "Ignoring(['query:at', 'json:$.id'])"


def test_a_member_is_left_out_at_any_depth() -> None:
    ignored: set[str] = set()
    given = nest({"id": 1, "name": "a"}, 5)
    assert Ignoring("json:id").drop_json(given, ignored) == nest({"name": "a"}, 5)
    assert ignored == {"json:id"}


def test_a_member_nested_deeper_than_the_bound_is_left_as_it_is() -> None:
    ignored: set[str] = set()
    given = nest({"id": 1}, MAX_DEPTH)
    assert Ignoring("json:id").drop_json(given, ignored) == given
    assert ignored == set()


@pytest.mark.parametrize("rule", ["json", "body:x", "headers:x", "query:", 5])
def test_what_is_no_rule_is_refused(rule: Any) -> None:
    with pytest.raises(ConfigurationError):
        Ignoring([rule])
