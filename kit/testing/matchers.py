"""Whether one value is what was expected: exactly, by pattern, by predicate or as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kit.errors import BodyError
from kit.expect.diff import json_diff
from kit.messages.content import parse_json
from kit.record.waiting import describe_match
from kit.testing.text import escape, show_difference, show_line, show_value

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 60
_EXPLAINED = 40
_DIFF_LINES = 5


class JsonPayload:
    """Matches text or bytes that are JSON of a given value; `json_payload` makes it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: Any = value

    def diff(self, got: object) -> list[str]:
        """List how what was got differs; empty if it does not."""
        if not isinstance(got, str | bytes):
            return [f"it is {type(got).__name__}, not JSON text"]
        try:
            actual = parse_json(got.encode("utf-8", "replace") if isinstance(got, str) else got)
        except BodyError as error:
            return [escape(str(error).replace("the body", "it"))]
        return json_diff(self.value, actual, limit=_DIFF_LINES)

    def __repr__(self) -> str:
        return f"json_payload({show_value(self.value, _SHOWN)})"


def json_payload(value: Any) -> JsonPayload:
    """Match a payload that is JSON of this value, however it is written.

    `True` is not 1 here, as it is not in JSON; key order and blanks do not count.
    Inside the value may stand what the `json=` of an expectation takes.

    Raises:
        ConfigurationError: the value has no JSON form.
    """
    json_diff(value, None)
    return JsonPayload(value)


def is_value(wanted: Any, got: Any) -> bool:
    """Tell whether a value is as wanted.

    Args:
        wanted: `...` for any value; a compiled pattern, which must match text or
            bytes as a whole; a `json_payload`; a function that is given the value
            and returns whether it will do (one that raises means no); or anything
            else, which is compared with `==`.
        got: the value.
    """
    if wanted is ...:
        return True
    if isinstance(wanted, re.Pattern):
        return _is_full_match(wanted, got)
    if isinstance(wanted, JsonPayload):
        return not wanted.diff(got)
    if callable(wanted):
        try:
            return bool(wanted(got))
        except Exception:  # noqa: BLE001 - told by `explain_value`
            return False
    return bool(got == wanted)


def _is_full_match(pattern: re.Pattern[Any], got: object) -> bool:
    try:
        if isinstance(pattern.pattern, str) and isinstance(got, bytes):
            got = got.decode()
        elif isinstance(pattern.pattern, bytes) and isinstance(got, str):
            got = got.encode()
    except UnicodeError:
        return False
    return isinstance(got, str | bytes) and pattern.fullmatch(got) is not None


def show_wanted(wanted: Any) -> str:
    """Describe what is wanted, for a place where the value itself might stand."""
    if wanted is ...:
        return "..."
    if isinstance(wanted, re.Pattern):
        return f"matching {show_value(wanted.pattern, _SHOWN)}"
    if isinstance(wanted, JsonPayload):
        return f"with JSON {show_value(wanted.value, _SHOWN)}"
    if callable(wanted):
        return f"accepted by {describe_match(wanted)}"
    return show_value(wanted, _SHOWN)


def explain_value(wanted: Any, got: Any) -> list[str]:
    """Tell what is different, where the two shown side by side would not."""
    if isinstance(wanted, JsonPayload):
        return wanted.diff(got)
    if callable(wanted) and not isinstance(wanted, re.Pattern):
        return _explain_refusal(wanted, got)
    if (isinstance(wanted, str) and isinstance(got, str)) or (
        isinstance(wanted, bytes) and isinstance(got, bytes)
    ):
        is_long = max(len(wanted), len(got)) > _EXPLAINED
        return [show_difference(wanted, got)] if is_long else []
    if isinstance(wanted, str | bytes) and isinstance(got, str | bytes):
        return [f"expected {type(wanted).__name__}, got {type(got).__name__}"]
    return []


def _explain_refusal(predicate: Callable[[Any], object], got: object) -> list[str]:
    try:
        predicate(got)
    except Exception as error:  # noqa: BLE001 - a predicate is not ours
        text = str(error).strip().partition("\n")[0]
        return [show_line(f"it raised {type(error).__name__}{f': {text}' if text else ''}", 160)]
    return []
