"""Values as messages show them: on one line, escaped, and never long."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import re

SHOWN = 80
"""Characters of one value that a message shows."""
LINE = 300
"""Characters of one line of a message."""

_DEPTH = 4

_ARGUMENTS: Final = (
    "query",
    "headers",
    "cookies",
    "json",
    "body",
    "form",
    "multipart",
    "match",
    "max_content_length",
)
_MEANT: Final = {
    "args": "query",
    "content": "body",
    "data": "body",
    "files": "multipart",
    "func": "match",
    "matcher": "match",
    "params": "query",
    "path": "pattern",
    "predicate": "match",
    "query_string": "query",
    "text": "body",
    "uri": "pattern",
    "url": "pattern",
}
"""What other tools call the arguments of `expect`."""

Show = Callable[[object], str]


def shorten(text: str, room: int = LINE) -> str:
    """Cut a text to `room` characters, and escape what would upset a terminal."""
    if len(text) > room:
        text = f"{text[: room - 1]}…"
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def show_text(value: object) -> str:
    """Show a value of text or bytes as Python writes it, cut where it is long."""
    if isinstance(value, list):
        return f"[{_join([show_text(each) for each in value[:SHOWN]], len(value))}]"
    if isinstance(value, str | bytes) and len(value) > SHOWN:
        unit = "characters" if isinstance(value, str) else "bytes"
        return f"{value[: SHOWN - 20]!r}… ({len(value)} {unit})"
    return shorten(show_repr(value), 2 * SHOWN)


def show_repr(value: object) -> str:
    """Show a value as Python writes it, or what it is if its own `__repr__` fails."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - it is anybody's class
        return f"<{type(value).__name__} that has no repr: {type(error).__name__}>"


def show_json(value: object) -> str:
    """Show a value as JSON, with whatever is expected in it in words; cut where it is long."""
    pieces: list[str] = []
    size = 0
    for piece in _write_json(value, 0):
        pieces.append(piece)
        size += len(piece)
        if size > SHOWN:
            return f"{''.join(pieces)[: SHOWN - 1]}…"
    return "".join(pieces)


def show_regex(pattern: re.Pattern[str] | re.Pattern[bytes]) -> str:
    """Show a regular expression between slashes."""
    text = pattern.pattern
    return shorten(f"/{text if isinstance(text, str) else text.decode('latin-1')}/", SHOWN)


def describe_callable(function: object) -> str:
    """Name a function for a message, with where it is written."""
    function = getattr(function, "func", function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    name = str(name).rpartition("<locals>.")[2]
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if code is None:
        return name
    return f"{name} ({PurePath(code.co_filename).name}:{code.co_firstlineno})"


def explain_unequal(expected: object, actual: object, show: Show) -> str:
    """Tell what was expected and what came; of two long texts the place where they part."""
    if isinstance(expected, str) and isinstance(actual, str):
        return _explain_texts(expected, actual, show)
    if isinstance(expected, bytes) and isinstance(actual, bytes):
        return _explain_texts(expected, actual, show)
    return f"expected {show(expected)}, got {show(actual)}"


def describe_unknown(names: Iterable[str]) -> str:
    """Tell which argument of `expect` is none, and which one may be meant."""
    name = next(iter(names))
    near = difflib.get_close_matches(name, _ARGUMENTS, n=1)
    meant = _MEANT.get(name) or (near[0] if near else None)
    advice = f"did you mean {meant}?" if meant else f"there are {', '.join(_ARGUMENTS)}"
    return f"expect() got an unexpected keyword argument {name!r}: {advice}"


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _explain_texts(expected: str | bytes, actual: str | bytes, show: Show) -> str:
    at = _find_parting(expected, actual)
    if at < SHOWN // 2:
        return f"expected {show(expected)}, got {show(actual)}"
    start = at - 10
    wanted, given = (each[start : start + SHOWN // 2] for each in (expected, actual))
    sizes = f"lengths {len(expected)} and {len(actual)}"
    return f"expected …{show(wanted)}, got …{show(given)}, which part at index {at} ({sizes})"


def _find_parting(one: str | bytes, other: str | bytes) -> int:
    # Slices are compared in C: a loop over a text of megabytes takes far longer.
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _join(texts: list[str], total: int) -> str:
    kept: list[str] = []
    size = 0
    for text in texts:
        size += len(text)
        if size > SHOWN and kept:
            break
        kept.append(text)
    if len(kept) < total:
        kept.append(f"… {total - len(kept)} more")
    return ", ".join(kept)


def _write_json(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        cut = json.dumps(value[:SHOWN], ensure_ascii=False)
        yield shorten(cut, len(cut))
    elif value is None or isinstance(value, bool | int | float):
        yield json.dumps(value)
    elif isinstance(value, Mapping):
        yield from _write_members(value, depth) if depth < _DEPTH else ("{…}",)
    elif isinstance(value, list | tuple):
        yield from _write_items(value, depth) if depth < _DEPTH else ("[…]",)
    else:
        yield shorten(str(value), SHOWN)


def _write_members(value: Mapping[object, object], depth: int) -> Iterator[str]:
    separator = "{"
    for name, member in value.items():
        yield separator
        yield from _write_json(str(name), depth)
        yield ": "
        yield from _write_json(member, depth + 1)
        separator = ", "
    yield "{}" if separator == "{" else "}"


def _write_items(value: list[object] | tuple[object, ...], depth: int) -> Iterator[str]:
    separator = "["
    for item in value:
        yield separator
        yield from _write_json(item, depth + 1)
        separator = ", "
    yield "[]" if separator == "[" else "]"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
