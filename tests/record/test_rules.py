from __future__ import annotations

import re
from typing import Any

import pytest

from kit.errors import ConfigurationError
from kit.record.rules import Rules
from kit.record.sensitive import Secrets


def make_rules(**given: Any) -> Rules:
    settings = {"names": (), "keep": (), "patterns": (), "functions": (), "is_default": True}
    return Rules(**{"placeholder": "REDACTED", **settings, **given})


@pytest.mark.parametrize("placeholder", ["", "a b", "a&b", 'a"', "é", "x" * 65, None])
def test_a_placeholder_that_needs_quoting_is_refused(placeholder: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_rules(placeholder=placeholder)
    assert str(caught.value) == (
        "placeholder must be 1 to 64 letters, digits, '-', '_', '.' or '~', so that it can "
        f"stand anywhere, not {placeholder!r}"
    )


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"patterns": [3]}, "patterns takes patterns of str, not 3"),
        (
            {"patterns": [re.compile(b"x")]},
            "patterns takes patterns of str, not re.compile(b'x')",
        ),
        (
            {"patterns": ["("]},
            (
                "pattern '(' is no regular expression: missing ), unterminated subpattern at "
                "position 0"
            ),
        ),
        ({"functions": ["f"]}, "functions takes functions of (place, name, value), not 'f'"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_rules(**rules)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("pattern", "text", "redacted"),
    [
        (r"cust-\d+", "a cust-12 b cust-3", "a REDACTED b REDACTED"),
        (r"id=(\d+);(x?)", "id=12; id=3;x", "id=REDACTED; id=REDACTED;REDACTED"),
        (r"((a)b)c", "abc", "REDACTEDc"),
        (r"z*", "abc", "abc"),
        ("é", "caf\xe9", "cafREDACTED"),
    ],
)
def test_patterns_take_out_their_groups_or_all(pattern: str, text: str, redacted: str) -> None:
    rules = make_rules(patterns=[pattern])
    assert rules.apply_patterns(text.encode()) == redacted.encode()


def test_bytes_that_are_no_text_survive_patterns() -> None:
    rules = make_rules(patterns=["x"])
    assert rules.apply_patterns(b"\xff\x00x\xfe") == b"\xff\x00REDACTED\xfe"


def test_what_no_pattern_finds_is_the_same_object() -> None:
    data = b"abc"
    assert make_rules(patterns=["x"]).apply_patterns(data) is data


def test_a_function_may_replace_leave_or_be_silent() -> None:
    asked = []

    def rule(place: str, name: str, value: str) -> str | None:
        asked.append((place, name, value))
        return {"email": "a@example.com", "same": value}.get(name)

    rules, secrets = make_rules(functions=[rule]), Secrets("REDACTED")
    assert rules.redact_value("json", "email", "ada@home.test1", secrets) == "a@example.com"
    assert rules.redact_value("query", "same", "unchanged-1", secrets) == "unchanged-1"
    assert rules.redact_value("form", "other", "x", secrets) == "x"
    assert rules.redact_value("form", "token", "x", secrets) == "REDACTED"
    assert asked == [
        ("json", "email", "ada@home.test1"),
        ("query", "same", "unchanged-1"),
        ("form", "other", "x"),
    ]
    assert secrets.find_in(b"ada@home.test1 unchanged-1") == [b"ada@home.test1"]


def test_a_function_that_returns_no_text_is_told() -> None:
    rules = make_rules(functions=[lambda place, name, value: 3])
    with pytest.raises(ConfigurationError) as caught:
        rules.redact_value("json", "a", "b", Secrets("REDACTED"))
    assert str(caught.value) == (
        "a redaction's function returned int for the json 'a', expected the text that takes "
        "the value's place, or None"
    )
