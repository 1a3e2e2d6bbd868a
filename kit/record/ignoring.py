"""What a comparison of recorded messages leaves out, by rules that a user gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kit.errors import ConfigurationError
from kit.expect.json_paths import Step, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: Final = ("query", "form", "part", "json", "header", "body", "status", "frame")

MAX_DEPTH: Final = 100
"""A document nested deeper than this is left as it is."""


class Ignoring:
    """Rules that leave something out of comparisons; immutable.

    Args:
        rules: each one of "query:NAME", "form:NAME", "part:NAME", "json:PATH" (from `$`
            on, as `kit.expect.at_paths` has it), "json:NAME" (a member of that name at
            any depth), "header:NAME" (of a response that `verify` compares), "body", "status"
            and "frame" (what a client sends on websockets).

    Raises:
        ConfigurationError: a rule is none of these.
    """

    def __init__(self, rules: Iterable[str] = ()) -> None:
        given = (rules,) if isinstance(rules, str) else tuple(rules)
        self._names: dict[str, set[str]] = {kind: set() for kind in KINDS}
        self._paths: list[tuple[str, tuple[Step, ...]]] = []
        for rule in given:
            self._add(rule)
        self.rules = given

    def _add(self, rule: object) -> None:
        kind, _, name = rule.partition(":") if isinstance(rule, str) else ("", "", "")
        is_bare = kind in ("body", "status", "frame")
        if kind not in KINDS or is_bare == bool(name):
            raise ConfigurationError(
                'a rule of ignore is "query:NAME", "form:NAME", "part:NAME", "json:$.PATH", '
                f'"json:NAME", "header:NAME", "body", "status" or "frame", not {rule!r}'
            )
        if kind == "json" and name.startswith("$"):
            self._paths.append((name, parse_path(name)))
        else:
            self._names[kind].add(name.lower() if kind == "header" else name)

    def has(self, kind: str) -> bool:
        """Tell whether "body", "status" or "frame" is left out as a whole."""
        return bool(self._names[kind])

    def has_header(self, name: str) -> bool:
        """Tell whether a header of that name, in lower case, is left out."""
        return name in self._names["header"]

    def drop_fields(
        self, kind: str, fields: dict[str, list[Any]], ignored: set[str]
    ) -> dict[str, list[Any]]:
        """Leave fields out by name, and add the rules that did to `ignored`."""
        names = self._names[kind] & fields.keys()
        ignored |= {f"{kind}:{name}" for name in names}
        return {name: values for name, values in fields.items() if name not in names}

    def drop_json(self, value: Any, ignored: set[str]) -> Any:
        """Leave members of a JSON document out, and add the rules that did to `ignored`."""
        names = self._names["json"]
        if names:
            value = _drop_members(value, names, ignored, MAX_DEPTH)
        for text, steps in self._paths:
            value, is_found = _drop_path(value, steps)
            if is_found:
                ignored.add(f"json:{text}")
        return value

    def __repr__(self) -> str:
        return f"Ignoring({list(self.rules)!r})"


def _drop_members(value: Any, names: set[str], ignored: set[str], depth: int) -> Any:
    if not depth:
        return value
    if isinstance(value, dict):
        ignored |= {f"json:{name}" for name in names & value.keys()}
        return {
            name: _drop_members(each, names, ignored, depth - 1)
            for name, each in value.items()
            if name not in names
        }
    if isinstance(value, list):
        return [_drop_members(each, names, ignored, depth - 1) for each in value]
    return value


def _drop_path(value: Any, steps: tuple[Step, ...]) -> tuple[Any, bool]:
    """Return the value without what stands at a path, and whether something did."""
    if not steps:
        return None, True
    step, rest = steps[0], steps[1:]
    if isinstance(step, str) and isinstance(value, dict) and step in value:
        others = {name: each for name, each in value.items() if name != step}
        if not rest:
            return others, True
        inner, is_found = _drop_path(value[step], rest)
        return ({**value, step: inner} if is_found else value), is_found
    if isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
        at = step % len(value)
        inner, is_found = _drop_path(value[at], rest) if rest else (None, True)
        # An item that is left out keeps its place, so that those behind it keep theirs.
        return ([*value[:at], inner, *value[at + 1 :]] if is_found else value), is_found
    return value, False
