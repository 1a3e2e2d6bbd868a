r"""Paths into JSON documents: `user.name`, `items[0].id`, `["odd key"].x`, `$`.

    path    = ["$"] [first] *step      the empty path and "$" are the whole document
    first   = key | "." key | bracket
    step    = "." key | bracket
    key     = 1*(any character but . [ ] " ' and white space)
    bracket = "[" index "]" | "[" quoted "]"
    index   = ["-"] 1*digit            -1 is the last item
    quoted  = a JSON string | "'" *(any character but ' and \) "'"

A key, quoted or not, is a member of an object and never an index. A first key `$`
must be quoted, as must one that begins with it.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn, TypeAlias

from kit.errors import ConfigurationError
from kit.expect.wording import shorten

Step: TypeAlias = str | int
Trail: TypeAlias = "tuple[Trail, Step] | None"
"""The steps to a place, the last one outermost; None is the document itself."""

_KEY = re.compile(r"""[^.\[\]"'\s]+""")
_INDEX = re.compile(r"\[(-?[0-9]{1,9})\]")
_QUOTED = re.compile(r"""\[("(?:[^"\\]|\\.)*"|'[^'\\]*')\]""")


def parse_path(text: object) -> tuple[Step, ...]:
    """Split a path into its steps: `str` for members, `int` for items.

    Raises:
        ConfigurationError: it is malformed; the message tells where.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"a JSON path is a str such as 'user.name', not {text!r}")
    at = 1 if text.startswith("$") else 0
    if at and text[1:2] not in ("", ".", "["):
        _fail(text, 1, 'a key that begins with $ is written ["$key"]')
    steps: list[Step] = []
    while at < len(text):
        if text[at] == "[":
            step, at = _parse_bracket(text, at)
        else:
            step, at = _parse_key(text, at, is_first=at == 0)
        steps.append(step)
    return tuple(steps)


def format_trail(trail: Trail) -> str:
    """Write a place's path, from `$` on; `parse_path` reads it."""
    steps: list[Step] = []
    while trail is not None:
        trail, step = trail
        steps.append(step)
    return shorten("$" + "".join(_format_step(step) for step in reversed(steps)), 200)


def _format_step(step: Step) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _KEY.fullmatch(step) else f"[{json.dumps(step)}]"


def _parse_bracket(text: str, at: int) -> tuple[Step, int]:
    index = _INDEX.match(text, at)
    if index:
        return int(index[1]), index.end()
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        _fail(text, at, 'expected an index [0] or a quoted key ["key"]')
    if quoted[1][0] == "'":
        return quoted[1][1:-1], quoted.end()
    try:
        return str(json.loads(quoted[1])), quoted.end()
    except ValueError as error:
        _fail(text, at, f"the quoted key is not a JSON string: {error}")


def _parse_key(text: str, at: int, *, is_first: bool) -> tuple[Step, int]:
    if text[at] == ".":
        at += 1
    elif not is_first:
        _fail(text, at, 'expected "." or "[" between two steps')
    key = _KEY.match(text, at)
    if key is None:
        _fail(text, at, 'expected a key; one with special characters is quoted: ["a.b"]')
    return key[0], key.end()


def _fail(text: str, at: int, reason: str) -> NoReturn:
    raise ConfigurationError(f"JSON path {text!r} is wrong at index {at}: {reason}")
