"""Route patterns: `/user/:name`, `/files/:path*`.

A pattern is split on `/` into components, and so is a path. A component that
starts with `:` is a wildcard, every other one is static text.

| wildcard | takes |
|---|---|
| `:name` | exactly one component |
| `:name?` | none or one |
| `:name+` | one or more |
| `:name*` | none or more |

Rules that the table does not say:

- A wildcard takes only components that are not empty: `/:a` does not match `/`,
  and `/x/:a+` matches neither `/x//y` nor `/x/y/`.
- `?`, `+` and `*` stand in the last component. `/x/:a?` and `/x/:a*` match `/x`
  and `/x/` alike; anywhere else a trailing slash is significant.
- Both sides are compared percent-decoded, component by component: the pattern
  `/a b` and the pattern `/a%20b` match the path `/a%20b`, and `/a%2Fb` has one
  component. A run joins its decoded components with `/`.
- Static components match whole, case counts, and nothing is normalised: `//`, `.`
  and `..` are components like any other.
- The empty path is the path `/` (RFC 9110 section 4.2.3).
"""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from kit.errors import PatternError, RemoteProtocolError

RUN_SUFFIXES = "?+*"

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NAME_END = re.compile(r"[^\w-]")
_FOREIGN_WILDCARD = re.compile(r"<(?:\w+:)?([\w-]+)>|\{([\w-]+)(?::\w+)?\}|\*+")
_NOT_IN_A_PATH = re.compile("[?#\ud800-\udfff]")


def split_path(path: str) -> list[str]:
    """Split an undecoded path into its decoded components.

    The first one is empty when the path starts with a slash.

    Raises:
        RemoteProtocolError: a percent escape is broken, or the decoded bytes are
            not UTF-8 (status 400).
    """
    components = (path or "/").split("/")
    if "%" in path:
        return [decode_component(each) if "%" in each else each for each in components]
    return components


def decode_component(component: str) -> str:
    """Percent-decode one component of a path.

    Raises:
        RemoteProtocolError: an escape is not `%` and two hexadecimal digits, or the
            decoded bytes are not UTF-8 (status 400).
    """
    broken = _BROKEN_ESCAPE.search(component)
    if broken:
        escape = component[broken.start() : broken.start() + 3]
        msg = f"path component {component!r} holds a broken percent escape {escape!r}"
        raise RemoteProtocolError(msg)
    try:
        return unquote_to_bytes(component).decode()
    except UnicodeError:
        msg = f"path component {component!r} is not UTF-8 after percent-decoding"
        raise RemoteProtocolError(msg) from None


class Pattern:
    """One compiled pattern.

    Attributes:
        text: the pattern as given.
        names: the wildcards' names, in order.
        components: decoded text per component, `None` for a single wildcard; the
            first is always the empty one before the leading slash, and a run is
            not among them.
        run: `?`, `+` or `*` when the pattern ends in such a wildcard, else `""`.
    """

    __slots__ = ("components", "names", "run", "text")

    text: str
    names: tuple[str, ...]
    components: tuple[str | None, ...]
    run: str

    def __init__(self, text: str) -> None:
        """Compile a pattern.

        Raises:
            PatternError: it is malformed; the error tells the index.
        """
        if not isinstance(text, str):
            raise PatternError(text, 0, _describe_type(text))
        if not text.startswith("/"):
            raise PatternError(text, 0, 'it must start with "/"')
        self.text = text
        _Compiler(self).compile()

    def __repr__(self) -> str:
        """Show the pattern's text."""
        return f"Pattern({self.text!r})"

    @property
    def is_static(self) -> bool:
        """Whether the pattern has no wildcard."""
        return not self.names

    def match(self, path: str) -> dict[str, str] | None:
        """Match an undecoded path: the decoded wildcards by name, or None.

        Raises:
            RemoteProtocolError: the path cannot be decoded (status 400).
        """
        parts = split_path(path)
        fixed = len(self.components)
        if len(parts) < fixed or not self.accepts_run(parts[fixed:]):
            return None
        values = []
        for want, got in zip(self.components, parts, strict=False):
            if want is None and got:
                values.append(got)
            elif want != got:
                return None
        if self.run:
            values.append("/".join(parts[fixed:]))
        return dict(zip(self.names, values, strict=True))

    def accepts_run(self, rest: list[str]) -> bool:
        """Tell whether the components behind the fixed ones suit the pattern's end."""
        if not self.run:
            return not rest
        if not rest or rest == [""]:
            return self.run != "+"
        return "" not in rest and (len(rest) == 1 or self.run != "?")


def suggest_wildcard(component: str) -> str | None:
    """Write as a wildcard what is one in the patterns of other tools; None if it is none."""
    found = _FOREIGN_WILDCARD.fullmatch(component)
    if found is None:
        return None
    return f":{found[1] or found[2]}" if found[1] or found[2] else ":rest+"


def _describe_type(given: object) -> str:
    if given is ...:
        return 'a pattern is a str, not ...: any path is "/:path*"'
    if isinstance(given, re.Pattern):
        return (
            'a pattern is a str, not a regular expression: any path is "/:path*", and a stub asks '
            "more by match=lambda request: re.search(..., request.path)"
        )
    return f"a pattern is a str, not {type(given).__name__}"


class _Compiler:
    """Walks the text of a pattern once, knowing where it is."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.text = pattern.text
        self.names: list[str] = []
        self.components: list[str | None] = [""]
        self.run = ""
        self.run_at = 0

    def compile(self) -> None:
        position = 1
        for component in self.text[1:].split("/"):
            if self.run:
                self.fail(self.run_at, f'only the last component may end in "{self.run}"')
            if component.startswith(":"):
                self.read_wildcard(component, position)
            else:
                self.components.append(self.decode_static(component, position))
            position += len(component) + 1
        self.pattern.names = tuple(self.names)
        self.pattern.components = tuple(self.components)
        self.pattern.run = self.run

    def read_wildcard(self, component: str, position: int) -> None:
        name = component[1:]
        if name and name[-1] in RUN_SUFFIXES:
            self.run = name[-1]
            self.run_at = position + len(name)
            name = name[:-1]
        else:
            self.components.append(None)
        if not name:
            self.fail(position, 'a wildcard needs a name behind ":"')
        stray = _NAME_END.search(name)
        if stray:
            self.fail(
                position + 1 + stray.start(),
                f"a wildcard's name holds letters, digits, _ and -, not {stray[0]!r}",
            )
        if name in self.names:
            self.fail(position, f'the name "{name}" stands here for the second time')
        self.names.append(name)

    def decode_static(self, component: str, position: int) -> str:
        stray = _NOT_IN_A_PATH.search(component)
        if stray:
            hint = f"write %{ord(stray[0]):02X}" if stray[0] in "?#" else "no path can hold it"
            self.fail(position + stray.start(), f"{stray[0]!r} is not part of a path: {hint}")
        try:
            return decode_component(component)
        except RemoteProtocolError as error:
            broken = _BROKEN_ESCAPE.search(component)
            at = broken.start() if broken else component.index("%")
            self.fail(position + at, error.reason)

    def fail(self, position: int, reason: str) -> NoReturn:
        raise PatternError(self.text, position, reason)
