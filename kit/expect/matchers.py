"""What may stand in the place of an expected value, and how it is compared.

| given | takes |
|---|---|
| a text, number, ... | that value |
| `re.compile(...)` | text that matches from its first to its last character |
| a function | what it returns true for; one that raises does not take the value |
| a type | `int`, `str`, ... in JSON: values of that kind; else: what it can be called with |
| `...` | any value, but there must be one |
| `partial(value)` | what holds the value among other things |
| `absent` | only that there is none; outside JSON `None` says the same |
| an object with its own `==` | what it is equal to |
"""

from __future__ import annotations

import enum
import inspect
import re
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final

from kit.errors import ConfigurationError, describe_error
from kit.expect.wording import (
    Show,
    count,
    describe_callable,
    explain_unequal,
    shorten,
    show_regex,
    show_repr,
    show_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Mark(enum.Enum):
    """Arguments that stand for no value."""

    UNSET = "UNSET"
    absent = "absent"

    def __repr__(self) -> str:
        return str(self.value)

    __str__ = __repr__


UNSET: Final = Mark.UNSET
"""Says that an argument was not given, where None is a value."""
absent: Final = Mark.absent
"""Says that there must be no such value."""


@dataclass(frozen=True, slots=True, repr=False)
class Partial:
    """A value that must be contained; `partial` makes one."""

    value: Any

    def __repr__(self) -> str:
        return f"partial({self.value!r})"


def partial(value: Any) -> Any:
    """Expect a value among others.

    A dict: further names may be there, also in the dicts inside a JSON document. A
    list in JSON: its items must be there in this order, with others around them. A
    text: it must occur.
    """
    return Partial(value)


class Matcher:
    """Takes some values and not others."""

    __slots__ = ()

    def is_held(self, value: Any) -> bool:
        """Tell whether it takes the value."""
        raise NotImplementedError

    def describe(self, show: Show) -> str:
        """Say what it takes."""
        raise NotImplementedError

    def explain(self, value: object, show: Show) -> str:
        """Say why it does not take the value."""
        return f"expected {self.describe(show)}, got {show(value)}"

    def __str__(self) -> str:
        return self.describe(show_text)


class Anything(Matcher):
    """Takes every value."""

    __slots__ = ()

    def is_held(self, value: object) -> bool:
        """Tell that it does."""
        return value is not absent

    def describe(self, _: Show) -> str:
        """Say so."""
        return "any value"


class Exact(Matcher):
    """Takes one text, or one string of bytes."""

    __slots__ = ("_expected",)

    def __init__(self, expected: str | bytes) -> None:
        self._expected = expected

    def is_held(self, value: object) -> bool:
        """Tell whether it is this one."""
        return value == self._expected

    def describe(self, show: Show) -> str:
        """Show it."""
        return show(self._expected)

    def explain(self, value: object, show: Show) -> str:
        """Show both, or where they part."""
        return explain_unequal(self._expected, value, show)


class Contains(Matcher):
    """Takes texts, or bytes, that hold this one."""

    __slots__ = ("_part",)

    def __init__(self, part: str | bytes) -> None:
        self._part: Any = part

    def is_held(self, value: Any) -> bool:
        """Tell whether the text holds it."""
        return type(value) is type(self._part) and self._part in value

    def describe(self, show: Show) -> str:
        """Show the part."""
        return f"{show(self._part)} in it"


class Regex(Matcher):
    """Takes text, or bytes, that a regular expression matches as a whole."""

    __slots__ = ("_pattern",)

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        self._pattern = pattern

    def is_held(self, value: Any) -> bool:
        """Tell whether the whole text matches."""
        is_same_kind = type(value) is type(self._pattern.pattern)
        return is_same_kind and self._pattern.fullmatch(value) is not None

    def describe(self, _: Show) -> str:
        """Show the expression."""
        return f"a full match of {show_regex(self._pattern)}"


class Predicate(Matcher):
    """Takes what a function says true to, or what a class can be called with."""

    __slots__ = ("_call", "_is_class")

    def __init__(self, call: Callable[[Any], object]) -> None:
        self._call = call
        self._is_class = isinstance(call, type)

    def is_held(self, value: object) -> bool:
        """Ask the function; one that raises has not said true."""
        try:
            return self._ask(value)
        except Exception:  # noqa: BLE001 - told by `explain`
            return False

    def _ask(self, value: object) -> bool:
        # The text "0" is an int though int("0") is false.
        return value is not absent and (bool(self._call(value)) or self._is_class)

    def describe(self, _: Show) -> str:
        """Name the function."""
        return f"{describe_callable(self._call)} to take it"

    def explain(self, value: object, show: Show) -> str:
        """Tell what the function raised, if it did."""
        try:
            self._ask(value)
        except Exception as error:  # noqa: BLE001 - a predicate is not ours
            text = shorten(describe_error(error), 160)
            return f"{describe_callable(self._call)} raised {text}; got {show(value)}"
        return super().explain(value, show)


class Equal(Matcher):
    """Takes what an object of somebody else's says to be equal to it."""

    __slots__ = ("_expected",)

    def __init__(self, expected: object) -> None:
        self._expected = expected

    def is_held(self, value: object) -> bool:
        """Ask the object."""
        try:
            return value is not absent and bool(self._expected == value)
        except Exception:  # noqa: BLE001 - what cannot be compared is not equal
            return False

    def describe(self, _: Show) -> str:
        """Show the object."""
        return shorten(show_repr(self._expected), 160)


ANYTHING: Final = Anything()


def compile_text(expected: object, where: str) -> Matcher:
    """Make the matcher of a text.

    Args:
        expected: what was given.
        where: what it was given for, for the message.

    Raises:
        ConfigurationError: it is nothing that a text can be compared with.
    """
    if isinstance(expected, str):
        return Exact(expected)
    if isinstance(expected, bool):
        raise ConfigurationError(
            f"{where}: {expected} is not text: write it as the request does, "
            f'"{str(expected).lower()}" or "{expected}"'
        )
    if isinstance(expected, int | float):
        return Exact(str(expected))
    if isinstance(expected, re.Pattern) and isinstance(expected.pattern, bytes):
        raise ConfigurationError(f"{where} is text: give a pattern of str, not {expected!r}")
    if isinstance(expected, Partial):
        if isinstance(expected.value, str) and expected.value:
            return Contains(expected.value)
        raise ConfigurationError(f"{where}: partial() of a text takes a str, not {expected!r}")
    matcher = compile_common(expected, where)
    if matcher is None:
        raise ConfigurationError(
            f"{where} is text: expected a str, a compiled pattern, a function, partial(...) "
            f"or ..., not {shorten(repr(expected), 160)}"
        )
    return matcher


def compile_common(expected: object, where: str) -> Matcher | None:
    """Make the matcher of what means the same everywhere; None if it is nothing of that."""
    if isinstance(expected, EllipsisType):
        return ANYTHING
    if isinstance(expected, re.Pattern):
        return Regex(expected)
    if isinstance(expected, type) and type(expected).__eq__ is not type.__eq__:
        return Equal(expected)
    if callable(expected):
        return Predicate(check_predicate(expected, where))
    if _has_own_equality(expected):
        return Equal(expected)
    return None


def check_predicate(function: object, where: str) -> Callable[[Any], object]:
    """Return the function if it can be asked.

    Raises:
        ConfigurationError: it is a coroutine function, or none at all.
    """
    if not callable(function):
        raise ConfigurationError(
            f"{where} takes a function of one argument, not {shorten(repr(function), 160)}"
        )
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(
            f"{where}: {describe_callable(function)} is an async def; a predicate is a "
            "plain function"
        )
    return function


def _has_own_equality(value: object) -> bool:
    # Built-in containers compare too, but where they were meant they were taken before.
    kind = type(value)
    return kind.__module__ != "builtins" and kind.__eq__ is not object.__eq__


class Values:
    """What is expected of all values of one name: none, one, or a list of them."""

    __slots__ = ("_is_absent", "_matchers", "is_list")

    def __init__(self, expected: object, where: str) -> None:
        self._is_absent = expected is None or expected is absent
        self.is_list: bool = isinstance(expected, list | tuple)
        given = expected if isinstance(expected, list | tuple) else [expected]
        if self.is_list and not given:
            raise ConfigurationError(f"{where}: an empty list of values; None says: must be absent")
        self._matchers = [] if self._is_absent else [compile_text(each, where) for each in given]

    def is_held(self, values: list[str]) -> bool:
        """Tell whether the values, in their order, are as expected; [] says there is none."""
        matchers = self._matchers
        if matchers and values and matchers[0] is ANYTHING and not self.is_list:
            return True
        return len(values) == len(matchers) and all(
            matcher.is_held(value) for matcher, value in zip(matchers, values, strict=True)
        )

    def describe(self) -> str:
        """Say what is expected."""
        texts = [str(each) for each in self._matchers]
        if self._is_absent:
            return "nothing"
        return f"[{', '.join(texts)}]" if self.is_list else texts[0]

    def explain(self, values: list[str]) -> str:
        """Say why the values are not as expected."""
        if not self.is_list and self._matchers and len(values) == 1:
            return self._matchers[0].explain(values[0], show_text)
        got = "nothing" if not values else show_text(values[0] if len(values) == 1 else values)
        if self.is_list and len(values) != len(self._matchers) and values:
            got = f"{count(len(values), 'value')}: {show_text(values)}"
        return f"expected {self.describe()}, got {got}"
