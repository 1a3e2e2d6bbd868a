"""How messages show what came over a wire: short, in one line, and harmless to a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTEXT = 20
_TARGET_SHOWN = 100
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# Escapes of repr() that stand for one character must not be cut in the middle.
_CUT_ESCAPE = re.compile(r"\\(?:x[0-9a-f]?|u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?$")


def escape(text: str) -> str:
    """Escape each character that is not printable, and leave the others as they are."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape_one(one) for one in text)


def _escape_one(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return _NAMED.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def shorten(text: str, limit: int) -> str:
    """Cut a text behind `limit` characters, and tell how many it had."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text)} characters)"


def show_line(text: str, limit: int) -> str:
    """Escape a text, and cut it; a long one is cut before it is escaped."""
    if len(text) <= limit:
        return shorten(escape(text), limit)
    return f"{escape(text[:limit])[:limit]}… ({len(text)} characters)"


def show_target(target: str) -> str:
    """Show a request target, shortened."""
    return show_line(target, _TARGET_SHOWN)


def show_value(value: object, limit: int) -> str:
    """Show a value as `repr` does, cut behind `limit` characters.

    Of a long text or bytes only the beginning is ever represented.
    """
    if isinstance(value, str | bytes) and len(value) > limit:
        unit = "characters" if isinstance(value, str) else "bytes"
        beginning = _CUT_ESCAPE.sub("", escape(repr(value[:limit]))[:limit])
        return f"{beginning}… ({len(value)} {unit})"
    return shorten(escape(repr(value)), limit)


def show_difference(expected: str | bytes, got: str | bytes) -> str:
    """Tell where two texts part, with what stands there in each."""
    size = min(len(expected), len(got))
    at = next((index for index in range(size) if expected[index] != got[index]), size)
    start = max(0, at - _CONTEXT)
    before, after = (_excerpt(one, start, at) for one in (expected, got))
    return f"they part at index {at}: expected {before}, got {after}"


def _excerpt(text: str | bytes, start: int, at: int) -> str:
    if at >= len(text):
        return f"the end ({_count(text)})"
    end = at + _CONTEXT
    left, right = "…" if start else "", "…" if end < len(text) else ""
    return f"{left}{escape(repr(text[start:end]))}{right}"


def _count(text: str | bytes) -> str:
    return count(len(text), "character" if isinstance(text, str) else "byte")


def show_duration(seconds: float) -> str:
    """Show a duration in milliseconds, from ten seconds on in seconds."""
    if abs(seconds) >= 10:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.1f} ms"


def count(number: int, noun: str) -> str:
    """Give a number with its noun, in the plural where that is due."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set rows of cells in columns; the last cell of a row is of any length.

    A column that is empty in every row is left out.
    """
    if not rows:
        return []
    fixed = range(len(rows[0]) - 1)
    widths = [max(len(row[column]) for row in rows) for column in fixed]
    kept = [column for column in fixed if widths[column]]
    return [
        "".join([*(f"{row[at]:<{widths[at]}}  " for at in kept), row[-1]]).rstrip() for row in rows
    ]
