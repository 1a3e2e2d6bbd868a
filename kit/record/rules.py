"""The rules of a redaction, compiled once and checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kit.errors import ConfigurationError
from kit.record.sensitive import SensitiveNames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.record.sensitive import NameRule, Secrets

ValueRule = Callable[[str, str, str], str | None]


class Rules:
    """What `Redaction` was given; see there.

    Attributes:
        names: decides which names stand for secrets.
        placeholder: what takes a secret's place.
    """

    __slots__ = ("_functions", "_patterns", "names", "placeholder")

    def __init__(
        self,
        *,
        names: Iterable[NameRule],
        keep: Iterable[NameRule],
        patterns: Iterable[re.Pattern[str] | str],
        functions: Iterable[ValueRule],
        placeholder: str,
        is_default: bool,
    ) -> None:
        self.names: SensitiveNames = SensitiveNames(names, keep, is_default=is_default)
        self.placeholder: str = _check_placeholder(placeholder)
        self._patterns = tuple(map(_compile, patterns))
        self._functions = tuple(map(_check_function, functions))

    @property
    def is_default(self) -> bool:
        """Whether the usual rules count."""
        return self.names.is_default

    def redact_value(self, place: str, name: str, value: str, secrets: Secrets) -> str:
        """Return what is to stand for a named value, which is learned if it is a secret."""
        if not value or value == self.placeholder:
            return value
        if name in self.names:
            secrets.learn(value)
            return self.placeholder
        for function in self._functions:
            given: Any = function(place, name, value)
            if given is None:
                continue
            if not isinstance(given, str):
                raise ConfigurationError(
                    f"a redaction's function returned {type(given).__name__} for the {place} "
                    f"{name!r}, expected the text that takes the value's place, or None"
                )
            if given != value:
                secrets.learn(value)
            return given
        return value

    @property
    def has_functions(self) -> bool:
        """Whether values under any name are asked about."""
        return bool(self._functions)

    def apply_patterns(self, data: bytes) -> bytes:
        """Take out what the patterns find; the same object comes back if that is nothing."""
        if not self._patterns:
            return data
        # Bytes that are no UTF-8 survive the way there and back.
        text = data.decode("utf-8", "surrogateescape")
        changed = text
        for pattern in self._patterns:
            changed = pattern.sub(self._replace, changed)
        return data if changed == text else changed.encode("utf-8", "surrogateescape")

    def _replace(self, found: re.Match[str]) -> str:
        whole, start = found[0], found.start()
        if not found.re.groups:
            return self.placeholder if whole else ""
        pieces, at = [], 0
        for group in range(1, found.re.groups + 1):
            first, last = found.span(group)
            # A group inside one that is replaced already has gone with it.
            if first < 0 or first == last or first - start < at:
                continue
            pieces += [whole[at : first - start], self.placeholder]
            at = last - start
        return "".join([*pieces, whole[at:]])


def _check_placeholder(placeholder: object) -> str:
    # It stands in URLs, header fields and JSON, where it must need no quoting.
    if isinstance(placeholder, str) and re.fullmatch(r"[A-Za-z0-9_.~-]{1,64}", placeholder):
        return placeholder
    raise ConfigurationError(
        "placeholder must be 1 to 64 letters, digits, '-', '_', '.' or '~', so that it can "
        f"stand anywhere, not {placeholder!r}"
    )


def _compile(pattern: object) -> re.Pattern[str]:
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        return pattern
    if not isinstance(pattern, str):
        raise ConfigurationError(f"patterns takes patterns of str, not {pattern!r}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(f"pattern {pattern!r} is no regular expression: {error}") from None


def _check_function(function: object) -> ValueRule:
    if callable(function):
        return function
    raise ConfigurationError(f"functions takes functions of (place, name, value), not {function!r}")
